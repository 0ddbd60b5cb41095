"""Evidence for methods, from tiny networks and plain autograd: nothing here goes through heatlens' engine."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from heatlens.methods.shared.attention import Attention
from heatlens.words.signature import Entry, needs

Vary = Callable[[Tensor, Tensor], Tensor]
Pictures = Callable[[Tensor, Tensor], Tensor]
_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_POOL = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
SIZES = {1: (22,), 2: (8, 12), 3: (6, 4, 8)}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small are slowed down many times by threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class Evidence:
    """What a method may ask for, about a network cut in two: a body (images to A) and a tail (A to logits)."""

    images: Tensor
    baseline: Tensor
    body: Callable[[Tensor], Tensor]
    tail: Callable[[Tensor], Tensor]
    head: Tensor
    """(classes, c)"""
    classes: tuple[int, ...]
    """The class that is explained, image by image."""
    attend: "Callable[[Tensor], Attended]"
    """A to a transformer on its places, which a class token reads."""
    factor: float = 1.0
    """The score's unit."""
    flipped: bool = False
    """Whether the body and the tail look at everything in a mirror."""

    def score(self, activations: Tensor, image: int) -> Tensor:
        """y `(m,)` of m stacks, for the class of that image."""
        return self.tail(activations)[:, self.classes[image]]

    def scores(self, activations: Tensor) -> Tensor:
        """y `(n,)`, each stack with its own class."""
        return torch.cat([self.score(a[None], i) for i, a in enumerate(activations)])

    def slope(self, activations: Tensor) -> Tensor:
        """dy/dA `(n, c, *space)`, itself differentiable."""
        leaf = activations if activations.requires_grad else activations.detach().requires_grad_()
        return torch.autograd.grad(self.scores(leaf).sum(), leaf, create_graph=True)[0]

    @cached_property
    def activations(self) -> Tensor:
        return self.body(self.images)

    @cached_property
    def gradients(self) -> Tensor:
        gradients = self.slope(self.activations)
        return gradients if self.images.requires_grad else gradients.detach()

    @property
    def class_weights(self) -> Tensor:
        return self.head[list(self.classes)].to(self.images)

    def perturbed(self, pictures: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        for picture in pictures:
            activations = self.body(picture)
            yield activations, self.slope(activations)

    def score_with(self, vary: Vary, count: int, probability: bool = False) -> Tensor:
        def scores(image: int, some: Tensor) -> Tensor:
            logits = self.tail(vary(self.activations[image][None], some))
            return (logits.softmax(1) if probability else logits)[:, self.classes[image]]

        return torch.stack(
            [torch.cat([scores(i, some) for some in torch.arange(count).split(3)]) for i in range(len(self.images))]
        )

    def gradients_with(self, vary: Vary, count: int) -> Tensor:
        return torch.cat(
            [
                sum(
                    replace(self, classes=(c,) * len(some)).slope(vary(a[None], some)).sum(0, keepdim=True)
                    for some in torch.arange(count).split(3)
                )
                / count
                for c, a in zip(self.classes, self.activations, strict=True)
            ]
        )

    def curvature(self, along: Tensor) -> Tensor:
        leaf = self.activations if self.images.requires_grad else self.activations.detach().requires_grad_()
        slope = torch.autograd.grad(self.scores(leaf).sum(), leaf, create_graph=True)[0]
        if not slope.requires_grad:  # a score that is linear in A
            return torch.zeros_like(leaf)
        product = torch.autograd.grad(
            slope, leaf, along, create_graph=self.images.requires_grad, materialize_grads=True
        )[0]
        return product if self.images.requires_grad else product.detach()

    def enlarge(self, stack: Tensor) -> Tensor:
        size = self.images.shape[2:]
        return F.interpolate(stack, size, mode=_LINEAR[len(size)], align_corners=False)

    def score_under(self, pictures: Pictures, count: int, probability: bool = False, patches: bool = False) -> Tensor:
        if patches:
            return self._score_of_patches(pictures, count, probability)

        def scores(image: int, some: Tensor) -> Tensor:
            made = pictures(torch.full_like(some, image), some)
            assert made.shape == (len(some), *self.images.shape[1:])
            logits = self.tail(self.body(made))
            return (logits.softmax(1) if probability else logits)[:, self.classes[image]]

        return torch.stack(
            [torch.cat([scores(i, some) for some in torch.arange(count).split(7)]) for i in range(len(self.images))]
        )

    def _score_of_patches(self, chosen: Pictures, count: int, probability: bool) -> Tensor:
        """The layer's other places are silent, as if nobody had been there."""

        def scores(image: int, some: Tensor) -> Tensor:
            picked = chosen(torch.full_like(some, image), some)
            a = self.activations[image : image + 1]
            shown = torch.zeros(len(some), a[0, 0].numel()).to(a).scatter(1, picked, 1)
            logits = self.tail(a * shown.reshape(-1, 1, *a.shape[2:]))
            return (logits.softmax(1) if probability else logits)[:, self.classes[image]]

        return torch.stack(
            [torch.cat([scores(i, some) for some in torch.arange(count).split(7)]) for i in range(len(self.images))]
        )

    # a transformer on the layer's places

    @cached_property
    def _attended(self) -> "Attended":
        return self.attend(self.activations)

    @cached_property
    def attention(self) -> Attention:
        seen = self._attended
        reads = torch.zeros(len(self.images), seen.tokens[0].shape[1]).to(self.images)
        reads[:, 0] = 1
        kept = (lambda x: x) if self.images.requires_grad else torch.detach
        pair = kept(seen.queries), kept(seen.keys)
        blocks, tokens = (tuple(map(kept, x)) for x in (seen.attention, seen.tokens))
        return Attention(blocks, tokens, pair, kept(seen.values), reads, self.places)

    def places(self, tokens: Tensor) -> Tensor:
        """(n, 1 + places, c) -> (n, c, *space)."""
        stack = tokens[:, 1:].mT.reshape(len(tokens), -1, *self.activations.shape[2:])
        return stack.flip(-1) if self.flipped else stack

    def attention_gradients(self, of: str) -> list[Tensor]:
        seen = self._attended
        if of in ("tokens", "read"):
            score = [self.read(Z.mean(1) if of == "tokens" else Z[:, 0]) for Z in seen.tokens]
            pairs = zip(score, seen.attention, strict=True)
        else:
            nodes = seen.attention if of == "score" else seen.outputs
            pairs = ((self.read(seen.tokens[-1][:, 0]), node) for node in nodes)
        options = {"create_graph": True, "materialize_grads": True}
        found = [torch.autograd.grad(y.sum(), node, **options)[0] for y, node in pairs]
        return found if self.images.requires_grad else [g.detach() for g in found]

    def read(self, token: Tensor) -> Tensor:
        """y `(n,)` of one token an image."""
        logits = self.factor * self._attended.head(token)
        return logits[torch.arange(len(logits)), list(self.classes)]

    def full_gradients(self, images: Tensor | None = None) -> list[Tensor]:
        shown = self.images if images is None else images
        with torch.enable_grad(), rule("biases") as met:
            leaf = shown if shown.requires_grad else shown.detach().requires_grad_()
            score = self.scores(self.body(leaf)).sum()
            inputs = [leaf, *(shift for _, shift in met)]
            flows = torch.autograd.grad(score, inputs, create_graph=True, materialize_grads=True)
        terms = [b * flow for (b, _), flow in zip(met, flows[1:], strict=True)]
        # the tail is asked image by image: its terms come back one row each
        terms = [terms[0], *(torch.cat(terms[k :: (len(terms) - 1) // len(shown)]) for k in self._biases(terms, shown))]
        terms = [term.flip(-1) if self.flipped and term.ndim > 2 else term for term in terms]
        terms = [leaf * flows[0], *terms]
        return terms if self.images.requires_grad else [term.detach() for term in terms]

    @staticmethod
    def _biases(terms: list[Tensor], shown: Tensor) -> range:
        return range(1, 1 + (len(terms) - 1) // len(shown))

    def propagated(self, name: str, **options: float) -> Any:
        _ = self.activations  # made by the network as it is
        if name == "attention":
            return [R.detach() for R in self._attention_relevance(**options)]
        if name in ("attn_lrp", "cp_lrp", "libra"):
            return self._modified(name, **options).detach()
        with torch.enable_grad(), rule(name):
            found = {"guided": self._guided, "rescale": self._rescaled, "relevance": self._relevant}[name]()
        return found if self.images.requires_grad else found.detach()

    def _guided(self) -> Tensor:
        leaf = self.images if self.images.requires_grad else self.images.detach().requires_grad_()
        return torch.autograd.grad(self.scores(self.body(leaf)).sum(), leaf, create_graph=True)[0]

    def _rescaled(self) -> Tensor:
        out = []
        for i, a in enumerate(self.activations):
            pair = torch.stack([a, torch.zeros_like(a)])
            pair = pair if pair.requires_grad else pair.requires_grad_()
            slope = torch.autograd.grad(self.score(pair, i)[0], pair, create_graph=True)[0]
            out.append(a * slope[0])
        return torch.stack(out)

    def _relevant(self) -> Tensor:
        leaf = self.activations if self.images.requires_grad else self.activations.detach().requires_grad_()
        logits = self.tail(leaf)
        start = torch.full_like(logits, -1 / logits.shape[1])
        start[torch.arange(len(start)), list(self.classes)] = 1
        return torch.autograd.grad(logits, leaf, start, create_graph=True, materialize_grads=True)[0]

    def _attention_relevance(self, rule: str, gamma: float) -> list[Tensor]:
        """Anything that is linear in the score will do: the rules themselves are the engine's."""
        factor = {"attn_lrp": 0.5 + gamma, "paper": 0.25}[rule]
        return [slope * factor for slope in self.attention_gradients("score")]

    def _modified(self, rule: str, gamma: float = 0.0, conv_gamma: float = 0.0) -> Tensor:
        """Shares of the images in the score, gammas thrown in: the rules themselves are the engine's."""
        leaf = self.images.detach().requires_grad_()
        (slope,) = torch.autograd.grad(self.scores(self.body(leaf)).sum(), leaf)
        own = {"attn_lrp": 1.0, "cp_lrp": 0.5, "libra": 2.0}[rule]
        return leaf * (own * slope + gamma * slope.clamp(min=0) + conv_gamma * slope.clamp(max=0))

    # the same question in other words

    def mirrored(self) -> "Evidence":
        """The picture's mirror image, shown to the network's mirror image."""
        return replace(
            self,
            images=self.images.flip(-1),
            baseline=self.baseline.flip(-1),
            body=lambda x: self.body(x.flip(-1)).flip(-1),
            tail=lambda a: self.tail(a.flip(-1)),
            attend=lambda a: self.attend(a.flip(-1)),
            flipped=not self.flipped,
        )

    def permuted(self, order: Tensor) -> "Evidence":
        """The layer's channels in another order."""
        return replace(
            self,
            body=lambda x: self.body(x)[:, order],
            tail=lambda a: self.tail(a[:, order.argsort()]),
            attend=lambda a: self.attend(a[:, order.argsort()]),
            head=self.head[:, order],
        )

    def scaled(self, factor: float) -> "Evidence":
        """The score in other units."""
        return replace(self, tail=lambda a: factor * self.tail(a), head=factor * self.head, factor=factor * self.factor)

    def only(self, image: int) -> "Evidence":
        """One image of the batch."""
        here = slice(image, image + 1)
        return replace(self, images=self.images[here], baseline=self.baseline[here], classes=self.classes[here])

    def to(self, dtype: torch.dtype) -> "Evidence":
        return replace(self, images=self.images.to(dtype), baseline=self.baseline.to(dtype))


# the parts of a network, and the rules they follow on the way back

_RULE: list[str] = []
_MET: list[tuple[Tensor, Tensor]] = []


@contextmanager
def rule(name: str) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Networks within follow another rule; with "biases", every bias and a shift beside it are written down."""
    _RULE.append(name)
    _MET.clear()
    try:
        yield _MET
    finally:
        _RULE.pop()


def biased(z: Tensor, b: Tensor) -> Tensor:
    """z + b, b along the channels."""
    b = b.to(z).reshape(-1, *[1] * (z.ndim - 2))
    if _RULE[-1:] != ["biases"]:
        return z + b
    shift = torch.zeros_like(z).requires_grad_()
    _MET.append((b.expand_as(z), shift))
    return z + b + shift


def bent(z: Tensor, kind: Callable[[Tensor], Tensor]) -> Tensor:
    """A nonlinearity, element by element."""
    out = kind(z)
    match _RULE[-1:]:
        case ["guided"] if kind is torch.relu:
            return _Back.apply(z, lambda x, R: R * (x > 0) * (R > 0), out.detach())
        case ["rescale"]:
            return _Back.apply(z, lambda x, R: R * _secant(x, kind), out.detach())
        case ["relevance"]:
            return _Back.apply(z, lambda x, R: R, out.detach())
    return out


def _secant(pair: Tensor, kind: Callable[[Tensor], Tensor]) -> Tensor:
    """(f(z) - f(z_0)) / (z - z_0) of z and its reference z_0, the second of the pair."""
    rise, run = kind(pair[:1]) - kind(pair[1:]), pair[:1] - pair[1:]
    return torch.where(run == 0, 0, rise / torch.where(run == 0, 1, run))


def mixed(x: Tensor, W: Tensor) -> Tensor:
    """x W^T; relevance goes back by the shares of what is positive in it."""
    if _RULE[-1:] != ["relevance"]:
        return x @ W.T.to(x)

    def shares(x: Tensor, R: Tensor) -> Tensor:
        parts = (x[:, None] * W.to(x)).clamp(min=0)  # (n, out, in)
        whole = parts.sum(2, keepdim=True)
        return (torch.where(whole > 0, parts / torch.where(whole > 0, whole, 1), 0) * R[:, :, None]).sum(1)

    return _Back.apply(x, shares, (x @ W.T.to(x)).detach())


class _Back(torch.autograd.Function):
    """`out` forward, `back(x, R)` backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, back: Callable[[Tensor, Tensor], Tensor], out: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.back = back
        return out.clone()

    @staticmethod
    def backward(ctx: Any, R: Tensor) -> tuple[Tensor, None, None]:
        return ctx.back(ctx.saved_tensors[0], R), None, None


def run(entry: Entry, evidence: Evidence, **settings: Any) -> Tensor:
    """The method on that evidence."""
    return entry.function(*(getattr(evidence, word) for word in needs(entry.function)), **settings)


def network(
    rank: int = 2, *, signed: bool = False, tail: str = "curved", seed: int = 0, bias: float = 0.4, channels: int = 5
) -> Evidence:
    """Two images, each with its own class, and a random network with strides, biases and a layer with H != W.

    `tail` is "curved" (tanh), "relu" (piecewise linear), "gap" (mean, then linear), "flat" (one linear layer over all
    places) or "quadratic".
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    images, baseline = draw(2, 3, *SIZES[rank]), draw(1, 3, *[1] * rank).expand(2, 3, *SIZES[rank]).clone()
    kernel, shift = draw(channels, 3, *[3] * rank) / 3, draw(channels) / 3

    def body(x: Tensor) -> Tensor:
        out = biased(_CONV[rank](x, kernel.to(x), stride=2, padding=1), shift)
        return out if signed else bent(out, torch.relu)

    space = body(images).shape[2:]
    places = space.numel()
    head, intercept = draw(3, channels), bias * draw(3)
    first, inner, second = draw(7, channels * places) / (channels * places) ** 0.5, draw(7), draw(3, 7)
    flat = draw(3, channels * places)
    square = draw(3, channels * places, channels * places) / (channels * places)

    def logits(a: Tensor) -> Tensor:
        if a.shape[2:] != space:
            a = _POOL[rank](a, space)
        rows = a.flatten(1)
        match tail:
            case "curved":
                out = mixed(bent(biased(mixed(rows, first), inner), torch.tanh), second)
            case "relu":
                out = mixed(bent(biased(mixed(rows, first), bias * inner), torch.relu), second)
            case "gap":
                mean = torch.eye(channels, dtype=torch.float64).repeat_interleave(places, 1) / places
                out = mixed(mixed(rows, mean), head)
            case "flat":
                out = mixed(rows, flat)
            case "quadratic":
                out = mixed(rows, flat) + torch.einsum("ni,cij,nj->nc", rows, square.to(a), rows) / 2
        return biased(out, intercept)

    return Evidence(images, baseline, body, logits, head, (0, 1), transformer(channels, draw))


@dataclass(frozen=True)
class Attended:
    """What a small transformer did: two blocks of two heads, a class token before the places."""

    attention: list[Tensor]
    outputs: list[Tensor]
    tokens: list[Tensor]
    queries: Tensor
    keys: Tensor
    values: Tensor
    head: Callable[[Tensor], Tensor]


def transformer(channels: int, draw: Callable[..., Tensor], width: int = 6) -> Callable[[Tensor], Attended]:
    """A (n, c, *space) -> what two blocks, x + W_o heads(softmax(q k^T) v), then x + tanh(x W), make of it."""
    embed, token, head = draw(channels, width), draw(width), draw(3, width)
    weights = [[draw(width, width) / width**0.5 for _ in range(5)] for _ in range(2)]

    def split(x: Tensor) -> Tensor:
        return torch.stack(x.chunk(2, 2), 1)

    def attend(a: Tensor) -> Attended:
        x = torch.cat([token.to(a).expand(len(a), 1, width), a.flatten(2).mT @ embed.to(a)], 1)
        found = Attended([], [], [], x, x, x, lambda z: z @ head.T.to(z))
        with torch.enable_grad():
            x = x if x.requires_grad else x.requires_grad_()
            for W in weights:
                q, k, v = (split(x @ w.to(x)) for w in W[:3])
                found.attention.append((q @ k.mT / 3**0.5).softmax(3))
                found.outputs.append(found.attention[-1] @ v)
                x = x + torch.cat(found.outputs[-1].unbind(1), 2) @ W[3].to(x)
                x = x + torch.tanh(x @ W[4].to(x))
                found.tokens.append(x)
        return replace(found, queries=q, keys=k, values=v)

    return attend
