"""How a photo becomes what a model sees: resized, cropped or padded, normalised; and where it then lies."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..words.errors import BadPhoto, BadValue, unknown
from .placement import Box as Box
from .placement import Placement as Placement
from .placement import Point as Point
from .placement import Size as Size
from .placement import seen as seen
from .placement import to_photo as to_photo
from .reading.read import Photo

Resize = Literal["crop", "squash", "pad"]
Interpolation = Literal["bilinear", "bicubic", "lanczos", "nearest", "box", "hamming"]
Channels = Literal["RGB", "BGR", "L"]
Transparency = Literal["white", "dropped"]
Numbers = tuple[float, ...]

_POINTWISE = ("bilinear", "bicubic", "nearest")
_MOST_PIXELS = 2**28
"""A long strip enlarged until its shorter side fits would fill the memory."""


@dataclass(frozen=True)
class Preprocessing:
    """What a model expects of a photo."""

    size: Size = (224, 224)
    """(height, width) of the input."""
    resize: Resize = "crop"
    """crop: keep the proportions, cut the centre; squash: stretch; pad: keep the proportions, fill the rest."""
    shorter_side: int | Size | None = None
    """The size before the centre is cut; None is `size`.

    crop: the shorter side becomes this long, or the photo covers (height, width); squash: the photo becomes
    (height, width); pad: the photo fits into (height, width).
    """
    interpolation: Interpolation = "bilinear"
    mean: Numbers = (0.485, 0.456, 0.406)
    """Subtracted per channel, in the model's channel order, after scaling."""
    std: Numbers = (0.229, 0.224, 0.225)
    """Divided by per channel, in the model's channel order."""
    fill: tuple[int, int, int] | None = None
    """RGB (0 to 255) beside a photo that does not fill the input; None is the mean when padding, else black."""
    scale: float = 1 / 255
    """What the pixel values 0 to 255 are multiplied with."""
    channels: Channels = "RGB"
    antialias: bool = True
    """Whether shrinking weighs every pixel, as Pillow does; OpenCV's bilinear and bicubic read the nearest few."""
    cut: float | None = None
    """Share of the shorter side: a square that long is cut from the middle before the photo is resized (EfficientNet).

    None: all of it is resized.
    """
    transparency: Transparency = "white"
    """What a transparent pixel shows: white, or its own colour with the transparency dropped."""

    def __post_init__(self) -> None:
        for kind, name, names in (
            ("way to resize", self.resize, get_args(Resize)),
            ("interpolation", self.interpolation, get_args(Interpolation)),
            ("channel order", self.channels, get_args(Channels)),
            ("way with transparency", self.transparency, get_args(Transparency)),
        ):
            if name not in names:
                raise unknown(kind, str(name), names)
        if len(self.size) != 2 or min(self.size) < 1 or min(self.before_cut) < 1:
            raise BadValue(
                f"The size {self.size} (before the cut: {self.shorter_side}) is no picture",
                "Expected (height, width), each at least 1",
            )
        count = 1 if self.channels == "L" else 3
        if len(self.mean) != count or len(self.std) != count:
            raise BadValue(
                f"The mean {self.mean} and the standard deviation {self.std} do not fit {self.channels}",
                f"Expected {count} number{'s' * (count > 1)} each",
            )
        if self.cut is not None and not 0 < self.cut <= 1:
            raise BadValue(f"The cut {self.cut}", "Expected a share of the shorter side, above 0 and at most 1")
        if not np.isfinite((*self.mean, *self.std, self.scale)).all() or 0 in self.std or self.scale <= 0:
            raise BadValue(
                f"mean {self.mean}, std {self.std}, scale {self.scale} cannot normalise a photo",
                "Expected finite numbers, no standard deviation of 0 and a positive scale",
            )

    @property
    def before_cut(self) -> Size:
        """`shorter_side` as (height, width)."""
        if self.shorter_side is None:
            return self.size
        return (self.shorter_side,) * 2 if isinstance(self.shorter_side, int) else self.shorter_side


def prepare(photo: Photo, preprocessing: Preprocessing) -> tuple[Tensor, Placement]:
    """The model's input (channels, h, w) float32 for a photo, and where the photo lies in it.

    Equal to torchvision's `ImageClassification` and timm's evaluation transforms (center, squash, border), bit for bit.
    """
    p = preprocessing
    colours = photo.pixels if p.transparency == "white" or photo.colours is None else photo.colours
    begin, cut = _middle(photo, p.cut)
    size = _resized_size(cut, p)
    if size[0] * size[1] > _MOST_PIXELS:
        raise BadPhoto(
            f"{photo.name} is {photo.width} x {photo.height}, too long a strip to enlarge",
            "Expected sides that differ less",
            "Cut it, or use resize 'squash' or 'pad'",
        )
    top, left = _corner(size[0], p.size[0]), _corner(size[1], p.size[1])
    rows, columns = (slice(at, at + side) for at, side in zip(begin, cut, strict=True))
    picture = Image.fromarray(colours[rows, columns])
    picture = picture.convert("L") if p.channels == "L" else picture
    canvas = Image.new(picture.mode, p.size[::-1], _fill(p))
    canvas.paste(_resized(picture, size, p), (left, top))
    scale = (size[0] / cut[0], size[1] / cut[1])
    offset = (top - begin[0] * scale[0], left - begin[1] * scale[1])
    return _normalised(canvas, p), Placement((photo.height, photo.width), p.size, scale, offset)


def black(preprocessing: Preprocessing) -> Tensor:
    """Black in the model's units, (0 - mean) / std: (channels, 1, 1) float32."""
    mean, std = _statistics(preprocessing)
    return -mean / std


def denormalise(inputs: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Model inputs (…, channels, h, w) as RGB in [0, 1]: (…, 3, h, w) float32, clipped."""
    mean, std = (x.to(inputs.device) for x in _statistics(preprocessing))
    rgb = ((inputs.float() * std + mean) / (255 * preprocessing.scale)).clamp(0, 1)
    if preprocessing.channels == "L":
        return rgb.expand(*rgb.shape[:-3], 3, *rgb.shape[-2:])
    return rgb.flip(-3) if preprocessing.channels == "BGR" else rgb


def _middle(photo: Photo, share: float | None) -> tuple[Size, Size]:
    """Where the part of the photo begins that is shown, and its size; rounded as EfficientNet's crop does."""
    whole = photo.height, photo.width
    if share is None:
        return (0, 0), whole
    side = share * min(whole)
    top, left = (max(0, round((length - side) / 2)) for length in whole)
    return (top, left), (max(int(side), 1),) * 2


def _resized_size(photo: Size, p: Preprocessing) -> Size:
    height, width = p.before_cut
    if p.resize == "squash":
        return height, width
    if p.resize == "crop" and height == width:  # torchvision rounds down here, timm's rule below to nearest
        short, long = sorted(photo)
        longer = int(height * long / short)
        return (height, longer) if photo[0] <= photo[1] else (longer, height)
    ratios = photo[0] / height, photo[1] / width
    ratio = min(ratios) if p.resize == "crop" else max(ratios)
    return max(round(photo[0] / ratio), 1), max(round(photo[1] / ratio), 1)


def _resized(picture: Image.Image, size: Size, p: Preprocessing) -> Image.Image:
    """By Pillow; or as OpenCV does it, up to the rounding of its fixed-point weights (one level of 255)."""
    if p.antialias or p.interpolation not in _POINTWISE:
        return picture.resize(size[::-1], Image.Resampling[p.interpolation.upper()])
    pixels = torch.from_numpy(np.array(picture)).reshape(*picture.size[::-1], -1).movedim(-1, 0)[None].float()
    corners = None if p.interpolation == "nearest" else False
    found = F.interpolate(pixels, size, mode=p.interpolation, align_corners=corners).round().clamp(0, 255)
    array = found[0].movedim(0, -1).to(torch.uint8).numpy()
    return Image.fromarray(array[..., 0] if picture.mode == "L" else array, picture.mode)


def _corner(resized: int, wanted: int) -> int:
    """Where the resized photo begins in the input along one axis, rounded as torchvision's center_crop does."""
    return (wanted - resized) // 2 if wanted > resized else -round((resized - wanted) / 2)


def _fill(p: Preprocessing) -> int | tuple[int, ...]:
    """The colour beside the photo, in the mode of the canvas: grey, or RGB."""
    if p.fill is None:
        mean = p.mean[::-1] if p.channels == "BGR" else p.mean
        levels = tuple(min(max(round(m / p.scale), 0), 255) for m in mean) if p.resize == "pad" else (0,) * len(mean)
    else:
        levels = p.fill if p.channels != "L" else (round(sum(p.fill) / 3),)
    return levels[0] if p.channels == "L" else levels


def _normalised(picture: Image.Image, p: Preprocessing) -> Tensor:
    pixels = np.array(picture).reshape(*p.size, -1)[..., :: -1 if p.channels == "BGR" else 1]
    tensor = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float()
    mean, std = _statistics(p)
    return tensor.div(1 / p.scale).sub(mean).div(std)  # by 255, as torchvision: times 1/255 differs in the last bit


def _statistics(p: Preprocessing) -> tuple[Tensor, Tensor]:
    mean, std = (torch.tensor(x, dtype=torch.float32)[:, None, None] for x in (p.mean, p.std))
    return mean, std
