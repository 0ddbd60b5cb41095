"""How good is this map?  What metrics may know of it, and the question itself."""
