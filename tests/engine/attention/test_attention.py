"""Attention written out: the same outputs, the same probabilities, the model untouched; LRP through transformers."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import heatlens
from heatlens.engine.attention.attention_pass import AttendedPass
from heatlens.engine.attention.relevance import carried, multiplied
from heatlens.engine.attention.unfused import attending
from heatlens.engine.forward.inputs import Inputs
from heatlens.engine.passes.scene import Options, Scene
from heatlens.engine.rules import rules
from heatlens.engine.state.evaluating import evaluating
from heatlens.targets import Logit
from heatlens.words.errors import EvidenceMissing, ScoreIndifferent
from helpers.networks import lively, timm_model, transformers_model

SMALL = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 48, "image_size": 32}
Made = tuple[nn.Module, Tensor]


def small_timm(name: str, size: int = 32, **arguments: Any) -> Made:
    return timm_model(name, size, **{"img_size": size, "embed_dim": 24, "depth": 3, "num_heads": 3, **arguments})


def hugging(name: str, attention: str, **arguments: Any) -> Made:
    model, images = transformers_model(name, 32, **SMALL, patch_size=8, **arguments)
    model.set_attn_implementation(attention)
    return model, images


def torchvision_vit() -> Made:
    from torchvision.models import VisionTransformer

    torch.manual_seed(0)
    images = torch.rand(2, 3, 32, 32)
    return lively(VisionTransformer(32, 8, 3, 3, 24, 48, num_classes=11), images), images


MODELS: dict[str, Callable[[], Made]] = {
    "torchvision": torchvision_vit,
    "timm fused": lambda: small_timm("vit_tiny_patch16_224", patch_size=8),
    "timm distilled": lambda: small_timm("deit_tiny_distilled_patch16_224", patch_size=8),
    "timm registers": lambda: small_timm("vit_small_patch14_reg4_dinov2", patch_size=8),
    "timm mean": lambda: small_timm("vit_tiny_patch16_224", patch_size=8, global_pool="avg"),
    "timm pooled by attention": lambda: small_timm("vit_base_patch16_siglip_224", patch_size=8),
    "timm relative positions": lambda: small_timm("beit_base_patch16_224", patch_size=8),
    "transformers sdpa": lambda: hugging("ViT", "sdpa"),
    "transformers eager": lambda: hugging("ViT", "eager"),
    "transformers registers": lambda: hugging("Dinov2WithRegisters", "sdpa"),
}
PREFIX = {"timm distilled": 2, "timm registers": 5, "timm pooled by attention": 0, "transformers registers": 5}


@pytest.fixture(scope="module", params=MODELS)
def made(request: pytest.FixtureRequest) -> tuple[str, nn.Module, Tensor]:
    model, images = MODELS[request.param]()
    return request.param, model.double(), images.double()


def looked(model: nn.Module, images: Tensor, **options: Any) -> Scene:
    subject = heatlens.load(model)
    return Scene(
        model, Inputs((images,)), [], subject.layout, torch.zeros_like(images), Options(graph=False, **options)
    )


@pytest.fixture
def seen(made: tuple[str, nn.Module, Tensor]) -> Iterator[tuple[str, Scene, AttendedPass]]:
    name, model, images = made
    with evaluating(model):
        scene = looked(model, images)
        yield name, scene, AttendedPass(scene)


Seen = tuple[str, Scene, AttendedPass]


def test_the_outputs_are_the_models_own(seen: Seen) -> None:
    _, scene, written_out = seen
    got, expected = (getattr(x, "logits", x) for x in (written_out.outputs, scene.outputs))
    torch.testing.assert_close(got.detach(), expected, rtol=1e-9, atol=1e-11)


def test_blocks_are_rows_that_sum_to_one_in_the_order_of_the_network(seen: Seen) -> None:
    name, scene, written_out = seen
    attention = written_out.attention([Logit(1)] * 2)
    tokens = 16 + PREFIX.get(name, 1)
    assert [tuple(Att.shape) for Att in attention.blocks] == [(2, 3, tokens, tokens)] * 3
    for Att in attention.blocks:
        torch.testing.assert_close(Att.sum(3), torch.ones(2, 3, tokens, dtype=Att.dtype))
        assert not Att.requires_grad
    names = {module: name for name, module in scene.model.named_modules()}
    found = [names[block.block] for block in written_out.blocks]
    assert found == sorted(found)
    assert len(set(found)) == 3
    assert attention.places(attention.tokens[0]).shape == (2, 24, 4, 4)


def test_the_tokens_that_are_read(seen: Seen) -> None:
    name, _, written_out = seen
    reads = written_out.attention([Logit(1)] * 2).reads[0]
    expected = {
        "timm distilled": [0.5, 0.5, *[0.0] * 16],
        "timm mean": [0.0, *[1 / 16] * 16],
        "timm relative positions": [0.0, *[1 / 16] * 16],
        "timm pooled by attention": [1 / 16] * 16,
        # its head takes the class token beside the mean of the patches, and leaves the registers out
        "transformers registers": [1 / 17, *[0.0] * 4, *[1 / 17] * 16],
    }.get(name, [1.0, *[0.0] * (len(reads) - 1)])
    torch.testing.assert_close(reads, torch.tensor(expected, dtype=reads.dtype))


def test_probabilities_are_those_that_transformers_tells_itself() -> None:
    model, images = hugging("ViT", "eager")
    with evaluating(model):
        own = model(images, output_attentions=True).attentions
        found = AttendedPass(looked(model, images)).attention([Logit(0)] * 2).blocks
    for ours, theirs in zip(found, own, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_gradients_against_finite_differences() -> None:
    """dy/dAtt: the score when one entry of one block's attention is moved."""
    model, images = MODELS["timm fused"]()
    model, images = model.double(), images[:1].double()
    with evaluating(model):
        written_out = AttendedPass(looked(model, images))
        slopes = written_out.slopes([Logit(2)], "score")
        for block, (head, query, key) in [(0, (0, 3, 5)), (1, (2, 0, 7)), (2, (1, 0, 1))]:
            there, back = (_moved(model, images, block, (0, head, query, key), step) for step in (1e-5, -1e-5))
            torch.testing.assert_close(slopes[block][0, head, query, key], (there - back)[0, 2] / 2e-5)


def _moved(model: nn.Module, images: Tensor, block: int, at: tuple[int, ...], step: float) -> Tensor:
    """The outputs with one entry of a block's attention moved, by timm's own unfused path."""
    calls: list[int] = []

    def move(module: nn.Module, args: Any, out: Tensor) -> Tensor:
        calls.append(1)
        out = out.clone()
        out[at] += step
        return out

    attention = model.blocks[block].attn
    attention.fused_attn = False
    handle = attention.attn_drop.register_forward_hook(move)
    try:
        return model(images)
    finally:
        handle.remove()
        attention.fused_attn = True


@pytest.mark.parametrize("of", ["tokens", "read"])
def test_legrad_in_one_pass_is_legrad_layer_by_layer(of: Any) -> None:
    """The residual stream cut between the blocks and all scores sent back at once, written with timm's own parts."""
    model, images = MODELS["timm fused"]()
    model, images = model.double(), images.double()
    with evaluating(model):
        ours = AttendedPass(looked(model, images)).slopes([Logit(2)] * 2, of)
        with torch.enable_grad():
            x, kept, total = model._pos_embed(model.patch_embed(images)), [], 0.0
            for block in model.blocks:
                x = x.detach()
                q, k, v = block.attn.qkv(block.norm1(x)).unflatten(2, (3, 3, 8)).permute(2, 0, 3, 1, 4)
                kept.append((q @ k.mT / 8**0.5).softmax(3))
                x = x + block.attn.proj((kept[-1] @ v).transpose(1, 2).flatten(2))
                x = x + block.mlp(block.norm2(x))
                total = total + model.head(model.norm(x.mean(1) if of == "tokens" else x[:, 0]))[:, 2].sum()
            expected = torch.autograd.grad(total, kept)
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other)


ATTENTION = ["attention_rollout", "generic_attention", "transformer_attribution", "legrad", "grad_eclip", "attn_lrp"]
STEADY = [name for name in ATTENTION if name != "grad_eclip"]


def test_every_method_on_every_kind(made: tuple[str, nn.Module, Tensor]) -> None:
    _, model, images = made
    maps = heatlens.attribute(model, images, method=ATTENTION, target=3, upsample=False)
    for name, found in maps.items():
        assert found.shape == ((2, 32, 32) if name == "attn_lrp" else (2, 4, 4)), name
        assert found.isfinite().all()
        assert name == "grad_eclip" or found.flatten(1).any(1).all(), name
    alone = heatlens.attribute(model, images[1:], method=ATTENTION, target=3, upsample=False)
    for name, found in maps.items():
        torch.testing.assert_close(alone[name], found[1:], rtol=1e-6, atol=1e-12)
    paper = {"method": "transformer_attribution", "settings": {"rule": "paper"}, "target": 3}
    torch.testing.assert_close(
        heatlens.attribute(model, images[1:], **paper), heatlens.attribute(model, images, **paper)[1:]
    )


def test_a_grid_that_is_not_square() -> None:
    model, _ = small_timm("deit_tiny_distilled_patch16_224", img_size=(32, 48), patch_size=8)
    maps = heatlens.attribute(model, torch.rand(1, 3, 32, 48), method=ATTENTION[:5], target=3, upsample=False)
    assert {found.shape for found in maps.values()} == {(1, 4, 6)}


def test_rollout_by_another_hand() -> None:
    """The product of the matrices that transformers gives out, with its class token's row."""
    model, images = hugging("ViT", "eager")
    with evaluating(model):
        own = model(images, output_attentions=True).attentions
    R = torch.eye(17)
    for Att in own:
        R = (0.5 * Att.mean(1) + 0.5 * torch.eye(17)) @ R
    torch.testing.assert_close(R.sum(2), torch.ones(2, 17))
    found = heatlens.attribute(model, images, method="attention_rollout", upsample=False)
    torch.testing.assert_close(found, R[:, 0, 1:].reshape(2, 4, 4))


# what cannot be


@pytest.mark.parametrize(
    ("name", "size", "options", "why"),
    [
        ("resnet18", 64, {}, "no attention of tokens"),
        ("swin_tiny_patch4_window7_224", 224, {"depths": (1, 1)}, "within windows"),
        ("cait_xxs24_224", 32, {"img_size": 32, "depth": 2}, "no attention of tokens"),
        ("xcit_nano_12_p16_224", 64, {"img_size": 64, "depth": 2}, "something else than its"),
    ],
)
def test_models_without_attention_over_the_image_say_so(name: str, size: int, options: Any, why: str) -> None:
    model, images = timm_model(name, size, **options)
    with pytest.raises(EvidenceMissing, match=why):
        heatlens.attribute(model, images, method="generic_attention", target=1)


def test_attention_that_the_score_does_not_need() -> None:
    model, images = MODELS["timm fused"]()
    with pytest.raises(ScoreIndifferent, match="does not depend"):
        heatlens.attribute(model, images, method="generic_attention", target=lambda out: 0 * out[:, 0].detach())


def test_tokens_can_be_left_out_only_where_positions_allow() -> None:
    model, images = MODELS["timm relative positions"]()
    with pytest.raises(EvidenceMissing, match="cannot leave tokens out"):
        heatlens.attribute(model, images, method="tis", settings={"masks": 3}, target=1)


@pytest.mark.parametrize("name", ["timm distilled", "timm registers", "transformers sdpa", "torchvision"])
def test_patches_alone(name: str) -> None:
    """All of them are the image; some are what the network says when the others' tokens are cut away by hand."""
    from heatlens.engine.evidence.patch_sampling import score_patches

    model, images = MODELS[name]()
    model, images = model.double(), images.double()
    some = torch.tensor([[1, 4, 15], [0, 9, 2]])
    with evaluating(model):
        scene = looked(model, images)
        whole = score_patches(scene, [Logit(1)] * 2, lambda i, k: torch.arange(16).expand(len(k), 16), 3)
        expected = getattr(scene.outputs, "logits", scene.outputs)[:, 1]
        torch.testing.assert_close(whole, expected[:, None].expand(2, 3))
        few = score_patches(scene, [Logit(1)] * 2, lambda i, k: some[k], 2)
        if name.startswith("timm"):
            tokens = model._pos_embed(model.patch_embed(images))
            prefix = tokens.shape[1] - 16
            for k, chosen in enumerate(some):
                cut = torch.cat([tokens[:, :prefix], tokens[:, prefix + chosen]], 1)
                logits = model.forward_head(model.norm(model.blocks(model.norm_pre(cut))))
                torch.testing.assert_close(few[:, k], logits[:, 1])
    assert not torch.allclose(few, whole[:, :2])


# the rules of relevance


class Attends(nn.Module):
    """x + softmax(q k^T / 2) v, of one head."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.fused, self.qkv = fused, nn.Linear(4, 12)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x)[:, None].chunk(3, 3)
        if self.fused:
            return x + F.scaled_dot_product_attention(q, k, v)[:, 0]
        return x + (((q * 0.5) @ k.transpose(2, 3)).softmax(-1) @ v)[:, 0]


class Block(nn.Module):
    """One attention over nine places, read at the first: small enough to follow by hand."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.patch, self.attends, self.head = nn.Conv2d(1, 4, 1, bias=False), Attends(fused), nn.Linear(4, 2)

    @property
    def qkv(self) -> nn.Linear:
        return self.attends.qkv

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.attends(self.patch(x).flatten(2).mT)[:, 0])


@pytest.mark.parametrize("fused", [False, True])
def test_transformer_relevance_by_hand(fused: bool) -> None:
    model, images = Block(fused).double().eval(), torch.rand(1, 1, 3, 3, dtype=torch.float64)
    with evaluating(model):
        (R,) = carried(looked(model, images), [Logit(1)], rules.transformer)
    x = model.patch(images).flatten(2).mT[0].detach()
    q, k, v = model.qkv(x).detach().chunk(3, 1)
    A = (q @ k.T * 0.5).softmax(1)
    out = A @ v
    z, W = (x + out)[0], model.head.weight[1].detach()
    parts = [max(0.0, float(w) * float(value)) for w, value in zip(W, z, strict=True)]
    at_sum = [part / sum(parts) for part in parts]  # z+, no bias
    sides = [[R * float(side[c] / z[c]) for c, R in enumerate(at_sum)] for side in (x[0], out[0])]
    totals = [sum(side) for side in sides]
    whole = sum(abs(t) for t in totals)
    below = [part * abs(totals[1]) / whole / totals[1] for part in sides[1]]  # each side's total settled
    expected = torch.zeros(9, 9, dtype=torch.float64)
    for j in range(9):
        expected[0, j] = sum(float(A[0, j] * v[j, c] / out[0, c]) * below[c] for c in range(4)) / 2
    torch.testing.assert_close(R[0, 0], expected)


@pytest.mark.parametrize("fused", [False, True])
def test_relevance_of_attention_as_attention_times_gradient(fused: bool) -> None:
    """Without gamma: the derivative of a head that is linear in the tokens, half of it at Att v."""
    model, images = Block(fused).double().eval(), torch.rand(2, 1, 3, 3, dtype=torch.float64)
    with evaluating(model):
        (R,) = multiplied(looked(model, images), [Logit(1), Logit(0)], partial(rules.modified, "attn_lrp"))
    for i, c in enumerate((1, 0)):
        x = model.patch(images[i : i + 1]).flatten(2).mT[0].detach()
        q, k, v = model.qkv(x).detach().chunk(3, 1)
        A = (q @ k.T * 0.5).softmax(1)
        expected = torch.zeros(9, 9, dtype=torch.float64)
        for j in range(9):
            expected[0, j] = float(A[0, j]) * sum(float(model.head.weight[c, d] * v[j, d]) for d in range(4)) / 2
        torch.testing.assert_close(R[i, 0], expected)


class TwoBlocks(nn.Module):
    """Two blocks of one head: x + W softmax(q k^T / 2) v of normed tokens, then x + W GELU(W x) of normed tokens."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.patch, self.head = nn.Conv2d(1, 4, 1), nn.Linear(4, 2)
        self.blocks = nn.ModuleList(Whole() for _ in range(2))
        for weights in self.parameters():
            nn.init.normal_(weights, std=0.7)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patch(image).flatten(2).mT
        for block in self.blocks:
            x = block(x)
        return self.head(x[:, 0])


class Whole(nn.Module):
    """A block with everything in it."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(4), nn.LayerNorm(4)
        self.qkv, self.out, self.up, self.down = nn.Linear(4, 12), nn.Linear(4, 4), nn.Linear(4, 6), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.before(x))[:, None].chunk(3, 3)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v)[:, 0])
        return x + self.down(F.gelu(self.up(self.between(x))))


def paper_by_loops(m: TwoBlocks, image: Tensor, c: int) -> list[Tensor]:
    """R of both attentions, written from the paper's rules with plain loops."""

    def dense(R: Tensor, x: Tensor, layer: nn.Linear) -> Tensor:
        out = torch.zeros_like(x)
        for row in range(len(x)):
            for j, weights in enumerate(layer.weight.detach()):
                parts = [max(0.0, float(w * value)) for w, value in zip(weights, x[row], strict=True)]
                for i, part in enumerate(parts):
                    out[row, i] += part / sum(parts) * float(R[row, j]) if sum(parts) else 0.0
        return out

    def settled(R: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        R_a, R_b = a / (a + b) * R, b / (a + b) * R
        t, u = float(R_a.sum()), float(R_b.sum())
        whole, size = float(R.sum()), abs(t) + abs(u)
        return R_a * abs(t) / size * whole / t, R_b * abs(u) / size * whole / u

    with torch.no_grad():
        x, seen = m.patch(image).flatten(2).mT[0], []
        for b in m.blocks:
            a = b.before(x)
            q, k, v = b.qkv(a).chunk(3, 1)
            A = (q @ k.T / 2).softmax(1)
            o = A @ v
            h = x + b.out(o)
            e = b.up(b.between(h))
            d = b.down(F.gelu(e))
            seen.append((x, a, q, k, v, A, o, b.out(o), h, b.between(h), F.gelu(e), d))
            x = h + d
    R = torch.zeros_like(x)
    R[:1] = dense(torch.eye(2, dtype=x.dtype)[c : c + 1], x[:1], m.head)
    found = []
    for b, (x, a, q, k, v, A, o, said, h, n, g, d) in zip(reversed(m.blocks), reversed(seen), strict=True):
        R_h, R_d = settled(R, h, d)
        R_h = R_h + dense(dense(R_d, g, b.down), n, b.up)  # GELU and the norm let it through
        R_x, R_said = settled(R_h, x, said)
        R_o = dense(R_said, o, b.out)
        R_A, R_v, S = torch.zeros_like(A), torch.zeros_like(v), q @ k.T
        for i in range(9):
            for j in range(9):
                for f in range(4):
                    share = float(A[i, j] * v[j, f] / o[i, f] * R_o[i, f]) / 2
                    R_A[i, j] += share
                    R_v[j, f] += share
        R_q, R_k = torch.zeros_like(q), torch.zeros_like(k)
        for i in range(9):
            for j in range(9):
                for f in range(4):
                    share = float(q[i, f] * k[j, f] / S[i, j] * R_A[i, j]) / 2  # the softmax lets it through
                    R_q[i, f] += share
                    R_k[j, f] += share
        R = R_x + dense(torch.cat([R_q, R_k, R_v], 1), a, b.qkv)
        found.append(R_A)
    return found[::-1]


def test_the_papers_relevance_by_loops() -> None:
    """Of every image by itself, in float64 also where the network is not."""
    model, images = TwoBlocks().eval(), torch.rand(2, 1, 3, 3)
    with evaluating(model):
        found = carried(looked(model, images), [Logit(1), Logit(0)], rules.transformer)
        before = [p.dtype for p in model.parameters()]
    assert set(before) == {torch.float32}
    exact = model.double()
    for i, c in enumerate((1, 0)):
        for R, expected in zip(found, paper_by_loops(exact, images[i : i + 1].double(), c), strict=True):
            assert R.dtype == torch.float32
            torch.testing.assert_close(R[i, 0].double(), expected, rtol=1e-5, atol=1e-6 * float(expected.abs().max()))


class Stubborn(TwoBlocks):
    """Its head is of float32, whatever its weights are."""

    def forward(self, image: Tensor) -> Tensor:
        x = self.patch(image).flatten(2).mT
        for block in self.blocks:
            x = block(x)
        return F.linear(x[:, 0].float(), torch.ones(2, 4), self.head.bias)


def test_a_network_that_cannot_be_doubled_is_looked_at_as_it_is() -> None:
    model, images = Stubborn().eval(), torch.rand(2, 1, 3, 3)
    with evaluating(model):
        found = carried(looked(model, images), [Logit(1)] * 2, rules.transformer)
    assert [tuple(R.shape) for R in found] == [(2, 1, 9, 9)] * 2
    assert all(R.isfinite().all() and R.flatten(1).any(1).all() for R in found)


# the model is left as it was found


def test_the_mode_is_closed_and_the_hooks_are_gone_also_when_it_raises() -> None:
    model, images = MODELS["timm fused"]()
    model.train()
    model.head.bias.requires_grad_(False)
    before = {name: (p.requires_grad, p.clone()) for name, p in model.named_parameters()}

    def broken(outputs: Tensor) -> Tensor:
        raise ArithmeticError("broken on purpose")

    for target in (1, broken):
        try:
            heatlens.attribute(model, images, method=[*ATTENTION, "tis"], settings={"masks": 2}, target=target)
        except ArithmeticError:
            assert target is broken
        assert all(m.training and not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())
        for name, p in model.named_parameters():
            assert p.requires_grad == before[name][0]
            assert p.grad is None
            assert torch.equal(p, before[name][1])
    with pytest.raises(ArithmeticError), attending(model):
        raise ArithmeticError
    assert torch.overrides._get_current_function_mode_stack() == []


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype) -> None:
    model, images = MODELS["timm fused"]()
    expected = heatlens.attribute(model, images, method=STEADY, target=1, upsample=False)
    found = heatlens.attribute(model.to(dtype), images, method=STEADY, target=1, upsample=False)
    for name, maps in found.items():
        assert maps.dtype == torch.float32
        cosine = torch.cosine_similarity(maps.flatten(1), expected[name].flatten(1))
        assert cosine.min() > 0.98, (name, cosine)


def test_compiled_and_autocast() -> None:
    model, images = MODELS["torchvision"]()
    expected = heatlens.attribute(model, images, method=STEADY, target=1)
    compiled = heatlens.attribute(torch.compile(model), images, method=STEADY, target=1)
    cast = heatlens.attribute(model, images, method=STEADY, target=1, precision="bf16")
    for name, maps in expected.items():
        torch.testing.assert_close(compiled[name], maps)
        assert torch.cosine_similarity(cast[name].flatten(1), maps.flatten(1)).min() > 0.97
