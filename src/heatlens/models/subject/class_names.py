"""Whether a model has as many class names as classes; otherwise some class would be called by another's name."""

from ...engine.state.evaluating import evaluating
from ...targets import Answer, Logit, Region, are_detections, class_logits, logits_of
from ...words.errors import BadSetting, HeatlensError
from ...words.trees import Tree
from .subject import Subject


def check_class_names(subject: Subject, outputs: Tree) -> None:
    """Raises BadSetting where the names are not as many as the classes that the outputs speak of."""
    names, classes = len(subject.classes), classes_of_outputs(subject, outputs)
    if not names or classes is None or classes == names or (subject.classes.partial and names < classes):
        return
    one = classes == 2 and logits_of(outputs).shape[1:] in ((), (1,))
    spoken = "2 classes, no and yes, as its one output stands for" if one else f"{classes} classes"
    raise BadSetting(
        f"{names} class name{'s' * (names != 1)} for {subject.name}, which has {spoken}",
        "a name for each class, in the order of the outputs",
    )


def check_at_once(subject: Subject) -> None:
    """The same, by a pass over noise; a model that cannot be run on its own preprocessing's size is not judged yet."""
    try:
        with evaluating(subject.model):
            outputs = subject.shown((subject.blank(),)).shown_to(subject.model)
    except (HeatlensError, RuntimeError):
        return
    check_class_names(subject, outputs)


def classes_of_outputs(subject: Subject, outputs: Tree) -> int | None:
    """How many classes outputs speak of; None where they are no scores of classes."""
    if are_detections(outputs):
        return None
    try:
        if isinstance(subject.usual, Region):
            return 2 if isinstance(outputs, Answer) and outputs.meaning.pair else logits_of(outputs).shape[1]
        return class_logits(outputs).shape[1] if isinstance(subject.usual, Logit) else None
    except HeatlensError:
        return None
