"""Oracles of the methods that look at what a transformer attends to."""

import numpy as np
import torch

from helpers.evidence import Evidence
from oracles.loops import Map, enlarged, image_of, oracle, picture_score, places, score_of, spread, stack_of

Matrix = list[list[float]]


def blocks_of(e: Evidence, n: int) -> list[np.ndarray]:
    """Att_l (heads, tokens, tokens)."""
    return [Att[n].detach().numpy() for Att in e.attention.blocks]


def slopes_of(e: Evidence, n: int, of: str = "score") -> list[np.ndarray]:
    return [slope[n].detach().numpy() for slope in e.attention_gradients(of)]


def times(A: Matrix, B: Matrix) -> Matrix:
    size = range(len(B))
    return [[sum(A[i][k] * B[k][j] for k in size) for j in range(len(B[0]))] for i in range(len(A))]


def identity(tokens: int) -> Matrix:
    return [[float(i == j) for j in range(tokens)] for i in range(tokens)]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def on_the_grid(e: Evidence, row: list[float]) -> Map:
    """What stands at the tokens behind the class token, place by place."""
    out = np.zeros(e.activations.shape[2:])
    for value, p in zip(row[1:], np.ndindex(*out.shape), strict=True):
        out[p] = value
    return out


@oracle("attention_rollout")
@oracle("attention_rollout", heads="min")
@oracle("attention_rollout", heads="max", discard=0.3)
@oracle("attention_rollout", discard=0.6)
def attention_rollout(e: Evidence, n: int, heads: str = "mean", discard: float = 0.0) -> Map:
    R: Matrix | None = None
    for Att in blocks_of(e, n):
        tokens = Att.shape[1]
        fuse = {"mean": lambda values: sum(values) / len(values), "min": min, "max": max}[heads]
        a = [[fuse([float(head[i, j]) for head in Att]) for j in range(tokens)] for i in range(tokens)]
        ranked = sorted((a[i][j], i * tokens + j) for i in range(tokens) for j in range(tokens))
        for _, flat in ranked[: int(discard * tokens * tokens)]:
            if flat != 0:
                a[flat // tokens][flat % tokens] = 0.0
        for i in range(tokens):
            a[i][i] += 1.0
            total = sum(a[i])
            a[i] = [value / total for value in a[i]]
        R = a if R is None else times(a, R)
    return on_the_grid(e, R[0])


@oracle("generic_attention")
def generic_attention(e: Evidence, n: int) -> Map:
    blocks = blocks_of(e, n)
    tokens = blocks[0].shape[1]
    R = identity(tokens)
    for Att, slope in zip(blocks, slopes_of(e, n), strict=True):
        bar = [
            [
                sum(max(0.0, float(s[i, j] * a[i, j])) for a, s in zip(Att, slope, strict=True)) / len(Att)
                for j in range(tokens)
            ]
            for i in range(tokens)
        ]
        R = [[r + d for r, d in zip(row, more, strict=True)] for row, more in zip(R, times(bar, R), strict=True)]
    return on_the_grid(e, R[0])


@oracle("transformer_attribution")
@oracle("transformer_attribution", gamma=1.0)
@oracle("transformer_attribution", rule="paper")
def transformer_attribution(e: Evidence, n: int, rule: str = "attn_lrp", gamma: float = 0.25) -> Map:
    relevance = [R[n].numpy() for R in e.propagated("attention", rule=rule, gamma=gamma)]
    C: Matrix | None = None
    for slope, R in zip(slopes_of(e, n), relevance, strict=True):
        tokens = R.shape[1]
        bar = identity(tokens)
        for i in range(tokens):
            for j in range(tokens):
                bar[i][j] += sum(max(0.0, float(s[i, j] * r[i, j])) for s, r in zip(slope, R, strict=True)) / len(R)
        C = bar if C is None else times(bar, C)
    return on_the_grid(e, C[0])


@oracle("legrad")
@oracle("legrad", blocks=0)
@oracle("legrad", blocks=1, pooling="model")
def legrad(e: Evidence, n: int, blocks: int = 2, pooling: str = "mean") -> Map:
    slopes = slopes_of(e, n, "tokens" if pooling == "mean" else "read")
    row = [0.0] * slopes[0].shape[2]
    for slope in slopes[-blocks:] if blocks else slopes:
        heads, queries, keys = slope.shape
        for j in range(keys):
            positive = [max(0.0, float(slope[h, i, j])) for h in range(heads) for i in range(queries)]
            row[j] += sum(positive) / len(positive)
    return on_the_grid(e, row)


@oracle("grad_eclip")
@oracle("grad_eclip", loosened=False)
def grad_eclip(e: Evidence, n: int, loosened: bool = True) -> Map:
    def joined(x: torch.Tensor, token: int) -> list[float]:
        return [float(value) for head in x[n] for value in head[token]]

    queries, keys = e.attention.pair
    w = joined(e.attention_gradients("outputs")[-1], 0)
    q, tokens = joined(queries, 0), queries.shape[2]
    values, alike = [0.0], []
    for i in range(1, tokens):
        k, v = joined(keys, i), joined(e.attention.values, i)
        dot = sum(a * b for a, b in zip(q, k, strict=True))
        alike.append(dot / (sum(a * a for a in q) * sum(b * b for b in k)) ** 0.5)
        values.append(sum(a * b for a, b in zip(w, v, strict=True)))
    if loosened:
        near = spread(np.array(alike)).tolist()
        values = [0.0, *(m * value for m, value in zip(near, values[1:], strict=True))]
    return on_the_grid(e, [max(0.0, value) for value in values])


@oracle("attn_lrp")
@oracle("attn_lrp", gamma=0.5)
@oracle("attn_lrp", conv_gamma=0.0)
@oracle("attn_lrp", rule="cp_lrp")
@oracle("attn_lrp", rule="libra")
def attn_lrp(e: Evidence, n: int, rule: str = "attn_lrp", gamma: float = 0.25, conv_gamma: float = 1.0) -> Map:
    gammas = {} if rule == "libra" else {"gamma": gamma, "conv_gamma": conv_gamma}
    R = e.propagated(rule, **gammas)[n].numpy()
    out = np.zeros(R.shape[1:])
    for colour in R:
        for p in np.ndindex(*out.shape):
            out[p] += colour[p]
    return out


@oracle("vit_recipro_cam")
@oracle("vit_recipro_cam", gaussian=False)
@oracle("vit_recipro_cam", score="logit")
def vit_recipro_cam(e: Evidence, n: int, gaussian: bool = True, score: str = "probability") -> Map:
    A = stack_of(e, n)
    out = np.zeros(A.shape[1:])
    for p in places(A):
        left = np.zeros_like(A)
        for q in places(A):
            share = 1.0
            for a, b in zip(p, q, strict=True):
                share *= {0: 2 / 4, 1: 1 / 4}.get(abs(a - b), 0.0) if gaussian else float(a == b)
            for k in range(len(A)):
                left[(k, *q)] = share * A[(k, *q)]  # a neighbour's own value, not the one of (i, j)
        out[p] = score_of(e, left, n, score)
    return out


@oracle("vit_cx")
@oracle("vit_cx", distance=0.6)
@oracle("vit_cx", sigma=0.5, score="logit", seed=4)
def vit_cx(
    e: Evidence, n: int, distance: float = 0.1, sigma: float = 0.1, score: str = "probability", seed: int = 0
) -> Map:
    X, size = image_of(e, n), tuple(e.images.shape[2:])
    masks = [spread(enlarged(channel, size)) for channel in stack_of(e, n)]
    M = [spread(sum(masks[k] for k in group)) for group in _complete_linkage(masks, distance)]
    y, s = picture_score(e, X, n, score), []
    for i, mask in enumerate(M):
        drawn = torch.randn(X.shape, generator=torch.Generator().manual_seed(seed + i)).double().numpy()
        Z = sigma * drawn * (1 - mask)
        s.append(picture_score(e, X * mask + Z, n, score) - picture_score(e, X + Z, n, score) + y)
    out = np.zeros(size)
    for p in np.ndindex(*size):
        covered = sum(float(mask[p]) for mask in M)
        if covered:
            out[p] = sum(w * float(mask[p]) for w, mask in zip(s, M, strict=True)) / covered / len(M)
    return out


def _complete_linkage(masks: list[Map], distance: float) -> list[list[int]]:
    """The two groups whose farthest members are nearest become one, until none are within the distance."""

    def apart(a: Map, b: Map) -> float:
        lengths = (a**2).sum() * (b**2).sum()
        return 1 - float((a * b).sum() / lengths**0.5) if lengths else 1.0

    groups = [[k] for k in range(len(masks))]
    while len(groups) > 1:
        pairs = [
            (max(apart(masks[a], masks[b]) for a in one for b in other), i, j)
            for i, one in enumerate(groups)
            for j, other in enumerate(groups[:i])
        ]
        gap, i, j = min(pairs)
        if gap >= distance:
            break
        groups[j] += groups.pop(i)
    return sorted((sorted(group) for group in groups), key=min)


@oracle("tis", masks=5)
@oracle("tis", masks=4, kept=0.25, score="logit")
@oracle("tis", masks=3, seed=3)
def tis(e: Evidence, n: int, masks: int, kept: float = 0.5, score: str = "probability", seed: int = 0) -> Map:
    from sklearn.cluster import KMeans

    channels = [e.places(Z)[n].detach().numpy().reshape(Z.shape[2], -1) for Z in e.attention.tokens]
    rows = np.concatenate(channels).astype(np.float32)
    A, total, cover = stack_of(e, n), 0.0, 0.0
    for centre in KMeans(masks, n_init=1, random_state=seed).fit(rows).cluster_centers_:
        best = sorted(range(len(centre)), key=lambda p: -centre[p])[: max(1, int(kept * len(centre)))]
        M = np.array([float(p in best) for p in range(len(centre))]).reshape(A.shape[1:])
        logits = e.tail(torch.as_tensor(A * M)[None])[0]
        value = logits.softmax(0) if score == "probability" else logits
        total, cover = total + float(value[e.classes[n]]) * M, cover + M
    return np.divide(total, cover, out=np.zeros_like(cover), where=cover > 0)
