"""What is explained: values that turn a model's outputs into one score per image."""

from .classes import ClassTarget, Contrast, Logit, Negative, Probability, Rest, Sum, settle
from .names import Classes, classes_of
from .outputs import Target, class_logits, class_probabilities, described, logits_of, score_each
from .parse import KINDS, parse_target

__all__ = [
    "KINDS",
    "ClassTarget",
    "Classes",
    "Contrast",
    "Logit",
    "Negative",
    "Probability",
    "Rest",
    "Sum",
    "Target",
    "class_logits",
    "class_probabilities",
    "classes_of",
    "described",
    "logits_of",
    "parse_target",
    "score_each",
    "settle",
]
