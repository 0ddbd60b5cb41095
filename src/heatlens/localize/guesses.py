"""Five guesses of a class and a box from several boxes per class, as the CAM release makes them."""

from collections.abc import Sequence

from .boxes import Box

_ORDER = ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0))
"""(class by rank, box): the loose and the tight box of the first two classes, the loose one of the third."""


def first_five(boxes: Sequence[Sequence[Box]]) -> list[tuple[int, Box]]:
    """(rank of the class, box) of at most five guesses, from each class's boxes (CAM, arXiv:1512.04150, section 3.2).

    A class with fewer boxes gives what it has.
    """
    return [(rank, boxes[rank][k]) for rank, k in _ORDER if rank < len(boxes) and k < len(boxes[rank])]
