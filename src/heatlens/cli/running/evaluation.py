"""One run of `heatlens evaluate`: the request is made of words, the work is watched, the table is said."""

from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...words.errors import BadValue
from ..options.model import device_from, load_options, pairs
from ..options.question import methods_of
from ..terminal import echo
from .progress import reading

if TYPE_CHECKING:
    from ...evaluate import ModelRequest, Request, Summary
    from ...evaluate.results.rows import Row

_REASONS = 5
"""How many different errors are said; the others are in the rows."""


class Evaluating:
    """What was asked, and what is said about it."""

    def __init__(self, dataset: str, options: dict[str, Any]) -> None:
        self.dataset, self.options = dataset, options
        self.out = Path(options["out"]).expanduser()
        self._told: set[tuple[str, str, str]] = set()
        self._photos = 0
        self._bar: Any = None

    def run(self) -> int:
        """0: everything is measured; 1: some rows are errors; 130: the work was interrupted."""
        from tqdm import tqdm

        from ...evaluate import as_text, run, summarise

        request = self.request()
        self._say(
            f"{_count(request.data.items, 'photo')} x {_count(request.models, 'model')} x "
            f"{_count(request.recipes, 'recipe')} x {_count(request.criteria, 'metric')} -> {self.out}"
        )
        engine = {key: self.options[key] for key in ("engine", "workers", "address")}
        off = True if self.options["quiet"] else None
        self._photos = len(request.data)
        total = self._photos * len(request.models)
        try:
            with tqdm(total=total, unit="photo", smoothing=0.05, disable=off) as self._bar:
                run(request, self.out, device=device_from(self.options["device"]), watch=self._watch, **engine)
        except KeyboardInterrupt:
            echo(f"heatlens: interrupted; the same command carries on in {self.out}", err=True)
            return 130
        with reading("table", quiet=self.options["quiet"]) as progress:
            found = summarise(self.out, progress=progress)
        echo(as_text(found))
        self._undefined(found)
        return self._failed()

    def request(self) -> "Request":
        """The request that the options describe; raises `HeatlensError` before anything is measured."""
        from ...evaluate import Request, Selection, each_layer, open_dataset, read_subset, with_centre
        from ...metrics.criterion import find_criterion
        from ...recipes.asked import recipes

        options = self.options
        criteria = [find_criterion(metric) for metric in options["metric"]]
        settings = pairs("--set", options["settings"])
        asked = recipes(
            methods_of(options), settings, list(options["layers"]) or None, options["fuse"], options["average"]
        )
        subset = read_subset(Path(options["subset"])) if options["subset"] else ()
        taken = Selection(options["match"], subset, options["every"], options["start"], options["limit"])
        usual = "label" if any(criterion.metric.needs_truth for criterion in criteria) else "prediction"
        target = options["target"] or usual
        models = self._models()
        return Request(
            data=taken.of(open_dataset(self.dataset, **pairs("--dataset-arg", options["dataset_arg"]))),
            models=models,
            recipes=with_centre(each_layer(asked, models), criteria),
            criteria=tuple(criteria),
            target=None if target == "prediction" else target,
            seed=options["seed"],
            precision=None if options["precision"] == "fp32" else options["precision"],
            batch_size=options["batch_size"],
            part_size=options["part_size"],
        )

    def _models(self) -> "tuple[ModelRequest, ...]":
        from ...evaluate import ModelRequest, read_models

        options = self.options
        if options["weights"] and len(options["model"]) > 1:
            raise BadValue("one --weights for several models", "a file that says which belong together", "Use --models")
        given = tuple(sorted(load_options(options).items()))
        named = options["model"] or (() if options["models"] else ("bundled",))
        if not named and (options["weights"] or given):
            beside = options["weights"] or ", ".join(key for key, _ in given)
            raise BadValue(f"{beside} beside --models alone", "what is each model's own in its section of the file")
        listed = read_models(Path(options["models"])) if options["models"] else ()
        return (*(ModelRequest(name, name, options["weights"], given) for name in named), *listed)

    def _watch(self, photos: int, rows: "list[Row]") -> None:
        if not rows:  # done before: no work of this run, or the time left would come out too short
            self._bar.initial = self._bar.n = photos
            self._bar.refresh()
            return
        self._bar.update(photos)
        by: dict[tuple[str, str, str], list[str]] = {}
        for row in rows:
            by.setdefault((row.model, row.recipe, row.metric), []).append(row.error or "")
        for (model, recipe, _), errors in by.items():
            if all(errors):
                self._warn(model, recipe, Counter(errors).most_common(1)[0][0])

    def _warn(self, model: str, recipe: str, error: str) -> None:
        """Say once what fails for every photo of a part: it will for the others, too."""
        if (model, recipe, error) not in self._told:
            self._told.add((model, recipe, error))
            self._say(f"{model}, {recipe}: {error}", err=True, fg="yellow")

    def _undefined(self, found: "list[Summary]") -> None:
        """Say which metrics have no value for any photo although not everything failed, and what they need."""
        from ...metrics.criterion import find_criterion
        from ...words.signature import needs

        tried = {one.metric: None for one in found if one.errors < self._photos}
        for metric in [m for m in tried if m not in {one.metric for one in found if one.photos}]:
            words = needs(find_criterion(metric).metric.function)
            asked = ", ".join(word for word in words if word in ("boxes", "masks", "labels"))
            self._say(f"{metric} is not defined for any photo{': it needs ' * bool(asked)}{asked}", err=True)

    def _failed(self) -> int:
        """Say what failed, the reasons that have not been said yet; 1 if anything did."""
        from ...evaluate.results.rows import failures

        reasons = failures(self.out)
        told = {error for _, _, error in self._told} if not self.options["quiet"] else set()
        left = [(error, photos) for error, photos in reasons.items() if error not in told]
        for error, photos in left[:_REASONS]:
            more = f" and {len(photos) - 1} more" if len(photos) > 1 else ""
            about = "" if photos[0] in error and not more else f"{photos[0]}{more}: "
            echo(f"heatlens: {about}{error}", err=True)
        if len(left) > _REASONS:
            rest = f"{len(left) - _REASONS} more errors: heatlens table {self.out} --rows rows.csv"
            echo(f"heatlens: {rest}", err=True)
        return 1 if reasons else 0

    def _say(self, text: str, *, err: bool = False, **style: Any) -> None:
        if not self.options["quiet"]:
            with nullcontext() if self._bar is None else self._bar.external_write_mode():
                echo(text, err=err, **style)


def _count(things: "tuple[Any, ...]", word: str) -> str:
    return f"{len(things)} {word}{'s' * (len(things) != 1)}"
