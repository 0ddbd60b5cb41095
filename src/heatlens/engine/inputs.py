"""What a model is called with."""

from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from ..errors import BadValue
from ..targets.meaning import Meaning, read
from ..trees import Tree, main_tensor, rows, tensors, with_tensor
from .batching import out_of_memory


@dataclass(frozen=True)
class Inputs:
    """What the model is called with; the first tensor with a space among the arguments holds the images."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    meaning: Meaning = Meaning()
    """How what the model returns is read."""

    @property
    def images(self) -> Tensor:
        given = [*self.args, *self.kwargs.values()]
        spatial = [t for t in tensors(given) if t.is_floating_point() and t.ndim > 2]
        return spatial[0] if spatial else main_tensor(given)

    @property
    def batch(self) -> int:
        return self.images.shape[0]

    def of(self, index: int, copies: int) -> "Inputs":
        """Image `index`, `copies` times."""
        args, kwargs = rows((self.args, self.kwargs), self.batch, index, copies)
        return replace(self, args=args, kwargs=kwargs)

    def showing(self, images: Tensor) -> "Inputs":
        """The same call with other images."""
        args, kwargs = with_tensor((self.args, self.kwargs), self.images, images)
        return replace(self, args=args, kwargs=kwargs)

    def meant(self, meaning: Meaning) -> "Inputs":
        """The same call, what comes of it read so."""
        return replace(self, meaning=meaning)

    def shown_to(self, model: nn.Module) -> Tree:
        """A first forward pass: a model that refuses its input is a mistake about the input's size or channels."""
        try:
            return self.run(model)
        except (RuntimeError, AssertionError, ValueError, IndexError) as error:
            if isinstance(error, RuntimeError) and out_of_memory(error):
                raise
            reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
            raise BadValue(
                f"{type(model).__name__} cannot be run on an input of shape {tuple(self.images.shape)}: {reason[0]}",
                "an input that the model accepts",
                "Say size=… for photos, or give attribute the model's own tensors",
            ) from error

    def run(self, model: nn.Module) -> Tree:
        return read(model(*self.args, **self.kwargs), self.meaning)
