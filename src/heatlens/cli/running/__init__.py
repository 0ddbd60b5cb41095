"""Work on many photos, watched: what is asked, what is said meanwhile."""
