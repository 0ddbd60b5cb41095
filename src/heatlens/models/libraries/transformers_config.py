"""What a configuration and a processor of transformers declare."""

from typing import Any

from ...images import Preprocessing
from ...targets import Classes, ClassTarget, Logit, Meaning, Region, Similarity, classes_of
from ..reading.layouts import Reading
from ..subject.plain import patch_stride
from .imagenet import imagenet_classes
from .processors import preprocessing_of
from .timm import from_module as timm_module

_CLASSIFIERS, _SEGMENTATION = ("ForImageClassification", "ForVideoClassification"), "ForSemanticSegmentation"


def reading_of(model: Any, usual: ClassTarget) -> Reading:
    """Clips lie as (n, frames, channels, h, w); only TimeSformer keeps the frames of a place together."""
    config = model.config
    clips = frames_of(config) is not None
    return Reading(
        patch=patch_stride(model),
        head=not isinstance(usual, Similarity),
        outputs=_meaning(config),
        axes="ntchw" if clips else None,
        time_last=config.model_type == "timesformer" if clips else None,
    )


def frames_of(config: Any) -> int | None:
    """Of the clips that a model looks at; None: it looks at photos."""
    return getattr(config, "num_frames", None)


def _meaning(config: Any) -> Meaning:
    """Labels of which any may be true, where the configuration says so."""
    several = getattr(config, "problem_type", None) == "multi_label_classification"
    return Meaning(scores="multilabel" if several else None)


def usual_of(kind: str) -> ClassTarget:
    """What is explained where only a class is named, by the name of the model's type."""
    if kind.endswith(_SEGMENTATION):
        return Region()
    return Logit() if any(word in kind for word in _CLASSIFIERS) else Similarity()


def shown_by(model: Any, processor: Any) -> tuple[Preprocessing, tuple[str, ...]]:
    """What the model is shown, and what of it was assumed."""
    if hasattr(model, "timm_model"):
        return timm_module(model.timm_model).preprocessing, ()
    if processor is not None and hasattr(processor, "to_dict"):
        return preprocessing_of(processor), ()
    inside = getattr(model.config, "vision_config", model.config)
    side = getattr(inside, "image_size", 224)
    size = (side, side) if isinstance(side, int) else (int(side[0]), int(side[1]))
    return Preprocessing(size=size), (f"preprocessing: {size[0]}x{size[1]}, ImageNet mean and std",)


def labels_of(config: Any) -> Classes:
    """The names of the labels, where somebody gave them; the parts of `tabby, tabby cat` are names too."""
    named = {int(index): str(label) for index, label in (config.id2label or {}).items()}
    if all(label == f"LABEL_{index}" for index, label in named.items()):
        return Classes()
    if len(named) == 1000 and named.get(0, "").startswith("tench"):
        return imagenet_classes()
    names = classes_of(named).names
    return Classes(names, tuple(tuple(part.strip() for part in name.split(",")) for name in names))
