"""The kinds of targets that speak of classes, as a person writes them."""

from .classes import Contrast, Logit, Probability, Rest
from .kind import Asked, Kind
from .made_of_targets import Negative, Sum


def _contrast(asked: Asked) -> Contrast:
    return Contrast(*asked.which(), **asked.settings(Contrast))


def _sum(asked: Asked) -> Sum:
    return Sum(tuple(asked.meant(part) for part in asked.text.split("+")))


LOGIT = Kind("logit", "the score before the softmax (default)", lambda asked: Logit(*asked.which()))
PROBABILITY = Kind("probability", "the score after the softmax", lambda asked: Probability(*asked.which()))
CONTRAST = Kind("contrast", "for the class and not for similar ones (Finer-CAM)", _contrast, settings=True)
REST = Kind("rest", "y + log p (ShapleyCAM)", lambda asked: Rest(*asked.which()))
NEGATIVE = Kind("negative", "the evidence against the class", lambda asked: Negative(asked.meant(asked.text)))
SUM = Kind("sum", "several classes as one, joined by +", _sum, "sum:CLASS+CLASS")
