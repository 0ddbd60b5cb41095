"""Adapters, one library per file: a network as somebody brings it -> a Subject."""

from .recognise import load, subject_of
from .subject import Subject

__all__ = ["Subject", "load", "subject_of"]
