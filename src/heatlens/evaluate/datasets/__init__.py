"""The forms in which photos and what is true of them come."""
