"""What heatlens is for, on a real photo: the dog's map peaks on the dog, the cat's on the cat."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import heatlens
from heatlens.cli import main

DOG, CAT = 243, 282
NETWORKS: dict[str, dict[str, Any]] = {
    "torchvision/mobilenet_v2": {"weights": "torchvision_mobilenet_v2", "mean": 0.5, "std": 0.5},
    "torchvision/squeezenet1_1": {"weights": "squeezenet1_1_gluon_fp32"},
    "timm/mobilenetv2_100": {"weights": "mobilenetv2_100", "mean": 0.5, "std": 0.5, "pad_type": "same"},
    "timm/deit_tiny_patch16_224": {"weights": "deit_tiny_patch16_224"},
}


def inside(peak: Any, box: Any) -> bool:
    (x, y), (x0, y0, x1, y1) = peak, box
    return bool(x0 <= x < x1 and y0 <= y < y1)


def test_the_command_line(data: Any, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    words = f"""explain {data.photo("photos/both_dog_cat.png")} --model torchvision/mobilenet_v2
        --weights {data.weights("torchvision_mobilenet_v2")} --mean 0.5 --std 0.5
        --method grad_cam --method layer_cam --out out/""".split()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["heatlens", *words, "--target", "bull mastiff", "--target", "tiger cat"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert (ended.value.code, said.err) == (0, "")
    assert said.out.startswith("both_dog_cat: bull mastiff ")
    boxes = data.boxes("photos/both_dog_cat.png")
    records = json.loads((tmp_path / "out/explanations.json").read_text("utf-8"))
    assert [(r["method"], r["target"]["index"]) for r in records] == [
        ("grad_cam", DOG), ("grad_cam", CAT), ("layer_cam", DOG), ("layer_cam", CAT),
    ]  # fmt: skip
    for record in records:
        own, other = record["target"]["index"], {DOG: CAT, CAT: DOG}[record["target"]["index"]]
        assert inside(record["peak"], boxes[own])
        assert not inside(record["peak"], boxes[other])
        (file,) = record["files"]
        with Image.open(tmp_path / "out" / file) as picture:
            assert min(picture.size) > 300


@pytest.mark.parametrize(
    ("name", "method"),
    [
        *((name, method) for name in list(NETWORKS)[:3] for method in ("grad_cam", "hires_cam", "xgrad_cam")),
        ("timm/deit_tiny_patch16_224", "grad_cam"),
    ],
)
def test_every_trained_network_tells_the_dog_from_the_cat(data: Any, name: str, method: str) -> None:
    options = {**NETWORKS[name], "weights": data.weights(NETWORKS[name]["weights"])}
    dog, cat = heatlens.explain(
        heatlens.load(name, **options), data.photo("photos/both_dog_cat.png"), method=method, target=[DOG, CAT]
    )
    boxes = data.boxes("photos/both_dog_cat.png")
    assert inside(dog.peak, boxes[DOG])
    assert inside(cat.peak, boxes[CAT])
    assert dog.name == "bull mastiff"
    assert dog.predictions[0][0] in ("bull mastiff", "boxer", "tiger cat", "pug")
