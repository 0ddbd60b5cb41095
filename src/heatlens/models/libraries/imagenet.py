"""The 1000 classes of ILSVRC 2012: WordNet id, name and synonyms (WordNet 3.0, Princeton University)."""

from functools import cache
from importlib.resources import files

from ...targets import Classes


@cache
def imagenet_classes() -> Classes:
    """Names in the order of the outputs."""
    table = files("heatlens.models.libraries").joinpath("imagenet.tsv").read_text("utf-8")
    rows = [line.split("\t") for line in table.splitlines()]
    wnids, names, synonyms = zip(*rows, strict=True)
    return Classes(
        tuple(names), tuple(tuple(s.split("|")) if s else () for s in synonyms), tuple((wnid,) for wnid in wnids)
    )


def with_synonyms(classes: Classes) -> Classes:
    """The ImageNet classes with their synonyms, where these are the ImageNet classes; else the classes themselves."""
    known = imagenet_classes()
    if len(classes) != len(known) or classes.names[:3] != known.names[:3]:
        return classes
    return Classes(classes.names, known.synonyms, known.wnids)
