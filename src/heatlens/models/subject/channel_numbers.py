"""Numbers that are declared for every channel."""


def for_channels(numbers: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """One number for each channel, for one channel the mean of several; other numbers as they are."""
    if len(numbers) == 1 or channels == 1:
        return (sum(numbers) / len(numbers),) * channels
    return numbers
