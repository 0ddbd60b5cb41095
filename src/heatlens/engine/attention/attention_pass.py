"""A pass in which attention can be looked into, and how scores would change with it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ...methods.shared.attention import Attention
from ...targets import Target, described, score_each
from ...words.errors import EvidenceMissing, ScoreIndifferent
from ...words.trees import Tree, close, tensors
from ..forward.inputs import Inputs
from ..passes.derivatives import gradients, precise
from ..passes.scene import Scene
from ..replay.behind_layer import Tail
from ..replay.replay import Recorder
from .unfused import Attended, attending

Of = Literal["score", "outputs", "tokens", "read"]
"""What is differentiated, with respect to what: see `AttendedPass.slopes`."""


def _rounding(outputs: Tree) -> float:
    """How far attention by its formula may lie from a fused one: bfloat16 has eight bits, summed in any order."""
    return 4e-2 if any(t.dtype == torch.bfloat16 for t in tensors(outputs)) else 1e-3


class AttendedPass:
    """One forward pass of a scene, from the images on, in which every block's attention is a point of the graph."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.images, self.outputs, found = run_attended(scene, scene.inputs)
        if not close(self.outputs, scene.outputs, tolerance=_rounding(scene.outputs)):
            raise EvidenceMissing(
                f"the attention of {type(scene.model).__name__}, written out, does not give back its outputs",
                "attention by torch's own functions",
                "Use layer_cam or recipro_cam",
            )
        self.blocks = blocks_over_the_image(found, scene)
        count = self.blocks[-1].outputs.shape[-2]
        self.layout = scene.read_layout("attention", torch.empty(len(self.images), count, 1), self.images)

    @property
    def first(self) -> nn.Module:
        """The first block."""
        return self.blocks[0].block or self._scene.model

    def score(self, targets: Sequence[Target]) -> Tensor:
        """y: (n,)."""
        with torch.enable_grad():
            return score_each(self.outputs, targets)

    def attention(self, targets: Sequence[Target]) -> Attention:
        """What was attended to, and which tokens these targets read."""
        last = self.blocks[-1]
        n = len(self.images)
        seen = [self._out(block.probabilities) for block in self.blocks]
        pair = None if last.pair is None else (self._out(last.pair[0]), self._out(last.pair[1]))
        tokens = tuple(precise(_batch_first(block, n)) for block in self.blocks)
        return Attention(tuple(seen), tokens, pair, self._out(last.values), self._reads(targets), self.layout.to_stack)

    def slopes(self, targets: Sequence[Target], of: Of) -> list[Tensor]:
        """Every block's (n, heads, tokens, …): "score": dy/dAtt; "outputs": dy/d(Att v); "tokens", "read": ds/dAtt.

        s is the score of the block's own tokens, taken by what stands behind the last block: of their mean, or as it
        reads them.
        """
        if of in ("tokens", "read"):
            return self._own(targets, mean=of == "tokens")
        nodes = [block.probabilities if of == "score" else block.outputs for block in self.blocks]
        found = gradients(nodes, self.score(targets), create_graph=self._scene.options.differentiable)
        return [self._heads(torch.zeros_like(x) if g is None else g) for x, g in zip(nodes, found, strict=True)]

    def _own(self, targets: Sequence[Target], *, mean: bool) -> list[Tensor]:
        tail, scores = self._tail(), list[Tensor]()
        with torch.enable_grad(), self._scene.precisely():
            n = len(targets)
            for images in [list(range(n))] if tail.mixes else [[image] for image in range(n)]:
                tokens = _of_images(self.blocks, images, n, mean)
                each = [image for image in images for _ in self.blocks]
                score = score_each(tail(tokens, each), [targets[image] for image in each])
                scores.append(score.reshape(len(images), -1).sum(0))
            by_block = torch.stack(scores).sum(0).unbind()
        create = self._scene.options.differentiable
        flows = [
            gradients([block.probabilities], s, create_graph=create)[0]
            for block, s in zip(self.blocks, by_block, strict=True)
        ]
        pairs = zip(self.blocks, flows, strict=True)
        return [self._heads(torch.zeros_like(b.probabilities) if g is None else g) for b, g in pairs]

    def _tail(self) -> Tail:
        """The network behind the last block."""
        module = self.blocks[-1].block or self._scene.model
        with torch.no_grad(), self._scene.precisely(), Recorder(self._scene.model, module).recording() as recorder:
            self._scene.inputs.run(self._scene.model)
        return Tail(self._scene.model, module, self._scene.inputs, self._scene.outputs, recorder)

    def _reads(self, targets: Sequence[Target]) -> Tensor:
        """An equal share for every token that has a gradient behind the last block."""
        (flow,) = gradients([self.blocks[-1].outputs], self.score(targets))
        if flow is None or not bool(flow.any()):
            raise ScoreIndifferent(
                f"the score of {described(targets[0])} does not depend on the last block's attention"
            )
        read = self._heads(flow).ne(0).any(3).any(1).to(precise(flow))
        return read / read.sum(1, keepdim=True).clamp(min=1)

    def _out(self, x: Tensor) -> Tensor:
        return self._heads(x if self._scene.options.differentiable else x.detach())

    def _heads(self, x: Tensor) -> Tensor:
        return precise(x.reshape(len(self.images), -1, *x.shape[-2:]))


def blocks_over_the_image(found: list[Attended], scene: Scene, batch: int | None = None) -> list[Attended]:
    """The blocks that attend over all tokens of one grid, the last of them.  One query alone is a pooling."""
    while found and found[-1].outputs.shape[-2] == 1:
        found.pop()
    kind, batch = type(scene.model).__name__, batch or scene.inputs.batch
    if not found:
        raise EvidenceMissing(
            f"{kind} runs no attention of tokens among each other, softmax(q k^T) v, that depends on the images",
            "a vision transformer",
            "Use layer_cam or grad_cam",
        )
    if any(one.probabilities.ndim == 4 and len(one.probabilities) != batch for one in found):
        raise EvidenceMissing(
            f"{kind} attends within windows", "attention over the whole image", "Use layer_cam or grad_cam"
        )
    tokens = found[-1].outputs.shape[-2]
    blocks = [one for one in found if one.said is not None and set(one.probabilities.shape[-2:]) == {tokens}]
    if not blocks or found[-len(blocks) :] != blocks:
        raise EvidenceMissing(
            f"{kind} attends to something else than its {tokens} tokens",
            "blocks in which every token attends to every token",
            "Use layer_cam or grad_cam",
        )
    note = f"attention of the last {len(blocks)} of {len(found)} blocks, those with {tokens} tokens"
    if len(blocks) < len(found) and note not in scene.notes:
        scene.notes.append(note)
    return blocks


def _batch_first(block: Attended, batch: int) -> Tensor:
    said = block.outputs if block.said is None else block.said
    return said.detach() if len(said) == batch else said.detach().transpose(0, 1)


def _of_images(blocks: list[Attended], images: Sequence[int], batch: int, mean: bool) -> Tensor:
    """What every block said of these images, image after image, or its mean token in every token's place."""
    said = torch.stack([block.said for block in blocks if block.said is not None])
    axis = 1 if said.shape[1] == batch else 2  # or the sequence comes first
    chosen = said.narrow(axis, images[0], len(images))
    tokens = chosen.transpose(0, 1).flatten(0, 1) if axis == 1 else chosen.permute(1, 2, 0, 3).flatten(1, 2)
    return tokens.mean(2 - axis, keepdim=True).expand_as(tokens) if mean else tokens


def run_attended(
    scene: Scene,
    inputs: Inputs,
    rule: AbstractContextManager[Any] | None = None,
    run: Callable[[nn.Module, Inputs], Tree] | None = None,
) -> tuple[Tensor, Tree, list[Attended]]:
    """Images, outputs and attentions of a pass that can be differentiated from the images on, under a rule or none.

    run: another way to run the model than as it is, in the precision that was asked for.
    """
    kept = scene.options.differentiable and inputs.images.requires_grad
    images = inputs.images if kept else inputs.images.detach().requires_grad_()
    with ExitStack() as stack:
        stack.enter_context(torch.enable_grad())
        stack.enter_context(nullcontext() if run else scene.first_precisely())
        if rule or not scene.options.differentiable:
            stack.enter_context(frozen(scene.model))  # what needs a gradient is then what depends on the images
        stack.enter_context(rule or nullcontext())
        found = stack.enter_context(attending(scene.model))
        shown = inputs.showing(images * 1)
        outputs = run(scene.model, shown) if run else shown.run(scene.model)
    return images, outputs, found


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """While open, no weight of the model asks for a gradient."""
    learned = [weights for weights in model.parameters() if weights.requires_grad and weights.is_leaf]
    try:
        for weights in learned:
            weights.requires_grad_(False)
        yield
    finally:
        for weights in learned:
            weights.requires_grad_(True)
