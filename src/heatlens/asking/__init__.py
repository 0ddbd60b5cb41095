"""The questions that a person asks of a model and a photo, the passes they need, and the answers."""
