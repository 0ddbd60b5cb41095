"""Relevance as the gradient of a modified network: one operation at a time, and small networks by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import heatlens
from heatlens.engine.rules import rules

Function = Callable[..., Tensor]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sent(
    function: Function, *inputs: Tensor, rule: Any = "attn_lrp", **gammas: float
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """t, G_t and the G of every input, for some G_t."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    with rules.modified(rule, **gammas):
        out = function(*(x * 1 for x in leaves))
    assert torch.equal(out.detach(), function(*(x.clone() for x in inputs))), "the values are the network's own"
    flow = draw(*out.shape, seed=9)
    found = torch.autograd.grad(out, leaves, flow, allow_unused=True)
    return out.detach(), flow, [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, found, strict=True)]


def deficit(function: Function, *inputs: Tensor, rule: Any = "attn_lrp", **gammas: float) -> Tensor:
    """sum t * G_t - sum x * G_x: what is lost on the way."""
    out, flow, found = sent(function, *inputs, rule=rule, **gammas)
    return (out * flow).sum() - sum((x * g).sum() for x, g in zip(inputs, found, strict=True))


IMAGE, TOKENS, OTHER = draw(2, 4, 6, 6), draw(2, 5, 8, seed=1), draw(2, 5, 8, seed=2)
ATTENDED = draw(2, 3, 5, 5, seed=3).softmax(-1)
VALUES = draw(2, 3, 5, 4, seed=4)
KERNEL, MATRIX, SCALE = draw(6, 4, 3, 3, seed=5), draw(7, 8, seed=6), draw(8, seed=7)
RUNNING = draw(4, seed=8).abs() + 1

ALONE: dict[str, tuple[Function, Tensor]] = {
    "linear": (lambda x: F.linear(x, MATRIX), TOKENS),
    "convolution": (lambda x: F.conv2d(x, KERNEL, padding=1), IMAGE),
    "grouped convolution": (lambda x: F.conv2d(x, KERNEL[:4, :1], groups=4, stride=2), IMAGE),
    "transposed convolution": (lambda x: F.conv_transpose2d(x, KERNEL.transpose(0, 1)[:, :4]), IMAGE),
    "batch norm": (lambda x: F.batch_norm(x, torch.zeros(4).double(), RUNNING), IMAGE),
    "average pooling": (lambda x: F.avg_pool2d(x, 2), IMAGE),
    "adaptive pooling": (lambda x: F.adaptive_avg_pool2d(x, 1), IMAGE),
    "max pooling": (lambda x: F.max_pool2d(x, 2), IMAGE),
    "mean": (lambda x: x.mean((2, 3)), IMAGE),
    "interpolation": (lambda x: F.interpolate(x, (9, 9), mode="bilinear"), IMAGE),
    "layer norm": (lambda x: F.layer_norm(x, (8,), SCALE), TOKENS),
    "layer norm of two dimensions": (lambda x: F.layer_norm(x, normalized_shape=(5, 8)), TOKENS),
    "group norm": (lambda x: F.group_norm(x, 2, SCALE[:4]), IMAGE),
    "instance norm": (F.instance_norm, IMAGE),
    "RMS norm": (lambda x: F.rms_norm(x, (8,), SCALE, 1e-6), TOKENS),
    "RMS norm written out": (lambda x: SCALE * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)), TOKENS),
    "layer norm written out": (
        lambda x: (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, correction=0, keepdim=True) + 1e-6),
        TOKENS,
    ),
    "L2 norm": (lambda x: F.normalize(x, dim=-1), TOKENS),
    "L2 norm written out": (lambda x: x / x.norm(dim=-1, keepdim=True), TOKENS),
    "local response norm": (lambda x: F.local_response_norm(x, 3, 0.1), IMAGE),
    "global response norm": (
        lambda x: x * (x.norm(p=2, dim=(2, 3), keepdim=True) / (x.norm(dim=(2, 3), keepdim=True).mean(1, True) + 1e-6)),
        IMAGE,
    ),
    **{f.__name__: (f, TOKENS) for f in (F.relu, F.gelu, F.silu, F.mish, F.hardswish, F.elu, F.selu, F.relu6)},
    **{f.__name__: (f, TOKENS) for f in (torch.tanh, torch.erf, torch.abs, F.leaky_relu, F.hardtanh, torch.square)},
    "GELU by tanh": (lambda x: F.gelu(x, approximate="tanh"), TOKENS),
    "GELU written out": (lambda x: 0.5 * x * (1 + torch.erf(x / 2**0.5)), TOKENS),
    "GELU by tanh, written out": (lambda x: x * (0.5 * (1.0 + torch.tanh(0.8 * (x + 0.044715 * x**3)))), TOKENS),
    "quick GELU": (lambda x: x * torch.sigmoid(1.702 * x), TOKENS),
    "a power": (lambda x: x.abs().clamp(min=1e-6).pow(3.0), TOKENS),
    "in place": (lambda x: F.silu(F.gelu(x).mul_(2.0), inplace=True), TOKENS),
    "squeeze and excite": (lambda x: x * F.conv2d(x.mean((2, 3), True), KERNEL[:4, :, :1, :1]).sigmoid(), IMAGE),
    "hard gate of every channel": (
        lambda x: x * F.hardsigmoid(x.mean((2, 3))).view(2, 4, 1, 1).expand_as(x),
        IMAGE,
    ),
    "GLU": (F.glu, TOKENS),
    "a constant factor": (lambda x: x * SCALE, TOKENS),
    "reshape and index": (lambda x: torch.cat([x.flatten(1)[:, 3:], x.flatten(1)[:, :3]], 1), TOKENS),
}
PRODUCTS: dict[str, tuple[Function, Tensor, Tensor]] = {
    "times": (lambda a, b: a * b, TOKENS, OTHER),
    "times in place": (lambda a, b: a.clone().mul_(b), TOKENS, OTHER),
    "times, one of them a mean": (lambda a, b: a * b.mean(1, keepdim=True), TOKENS, OTHER),
    "SwiGLU": (lambda a, b: F.silu(a) * b, TOKENS, OTHER),
    "matmul": (torch.matmul, ATTENDED, VALUES),
    "bmm": (lambda a, b: torch.bmm(a[0], b[0]), ATTENDED, VALUES),
    "einsum": (lambda a, b: torch.einsum("nhij,nhjc->nhic", a, b), ATTENDED, VALUES),
    "baddbmm": (lambda a, b: torch.baddbmm(torch.zeros(1).double(), a[0], b[0]), ATTENDED, VALUES),
    "addcmul": (lambda a, b: torch.addcmul(torch.zeros(8).double(), a, b, value=2.0), TOKENS, OTHER),
    "sum": (lambda a, b: a + b, TOKENS, OTHER),
    "a gate from elsewhere": (lambda a, b: a * torch.sigmoid(b), TOKENS, OTHER),
    "over": (lambda a, b: a / (1 + b.abs()), TOKENS, OTHER),
    "a convolution whose weights are made of the image": (
        lambda x, w: F.conv2d(x, w.reshape(-1)[:64].reshape(4, 4, 2, 2)),
        IMAGE,
        OTHER,
    ),
}


@pytest.mark.parametrize("name", ALONE)
@pytest.mark.parametrize("rule", ["attn_lrp", "cp_lrp", "libra"])
def test_nothing_is_lost_in_an_operation(name: str, rule: str) -> None:
    assert abs(deficit(*ALONE[name], rule=rule)) < 1e-11


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("rule", ["attn_lrp", "cp_lrp", "libra"])
def test_nothing_is_lost_in_a_product(name: str, rule: str) -> None:
    assert abs(deficit(*PRODUCTS[name], rule=rule)) < 1e-11


@pytest.mark.parametrize("name", ["convolution", "linear", "grouped convolution", "transposed convolution"])
def test_gamma_loses_nothing_either(name: str) -> None:
    assert abs(deficit(*ALONE[name], gamma=0.3, conv_gamma=0.7)) < 1e-11


def test_the_check_can_fail() -> None:
    """A sigmoid that is no gate is left to its derivative, and has the deficit that follows from that."""
    out, flow, (G,) = sent(torch.sigmoid, TOKENS)
    torch.testing.assert_close(G, flow * out * (1 - out))
    lost = (flow * (out - TOKENS * out * (1 - out))).sum()
    assert lost.abs() > 0.5
    torch.testing.assert_close(deficit(torch.sigmoid, TOKENS), lost)


def test_gates_and_deviations_are_held() -> None:
    _, flow, (G_a, G_b) = sent(lambda a, b: a * torch.sigmoid(b).flip(1), TOKENS, OTHER)
    torch.testing.assert_close(G_a, flow * OTHER.sigmoid().flip(1))
    assert not G_b.any()
    _, flow, (G,) = sent(F.silu, TOKENS)
    torch.testing.assert_close(G, flow * TOKENS.sigmoid())
    _, flow, (G,) = sent(F.gelu, torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(G, flow * 0.5, rtol=1e-5, atol=0)
    _, flow, (G,) = sent(lambda x: F.layer_norm(x, (8,)), TOKENS)
    centred = flow - flow.mean(-1, keepdim=True)
    torch.testing.assert_close(G, centred / (TOKENS.var(-1, correction=0, keepdim=True) + 1e-5).sqrt())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("GELU written out", "gelu"),
        ("RMS norm written out", "RMS norm"),
        ("L2 norm written out", "L2 norm"),
        ("GELU by tanh, written out", "GELU by tanh"),
    ],
)
def test_a_spelling_is_a_spelling(one: str, other: str) -> None:
    """The same rule, where a network writes an operation out."""
    _, _, (found,) = sent(*ALONE[one])
    _, _, (expected,) = sent(*ALONE[other])
    torch.testing.assert_close(found, expected, rtol=0.02 if "tanh" in one else 1e-9, atol=1e-2 if "tanh" in one else 0)


def test_halves_are_for_what_depends_on_the_image_alone() -> None:
    _, flow, (G,) = sent(lambda x: x @ MATRIX.T @ MATRIX, TOKENS)
    torch.testing.assert_close(G, flow @ MATRIX.T @ MATRIX)
    _, flow, (G_a, G_b) = sent(lambda a, b: a * b, TOKENS, OTHER)
    torch.testing.assert_close((G_a, G_b), (flow * OTHER / 2, flow * TOKENS / 2))
    _, flow, (G,) = sent(lambda x: x * x, TOKENS)
    torch.testing.assert_close(G, flow * TOKENS)
    _, flow, (G,) = sent(lambda x: 2.0 * x / 3.0, TOKENS)
    torch.testing.assert_close(G, flow * 2 / 3)


def test_what_is_held_beside_a_softmax() -> None:
    """CP-LRP holds a gated branch's gate; LibraGrad halves it; both hold the softmax of an attention."""
    swiglu = lambda a, b: F.silu(a) * b  # noqa: E731
    _, flow, (G_a, G_b) = sent(swiglu, TOKENS, OTHER, rule="cp_lrp")
    torch.testing.assert_close((G_a, G_b), (torch.zeros_like(G_a), flow * F.silu(TOKENS)))
    _, flow, (G_a, G_b) = sent(swiglu, TOKENS, OTHER, rule="libra")
    torch.testing.assert_close((G_a, G_b), (flow * OTHER * TOKENS.sigmoid() / 2, flow * F.silu(TOKENS) / 2))
    for rule in ("cp_lrp", "libra"):
        _, flow, (G_l, G_v) = sent(lambda x, v: x.softmax(-1) @ v, ATTENDED, VALUES, rule=rule)
        torch.testing.assert_close((G_l, G_v), (torch.zeros_like(G_l), ATTENDED.softmax(-1).mT @ flow))
        _, _, (G,) = sent(lambda x: x.softmax(-1), ATTENDED, rule=rule)
        assert G.abs().max() > 1e-3, "a softmax that is no attention"


SCORES = draw(2, 3, 5, 5, seed=11)
MASKS: dict[str, Tensor | None] = {
    "none": None,
    "additive": SCORES,
    "boolean": torch.ones(5, 5, dtype=torch.bool).tril(),
}


def by_steps(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    logits = q @ k.mT * q.shape[-1] ** -0.5
    if mask is not None:
        logits = logits.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else logits + mask
    return logits.softmax(-1) @ v


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("rule", ["attn_lrp", "cp_lrp", "libra"])
@pytest.mark.parametrize("constant", [(), (0,), (1,), (2,), (0, 1)], ids=str)
def test_fused_attention_is_attention_by_steps(constant: tuple[int, ...], rule: str, mask: str) -> None:
    """Also where the query is a learnt one, as in pooling by attention: then k meets one half, not two."""
    whole = [draw(2, 3, 5, 4, seed=20 + i) for i in range(3)]
    moving = [x for i, x in enumerate(whole) if i not in constant]

    def attention(function: Function) -> Function:
        def run(*given: Tensor) -> Tensor:
            rest = iter(given)
            return function(*(whole[i] if i in constant else next(rest) for i in range(3)), MASKS[mask])

        return run

    for x in moving:
        x.requires_grad_()

    def flows(function: Function) -> tuple[Tensor, ...]:
        with rules.modified(rule):
            out = attention(function)(*moving)
        return torch.autograd.grad(out, moving, torch.ones_like(out), materialize_grads=True)

    torch.testing.assert_close(flows(F.scaled_dot_product_attention), flows(by_steps))


# small networks, written once more from the papers


def by_loops(R: Tensor, x: Tensor, W: Tensor, b: Tensor, gamma: float) -> Tensor:
    """The gamma rule summand by summand: those of the output's own sign count 1 + gamma times."""
    out, z = torch.zeros_like(x), x @ W.T + b
    for row in range(len(x)):
        for j in range(len(W)):
            sign = float(z[row, j].sign())
            parts = [float(W[j, i] * x[row, i]) for i in range(x.shape[1])]
            parts = [p * (1 + gamma) if p * sign > 0 else p for p in parts]
            bias = float(b[j]) * (1 + gamma if float(b[j]) * sign > 0 else 1)
            for i, part in enumerate(parts):
                out[row, i] += part / (sum(parts) + bias) * float(R[row, j])
    return out


@pytest.mark.parametrize("gamma", [0.0, 0.3, 50.0])
@pytest.mark.parametrize("spelling", ["linear", "convolution", "matmul"])
def test_gamma_is_the_rule_that_carries_relevance(gamma: float, spelling: str) -> None:
    x, W, b = draw(5, 8, seed=30), draw(7, 8, seed=31), draw(7, seed=32)
    x[0, 0] = 0
    bias = torch.zeros_like(b) if spelling == "matmul" else b
    function = {
        "linear": lambda x: F.linear(x, W, b),
        "convolution": lambda x: F.conv1d(x.mT, W[:, :, None], b).mT,
        "matmul": lambda x: x @ W.T,
    }[spelling]
    out, flow, (G,) = sent(function, x, gamma=gamma, conv_gamma=gamma)
    torch.testing.assert_close(x * G, by_loops(out * flow, x, W, bias, gamma))
    assert G.isfinite().all()


def test_a_rectifier_network_without_biases_is_input_times_gradient() -> None:
    torch.manual_seed(0)
    stem, dense, head = nn.Conv2d(2, 4, 1, bias=False), nn.Linear(16, 9, bias=False), nn.Linear(9, 3, bias=False)
    model = nn.Sequential(stem, nn.ReLU(), nn.Flatten(), dense, nn.ReLU(), head).double().eval()
    images = draw(2, 2, 2, 2)
    leaf = images.clone().requires_grad_()
    y = model(leaf)[:, 1]
    (slope,) = torch.autograd.grad(y.sum(), leaf)
    plain = {"gamma": 0.0, "conv_gamma": 0.0}
    found = heatlens.attribute(model, images, method="attn_lrp", settings=plain, target=1, layers="0")
    torch.testing.assert_close(found, (images * slope).sum(1))
    torch.testing.assert_close(found.sum((1, 2)), y.detach())


class OneBlock(nn.Module):
    """x + softmax(q k^T / 2) v of normed tokens, then x + W GELU(...) of normed tokens, read at the first token."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.kind = kind
        self.patch, self.head = nn.Conv2d(1, 4, 1), nn.Linear(4, 2)
        self.before, self.between = nn.LayerNorm(4), nn.LayerNorm(4)
        self.qkv, self.up, self.down = nn.Linear(4, 12), nn.Linear(4, 6), nn.Linear(6, 4)
        for weights in self.parameters():
            nn.init.normal_(weights, std=0.7)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patch(image).flatten(2).mT
        q, k, v = self.qkv(self.before(x)).chunk(3, -1)
        x = x + (F.scaled_dot_product_attention(q, k, v) if self.kind == "fused" else by_steps(q, k, v))
        x = x + self.down(F.gelu(self.up(self.between(x))))
        return self.head(x[:, 0])


def block_by_loops(m: OneBlock, image: Tensor, c: int, rule: str, gamma: float, conv_gamma: float) -> Tensor:
    """R from the score to the image as equations (8), (9), (11), (13), (15) of AttnLRP have it, with plain loops."""

    def dense(R: Tensor, x: Tensor, layer: nn.Linear) -> Tensor:
        return by_loops(R, x, layer.weight.detach(), layer.bias.detach(), gamma)

    def norm(R: Tensor, x: Tensor, layer: nn.LayerNorm) -> Tensor:
        """Shares in w_i (x_i - mean) / deviation + b_i."""
        out, (rows, size) = torch.zeros_like(x), x.shape
        for t in range(rows):
            mean = sum(float(v) for v in x[t]) / size
            deviation = (sum((float(v) - mean) ** 2 for v in x[t]) / size + layer.eps) ** 0.5
            for i in range(size):
                w, b = float(layer.weight[i]) / deviation, float(layer.bias[i])
                y = w * (float(x[t, i]) - mean) + b
                for j in range(size):
                    out[t, j] += w * (float(i == j) - 1 / size) * float(x[t, j]) / y * float(R[t, i])
        return out

    with torch.no_grad():
        pixels = image.flatten()[:, None]
        x = m.patch(image).flatten(2).mT[0]
        a = m.before(x)
        q, k, v = m.qkv(a).chunk(3, -1)
        S = q @ k.T / 2
        A = S.softmax(-1)
        out = A @ v
        h = x + out
        n, e = m.between(h), m.up(m.between(h))
        g = F.gelu(e)
        y = h + m.down(g)
        scores = m.head(y[:1])
    R = torch.zeros_like(scores)
    R[0, c] = scores[0, c]
    R_y = torch.zeros_like(y)
    R_y[:1] = dense(R, y[:1], m.head)
    R_h, R_d = R_y * h / y, R_y * m.down(g).detach() / y
    R_h = R_h + norm(dense(dense(R_d, g, m.down), n, m.up), h, m.between)  # GELU: R goes through
    R_x, R_out = R_h * x / h, R_h * out / h
    R_A, R_v = torch.zeros_like(A), torch.zeros_like(v)
    half = 0.5 if rule == "attn_lrp" else 1.0
    for i in range(9):
        for d in range(4):
            for j in range(9):
                share = float(A[i, j] * v[j, d] / out[i, d] * R_out[i, d])
                R_A[i, j] += share / 2
                R_v[j, d] += share * half
    R_q, R_k = torch.zeros_like(q), torch.zeros_like(k)
    for i in range(9 if rule == "attn_lrp" else 0):
        total = float(R_A[i].sum())
        for j in range(9):
            R_S = float(S[i, j]) * (float(R_A[i, j]) - float(A[i, j]) * total)
            for d in range(4):
                share = float(q[i, d] * k[j, d] / 2 / S[i, j]) * R_S
                R_q[i, d] += share / 2
                R_k[j, d] += share / 2
    R_x = R_x + norm(dense(torch.cat([R_q, R_k, R_v], 1), a, m.qkv), x, m.before)
    kernel = m.patch.weight.detach().reshape(4, 1)
    return by_loops(R_x, pixels, kernel, m.patch.bias.detach(), conv_gamma).reshape(3, 3)


@pytest.mark.parametrize("kind", ["fused", "by steps"])
@pytest.mark.parametrize(
    "settings",
    [
        {"rule": "attn_lrp", "gamma": 0.0, "conv_gamma": 0.0},
        {"rule": "attn_lrp", "gamma": 0.3, "conv_gamma": 0.1},
        {"rule": "cp_lrp", "gamma": 0.3, "conv_gamma": 0.1},
        {"rule": "libra"},
    ],
    ids=str,
)
def test_a_block_by_loops(kind: str, settings: dict[str, Any]) -> None:
    model, images = OneBlock(kind).double().eval(), torch.rand(2, 1, 3, 3, dtype=torch.float64)
    found = heatlens.attribute(model, images, method="attn_lrp", settings=settings, target=1, upsample=False)
    for one, image in zip(found, images, strict=True):
        by_hand = block_by_loops(model, image[None], 1, **{"gamma": 0.0, "conv_gamma": 0.0, **settings})
        torch.testing.assert_close(one, by_hand, rtol=1e-8, atol=1e-10)
