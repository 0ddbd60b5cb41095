"""MMPretrain's classifiers: what they see is what its own inference sees, and what its Runner wrote loads safely."""

import os
import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

import heatlens
from heatlens.images import read_photo
from heatlens.words.errors import BadValue, ModelUnavailable, UnknownName
from helpers.networks import lively

ARCHITECTURES = {
    "resnet50_8xb32_in1k": ("backbone", (7, 7)),
    "mobilenet-v3-large_8xb128_in1k": ("backbone", (7, 7)),
    "vit-base-p16_32xb128-mae_in1k": ("backbone.layers.11.ln1", (14, 14)),
    "swin-tiny_16xb64_in1k": ("backbone", (7, 7)),
    "t2t-vit-t-14_8xb64_in1k": ("backbone.encoder.13.ln1", (14, 14)),
}
SMALL = """
model = dict(
    type='ImageClassifier',
    backbone=dict(type='MobileNetV2', widen_factor=0.1),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=3, in_channels=1280, loss=dict(type='CrossEntropyLoss')),
    data_preprocessor=dict(type='ClsDataPreprocessor', mean=[103.53, 116.28, 123.675], std=[57., 58., 59.],
                           to_rgb=False),
)
test_dataloader = dict(dataset=dict(type='CustomDataset', pipeline=[
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(96, 64), backend='pillow', interpolation='bicubic'),
    dict(type='PackInputs'),
]))
"""


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from skimage import data

    path = tmp_path_factory.mktemp("photo") / "cat.png"
    Image.fromarray(data.chelsea()).save(path)
    return path


@pytest.fixture(scope="module")
def subjects() -> dict[str, heatlens.Subject]:
    torch.manual_seed(0)
    found = {name: heatlens.load(f"mmpretrain/{name}", weights="none") for name in ARCHITECTURES}
    for subject in found.values():
        lively(subject.model, torch.randn(4, 3, 224, 224))
    return found


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "small.py"
    path.write_text(SMALL)
    return path


def own_inputs(model: Any, photo: Path) -> torch.Tensor:
    """What MMPretrain's inferencer shows the model."""
    from mmpretrain import ImageClassificationInferencer

    inferencer = ImageClassificationInferencer(model)
    (batch,) = inferencer.preprocess([str(photo)])
    return model.data_preprocessor(batch, False)["inputs"]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_model_sees_what_mmpretrains_own_inference_sees(
    name: str, subjects: dict[str, heatlens.Subject], photo: Path
) -> None:
    subject = subjects[name]
    image, _ = subject.prepare(read_photo(photo))
    own = own_inputs(subject.model, photo)
    # OpenCV's fixed-point weights differ by one level of 255 from exact ones; Pillow is the same code
    one_level = 1 / 57 if name.startswith("resnet") else 0
    assert image.shape == own.shape
    assert (image - own).abs().max() <= one_level * 1.01 + 1e-5
    with torch.no_grad():
        scores, expected = subject.model(image), subject.model(own, mode="tensor")
    assert scores.shape == (1, 1000)
    assert expected.std() > 0.01
    torch.testing.assert_close(scores, expected, rtol=0, atol=0.05 * float(expected.std()))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_default_layer_and_map(name: str, subjects: dict[str, heatlens.Subject], photo: Path) -> None:
    layer, space = ARCHITECTURES[name]
    subject = subjects[name]
    assert subject.default_layers() == (layer,)
    explanation = heatlens.explain(subject, photo, method="hires_cam", target="tabby cat")
    assert explanation.raw.shape == space
    assert np.ptp(explanation.raw) > 0
    assert explanation.name == "tabby"
    assert explanation.warnings == ()


def test_prefix_tokens_are_what_the_backbone_declares(subjects: dict[str, heatlens.Subject]) -> None:
    found = [subjects[name].reading.prefix_tokens for name in ARCHITECTURES]
    assert found == [None, None, 1, 0, 1]


def test_a_layer_of_as_many_channels_as_classes_is_not_the_scores() -> None:
    options = {"model.head.num_classes": 512}
    subject = heatlens.load("mmpretrain/resnet18_8xb32_in1k", "none", cfg_options=options)
    assert subject.model.head.fc.out_features == 512
    assert subject.default_layers() == ("backbone",)  # what its layer4 gives


def test_a_built_module_is_recognised(subjects: dict[str, heatlens.Subject]) -> None:
    subject = subjects["resnet50_8xb32_in1k"]
    given = heatlens.load(subject.model)
    assert given.name == "mmpretrain/ResNet"
    assert given.preprocessing == subject.preprocessing
    assert given.classes == subject.classes
    from mmengine.registry import DefaultScope
    from mmpretrain.registry import MODELS

    with DefaultScope.overwrite_default_scope("mmpretrain"):
        backbone = {"type": "MobileNetV2", "widen_factor": 0.1}
        bare = MODELS.build({"type": "ImageClassifier", "backbone": backbone})
    assert "no config" in heatlens.load(bare).assumed[0]


def test_nothing_of_the_users_is_changed(capfd: pytest.CaptureFixture[str]) -> None:
    from mmengine.logging import MMLogger
    from mmengine.registry import DefaultScope
    from mmpretrain.utils import dependency

    before = (
        DefaultScope.get_current_instance(),
        dependency.WITH_MULTIMODAL,
        MMLogger.check_instance_created("mmengine"),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        heatlens.load("mmpretrain/t2t-vit-t-14_8xb64_in1k", weights="none")  # with batch augmentations, announced
    after = DefaultScope.get_current_instance(), dependency.WITH_MULTIMODAL, MMLogger.check_instance_created("mmengine")
    assert before == after
    assert capfd.readouterr() == ("", "")


def test_a_config_file_and_what_is_said_instead(config: Path) -> None:
    subject = heatlens.load("mmpretrain/mine", "none", config=config, cfg_options={"model.head.num_classes": 5})
    assert subject.name == "mmpretrain/mine"
    assert subject.model.head.fc.out_features == 5
    p = subject.preprocessing
    assert (p.size, p.resize, p.interpolation, p.antialias, p.channels) == ((64, 96), "squash", "bicubic", True, "BGR")
    assert p.mean == pytest.approx((103.53, 116.28, 123.675))
    assert heatlens.load(f"mmpretrain/{config}", "none", head={"num_classes": 4}).model.head.fc.out_features == 4


def test_an_efficientnet_is_shown_what_mmpretrain_shows_it(photo: Path) -> None:
    """It cuts first and resizes then."""
    subject = heatlens.load("mmpretrain/efficientnet-b0_3rdparty_8xb32_in1k", weights="none")
    image, _ = subject.prepare(read_photo(photo))
    assert (image - own_inputs(subject.model, photo)).abs().max() <= 1.01 / 57 + 1e-5


def test_what_cannot_be_built_is_said_in_a_line(tmp_path: Path) -> None:
    for options, reason in (
        ({"model.backbone.depth": 99}, "invalid depth 99 for resnet"),
        ({"model.backbone.type": "Nope"}, "Nope is not in the mmpretrain::model registry"),
        ({"model.type": "Nope"}, "Nope is not in the"),
    ):
        with pytest.raises(BadValue, match=rf"resnet18_8xb32_in1k cannot be built with model.*: {reason}"):
            heatlens.load("mmpretrain/resnet18_8xb32_in1k", "none", cfg_options=options)
    with pytest.raises(BadValue, match="is a MAE, which knows no classes"):
        heatlens.load("mmpretrain/mae_vit-base-p16_8xb512-amp-coslr-300e_in1k", "none")
    for text, reason in (
        ("model = dict(type='ImageClassifier', backbone=dict(type='ResNet', depth=99))", "built: invalid depth 99"),
        ("model = 3", "cannot be built: 'int' object"),
        ("x = 1", "has no model"),
    ):
        (tmp_path / "mine.py").write_text(text)
        with pytest.raises(BadValue, match=reason):
            heatlens.load("mmpretrain", "none", config=tmp_path / "mine.py")


@pytest.mark.parametrize(("name", "checksum"), [("mine.pth", None), ("mine-0a1b2c3d.pth", "0a1b2c3d")])
def test_weights_from_an_address(
    name: str, checksum: str | None, checkpoint: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is published has its checksum in its name, what a person puts somewhere has none."""
    asked = []

    def download(address: str, file: str, hash_prefix: str | None, progress: bool) -> None:
        asked.append((address, hash_prefix))
        Path(file).write_bytes(checkpoint.read_bytes())

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for _ in range(2):
        subject = heatlens.load("mmpretrain/mine", f"https://example.org/weights/{name}", config=config)
    assert asked == [(f"https://example.org/weights/{name}", checksum)]
    assert subject.classes.names == ("cat", "dog", "cup")


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_a_file_that_holds_the_backbone_alone(prefix: str, config: Path, photo: Path, tmp_path: Path) -> None:
    """It is loaded, as vis_cam loads it, and it is said that the head is random."""
    trained = heatlens.load("mmpretrain/mine", "none", config=config).model.backbone.state_dict()
    own = {f"{prefix}{key}": value + 0.5 for key, value in trained.items() if value.is_floating_point()}
    torch.save({"state_dict": {**own, **({"neck.other": torch.ones(3)} if prefix else {})}}, tmp_path / "backbone.pth")
    subject = heatlens.load("mmpretrain/mine", tmp_path / "backbone.pth", config=config)
    loaded = subject.model.backbone.state_dict()
    assert all(torch.equal(loaded[key.removeprefix("backbone.")], value) for key, value in own.items())
    said = "backbone.pth holds no head: random weights stand there, so classes and scores mean nothing"
    assert said in heatlens.explain(subject, photo, method="eigen_cam").warnings
    half = dict(list(own.items())[:-4])
    torch.save(half, tmp_path / "half.pth")
    with pytest.raises(ModelUnavailable, match="does not fit"):
        heatlens.load("mmpretrain/mine", tmp_path / "half.pth", config=config)


@pytest.mark.parametrize("how", ["classes", "metainfo", "a file of classes", "both", "inside another"])
def test_class_names_of_a_config(how: str, config: Path, tmp_path: Path) -> None:
    """`metainfo` counts before `classes`, which may be a file, as in MMPretrain's data sets."""
    (tmp_path / "names.txt").write_text("ant\nbee\ncow\n")
    names = ["ant", "bee", "cow"]
    dataset: dict[str, Any] = {
        "classes": {"classes": names},
        "metainfo": {"metainfo": {"classes": names}},
        "a file of classes": {"classes": str(tmp_path / "names.txt")},
        "both": {"classes": ["x", "y", "z"], "metainfo": {"classes": names}},
        "inside another": {"dataset": {"type": "CustomDataset", "classes": names}},
    }[how]
    options = {f"test_dataloader.dataset.{key}": value for key, value in dataset.items()}
    subject = heatlens.load("mmpretrain/mine", "none", config=config, cfg_options=options)
    assert subject.classes.names == ("ant", "bee", "cow")
    if how != "inside another":
        from mmpretrain.datasets import CustomDataset

        assert tuple(CustomDataset(data_root="nowhere", lazy_init=True, **dataset).CLASSES) == subject.classes.names


def test_class_names_that_are_not_the_networks_are_said(config: Path) -> None:
    options = {"test_dataloader.dataset.classes": ["ant", "bee"]}
    subject = heatlens.load("mmpretrain/mine", "none", config=config, cfg_options=options)
    assert len(subject.classes) == 0
    assert subject.remarks == ("its config names 2 classes and the network has 3: the names are not used",)
    with pytest.raises(BadValue, match=r"classes, .gone\.txt."):
        heatlens.load("mmpretrain", "none", config=config, cfg_options={"test_dataloader.dataset.classes": "gone.txt"})


def trained_by_the_runner(config: Path, folder: Path) -> Path:
    """One iteration on random pictures, and the checkpoint that the Runner leaves."""
    from mmengine.config import Config
    from mmengine.runner import Runner
    from mmpretrain.structures import DataSample
    from torch.utils.data import Dataset

    class Pictures(Dataset):  # type: ignore[type-arg]
        metainfo: ClassVar[dict[str, Any]] = {"classes": ("cat", "dog", "cup")}

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> dict[str, Any]:
            picture = torch.randint(0, 256, (3, 64, 96), dtype=torch.uint8)
            return {"inputs": picture, "data_samples": DataSample().set_gt_label(index)}

    runner = Runner(
        model=Config.fromfile(config).model.to_dict(),
        work_dir=str(folder),
        train_dataloader={
            "batch_size": 2, "num_workers": 0, "dataset": Pictures(), "sampler": {"type": "DefaultSampler"},
            "collate_fn": {"type": "default_collate"},
        },
        train_cfg={"by_epoch": False, "max_iters": 1},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9}},
        param_scheduler={"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "begin": 0, "end": 5},
        default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1, "by_epoch": False}},
        default_scope="mmpretrain",
        experiment_name=folder.name,
        log_level="ERROR",
    )  # fmt: skip
    runner.train()
    return folder / "iter_1.pth"


@pytest.fixture(scope="module")
def checkpoint(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    heatlens.load("mmpretrain", "none", config=config)  # what makes the package importable here
    return trained_by_the_runner(config, tmp_path_factory.mktemp("run"))


def test_a_checkpoint_of_the_runner_loads_safely(checkpoint: Path, config: Path) -> None:
    with pytest.raises(Exception, match="Weights only load failed"):
        torch.load(checkpoint, weights_only=True)  # it does hold more than tensors
    subject = heatlens.load("mmpretrain/mine", checkpoint, config=config)
    assert subject.classes.names == ("cat", "dog", "cup")
    # heatlens never does this; the test wrote the file itself
    own = torch.load(checkpoint, weights_only=False)["state_dict"]
    assert set(own) == set(subject.model.state_dict())
    assert all(torch.equal(value, own[key]) for key, value in subject.model.state_dict().items())
    assert not any("Inert" in str(known) for known in torch.serialization.get_safe_globals())
    built = heatlens.load("mmpretrain/mine", "none", config=config).model
    assert heatlens.load(built, weights=checkpoint).classes.names == ("cat", "dog", "cup")
    assert all(torch.equal(value, own[key]) for key, value in built.state_dict().items())


class Through:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def system(file: Path) -> tuple[Any, ...]:
    return os.system, f"touch {file}"


@pytest.mark.parametrize("how", ["system", "eval", "getattr", "history"])
def test_a_malicious_checkpoint_is_refused(how: str, checkpoint: Path, config: Path, tmp_path: Path) -> None:
    """Also one that hides behind the names that a Runner's file may hold."""
    from mmengine.logging import HistoryBuffer

    file = tmp_path / "ran"
    evil = {
        "system": Through(os.system, f"touch {file}"),
        "eval": Through(eval, f"open({str(file)!r}, 'w')"),
        "getattr": Through(HistoryBuffer([1.0], [1]).mean),  # pickled as getattr(…, "mean")()
        "history": Through(HistoryBuffer, Through(os.system, f"touch {file}")),
    }[how]
    held, known = torch.load(checkpoint, weights_only=False), torch.serialization.get_safe_globals()
    torch.save({**held, "message_hub": evil}, tmp_path / "evil.pth")
    with pytest.raises(ModelUnavailable, match=r"does not load because they can run code|cannot be read"):
        heatlens.load("mmpretrain/mine", tmp_path / "evil.pth", config=config)
    assert not file.exists()
    assert set(torch.serialization.get_safe_globals()) == set(known)


def test_the_file_would_run_if_it_were_unpickled(tmp_path: Path) -> None:
    """That the traps above are traps."""
    file = tmp_path / "ran"
    torch.save(Through(os.system, f"touch {file}"), tmp_path / "evil.pth")
    torch.load(tmp_path / "evil.pth", weights_only=False)
    assert file.exists()


def test_position_embeddings_are_resized_as_the_model_itself_does(tmp_path: Path) -> None:
    small = {"backbone": {"arch": "deit-tiny", "img_size": 64}, "head": {"in_channels": 192}}
    model = heatlens.load("mmpretrain/deit-tiny_4xb256_in1k", "none", **small).model
    torch.save({"state_dict": model.state_dict()}, tmp_path / "small.pth")
    larger = {**small, "backbone": {"arch": "deit-tiny", "img_size": 96}}
    loaded = heatlens.load("mmpretrain/deit-tiny_4xb256_in1k", tmp_path / "small.pth", **larger).model
    assert loaded.backbone.pos_embed.shape == (1, 37, 192)
    torch.testing.assert_close(loaded.backbone.pos_embed[:, :1], model.backbone.pos_embed[:, :1])


def test_what_cannot_be_had_says_so(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="resnet50_8xb32_in1k"):
        heatlens.load("mmpretrain/resnet50_8xb32", weights="none")
    with pytest.raises(ModelUnavailable, match="no config file"):
        heatlens.load("mmpretrain/gone.py", weights="none")
    with pytest.raises(ModelUnavailable, match="nobody has published weights for mmpretrain/mine"):
        heatlens.load("mmpretrain/mine", config=config)
    with pytest.raises(BadValue, match=r"cannot be built with .*wide"):
        heatlens.load("mmpretrain/mine", "none", config=config, cfg_options={"model.backbone.wide": 3})
    (tmp_path / "broken.py").write_text("model = dict(")
    with pytest.raises(BadValue, match=r"broken\.py cannot be read as a config"):
        heatlens.load("mmpretrain/mine", "none", config=tmp_path / "broken.py")

    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="could not be downloaded"):
        heatlens.load("mmpretrain/resnet50_8xb32_in1k")
