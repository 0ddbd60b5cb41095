"""A model made ready: what it is called, what it expects of a photo, what its classes are, how its layers are read."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ...engine.forward.inputs import Inputs
from ...engine.state.evaluating import device_of, dtype_of, evaluating
from ...images import Photo, Placement, Preprocessing, Volume, prepare, read_photo, read_volume
from ...images.geometry import black
from ...recipes.layers import Named, several
from ...targets import Classes, ClassTarget, Logit, Target, embedding, named_classes, parse_target
from ...words.errors import BadValue, unknown
from ..reading.call import read_inputs
from ..reading.layers import layer_calls, recommended_layer
from ..reading.layouts import Layout, Reading
from ..reading.named_layers import chosen, needs_no_pass
from ..reading.stages import blocks
from .lacking import Lacking
from .likeness import Reader, likeness
from .overrides import OVERRIDES, preprocessing_said, reading_said
from .own_size import whole
from .volumes import Intensities, channels_of, intensities_said, shown_volume

_BLANK = 48
"""Each side of a volume of noise."""


@dataclass(frozen=True, eq=False, repr=False)
class Subject:
    """A model made ready to be explained.  `heatlens.load` makes one."""

    name: str
    model: nn.Module
    preprocessing: Preprocessing = Preprocessing()
    classes: Classes = Classes()
    reading: Reading = Reading()
    layers: tuple[Named, ...] = ()
    """The layers that are explained when nobody names one; empty: found by looking at the network."""
    assumed: tuple[str, ...] = ()
    """What nobody declared and was taken for granted."""
    remarks: tuple[str, ...] = ()
    """What a person should know about how the model was read."""
    lacking: Lacking | None = None
    """The evidence that it cannot give."""
    usual: ClassTarget = Logit()
    """What is explained where only a class is named: its score, its region, a detection of it."""
    any_size: bool = False
    """Whether it takes photos of any proportions, at their own size or with `shorter_side` alone decided."""
    frames: int | None = None
    """Of the clips that it looks at; None: it looks at photos."""
    volumes: Intensities | None = None
    """How it is shown volumes; None: it looks at photos or clips."""
    reader: Reader | None = None
    """What turns texts into embeddings, for models that read."""
    _found: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    _calls: dict[str, int] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        parameters = sum(p.numel() for p in self.model.parameters())
        size = " x ".join(map(str, self.preprocessing.size))
        said = [f"{type(self.model).__name__} of {parameters:,} parameters on {self.device}", f"photos {size}"]
        said += [f"{len(self.classes)} classes"] if len(self.classes) else []
        return f"Subject({self.name!r}: {'; '.join(said)})"

    @property
    def device(self) -> torch.device:
        return device_of(self.model)

    def layout(self, layer: str, said: Tensor, images: Tensor) -> Layout:
        """How a layer's output is read."""
        return self.reading.reader(self.model)(layer, said, images)

    def shown(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Inputs:
        """What the model is called with, read as it is declared."""
        return read_inputs(self.model, args, kwargs or {}, self.reading, len(self.classes))

    def default_layers(self, *inputs: Any, **kwargs: Any) -> tuple[str, ...]:
        """The declared layers, else the last one whose map still carries gradient (found once, by one pass)."""
        if self.layers:
            return self.named_layers(self.layers, *inputs, **kwargs)
        return self._recommended(*inputs, **kwargs)

    def _recommended(self, *inputs: Any, **kwargs: Any) -> tuple[str, ...]:
        if "layer" not in self._found:
            args = self._at_hand(inputs, kwargs)
            self._found["layer"] = (recommended_layer(self.model, args, kwargs, self.reading),)
        return self._found["layer"]

    def stage_layers(self, *inputs: Any, **kwargs: Any) -> tuple[str, ...]:
        """What the stages of the network end with, shallow to deep, the default layer last (found once)."""
        if "stages" not in self._found:
            shallower = blocks(self.model, self._at_hand(inputs, kwargs), kwargs, self.reading)
            deepest = self.layers[-1:] if self.layers and needs_no_pass(self.model, self.layers[-1]) else ()
            last = self.named_layers(deepest) if deepest else self._recommended(*inputs, **kwargs)
            self._found["stages"] = (*shallower, last[-1])
        return self._found["stages"]

    def numbered_layers(self, *inputs: Any, **kwargs: Any) -> tuple[str, ...]:
        """The layers that `heatlens layers` numbers: those with a map, in the order of a pass (found once)."""
        if "numbered" not in self._found:
            args = self._at_hand(inputs, kwargs)
            calls, self._found["numbered"] = layer_calls(self.model, args, kwargs, self.reading)
            self._calls.update(calls)
        return self._found["numbered"]

    def layer_calls(self, *inputs: Any, **kwargs: Any) -> dict[str, int]:
        """How often each layer runs in a pass."""
        self.numbered_layers(*inputs, **kwargs)
        return self._calls

    def named_layers(self, asked: Any, *inputs: Any, **kwargs: Any) -> tuple[str, ...]:
        """The names of layers given as names, modules, numbers, `all`, `stage:-1` or `layer2..layer4`."""
        numbered = partial(self.numbered_layers, *inputs, **kwargs)
        stages, calls = partial(self.stage_layers, *inputs, **kwargs), partial(self.layer_calls, *inputs, **kwargs)
        return chosen(self.model, several(asked), numbered, stages, calls)

    def _at_hand(self, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """What the network is looked at with when nothing is at hand."""
        return inputs if inputs or kwargs else (self.blank(),)

    def blank(self) -> Tensor:
        """An input of noise, to find out how the network is built."""
        if self.volumes is not None:
            size = self.volumes.size or (_BLANK,) * 3
            noise = torch.randn(1, channels_of(self.model), *size, generator=torch.Generator().manual_seed(0))
            return self.ready(noise.float())
        channels = len(self.preprocessing.mean)
        space = (*(() if self.frames is None else (self.frames,)), *self.preprocessing.size)
        noise = torch.randn(1, channels, *space, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
        axes = self.reading.axes
        return self.ready(noise if axes is None or "c" not in axes else noise.movedim(1, axes.index("c")))

    def ready(self, images: Tensor) -> Tensor:
        """Images on the model's device, in its type."""
        device, kind = self.device, dtype_of(self.model) if images.is_floating_point() else images.dtype
        if device.type == "cuda" and images.device.type == "cpu":
            return images.pin_memory().to(device, kind, non_blocking=True)  # the copy runs beside the next photo's work
        return images.to(device, kind)

    def read(self, source: Any) -> Photo | Volume:
        """What the model looks at, from whatever can be read as it."""
        return read_photo(source) if self.volumes is None else read_volume(source)

    def prepare(self, photo: Photo | Volume) -> tuple[Tensor, Placement]:
        """A photo as the model sees it (1, channels, h, w), and where that lies on the photo."""
        if isinstance(photo, Volume):
            how = Intensities() if self.volumes is None else self.volumes
            return shown_volume(photo, how, self.model), Placement.identity((1, 1))
        if self.frames is not None:
            raise BadValue(
                f"a photo for {self.name}, which looks at clips",
                f"a tensor (n, 3, frames, h, w), made for {self.frames} frames",
                "give it to heatlens.attribute",
            )
        image, placement = prepare(photo, whole(photo, self.preprocessing) if self.any_size else self.preprocessing)
        return image[None], placement

    def baseline(self, images: Tensor) -> Tensor:
        """The black picture in the model's units, of the images' shape; zero where nobody declared the units."""
        zero = images.new_zeros(1).expand_as(images)
        if self.assumed:
            return zero
        colour = black(self.preprocessing).reshape(1, -1, *[1] * (images.ndim - 2))
        if colour.ndim != images.ndim or colour.shape[1] != images.shape[1]:
            return zero
        return colour.to(images).expand_as(images)

    def target(self, what: Any = None) -> Target:
        """A target from a class index, name, synonym, wnid, `#2`, `contrast:…`, or a function of the outputs.

        Also the likeness to a photo, `similar:FILE`, and to a text where the model reads: `a photo of a cat`.
        """
        found = likeness(what, self.classes, self.reader, self._embedded) if isinstance(what, str) else None
        return parse_target(what, self.classes.find, self.usual) if found is None else found

    def _embedded(self, photo: Photo) -> Tensor:
        with evaluating(self.model):
            outputs = self.shown((self.ready(self.prepare(photo)[0]),)).shown_to(self.model)
        return embedding(outputs)[0].float()

    def to(self, device: str | torch.device) -> "Subject":
        """The same subject with its model moved to a device."""
        try:
            self.model.to(device)
        except (RuntimeError, AssertionError) as error:
            why = "there is no such kind of device" if "Expected one of" in str(error) else str(error).splitlines()[0]
            raise BadValue(
                f"device {str(device)!r} cannot be used: {why}", "cpu, cuda, cuda:1, mps, where they exist"
            ) from None
        return self

    def overridden(self, **overrides: Any) -> "Subject":
        """The same subject where a person knows better."""
        for key in overrides:
            if key not in OVERRIDES:
                raise unknown("override", key, OVERRIDES)
        given = {key: value for key, value in overrides.items() if value is not None}
        if "classes" in given and self.reader is not None:
            classes = named_classes(given.pop("classes"))
            model, reading = self.reader.classifying(classes.names), replace(self.reading, head=True)
            named = replace(self, model=model, classes=classes, reading=reading, usual=Logit(), _found={})
            return named.overridden(**given)
        volumes = None if self.volumes is None else intensities_said(given, self.volumes)
        shown = {} if volumes else preprocessing_said(given, self.preprocessing)
        return replace(
            self,
            preprocessing=replace(self.preprocessing, **shown),
            reading=replace(self.reading, **reading_said(given, self.reading)),
            classes=named_classes(given["classes"]) if "classes" in given else self.classes,
            layers=several(given.get("layers", self.layers)),
            volumes=volumes,
            assumed=() if shown or volumes != self.volumes else self.assumed,
            any_size=self.any_size and not {"size", "resize"} & shown.keys(),
            _found={},
            _calls={},
        )
