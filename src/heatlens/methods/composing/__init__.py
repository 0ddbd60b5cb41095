"""Methods composed from parts."""

from .building import compose as compose
from .in_words import find_composition as find_composition
