"""Networks with int8 layers, as torch.ao makes them: they answer, and their layers can be read, without gradients."""

from dataclasses import replace

from ...engine.forward.layer_outputs import quantised
from ..subject.lacking import LAYERS, Lacking
from ..subject.subject import Subject

_WITHOUT_GRADIENTS = Lacking(LAYERS, "int8 layers have none")


def with_what_it_lacks(subject: Subject) -> Subject:
    """The subject; where its layers are int8, with that declared."""
    return replace(subject, lacking=_WITHOUT_GRADIENTS) if quantised(subject.model) else subject
