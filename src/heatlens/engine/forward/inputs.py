"""What a model is called with."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from ...targets.meaning import Meaning, read
from ...words.errors import BadValue
from ...words.trees import Tree, main_tensor, rows, rows_of_each, taken, tensors, with_tensor
from ..state.in_place import WrittenOver, is_about_writing, keeping
from .batching import out_of_memory


@dataclass(frozen=True)
class Inputs:
    """What the model is called with; the first tensor with a space among the arguments holds the images."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    meaning: Meaning = Meaning()
    """How what the model returns is read."""

    channels: int = 1
    """The axis of the given images that holds their channels."""
    folded: bool = False
    """Whether the model puts the first axis of their space (frames, views) into its batch."""

    @property
    def given(self) -> Tensor:
        """The images as the model takes them."""
        given = [*self.args, *self.kwargs.values()]
        spatial = [t for t in tensors(given) if t.is_floating_point() and t.ndim > 2]
        return spatial[0] if spatial else main_tensor(given)

    @property
    def images(self) -> Tensor:
        """The images (n, channels, *size)."""
        return self.given if self.channels == 1 else self.given.movedim(self.channels, 1)

    @property
    def size(self) -> tuple[int, ...]:
        """Of the images' space."""
        return tuple(self.images.shape[2:])

    @property
    def batch(self) -> int:
        return self.given.shape[0]

    def of(self, index: int, copies: int) -> "Inputs":
        """Image `index`, `copies` times."""
        args, kwargs = rows((self.args, self.kwargs), self.batch, index, copies)
        return replace(self, args=args, kwargs=kwargs)

    def of_each(self, images: Sequence[int]) -> "Inputs":
        """These images, in this order, each as often as it is named."""
        args, kwargs = rows_of_each((self.args, self.kwargs), self.batch, images)
        return replace(self, args=args, kwargs=kwargs)

    def part(self, start: int, stop: int) -> "Inputs":
        """The images from `start` up to `stop`."""
        if stop - start == self.batch:
            return self
        args, kwargs = taken((self.args, self.kwargs), self.batch, list(range(start, stop)))
        return replace(self, args=args, kwargs=kwargs)

    def of_one_clip(self) -> "Inputs":
        """The same, of the first clip alone where a model puts the frames of several into one batch."""
        return self.of(0, 1) if self.folded and self.batch > 1 else self

    def showing(self, images: Tensor) -> "Inputs":
        """The same call with other images (n, channels, *size)."""
        shown = images if self.channels == 1 else images.movedim(1, self.channels)
        args, kwargs = with_tensor((self.args, self.kwargs), self.given, shown)
        return replace(self, args=args, kwargs=kwargs)

    def meant(self, meaning: Meaning) -> "Inputs":
        """The same call, what comes of it read so."""
        return replace(self, meaning=meaning)

    def shown_to(self, model: nn.Module) -> Tree:
        """A first forward pass: a model that refuses its input is a mistake about the input's size or channels."""
        try:
            return self.run(model)
        except (RuntimeError, AssertionError, ValueError, IndexError) as error:
            if out_of_memory(error):
                raise
            if is_about_writing(error):
                raise WrittenOver from error
            reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
            raise BadValue(
                f"{type(model).__name__} cannot be run on an input of shape {tuple(self.given.shape)}: {reason[0]}",
                "an input that the model accepts",
                "Say size=… for photos, or give attribute the model's own tensors",
            ) from error

    def run(self, model: nn.Module) -> Tree:
        with keeping(model):
            outputs = model(*self.args, **self.kwargs)
        return read(outputs, self.meaning)
