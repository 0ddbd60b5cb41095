"""One unit of the work -> its rows.  What fails is a row with its error; one photo cannot spoil the others."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch

from ...asking.batches import HELD, bytes_of
from ...images import Photo, read_photo
from ...measuring.measured import measured
from ...measuring.values import Values
from ...metrics.criterion import Criterion, find_criterion
from ...metrics.truth import Truth
from ...models import Subject
from ...recipes.naming import recipe_name
from ...targets import Classes
from ...words.errors import BadSetting, EvidenceMissing, HeatlensError, MissingExtra, NotEnoughMemory, UnknownName
from ...words.wording import readable
from ..datasets.dataset import Item
from ..requests.request import ModelRequest, Request, Unit
from ..results.rows import Row

_ENDS_THE_RUN = (MissingExtra, MemoryError, NotEnoughMemory, torch.OutOfMemoryError, UnknownName, BadSetting)
"""What says nothing about the photo: no other photo would fare better."""

Outcome = Values | str
"""What came of one recipe for one photo: its values, or in words why there are none."""


@dataclass
class Case:
    """One photo in front of one model."""

    name: str
    photo: Photo | None = None
    truth: Truth = field(default_factory=Truth)
    class_name: str | None = None
    """What the model calls what is true."""
    error: str = ""
    """Why nothing could be measured."""
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    """By the recipe's place in the request."""
    seconds: float = 0.0


@dataclass
class Worker:
    """Works on units; holds the model that it worked on last, so that a model's units cost one loading."""

    request: Request
    device: str = "cpu"
    _held: tuple[int, Subject] | None = None
    _missing: dict[int, str] = field(default_factory=dict)
    """The recipes that the held model cannot give, whatever the photo, and why."""

    def ready(self) -> bool:
        """For whoever waits until there is room for a worker."""
        return True

    @property
    def _criteria(self) -> list[Criterion]:
        return [find_criterion(criterion) for criterion in self.request.criteria]

    def rows(self, unit: Unit) -> list[Row]:
        """The rows of a unit: photo by photo, recipe by recipe, metric by metric.

        Batches are cut within the unit, so that a photo's company, and with it the last bit of its values, depends on
        nothing but the request.
        """
        subject = self._subject(unit.model)
        size = 1 if any(recipe.entry.joint for recipe in self.request.recipes) else self.request.batch_size
        hopeless: set[int] = set()
        found: list[Row] = []
        for cases in self._batches(unit, subject, size):
            self._measure([case for case in cases if not case.error], subject, hopeless)
            found += [row for case in cases for row in self._rows(case, self.request.models[unit.model].name)]
        return found

    def _batches(self, unit: Unit, subject: Subject, size: int) -> Iterator[list[Case]]:
        """`size` photos, or as many as are held at once."""
        cases: list[Case] = []
        for item in unit.items:
            cases.append(self._case(item, subject))
            if len(cases) == size or sum(bytes_of(case.photo) for case in cases) > HELD:
                yield cases
                cases = []
        if cases:
            yield cases

    def _subject(self, model: int) -> Subject:
        if self._held is None or self._held[0] != model:
            self._held, self._missing = None, {}  # before the next one takes memory
            asked = self.request.models[model]
            self._held = (model, asked.load(self.device) if isinstance(asked, ModelRequest) else asked)
        return self._held[1]

    def _case(self, item: Item, subject: Subject) -> Case:
        try:
            needs_label = self.request.target == "label"
            truth = item.truth(subject.classes, needs_label=needs_label)
            return Case(item.name, read_photo(item.photo), truth, _class_name(subject.classes, truth.label))
        except (MissingExtra, MemoryError):
            raise  # says nothing about the photo
        except Exception as error:  # whatever a damaged annotation does to the library that reads it
            return Case(item.name, error=_in_words(error))

    def _measure(self, cases: Sequence[Case], subject: Subject, hopeless: set[int]) -> None:
        """All recipes together; those that do not go together one by one, and photo by photo where that fails too.

        hopeless: recipes that failed for every photo of a batch; from then on they do not hold up the others.
        """
        if not cases:
            return
        begin = time.perf_counter()
        recipes = range(len(self.request.recipes))
        together = [r for r in recipes if r not in hopeless and r not in self._missing]
        apart = [r for r in recipes if r in hopeless]
        if together and not self._tried(cases, subject, together):
            apart += together
        hopeless |= {r for r in apart if not self._one_recipe(cases, subject, r)} - self._missing.keys()
        if found_missing := [r for r in apart if r in self._missing]:
            self._again(cases, subject, [r for r in together if r not in found_missing])
        for case in cases:
            case.seconds = (time.perf_counter() - begin) / len(cases)

    def _again(self, cases: Sequence[Case], subject: Subject, recipes: Sequence[int]) -> None:
        """Together what goes together now, so that no value depends on which photos were worked on before."""
        alone = [dict(case.outcomes) for case in cases]
        if recipes and not self._tried(cases, subject, recipes):
            for case, outcomes in zip(cases, alone, strict=True):
                case.outcomes = outcomes

    def _one_recipe(self, cases: Sequence[Case], subject: Subject, recipe: int) -> bool:
        """Whether any of the photos could be measured."""
        if self._tried(cases, subject, [recipe]):
            return True
        each = cases if len(cases) > 1 and recipe not in self._missing else []
        alone = [self._tried([case], subject, [recipe]) for case in each]
        return any(alone)

    def _tried(self, cases: Sequence[Case], subject: Subject, recipes: Sequence[int]) -> bool:
        """Whether these recipes could be measured for these photos at once; if not, why is kept."""
        request = self.request
        try:
            found = measured(
                subject,
                [case.photo for case in cases if case.photo is not None],
                [request.recipes[r] for r in recipes],
                self._criteria,
                [case.truth for case in cases],
                target=request.target,
                seed=request.seed,
                precision=request.precision,
            )
        except _ENDS_THE_RUN:
            raise
        except Exception as error:  # a run of days must not end with whatever one photo does to one library
            if len(recipes) == 1 and isinstance(error, EvidenceMissing):
                self._missing[recipes[0]] = _in_words(error)
            for case in cases:
                case.outcomes |= dict.fromkeys(recipes, _in_words(error))
            return False
        for case, values in zip(cases, found, strict=True):
            case.outcomes |= dict(zip(recipes, values, strict=True))
        return True

    def _rows(self, case: Case, model: str) -> Iterator[Row]:
        for r, recipe in enumerate(self.request.recipes):
            outcome = case.error or self._missing.get(r) or case.outcomes[r]
            for criterion in self._criteria:
                yield _row(case, model, recipe_name(recipe), criterion.name, outcome)


def _row(case: Case, model: str, recipe: str, metric: str, outcome: Outcome) -> Row:
    row = Row(
        case.name, model, recipe, metric, label=case.truth.label, class_name=case.class_name, seconds=case.seconds
    )
    if isinstance(outcome, str):
        return replace(row, error=outcome)
    found = outcome[metric]
    return replace(row, values=found) if isinstance(found, list) else replace(row, value=found)


def _class_name(classes: Classes, label: int | None) -> str | None:
    return classes.names[label] if label is not None and label < len(classes) else None


def _in_words(error: Exception) -> str:
    first = (str(error).splitlines() or [""])[0]
    return readable(str(error) if isinstance(error, HeatlensError) else f"{type(error).__name__}: {first}")
