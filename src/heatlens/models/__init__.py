"""Adapters, one library per file: a network as somebody brings it -> a Subject."""

from ..recipes.layers import Named
from .cam_heads import cam_head
from .loading import load, subject_of
from .subject.subject import Subject

__all__ = ["Named", "Subject", "cam_head", "load", "subject_of"]
