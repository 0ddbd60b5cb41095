"""Adapters, one library per file: a network as somebody brings it -> a Subject."""

from ..recipes.layers import Named
from .cam_head import cam_head
from .load import load, subject_of
from .subject.subject import Subject

__all__ = ["Named", "Subject", "cam_head", "load", "subject_of"]
