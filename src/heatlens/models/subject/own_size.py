"""How photos are fitted for models that take them at their own proportions."""

from dataclasses import replace

from ...images import Photo, Preprocessing


def whole(photo: Photo, preprocessing: Preprocessing) -> Preprocessing:
    """For a model that takes any proportions: nothing is cut away; the shorter side becomes as long as declared.

    A photo that is to fit in (padded where the proportions are fixed) becomes as large as fits: one side of the size is
    for the photo's longer side, one for the shorter, as MMCV has it.
    """
    short, long = sorted((photo.height, photo.width))
    if preprocessing.resize == "pad":
        factor = min(max(preprocessing.size) / long, min(preprocessing.size) / short)
        size = int(photo.height * factor + 0.5), int(photo.width * factor + 0.5)
        return replace(preprocessing, size=size, resize="squash", shorter_side=None)
    side = preprocessing.shorter_side if isinstance(preprocessing.shorter_side, int) else short
    lengths = {short: side, long: int(side * long / short)} if short != long else {short: side}
    size = lengths[photo.height], lengths[photo.width]
    return replace(preprocessing, size=size, resize="squash", shorter_side=None)
