"""Five guesses of a class and a box from several boxes per class, as the CAM release makes them."""

from collections.abc import Sequence

from ..images.regions import FIVE_GUESSES
from .boxes import Box


def first_five(boxes: Sequence[Sequence[Box]]) -> list[tuple[int, Box]]:
    """(rank of the class, box) of at most five guesses, from each class's boxes (CAM, arXiv:1512.04150, section 3.2).

    A class with fewer boxes gives what it has.
    """
    return [(rank, boxes[rank][k]) for rank, k in FIVE_GUESSES if rank < len(boxes) and k < len(boxes[rank])]
