"""What is asked of any target: whether it stands at a place, and what it is worth as a probability."""

from .classes import ClassTarget, Probability
from .made_of_targets import Negative, Opposite, Sum
from .outputs import Target


def placed(target: Target) -> bool:
    """Whether a target stands at a place of the picture, so that it cannot follow a view that moves it."""
    parts = target.of if isinstance(target, Sum) else (target.of,) if isinstance(target, Negative | Opposite) else ()
    return bool(getattr(target, "placed", False)) or any(map(placed, parts))


def as_probability(target: Target) -> Target | None:
    """What a method that scores by probabilities asks for instead of a target; None where there is nothing."""
    if isinstance(target, Opposite):
        return None if (own := as_probability(target.of)) is None else Opposite(own)
    if isinstance(target, Negative):
        likely = as_probability(target.of)
        return Negative(likely) if isinstance(likely, ClassTarget) else None
    if isinstance(target, Sum) and any(hasattr(part, "as_probability") for part in target.of):
        parts = tuple(as_probability(part) for part in target.of)
        return Sum(tuple(part for part in parts if isinstance(part, ClassTarget)))
    if hasattr(target, "as_probability"):
        found: Target = target.as_probability()
        return found
    return Probability(target.index) if isinstance(target, ClassTarget) and target.index is not None else None
