"""The recipes that ship find small things off the centre where plain Grad-CAM does not."""

from typing import Any

import heatlens


def test_hard_photos(data: Any) -> None:
    subject = heatlens.load(
        "timm/mobilenetv2_100",
        data.weights("mobilenetv2_100"),
        pad_type="same",
        mean=0.5,
        std=0.5,
        size=224,
        resize="squash",
    )
    objects = data.objects()
    hits = {"grad_cam": 0, "balanced": 0, "precise": 0}
    for name in data.hard()[::4]:
        index, boxes = objects[name]
        for found in heatlens.explain(subject, data.photo(name), method=list(hits), target=index):
            hits[found.method] += data.on_object(found.peak, boxes)
    for name in ("balanced", "precise"):
        assert hits[name] >= hits["grad_cam"] + 2, hits
        assert hits[name] >= 6, hits
