"""Adapters, one library per file: a network as somebody brings it -> a Subject."""

from .choosing import Named
from .gap_head import cam_head
from .recognise import load, subject_of
from .subject import Subject

__all__ = ["Named", "Subject", "cam_head", "load", "subject_of"]
