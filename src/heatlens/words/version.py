"""The version of heatlens."""

__version__ = "0.2.0.dev0"
