"""Passes in which the attention of transformers can be looked into."""
