"""What is known at one layer of a scene, for one target per image.  Its public names are the methods' vocabulary."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ...methods.shared.attention import Attention
from ...targets import logits_of, score_each, with_logits
from ...words.errors import LayoutUnclear
from ...words.notation import Stack, over_space, resize
from ..attention.attention_pass import AttendedPass, Of
from ..attention.relevance import carried, multiplied
from ..passes.derivatives import directional, expect_reached, gradients, precise
from ..passes.scene import Layout, View
from ..rules import rules
from .from_images import guided, modified
from .linear_head import linear_head
from .patch_sampling import score_patches
from .replays import Replays, relevant, rescaled
from .scoring import Pictures, probabilities, score_pictures


class Evidence:
    """What is known at one layer, or with "" of the network without one.  Its public names are the methods' words."""

    def __init__(self, view: View, layer: str, together: bool = True) -> None:
        """together: whether variations of several images may share a batch."""
        self._view, self._scene, self._layer, self._together = view, view.scene, layer, together

    @cached_property
    def _layout(self) -> Layout:
        if not self._layer:
            raise LayoutUnclear(f"{type(self._scene.model).__name__} has no layer with a map", "a layer", "layers=…")
        return self._scene.layout(self._layer)

    @cached_property
    def _replays(self) -> Replays:
        return Replays(self._scene, self._layer, self._layout, self._together)

    @cached_property
    def activations(self) -> Stack:
        said = self._scene.said[self._layer]
        return precise(self._layout.to_stack(said if self._scene.options.differentiable else said.detach()))

    @cached_property
    def gradients(self) -> Stack:
        raw = self._view.gradients[self._layer]
        gradients = self._layout.to_stack(raw)
        expect_reached(self._scene.doubts, raw, gradients, self._layer, self._view.targets[0])
        return precise(gradients)

    @property
    def images(self) -> Tensor:
        return precise(self._scene.images)

    @property
    def baseline(self) -> Tensor:
        return self._scene.baseline.to(self.images).expand_as(self.images)

    @cached_property
    def class_weights(self) -> Tensor:
        head, rectified = linear_head(self._scene.model, self.activations, self._scene.outputs, self._layer)
        logits = logits_of(self._scene.outputs)
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            score = score_each(with_logits(self._scene.outputs, leaf), self._view.targets)
            by_class = torch.autograd.grad(score.sum(), leaf)[0]  # dy/d(logits): one-hot for a class's logit
        weights = precise(by_class) @ head.to(precise(by_class))
        return over_space(weights, self.activations) * (self.activations > 0) if rectified else weights

    def enlarge(self, stack: Stack) -> Stack:
        return resize(stack, tuple(self._scene.images.shape[2:]))

    def perturbed(self, pictures: Iterable[Tensor]) -> Iterator[tuple[Stack, Stack]]:
        for images in pictures:
            shown = images.to(self._scene.images)
            outputs, everything = self._scene.pictures(shown)
            said = everything[self._layer]
            with torch.enable_grad():
                score = score_each(outputs, self._view.targets)
            raw = self._view.differentiate(score, {self._layer: said}, create_graph=False)[self._layer]
            layout = self._scene.read_layout(self._layer, said, shown)
            yield precise(layout.to_stack(said.detach())), precise(layout.to_stack(raw))

    def score_under(self, pictures: Pictures, count: int, probability: bool = False, patches: bool = False) -> Tensor:
        targets = probabilities(self._view.targets) if probability else self._view.targets
        if patches:
            return score_patches(self._scene, targets, pictures, count)
        return score_pictures(self._scene, targets, pictures, count, self._scene.options.progress)

    def score_with(self, vary: Callable[[Stack, Tensor], Stack], count: int, probability: bool = False) -> Tensor:
        targets = probabilities(self._view.targets) if probability else self._view.targets

        def scores(images: list[int], variations: Tensor) -> Tensor:
            outputs = self._replays(images, variations)
            return precise(score_each(outputs, [targets[image] for image in images]))

        return torch.cat(list(self._replays.varied(vary, count, scores))).reshape(-1, count)

    def gradients_with(self, vary: Callable[[Stack, Tensor], Stack], count: int) -> Stack:
        def summed_gradients(images: list[int], variations: Tensor) -> Tensor:
            with torch.enable_grad():
                leaf = variations.detach().requires_grad_()
                outputs = self._replays(images, leaf.clone())
                score = score_each(outputs, [self._view.targets[image] for image in images])
            raw = self._view.differentiate(score, {self._layer: leaf}, create_graph=False)[self._layer]
            each = precise(self._layout.to_stack(raw))
            of_image = F.one_hot(torch.tensor(images), self._scene.inputs.batch).to(each)
            return (of_image.T @ each.flatten(1)).reshape(-1, *each.shape[1:])

        return torch.stack(list(self._replays.varied(vary, count, summed_gradients))).sum(0) / count

    def curvature(self, direction: Stack) -> Stack:
        said = self._scene.said[self._layer]
        along = self._layout.from_stack(direction.to(said.dtype), torch.zeros_like(said))
        with torch.enable_grad():
            slope = self._view.differentiate(self._view.score, {self._layer: said}, create_graph=True)[self._layer]
            bend = directional(slope, said, along, create_graph=self._scene.options.differentiable)
        return torch.zeros_like(direction) if bend is None else precise(self._layout.to_stack(bend))

    def full_gradients(self, images: Tensor | None = None) -> list[Tensor]:
        shown = (self._scene.images if images is None else images.to(self._scene.images)).detach()
        with torch.enable_grad(), self._scene.precisely(), rules.biases() as found:
            leaf = shown.requires_grad_()
            score = score_each(self._scene.inputs.showing(leaf * 1).run(self._scene.model), self._view.targets)
        flows = gradients([leaf, *(out for out, _ in found)], score)
        terms = [(leaf.detach(), flows[0]), *((bias, flow) for (_, bias), flow in zip(found, flows[1:], strict=True))]
        return [precise(value * flow) for value, flow in terms if flow is not None]

    @cached_property
    def attention(self) -> Attention:
        return self._scene.once(AttendedPass).attention(self._view.targets)

    def attention_gradients(self, of: Of = "score") -> list[Tensor]:
        return self._scene.once(AttendedPass).slopes(self._view.targets, of)

    def propagated(
        self, what: Literal["guided", "rescale", "relevance", "attention", "attn_lrp", "cp_lrp", "libra"], **how: Any
    ) -> Any:
        match what:
            case "guided":
                return guided(self._scene, self._view.targets)
            case "attention":
                return self._attention_relevance(**how)
            case "attn_lrp" | "cp_lrp" | "libra":
                return modified(self._scene, self._view.targets, partial(rules.modified, what, **how))
        work = {"rescale": rescaled, "relevance": relevant}[what]
        each = [work(self._replays, self._view.targets, images) for images in self._replays.together()]
        return torch.cat([precise(self._layout.to_stack(said)) for said in each])

    def _attention_relevance(self, rule: Literal["attn_lrp", "paper"], gamma: float) -> list[Tensor]:
        if rule == "paper":
            return carried(self._scene, self._view.targets, rules.transformer)
        return multiplied(self._scene, self._view.targets, partial(rules.modified, rule, gamma, gamma))
