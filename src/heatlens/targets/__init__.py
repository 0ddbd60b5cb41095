"""What is explained: values that turn a model's outputs into one score per image."""

from .classes import (
    ClassTarget,
    Contrast,
    Logit,
    Negative,
    Probability,
    Rest,
    Sum,
    settle,
)
from .dense import Mask, Region
from .detections import Box, are_detections, detections
from .names import Classes, classes_of, named_classes
from .outputs import Target, class_logits, class_probabilities, described, logits_of, named_tensor, score_each
from .parse import KINDS, WRITTEN, parse_target
from .sharper import contrasted
from .traits import as_probability, placed
from .values import Similarity, Value, embedding

__all__ = [
    "KINDS",
    "WRITTEN",
    "Box",
    "ClassTarget",
    "Classes",
    "Contrast",
    "Logit",
    "Mask",
    "Negative",
    "Probability",
    "Region",
    "Rest",
    "Similarity",
    "Sum",
    "Target",
    "Value",
    "are_detections",
    "as_probability",
    "class_logits",
    "class_probabilities",
    "classes_of",
    "contrasted",
    "described",
    "detections",
    "embedding",
    "logits_of",
    "named_classes",
    "named_tensor",
    "parse_target",
    "placed",
    "score_each",
    "settle",
]
