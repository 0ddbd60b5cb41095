"""`measured`: what the engine tells the metrics, and that the model is given back as it was."""

import gc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import heatlens
from engine.state.test_state import a_users_model, assert_unchanged, fingerprint
from heatlens.engine.copies.randomised import randomised
from heatlens.engine.evidence import scoring
from heatlens.engine.forward.inputs import Inputs
from heatlens.images import Preprocessing, read_photo
from heatlens.measuring import evidence
from heatlens.measuring.measured import measured
from heatlens.measuring.values import Values
from heatlens.methods.contents import as_entry
from heatlens.metrics.criterion import find_criterion
from heatlens.metrics.truth import Truth
from heatlens.models import Subject
from heatlens.recipes.asked import recipes
from heatlens.recipes.recipe import Recipe
from heatlens.words.errors import BadPhoto, BadValue, EvidenceMissing
from heatlens.words.metric import metric
from heatlens.words.signature import settings
from helpers.networks import Gap

SIDE = 16
SHOWN = Preprocessing(size=(SIDE, SIDE), resize="squash")
ALL = ["adcc", "average_drop", "average_gain", "class_discrimination", "coherency", "complexity", "deletion:step=16",
       "increase_in_confidence", "infidelity:samples=20", "insertion:step=16", "max_sensitivity:samples=3",
       "parameter_randomisation", "random_logit", "road:percents=20+60", "road_lerf:percents=20",
       "road_morf:percents=20", "sensitivity_n:subsets=10,sizes=3"]  # fmt: skip


def subject_of(model: nn.Module) -> Subject:
    return Subject("gap", model, SHOWN, layers=("body",))


def gap(inplace: bool = False) -> Gap:
    torch.manual_seed(0)
    model = Gap(inplace=inplace)
    with torch.no_grad():
        model.head.weight.mul_(30)  # so that probabilities move
    return model.eval()


def some_photos(n: int = 3) -> list[Any]:
    random = np.random.default_rng(1)
    return [read_photo(random.integers(0, 255, (20 + 4 * i, 24, 3), dtype=np.uint8)) for i in range(n)]


def plain(*methods: str) -> list[Recipe]:
    return recipes(list(methods or ("grad_cam",)), {})


def run(subject: Subject, photos: list[Any], criteria: list[Any], *methods: str, **given: Any) -> list[list[Values]]:
    return measured(subject, photos, plain(*methods), [find_criterion(c) for c in criteria], **given)


@pytest.fixture
def spy() -> SimpleNamespace:
    """A metric that shows its evidence: `spy.metric`, `spy.seen`."""
    seen: dict[str, Any] = {}

    @metric(better="neither")
    def spying(heat, attribution, images, confidence, masks, boxes, labels, ranking, classes, explained, heat_of):  # type: ignore[no-untyped-def]
        seen.update(locals())
        return heat.flatten(1).sum(1)

    return SimpleNamespace(metric=spying, seen=seen)


def test_the_evidence(spy: SimpleNamespace) -> None:
    model, photos = gap(), some_photos(2)
    subject = subject_of(model)
    mask = np.zeros((20, 24), np.uint8)
    mask[:10] = 1
    truths = [Truth(2, ((0.0, 0.0, 12.0, 10.0),), mask), Truth()]
    run(subject, photos, [spy.metric], "hires_cam", truths=truths, target=0)
    images = torch.cat([subject.prepare(photo)[0] for photo in photos])
    logits = model(images)
    torch.testing.assert_close(spy.seen["images"], images)
    assert spy.seen["classes"].tolist() == [0, 0]
    torch.testing.assert_close(spy.seen["confidence"], logits.softmax(1)[:, 0])
    assert spy.seen["ranking"].tolist() == logits.argsort(1, descending=True).tolist()
    maps = heatlens.attribute(subject, images, method="hires_cam", target=0)
    assert (maps < 0).any()
    torch.testing.assert_close(spy.seen["attribution"], maps)
    peak = maps.flatten(1).amax(1)[:, None, None]
    torch.testing.assert_close(spy.seen["heat"], maps.clamp(min=0) / peak)
    assert [b.tolist() for b in spy.seen["boxes"]] == [[[0.0, 0.0, 8.0, 8.0]], []]
    assert spy.seen["labels"].tolist() == [2, -1]
    assert spy.seen["masks"][0, :8].eq(1).all()
    assert spy.seen["masks"][0, 8:].eq(0).all()
    assert spy.seen["masks"][1].eq(255).all()
    other = torch.rand_like(images)
    fixed = heatlens.attribute(subject, other, method="hires_cam", target=0)
    with torch.no_grad():
        torch.testing.assert_close(spy.seen["explained"](other), fixed)
        assert spy.seen["heat_of"](other).amax() == 1


def test_a_map_displayed_by_its_range_is_heat_from_its_lowest_value_on(spy: SimpleNamespace) -> None:
    name = next(n for n in heatlens.methods() if as_entry(n).display == "range")
    run(subject_of(gap()), some_photos(2), [spy.metric], name)
    assert not spy.seen["attribution"].eq(0).all()
    low, high = spy.seen["attribution"].flatten(1).aminmax(dim=1)
    torch.testing.assert_close(
        spy.seen["heat"], (spy.seen["attribution"] - low[:, None, None]) / (high - low)[:, None, None]
    )


def test_the_mask_and_the_boxes_are_laid_where_the_photo_lies(spy: SimpleNamespace) -> None:
    """A photo twice as wide as high, its sides cut off: what is outside the input is gone."""
    subject = Subject("gap", gap(), Preprocessing(size=(SIDE, SIDE), resize="crop"), layers=("body",))
    mask = np.zeros((16, 32), np.uint8)
    mask[:, 10:12] = 1
    truth = Truth(0, ((0, 0, 7, 16), (0, 4, 10, 8), (10, 0, 12, 16)), mask)
    photo = read_photo(np.random.default_rng(0).integers(0, 255, (16, 32, 3), dtype=np.uint8))
    run(subject, [photo], [spy.metric], truths=[truth])
    assert spy.seen["boxes"][0].tolist() == [[0, 4, 2, 8], [2, 0, 4, 16]]
    assert spy.seen["masks"][0].any(0).nonzero().flatten().tolist() == [2, 3]
    padded = Subject("gap", gap(), Preprocessing(size=(SIDE, SIDE), resize="pad"), layers=("body",))
    run(padded, [photo], [spy.metric], truths=[truth])
    assert spy.seen["masks"][0][:4].eq(255).all()
    assert spy.seen["masks"][0][12:].eq(255).all()
    assert not spy.seen["masks"][0][4:12].eq(255).any()


def test_the_class_is_settled_on_the_unchanged_photo() -> None:
    """A metric that blackens the picture asks about the class of the picture as it was."""
    model, photos = gap(), some_photos(2)
    subject = subject_of(model)
    found = run(subject, photos, ["deletion:step=16,curve=yes"])
    images = torch.cat([subject.prepare(photo)[0] for photo in photos])
    with torch.no_grad():
        classes = model(images).argmax(1)
        black = model(torch.zeros_like(images)).softmax(1).gather(1, classes[:, None])[:, 0]
        white = model(images).softmax(1).gather(1, classes[:, None])[:, 0]
    for i in range(2):
        curve = found[i][0]["deletion:step=16,curve=True"]
        assert curve[-1] == pytest.approx(float(black[i]), abs=1e-6)
        assert curve[0] == pytest.approx(float(white[i]), abs=1e-6)


def test_the_target_may_be_the_label() -> None:
    truths = [Truth(label) for label in (3, 0, 1)]
    by_label = run(subject_of(gap()), some_photos(), ["deletion:step=16"], truths=truths, target="label")
    for photo, truth, found in zip(some_photos(), truths, by_label, strict=True):
        alone = run(subject_of(gap()), [photo], ["deletion:step=16"], target=truth.label)
        assert found[0] == pytest.approx(alone[0][0], abs=1e-6)
    with pytest.raises(BadValue, match="true class"):
        run(subject_of(gap()), some_photos(1), ["complexity"], truths=[Truth()], target="label")


def values(found: list[list[Values]]) -> np.ndarray:
    return np.array([[list(row.values()) for row in rows] for rows in found])


def test_a_batch_is_its_photos() -> None:
    subject, photos = subject_of(gap()), some_photos()
    together = run(subject, photos, ALL, "grad_cam", "random_cam")
    apart = [run(subject, [photo], ALL, "grad_cam", "random_cam")[0] for photo in photos]
    np.testing.assert_allclose(values(together), values(apart), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("chunk", [1, 7])
def test_the_size_of_the_chunks_does_not_matter(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    subject, photos = subject_of(gap()), some_photos(2)
    expected = run(subject, photos, ALL)
    monkeypatch.setattr(scoring, "picture_chunk", lambda images: chunk)
    np.testing.assert_allclose(values(run(subject, photos, ALL)), values(expected), rtol=1e-4, atol=1e-4)


def test_memory_that_runs_out_halves_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    class Small(Gap):
        def forward(self, x: Tensor) -> Tensor:
            if len(x) > 3:
                raise torch.OutOfMemoryError("on purpose")
            return super().forward(x)

    torch.manual_seed(0)
    small = Small().eval()
    large = Gap().eval()
    large.load_state_dict(small.state_dict())
    asked = ["deletion:step=16", "sensitivity_n:subsets=10,sizes=3"]
    got, expected = (run(subject_of(model), some_photos(2), asked) for model in (small, large))
    np.testing.assert_allclose(values(got), values(expected), rtol=1e-5)


def test_the_seed_decides_what_is_drawn() -> None:
    subject, photos = subject_of(gap()), some_photos(1)
    drawn = [c for c in ALL if "seed" in settings(find_criterion(c).metric.function)]
    assert len(drawn) >= 7
    drawn[drawn.index("random_logit")] = "complexity"  # four classes: two seeds may draw the same
    first, again, other = (run(subject, photos, drawn, seed=seed)[0][0] for seed in (3, 3, 4))
    assert first == again
    assert [c for c in first if first[c] == other[c]] == ["complexity"]
    own = run(subject, photos, ["infidelity:samples=20,seed=3"], seed=4)[0][0]["infidelity:samples=20,seed=3"]
    assert own == first["infidelity:samples=20"]


def test_recipes_share_the_pictures_that_know_no_map(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, photos = subject_of(gap()), some_photos(1)
    asked = ["sensitivity_n:subsets=10,sizes=3", "infidelity:samples=20", "infidelity:samples=20,perturbation=noise"]
    apart = [run(subject, photos, asked, method)[0][0] for method in ("grad_cam", "layer_cam", "random_cam")]
    counts: list[int] = []
    original = evidence.score_pictures
    monkeypatch.setattr(evidence, "score_pictures", lambda *given: counts.append(given[3]) or original(*given))
    assert run(subject, photos, asked, "grad_cam", "layer_cam", "random_cam")[0] == apart
    assert counts == [31, 21, 21]


@pytest.mark.parametrize("criterion", ALL)
def test_left_as_found(criterion: str) -> None:
    model = a_users_model(Gap)
    before = fingerprint(model)
    run(subject_of(model), some_photos(2), [criterion])
    assert_unchanged(before, fingerprint(model))


class Breaking(Gap):
    """Raises from some call on, in every copy of it too."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        type(self).calls -= 1
        if type(self).calls < 0:
            raise ArithmeticError("broken on purpose")
        return super().forward(x)


@pytest.mark.parametrize("calls", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("criterion", ["deletion:step=2", "parameter_randomisation", "max_sensitivity"])
def test_left_as_found_when_the_model_raises(criterion: str, calls: int) -> None:
    model = a_users_model(Breaking)
    before = fingerprint(model)
    Breaking.calls = calls
    with pytest.raises(ArithmeticError, match="on purpose"):
        run(subject_of(model), some_photos(1), [criterion])
    assert_unchanged(before, fingerprint(model))


def test_many_measurements_leave_nothing_behind() -> None:
    subject, photos = subject_of(gap()), some_photos(1)

    def tensors() -> int:
        gc.collect()
        return sum(isinstance(o, Tensor) for o in gc.get_objects())

    run(subject, photos, ALL)
    before = tensors()
    for _ in range(3):
        run(subject, photos, ALL)
    assert tensors() <= before


def test_progress_counts_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "picture_chunk", lambda images: 8)
    told: list[tuple[int, int]] = []
    asked = ["deletion:step=4", "complexity", "sensitivity_n:subsets=10,sizes=3"]
    run(subject_of(gap()), some_photos(2), asked, "grad_cam", "layer_cam", progress=lambda *now: told.append(now))
    done = [d for d, _ in told]
    assert {total for _, total in told} == {600}
    assert done == sorted(done)
    assert done[-1] == 600
    assert len(set(done)) > 6 + 6


class Twisted(Gap):
    """Registers its layers in another order than it runs them, and does not run one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.never = nn.Linear(2, 2)
        self.head, self.body = self.head, self.body


def test_layers_are_drawn_anew_from_the_outputs_down() -> None:
    model = Twisted().eval()
    inputs = Inputs((torch.rand(1, 3, 8, 8),))
    trained = {k: v.clone() for k, v in model.state_dict().items()}
    changed: dict[str, list[set[str]]] = {}
    for scheme in ("cascading", "independent"):
        changed[scheme] = []
        for _, copy in randomised(model, inputs, scheme, seed=0):  # type: ignore[arg-type]
            state = copy.state_dict()
            changed[scheme].append({k.rpartition(".")[0] for k, v in state.items() if not torch.equal(v, trained[k])})
    assert changed["independent"] == [{"head"}, {"body.3"}, {"body.0"}]
    assert changed["cascading"] == [{"head"}, {"head", "body.3"}, {"head", "body.3", "body.0"}]
    assert all(torch.equal(v, trained[k]) for k, v in model.state_dict().items())


def test_layers_of_one_shape_get_weights_of_their_own() -> None:
    model = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5)).eval()
    *_, (_, last) = randomised(model, Inputs((torch.rand(1, 5, 5),)), "cascading", seed=0)
    assert not torch.equal(last[0].weight, last[1].weight)  # type: ignore[union-attr,index]


def test_weights_without_an_initialisation_of_their_own_keep_their_spread() -> None:
    class Token(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(3 + 0.5 * torch.randn(40_000))

        def forward(self, x: Tensor) -> Tensor:
            return x + self.token.sum()

    model = Token().eval()
    ((name, copy),) = randomised(model, Inputs((torch.rand(1, 2),)), "independent", seed=1)
    assert name == ""
    drawn = copy.token
    assert isinstance(drawn, Tensor)
    assert not torch.equal(drawn, model.token)
    assert float(drawn.mean()) == pytest.approx(3, abs=0.02)
    assert float(drawn.std()) == pytest.approx(0.5, abs=0.02)


def test_a_model_that_cannot_be_copied_is_not_touched() -> None:
    class Stuck(Gap):
        def __deepcopy__(self, memo: Any) -> "Stuck":
            raise TypeError("no copies")

    model = Stuck().eval()
    before = fingerprint(model)
    with pytest.raises(EvidenceMissing, match="cannot be copied"):
        run(subject_of(model), some_photos(1), ["parameter_randomisation"])
    assert_unchanged(before, fingerprint(model))


def test_what_a_person_can_get_wrong() -> None:
    subject = subject_of(gap())
    with pytest.raises(BadValue, match="2 truths for 1 photos"):
        run(subject, some_photos(1), ["complexity"], truths=[Truth(), Truth()])
    with pytest.raises(BadPhoto, match="mask"):
        run(subject, some_photos(1), ["mean_iou"], truths=[Truth(0, (), np.zeros((3, 3), np.uint8))])
    with pytest.raises(EvidenceMissing, match="names no class"):
        run(subject, some_photos(1), ["deletion"], target=lambda out: out[:, 0])
    assert run(subject, some_photos(1), ["sensitivity_n:subsets=5"], target=lambda out: out[:, 0])
