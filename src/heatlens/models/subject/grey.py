"""Networks of one channel, as for X-rays: photos are shown to them in grey, by the mean of what colours declare."""

from dataclasses import replace

from torch import nn

from .channel_numbers import for_channels
from .subject import Subject


def in_grey(subject: Subject) -> Subject:
    """The subject; of one whose first convolution takes one channel, photos made grey."""
    declared = subject.preprocessing
    first = next((module for module in subject.model.modules() if isinstance(module, nn.Conv2d)), None)
    if first is None or first.in_channels != 1 or declared.channels == "L":
        return subject
    mean, std = for_channels(declared.mean, 1), for_channels(declared.std, 1)
    return replace(subject, preprocessing=replace(declared, channels="L", mean=mean, std=std))
