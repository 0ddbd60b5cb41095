"""Why maps of some methods do not hold still when the photo changes by a thousandth of its range.

docs/conditioning.md has the measurements; `METHODS[...].caution` says which method carries which.
"""

from collections.abc import Mapping
from typing import Any, Protocol


class Looked(Protocol):
    """What a method's caution may ask about the network and the layers that are looked at."""

    @property
    def signed(self) -> bool:
        """Whether activations have both signs."""

    @property
    def attends(self) -> bool:
        """Whether the network has attention in it."""


Settings = Mapping[str, Any]


def none(looked: Looked, settings: Settings) -> str:
    """The map holds still."""
    return ""


def exchanged(looked: Looked, settings: Settings) -> str:
    """Hard groups of channels, of which one or two make the map."""
    return "groups of channels are discrete choices: a change of a thousandth of the photo can exchange them"


def regions(looked: Looked, settings: Settings) -> str:
    """Superpixels, whose borders are all or nothing."""
    return "superpixels are discrete choices: a change of a thousandth of the photo can move their borders"


def shallow_slopes(looked: Looked, settings: Settings) -> str:
    """Derivatives at the first convolutions, each layer counting alike."""
    return "slopes at the first layers change with the least noise, and count like any; average='noise' settles them"


def restless_slopes(looked: Looked, settings: Settings) -> str:
    """Derivatives far in front of blocks of attention."""
    if not looked.attends:
        return ""
    return "a transformer's slopes near the image change with the least noise; average='noise' settles them"


def mixed_slopes(looked: Looked, settings: Settings) -> str:
    """Derivatives of neighbouring tokens, averaged although they are little alike."""
    return "slopes of neighbouring tokens are little alike; smoothing=0 is steadier" if looked.attends else ""


def vanishing_sum(looked: Looked, settings: Settings) -> str:
    """A division by a channel's sum."""
    if not looked.signed:
        return ""
    if settings["absolute"]:
        return "where activations have both signs, weights are small differences; grad_cam is steadier"
    return "a channel's sum may be next to nothing where activations have both signs; absolute=yes is bounded"


def unfinished_search(looked: Looked, settings: Settings) -> str:
    """A search of few steps, whose first ones are equally long in every direction, however slight its slope."""
    return "a search of few steps ends elsewhere when the photo changes a little; a smaller rate is steadier"


def jumping_rectifiers(looked: Looked, settings: Settings) -> str:
    """A picture that is constant but for jumps."""
    return (
        "which rectifiers pass changes with the least noise, and the picture jumps with it; average='noise' settles it"
    )


def without_gamma(looked: Looked, settings: Settings) -> str:
    """Relevance that is the plain share of large summands of either sign."""
    if settings["rule"] != "libra" and settings["gamma"] and settings["conv_gamma"]:
        return ""
    return "without gamma, relevance is a difference of large summands; the usual gammas are steadier"


def poles(looked: Looked, settings: Settings) -> str:
    """Shares in sums that pass zero."""
    if settings["rule"] != "paper":
        return ""
    return "the paper's rules divide by sums that pass zero; rule=attn_lrp does not"
