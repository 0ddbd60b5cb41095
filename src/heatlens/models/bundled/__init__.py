"""The small network that ships inside heatlens, its weights and their licence."""
