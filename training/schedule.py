"""What depends on how far the training has come: learning rate, photo size, how often photos are mixed."""

import math

SIZES = ((0.5, 64), (1.0, 96))


def learning_rate(progress: float, peak: float, warm: float = 0.02) -> float:
    """Linear warm-up, then half a cosine down to zero; progress runs from 0 to 1."""
    if progress < warm:
        return peak * (0.05 + 0.95 * progress / warm)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warm) / (1 - warm))))


def photo_size(progress: float) -> int:
    """Small photos first, at a fraction of the cost; crops enlarge objects, so 96 fits 128 in use (FixRes 2019)."""
    return next(size for end, size in SIZES if progress < end or end == 1.0)


def mix_chance(progress: float) -> float:
    """Share of batches with CutMix; none in the last tenth."""
    return 0.1 if progress < 0.9 else 0.0
