"""How the small network that ships with heatlens was trained."""
