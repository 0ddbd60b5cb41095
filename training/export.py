"""Write the moving average of a checkpoint as the fp16 safetensors file that ships, and its sha256 beside it."""

import argparse
import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from training.data import CLASSES_FILE, add_folders, read_classes
from training.student import MEAN, SIZE, STD

WEIGHTS_FILE = CLASSES_FILE.with_name("bundled_cnn.safetensors")
PREFIX = "network."


def shipped(average: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the network alone, floating-point ones in half precision."""
    mine = {name.removeprefix(PREFIX): value for name, value in average.items() if name.startswith(PREFIX)}
    return {name: value.half().contiguous() if value.is_floating_point() else value for name, value in mine.items()}


def metadata(step: int, seconds: float) -> dict[str, str]:
    """What a reader of the file needs to know: text to text, as safetensors wants it."""
    facts: dict[str, object] = {"size": SIZE, "mean": MEAN, "std": STD, "step": step, "minutes": round(seconds / 60)}
    facts["classes"] = read_classes().names
    return {"network": "BundledCNN", **{name: json.dumps(value) for name, value in facts.items()}}


def export(checkpoint: Path, target: Path = WEIGHTS_FILE) -> str:
    """Write the file and, beside it, SHA256SUMS; the sha256."""
    state = torch.load(checkpoint, map_location="cpu")
    tensors = shipped(state["average"])
    save_file(tensors, target, metadata=metadata(state["step"], state["seconds"]))
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    target.with_name("SHA256SUMS").write_text(f"{digest}  {target.name}\n", encoding="utf-8")
    return digest


def main() -> None:
    """Export the checkpoint in the work folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_folders(parser)
    parser.add_argument("--to", type=Path, default=WEIGHTS_FILE)
    arguments = parser.parse_args()
    digest = export(arguments.work / "checkpoint.pt", arguments.to)
    print(f"{arguments.to}  {arguments.to.stat().st_size / 1e6:.2f} MB\nsha256 {digest}")


if __name__ == "__main__":
    main()
