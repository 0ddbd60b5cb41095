"""The kinds of targets that have a word.  This page is their table of contents."""

from ..words.listing import by_name, of_kind
from .class_kinds import CONTRAST as CONTRAST
from .class_kinds import LOGIT as LOGIT
from .class_kinds import NEGATIVE as NEGATIVE
from .class_kinds import PROBABILITY as PROBABILITY
from .class_kinds import REST as REST
from .class_kinds import SUM as SUM
from .kind import Kind
from .place_kinds import BOX as BOX
from .place_kinds import REGION as REGION
from .value_kinds import SIMILAR as SIMILAR
from .value_kinds import VALUE as VALUE

KINDS = by_name(of_kind(globals(), Kind))
"""Every kind, by its name."""
