"""Findings as annotations of other tools.  One form, one file; this page is their table of contents."""

from ...words.listing import by_name, of_kind
from .coco import COCO as COCO
from .form import Form as Form
from .voc import VOC as VOC

FORMS = by_name(of_kind(globals(), Form))
"""Every form, by its name."""
