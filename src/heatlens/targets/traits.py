"""What is asked of any target: whether it stands at a place, and what it is worth as a probability."""

from .classes import ClassTarget, Negative, Probability, Sum
from .outputs import Target


def placed(target: Target) -> bool:
    """Whether a target stands at a place of the picture, so that it cannot follow a view that moves it."""
    parts = target.of if isinstance(target, Sum) else (target.of,) if isinstance(target, Negative) else ()
    return bool(getattr(target, "placed", False)) or any(map(placed, parts))


def as_probability(target: Target) -> Target | None:
    """What a method that scores by probabilities asks for instead of a target; None where there is nothing."""
    if isinstance(target, Negative) and hasattr(target.of, "as_probability"):
        return Negative(target.of.as_probability())
    if isinstance(target, Sum) and any(hasattr(part, "as_probability") for part in target.of):
        parts = tuple(as_probability(part) for part in target.of)
        return Sum(tuple(part for part in parts if isinstance(part, ClassTarget)))
    if hasattr(target, "as_probability"):
        own: Target = target.as_probability()
        return own
    return Probability(target.index) if isinstance(target, ClassTarget) and target.index is not None else None
