"""What ships: the class list, the network, and the file of its weights."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from training.data import CLASSES_FILE, read_classes
from training.export import WEIGHTS_FILE, export
from training.student import Student

from heatlens.models.bundled.networks import BundledCNN

ENTRIES = json.loads(CLASSES_FILE.read_text(encoding="utf-8"))


def test_every_wnid_belongs_to_one_class() -> None:
    wnids = [wnid for entry in ENTRIES for wnid in entry["wnids"]]
    assert len(wnids) == len(set(wnids)) == 86


def test_there_are_40_to_60_classes_and_no_name_is_used_twice() -> None:
    names = [entry["name"] for entry in ENTRIES]
    synonyms = [synonym for entry in ENTRIES for synonym in entry["synonyms"]]
    assert 40 <= len(names) <= 60
    assert len(set(names + synonyms)) == len(names + synonyms)


def test_reading_the_classes_keeps_their_order() -> None:
    classes = read_classes()
    assert classes.names == [entry["name"] for entry in ENTRIES]
    for wnid, merged in zip(classes.wnids, classes.merged_of.tolist(), strict=True):
        assert wnid in ENTRIES[merged]["wnids"]


def test_the_network_maps_photos_to_scores_by_a_last_stack_of_8x8() -> None:
    network = BundledCNN(classes=59).eval()
    photos = torch.zeros(2, 3, 128, 128)
    with torch.inference_mode():
        assert network.features(photos).shape == (2, 512, 8, 8)
        assert network(photos).shape == (2, 59)


def test_the_shipped_file_is_small_half_precision_and_fits_strictly() -> None:
    network = BundledCNN(len(ENTRIES))
    tensors = load_file(WEIGHTS_FILE)
    network.load_state_dict(tensors, strict=True)
    assert WEIGHTS_FILE.stat().st_size <= 8_000_000
    assert all(value.dtype == torch.float16 for value in tensors.values() if value.is_floating_point())
    assert all(value.isfinite().all() for value in tensors.values())


def test_the_shipped_file_names_its_classes() -> None:
    with safe_open(WEIGHTS_FILE, framework="pt") as file:
        assert json.loads(file.metadata()["classes"]) == [entry["name"] for entry in ENTRIES]


def test_the_checksum_beside_the_file_is_its_own() -> None:
    digest = hashlib.sha256(WEIGHTS_FILE.read_bytes()).hexdigest()
    assert WEIGHTS_FILE.with_name("SHA256SUMS").read_text(encoding="utf-8") == f"{digest}  {WEIGHTS_FILE.name}\n"


def test_export_writes_the_average_without_the_auxiliary_head(tmp_path: Path) -> None:
    student = Student(len(ENTRIES), 86)
    torch.save({"average": student.state_dict(), "step": 7, "seconds": 60.0}, tmp_path / "checkpoint.pt")
    digest = export(tmp_path / "checkpoint.pt", tmp_path / "out.safetensors")
    assert digest in (tmp_path / "SHA256SUMS").read_text(encoding="utf-8")
    tensors = load_file(tmp_path / "out.safetensors")
    assert tensors.keys() == student.network.state_dict().keys()
    assert torch.equal(tensors["head.weight"], student.network.head.weight.detach().half())
