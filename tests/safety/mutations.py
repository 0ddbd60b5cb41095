"""Small files of every kind that heatlens opens, and damaged copies of them: `python -m safety.mutations [COUNT]`.

A damaged file must end in one line, or be read as something harmless; never in a traceback or without an end.
"""

import gzip
import io
import json
import random
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import heatlens
from heatlens.images import read_map, read_photo, read_volume
from heatlens.models.files.checkpoints import load_state
from heatlens.words.errors import HeatlensError
from helpers.caffe_files import written
from safety import crafted

PROTOTXT = """
name: "small"
input: "data"
input_dim: 1 input_dim: 3 input_dim: 16 input_dim: 16
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 3 } }
"""
SECONDS = 20
"""More than this is a hang."""


def mutated(content: bytes, rng: random.Random) -> bytes:
    """A copy with one to three things wrong with it."""
    for _ in range(rng.randint(1, 3)):
        at, size = rng.randrange(max(len(content), 1)), rng.choice([1, 2, 8, 64, 900])
        kind = rng.randrange(7)
        if kind == 0:
            content = content[:at]
        elif kind == 1:
            content = content[:at] + content[at + size :]
        elif kind == 2:
            content = content[:at] + rng.randbytes(size) + content[at + size :]
        elif kind == 3:
            content = content[:at] + content[at : at + size] * rng.choice([2, 50]) + content[at + size :]
        elif kind == 4:
            content = content[:at] + rng.choice([b"\xff" * 8, b"\0" * 8, b"[" * 300, b"-1", b"9" * 40]) + content[at:]
        elif kind == 5 and content:
            content = content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
        else:
            at, size = rng.randrange(max(len(content), 1)), rng.randrange(200)
            content = content[at : at + size] + content
    return content


def _onnx() -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    node, rng = helper.make_node, np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.normal(size=s).astype(np.float32), n)
        for n, s in (("w", (4, 3, 3, 3)), ("h", (3, 4)))
    ]
    nodes = [
        node("Conv", ["images", "w"], ["c"], "conv", kernel_shape=[3, 3]), node("Relu", ["c"], ["r"], "relu"),
        node("GlobalAveragePool", ["r"], ["g"], "pool"), node("Flatten", ["g"], ["f"], "flat"),
        node("Gemm", ["f", "h"], ["scores"], "head", transB=1),
    ]  # fmt: skip
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "net", [value("images", TensorProto.FLOAT, ["n", 3, 16, 16])],
                              [value("scores", TensorProto.FLOAT, ["n", 3])], weights)  # fmt: skip
    model: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    ).SerializeToString()
    return model


def _encoded(kind: str) -> bytes:
    out = io.BytesIO()
    y, x = np.mgrid[:40, :60]
    Image.fromarray(np.stack([x * 4, y * 6, x + y], -1).astype(np.uint8)).save(out, kind)
    return out.getvalue()


def _array() -> bytes:
    out = io.BytesIO()
    np.save(out, np.random.default_rng(0).random((4, 5)))
    return out.getvalue()


def _scan() -> bytes:
    import nibabel

    content: bytes = nibabel.Nifti1Image(np.random.default_rng(0).random((4, 5, 6)), np.eye(4)).to_bytes()
    return content


def seeds(folder: Path) -> dict[str, tuple[bytes, Callable[[Path], Any]]]:
    """Ending -> a good file, and what a person does with one."""
    from safetensors.torch import save

    network = crafted.Small()
    state = network.state_dict()
    legacy = io.BytesIO()
    torch.save(state, legacy, _use_new_zipfile_serialization=False)
    prototxt, caffemodel = written(folder, PROTOTXT)

    def load(file: Path) -> Any:
        return heatlens.load(str(file))

    def fill(file: Path) -> Any:
        return load_state(crafted.Small(), file)

    config = {"model": {"type": "ImageClassifier", "backbone": {"type": "LeNet5", "num_classes": 3}, "neck": None,
                        "head": {"type": "ClsHead"}}}  # fmt: skip
    found: dict[str, tuple[bytes, Callable[[Path], Any]]] = {
        "pt2": (crafted.program(), load),
        "ts": (crafted.script(), load),
        "pth": (crafted.saved({"state_dict": state}), fill),
        "pt": (legacy.getvalue(), fill),
        "safetensors": (save(state), fill),
        "onnx": (_onnx(), load),
        "prototxt": (prototxt.read_bytes(), lambda file: heatlens.load(f"caffe/{file}", "none")),
        "caffemodel": (caffemodel.read_bytes(), lambda file: heatlens.load(f"caffe/{prototxt}", file)),
        "json": (json.dumps(config).encode(), lambda file: heatlens.load("mmpretrain", "none", config=file)),
    }
    for kind, ending in (
        ("JPEG", "jpg"),
        ("PNG", "png"),
        ("WEBP", "webp"),
        ("GIF", "gif"),
        ("TIFF", "tif"),
        ("BMP", "bmp"),
    ):
        found[ending] = _encoded(kind), read_photo
    found["npy"] = _array(), read_map
    if find_spec("nibabel"):
        found["nii"], found["nii.gz"] = (_scan(), read_volume), (gzip.compress(_scan()), read_volume)
    return found


def outcome(file: Path, opening: Callable[[Path], Any]) -> str:
    """Whether it was read, or ended in a line; else what went wrong."""

    def late(*_: object) -> None:
        raise TimeoutError("it has no end")

    was = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        opening(file)
    except HeatlensError as error:
        return "line" if "\n" not in str(error) and "it has no end" not in str(error) else f"not one line: {error}"
    except Exception:
        return traceback.format_exc(limit=-4)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, was)
    return "read"


def damaged(ending: str, content: bytes, opening: Callable[[Path], Any], folder: Path, count: int) -> list[str]:
    """What went wrong with so many damaged copies, by number."""
    rng, wrong = random.Random(ending), []
    file = folder / f"damaged.{ending}"
    for number in range(count):
        file.write_bytes(mutated(content, rng))
        if (said := outcome(file, opening)) not in ("read", "line"):
            wrong.append(f"{ending} {number}: {said}")
            (folder / f"wrong-{number}.{ending}").write_bytes(file.read_bytes())
    return wrong


def main(count: int) -> int:
    """The long run: so many copies of all kinds together; 1 if any went wrong."""
    warnings.simplefilter("ignore")
    folder = Path(tempfile.mkdtemp(prefix="heatlens-fuzz-"))
    kinds = seeds(folder)
    wrong = []
    for ending, (content, opening) in kinds.items():
        found = damaged(ending, content, opening, folder, -(-count // len(kinds)))
        sys.stdout.write(f"{ending}: {len(found)} wrong of {-(-count // len(kinds))}\n")
        wrong += found
    sys.stdout.write("".join(f"{said}\n" for said in wrong) + (f"kept in {folder}\n" if wrong else ""))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000))
