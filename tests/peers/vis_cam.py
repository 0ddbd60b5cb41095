"""MMPretrain's own vis_cam.py, run as it is, but for the one argument that pytorch-grad-cam 1.5 no longer knows."""

import re
import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from heatlens.models.libraries.mmpretrain.configs import library


def script() -> Path:
    """Where MMPretrain installs it."""
    return Path(library().__file__).parent / ".mim" / "tools" / "visualization" / "vis_cam.py"


def options() -> set[str]:
    """Every argument of its help."""
    return set(re.findall(r"add_argument\(\s*'(?:--)?([\w-]+)'", script().read_text("utf-8")))


@contextmanager
def without_use_cuda() -> Iterator[None]:
    """pytorch-grad-cam's classes take the argument that went away with version 1.5, and ignore it."""
    import pytorch_grad_cam

    kinds = pytorch_grad_cam.base_cam.BaseCAM.__subclasses__()
    before = {kind: kind.__init__ for kind in kinds}

    def taking(own: Any) -> Any:
        def init(self: Any, *args: Any, use_cuda: bool = False, **named: Any) -> None:
            own(self, *args, **named)

        return init

    for kind, own in before.items():
        kind.__init__ = taking(own)
    try:
        yield
    finally:
        for kind, own in before.items():
            kind.__init__ = own


class VisCam:
    """The maps that it draws, and what it prints."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._patch, self._said = monkeypatch, capfd

    def __call__(self, *words: Any) -> tuple[NDArray[np.float32] | None, str]:
        """The map in [0, 1] at the size of the model's input, before it is coloured; None where it draws none."""
        import pytorch_grad_cam

        drawn: list[NDArray[np.float32]] = []
        own = pytorch_grad_cam.utils.image.show_cam_on_image

        def watched(photo: Any, mask: Any, **how: Any) -> Any:
            drawn.append(np.array(mask, dtype=np.float32))
            return own(photo, mask, **how)

        with self._patch.context() as patch, without_use_cuda():
            patch.setattr("sys.argv", ["vis_cam.py", *map(str, words)])
            patch.setattr(pytorch_grad_cam.utils.image, "show_cam_on_image", watched)
            runpy.run_path(str(script()), run_name="__main__")
        return (drawn[0] if drawn else None), self._said.readouterr().out
