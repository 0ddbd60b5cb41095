"""What several metrics have in common."""
