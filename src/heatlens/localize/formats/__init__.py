"""Findings as annotations of other tools.  One form, one file; this page is their table of contents."""

from types import MappingProxyType

from .coco import COCO as COCO
from .form import Form as Form
from .voc import VOC as VOC

FORMS = MappingProxyType({form.name: form for form in list(globals().values()) if isinstance(form, Form)})
"""Every form, by its name."""
