"""Photos of which crops are looked at: what is seen of them, what is asked of the middle one, what all say together."""

from collections.abc import Sequence
from dataclasses import replace
from math import log

import torch

from ..engine.forward.inputs import Inputs
from ..engine.passes.scene import Options, Scene
from ..models.subject.subject import Subject
from ..recipes.averages import Average, Crops, find_average
from ..recipes.recipe import Recipe
from ..targets import Logit, are_detections, each_its_own, log_probabilities, scores_in, with_logits
from ..words.errors import BadValue
from ..words.notation import Maps, resize
from ..words.signature import needs
from ..words.trees import Tree
from .request import Wishes

_WITHOUT_NETWORK = frozenset({"images", "baseline", "enlarge"})


def blind(recipe: Recipe) -> bool:
    """Whether its maps come from no network, as the centre's, so that it stands beside any average."""
    return not recipe.parts and recipe.needs <= _WITHOUT_NETWORK and recipe.average is None


def blind_maps(subject: Subject, inputs: Inputs, recipe: Recipe) -> Maps:
    """Of a recipe that is `blind`, over the whole of what is shown."""
    images = inputs.images.float()
    known = {
        "images": images,
        "baseline": subject.baseline(images),
        "enlarge": lambda stack: resize(stack, tuple(images.shape[2:])),
    }
    function = recipe.entry.function
    found: Maps = function(*(known[word] for word in needs(function)), **dict(recipe.settings))
    return found


def around(subject: Subject, asked: Sequence[Recipe]) -> tuple[Subject, Sequence[Recipe]]:
    """Crops are cut from a photo before its centre is: the subject that sees so much, recipes that know the size."""
    p, averages = subject.preprocessing, [find_average(r.average) for r in asked if not blind(r)]
    if not averages or not all(isinstance(average, Crops) and not average.size for average in averages):
        return subject, asked
    narrow = p.before_cut == p.size or p.before_cut[0] < p.size[0] or p.before_cut[1] < p.size[1]
    if subject.any_size or p.resize == "pad" or narrow:
        return subject, asked
    wide = replace(subject, preprocessing=replace(p, size=p.before_cut))
    return wide, [r if blind(r) else replace(r, average=_sized(r, p.size)) for r in asked]


def plainly(inputs: Inputs, asked: Sequence[Recipe]) -> Inputs:
    """What the model is shown when it is asked plainly: of pictures that an average cuts crops from, the centre."""
    averages = _averages(asked)
    cutting = next((average for average in averages if isinstance(average, Crops) and average.size), None)
    if cutting is None:
        return inputs
    if len(averages) > 1:
        raise BadValue("crops of a size beside other averages", "one average at a time", "ask for each by itself")
    return inputs.showing(cutting.centre(inputs.images))


def choosing(subject: Subject, inputs: Inputs, clean: Scene, asked: Sequence[Recipe], wishes: Wishes) -> Tree | None:
    """The outputs that choose classes: of crops the mean of what they say, as probabilities; else None, the scene's.

    The release of CAM takes that mean.  The logarithm of the mean stands where the logits were.
    """
    averages = _averages(asked)
    average = next(iter(averages)) if len(averages) == 1 else None
    if not isinstance(average, Crops) or average.choose == "centre" or not isinstance(subject.usual, Logit):
        return None
    plain = clean.outputs
    logits = None if are_detections(plain) or each_its_own(plain) else scores_in(plain)
    if logits is None or logits.ndim != 2 or logits.shape[1] < 2:
        return plain
    options = Options(graph=False, precision=wishes.precision)
    said = []
    for images, _ in average.views(inputs.images, subject.baseline(inputs.images)):
        scene = Scene(subject.model, inputs.showing(images), [], subject.layout, subject.baseline(images), options)
        said.append(log_probabilities(scene.outputs).detach().float())
    return with_logits(plain, (torch.stack(said).logsumexp(0) - log(len(said))).to(logits))


def _averages(asked: Sequence[Recipe]) -> set[Average | None]:
    return {find_average(recipe.average) for recipe in asked if not blind(recipe)}


def _sized(recipe: Recipe, size: tuple[int, ...]) -> Average:
    return replace(find_average(recipe.average), size=size)  # type: ignore[type-var,return-value]
