"""What is explained: values that turn a model's outputs into one score per image."""

from .classes import ClassTarget, Contrast, Logit, Probability, Rest
from .contrasting import contrasted
from .dense import Mask, Region
from .detections import Box, are_detections, detections
from .fitting import fitting
from .kinds import KINDS
from .made_of_targets import Negative, Opposite, Sum, settle, settle_each
from .meaning import SCORES, Answer, Meaning
from .names import Classes, classes_of, named_classes
from .outputs import (
    Target,
    class_logits,
    class_probabilities,
    described,
    each_its_own,
    given_to,
    log_probabilities,
    logits_of,
    named_tensor,
    numbers_of,
    score_each,
    scores_in,
    with_logits,
)
from .parse import parse_target
from .traits import as_probability, placed
from .values import Anything, Similarity, Value, embedding

__all__ = [
    "KINDS",
    "SCORES",
    "Answer",
    "Anything",
    "Box",
    "ClassTarget",
    "Classes",
    "Contrast",
    "Logit",
    "Mask",
    "Meaning",
    "Negative",
    "Opposite",
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
    "each_its_own",
    "embedding",
    "fitting",
    "given_to",
    "log_probabilities",
    "logits_of",
    "named_classes",
    "named_tensor",
    "numbers_of",
    "parse_target",
    "placed",
    "score_each",
    "scores_in",
    "settle",
    "settle_each",
    "with_logits",
]
