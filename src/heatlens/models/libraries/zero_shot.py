"""Models that embed photos and texts side by side (CLIP, SigLIP): a classifier whose classes are texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ...engine.state.evaluating import device_of, evaluating
from ...words.errors import BadValue


class ZeroShot(nn.Module):
    """The photos' side of a model; beside embeddings it gives one score per text, if there are texts.

    The model inside is the person's own, unchanged.  Embeddings have length 1; scores are the model's:
    exp(logit_scale) cos(photo, text), plus logit_bias where there is one (SigLIP).
    """

    def __init__(self, model: nn.Module, texts: Tensor | None = None) -> None:
        super().__init__()
        self.model = model
        self.texts: Tensor | None
        self.register_buffer("texts", texts, persistent=False)

    def forward(self, pixel_values: Tensor, **options: Any) -> dict[str, Tensor]:
        """Photos (n, 3, h, w) -> image_embeds (n, d), and with texts logits (n, texts)."""
        inside: Any = self.model
        photos = unit(pooled(inside.get_image_features(pixel_values=pixel_values, **options)))
        if self.texts is None:
            return {"image_embeds": photos}
        scores = inside.logit_scale.exp() * photos @ self.texts.to(photos).T
        bias = getattr(inside, "logit_bias", None)
        return {"logits": scores if bias is None else scores + bias, "image_embeds": photos}


@dataclass(frozen=True, eq=False)
class Texts:
    """The texts' side of a model, with what cuts texts into tokens."""

    model: nn.Module
    tokenizer: Any

    def embeddings(self, texts: Sequence[str]) -> Tensor:
        """(texts, d), of length 1."""
        inside: Any = self.model
        if self.tokenizer is None:
            raise BadValue(
                f"texts for a {type(inside).__name__} with no tokenizer",
                "the folder or hub name it came from, or processor=…",
                'heatlens.load(model, processor=AutoProcessor.from_pretrained("…"))',
            )
        tokens = self.tokenizer(
            list(texts),
            padding="max_length" if hasattr(inside, "logit_bias") else True,  # SigLIP has only seen full lines
            max_length=inside.config.text_config.max_position_embeddings,
            truncation=True,
            return_tensors="pt",
        ).to(device_of(inside))
        with evaluating(inside):
            return unit(pooled(inside.get_text_features(**tokens)))

    def classifying(self, texts: Sequence[str]) -> nn.Module:
        """The model as a classifier whose classes are these texts."""
        return ZeroShot(self.model, self.embeddings(texts))


def reads(model: nn.Module) -> bool:
    """Whether a model embeds photos and texts side by side."""
    return all(hasattr(model, name) for name in ("get_image_features", "get_text_features", "logit_scale"))


def pooled(features: Any) -> Tensor:
    """Embeddings (n, d), as a tensor or in the object that newer versions return."""
    found: Tensor = features if isinstance(features, Tensor) else features.pooler_output
    return found


def unit(embeddings: Tensor) -> Tensor:
    return F.normalize(embeddings, dim=-1)
