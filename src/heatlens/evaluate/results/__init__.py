"""The rows of an evaluation as files."""
