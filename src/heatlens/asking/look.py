"""Recipes and targets -> maps, with as few passes through the network as they need together."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..engine.forward.batching import at_once, chunked, one_warning, out_of_memory
from ..engine.forward.finite import Doubts
from ..engine.forward.inputs import Inputs
from ..engine.state.evaluating import evaluating
from ..engine.state.in_place import again_if_written
from ..models.subject.class_names import check_class_names
from ..models.subject.subject import Subject
from ..recipes.averages import Average, find_average
from ..recipes.recipe import Recipe
from ..targets import Logit, Target
from ..words.errors import BadValue
from ..words.notation import Maps
from .answer import Seen, joined
from .crops import blind, blind_maps, choosing, plainly
from .maps import advised, maps_of, mean_of, scene_of
from .parts import Wanted, together, wanted
from .request import Wishes
from .settling import aims_of, probabilities, ranking
from .warnings import notes_on


@one_warning()
def look(
    subject: Subject, inputs: Inputs, asked: Sequence[Recipe], targets: Sequence[Sequence[Target]], wishes: Wishes
) -> Seen:
    """Explain every image of a batch by every recipe for every target; targets[t][i] is for image i.

    A recipe whose layers or parts are not fused becomes several in the answer.
    """
    if not inputs.batch:
        raise BadValue("a batch of 0 images", "at least one image")
    parts = [part for recipe in asked for part in recipe.parts or (recipe,)]
    if subject.lacking is not None:
        for part in parts:
            subject.lacking.check(part.entry)
    plain = plainly(inputs, parts)
    maps = _wanted(subject, plain, asked)
    looks = [one for each in maps for one in each.looks]

    def look_at(start: int, stop: int) -> Seen:
        shown, unviewed = inputs.part(start, stop), plain.part(start, stop)
        of_part = [row[start:stop] for row in targets]
        return again_if_written(subject.model, lambda: _look(subject, shown, unviewed, looks, of_part, wishes))

    if any(one.entry.joint for one in looks):
        seen = at_once(lambda: look_at(0, inputs.batch), inputs.batch)
    else:
        seen = joined(list(chunked(look_at, inputs.batch, inputs.batch, what="images")))
    return together(maps, seen, inputs.size)


def _wanted(subject: Subject, inputs: Inputs, asked: Sequence[Recipe]) -> list[Wanted]:
    """The maps that are asked for; layers are looked for with one image where all do not fit into memory."""
    try:
        return wanted(subject, inputs, asked)
    except (RuntimeError, MemoryError) as error:
        if inputs.batch == 1 or not out_of_memory(error):
            raise
    return wanted(subject, inputs.part(0, 1), asked)


def _look(
    subject: Subject,
    inputs: Inputs,
    plain: Inputs,
    recipes: Sequence[Recipe],
    targets: Sequence[Sequence[Target]],
    wishes: Wishes,
) -> Seen:
    """The same for recipes of one part each, their layers by name.  plain: what the model is shown without views."""
    groups: dict[Average | None, list[int]] = {None: []}
    beside = [r for r, recipe in enumerate(recipes) if blind(recipe)]
    for r in (r for r in range(len(recipes)) if r not in beside):
        groups.setdefault(find_average(recipes[r].average), []).append(r)
    doubts = Doubts(lambda error, layer: advised(error, subject, plain, layer))
    with evaluating(subject.model, differentiable=wishes.differentiable), _settled(doubts):
        clean = scene_of(subject, plain, [recipes[r] for r in groups[None]], wishes, doubts)
        if len(subject.classes):
            check_class_names(subject, clean.outputs)
        chosen_on = choosing(subject, inputs, clean, recipes, wishes)
        aims = aims_of(clean, chosen_on, recipes, targets, subject.usual, blindly=not wishes.scores)
        scores = aims.scores(clean.outputs) if wishes.scores else []
        maps: list[list[Maps]] = [[] for _ in recipes]
        for r in beside:
            maps[r] = [blind_maps(subject, inputs, recipes[r])] * len(aims.settled)
        for average, members in groups.items():
            group = [recipes[r] for r in members]
            if average is None:
                found = maps_of(subject, clean, group, aims, wishes.upsample)
            else:
                found = mean_of(subject, inputs.meant(clean.inputs.meaning), group, average, aims, wishes, doubts)
            for r, row in zip(members, found, strict=True):
                maps[r] = row
        said: list[list[list[list[str]]]] = [[[[]] * inputs.batch] * len(aims.settled)] * len(recipes)
        if wishes.notes:
            none: list[list[str]] = [[]] * len(aims.settled)
            said = notes_on(maps, recipes, clean, [none if r in beside else aims.notes for r in range(len(recipes))])
        ranked = wishes.scores and isinstance(subject.usual, Logit)
        order = ranking(clean.outputs if chosen_on is None else chosen_on) if ranked else None
    return Seen(list(recipes), maps, aims.settled, scores, probabilities(order, aims.settled), order, said)


@contextmanager
def _settled(doubts: Doubts) -> Iterator[None]:
    """Doubts are settled at the end; before an error goes on, which may be one of them that shows elsewhere."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            doubts.settle()
        raise
    doubts.settle()
