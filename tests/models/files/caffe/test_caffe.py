"""Caffe's files become torch modules that compute what OpenCV's importer computes, and every method works on them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import heatlens
from heatlens.models.files.caffe.prototxt import parse
from heatlens.models.files.caffe.wire import read_caffemodel
from heatlens.words.errors import BadValue, ModelUnavailable
from helpers.caffe_files import blob, caffemodel, opencv, random_weights, written

OLD = """
name: "old"  # the format of 2014
input: "data" input_dim: 10 input_dim: 3 input_dim: 29 input_dim: 33
layers { name: "conv1" type: CONVOLUTION bottom: "data" top: "conv1" blobs_lr: 1
  convolution_param { num_output: 8 kernel_size: 5 stride: 2 weight_filler { type: "gaussian" std: 1e-2 } } }
layers { name: "relu1" type: RELU bottom: "conv1" top: "conv1" }
layers { name: "pool1" type: POOLING bottom: "conv1" top: "pool1" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layers { name: "norm1" type: LRN bottom: "pool1" top: "norm1" lrn_param { local_size: 5 alpha: 0.1 beta: 0.75 } }
layers { name: "CAM_conv" type: CONVOLUTION bottom: "norm1" top: "CAM_conv"
  convolution_param { num_output: 12 pad: 1 kernel_size: 3 group: 2 } }
layers { name: "CAM_relu" type: RELU bottom: "CAM_conv" top: "CAM_conv" }
layers { name: "pool2" type: POOLING bottom: "CAM_conv" top: "pool2"
  pooling_param { pool: AVE kernel_h: 6 kernel_w: 7 stride_h: 6 stride_w: 7 } }
layers { name: "drop" type: DROPOUT bottom: "pool2" top: "pool2" dropout_param { dropout_ratio: 0.5 } }
layers { name: "fc" type: INNER_PRODUCT bottom: "pool2" top: "fc" inner_product_param { num_output: 5 } }
layers { name: "prob" type: SOFTMAX bottom: "fc" top: "prob" }
"""
NEW = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 32 dim: 32 } } }
layer { name: "stem/conv.7" type: "Convolution" bottom: "data" top: "stem"
  convolution_param { num_output: 8 kernel_h: 3 kernel_w: 5 pad_h: 1 pad_w: 2 stride: 2 bias_term: false } }
layer { name: "bn" type: "BatchNorm" bottom: "stem" top: "stem" batch_norm_param { use_global_stats: true eps: 0.001 } }
layer { name: "scale" type: "Scale" bottom: "stem" top: "stem" scale_param { bias_term: true } }
layer { name: "act" type: "ReLU" bottom: "stem" top: "stem" relu_param { negative_slope: 0.1 } }
layer { name: "wide" type: "Convolution" bottom: "stem" top: "wide"
  convolution_param { num_output: 8 kernel_size: 3 pad: 2 dilation: 2 } }
layer { name: "prelu" type: "PReLU" bottom: "wide" top: "wide" }
layer { name: "sum" type: "Eltwise" bottom: "stem" bottom: "wide" top: "sum"
  eltwise_param { operation: SUM coeff: 1 coeff: -0.5 } }
layer { name: "most" type: "Eltwise" bottom: "stem" bottom: "wide" top: "most" eltwise_param { operation: MAX } }
layer { name: "both" type: "Concat" bottom: "sum" bottom: "most" top: "both" concat_param { axis: 1 } }
layer { name: "mean" type: "Pooling" bottom: "both" top: "mean"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "within" type: "LRN" bottom: "mean" top: "within"
  lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 norm_region: WITHIN_CHANNEL } }
layer { name: "last" type: "Convolution" bottom: "within" top: "last"
  convolution_param { num_output: 16 kernel_size: 1 } }
layer { name: "squash" type: "TanH" bottom: "last" top: "last" }
layer { name: "gate" type: "Sigmoid" bottom: "last" top: "gate" }
layer { name: "double" type: "Power" bottom: "gate" top: "double" power_param { power: 2 scale: 3 shift: 0.5 } }
layer { name: "gap" type: "Pooling" bottom: "double" top: "gap" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "gap" top: "fc" inner_product_param { num_output: 7 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" include { phase: TRAIN } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" include { phase: TEST } }
"""
DEPLOYED = NEW.replace(NEW[NEW.index('layer { name: "loss"') : NEW.index('layer { name: "prob"')], "")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return written(tmp_path_factory.mktemp("old"), OLD, old=True)


def test_the_old_format_computes_what_opencv_computes(old: tuple[Path, Path]) -> None:
    subject = heatlens.load(f"caffe/{old[0]}", weights=old[1])
    images = torch.randn(2, 3, 29, 33, generator=torch.Generator().manual_seed(0))
    scores = subject.model(images)
    torch.testing.assert_close(scores.softmax(1), opencv(old, images), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(scores, opencv(old, images, "fc"), rtol=1e-4, atol=1e-5)
    assert scores.std() > 0.1  # not a network that says nothing


def test_the_new_format_computes_what_opencv_computes(tmp_path: Path) -> None:
    files = written(tmp_path, DEPLOYED)
    images = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = opencv(files, images, "fc")
    files[0].write_text(NEW)  # the loss, and what only trains, is left out
    scores = heatlens.load(str(files[0]), weights=files[1]).model(images)
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-5)
    assert scores.std() > 0.1


def test_rounding_up_a_pooling_counts_what_caffe_counts() -> None:
    """Window 3, stride 2, padding 1 over 6: Caffe's output is ceil((6 + 2 - 3) / 2) + 1 = 4 wide, and the last window
    begins at 5 and ends with the padding, at 7: its mean is over two values, one of them padding."""
    net = parse(
        """input: "x" input_dim: 1 input_dim: 1 input_dim: 1 input_dim: 6
        layer { name: "p" type: "Pooling" bottom: "x" top: "p"
          pooling_param { pool: AVE kernel_h: 1 kernel_w: 3 stride_h: 1 stride_w: 2 pad_h: 0 pad_w: 1 } }""",
        "p",
    )
    from heatlens.models.files.caffe.network import CaffeNet

    out = CaffeNet(net, "p")(torch.tensor([[[[1.0, 2, 3, 4, 5, 6]]]]))
    assert out.flatten().tolist() == pytest.approx([1.0, 3.0, 5.0, 3.0])


def test_layers_keep_their_names_and_cam_is_exact(old: tuple[Path, Path]) -> None:
    subject = heatlens.load(f"caffe/{old[0]}", weights=old[1])
    assert [name for name, _ in subject.model.named_children()][:3] == ["conv1", "relu1", "pool1"]
    assert subject.default_layers() == ("CAM_relu",)  # CAM_conv is before its ReLU
    images = torch.randn(2, 3, 29, 33, generator=torch.Generator().manual_seed(1))
    maps = heatlens.attribute(subject, images, method="cam", target=3, upsample=False)
    fc = subject.model.get_submodule("fc")
    # METHODS: the mean of the map plus the bias is the score
    assert maps.shape == (2, 6, 7)
    torch.testing.assert_close(maps.mean((1, 2)) + fc.bias[3].detach(), subject.model(images)[:, 3].detach())


def test_methods_work_with_gradients(old: tuple[Path, Path]) -> None:
    subject = heatlens.load(f"caffe/{old[0]}", weights=old[1])
    images = torch.randn(1, 3, 29, 33, generator=torch.Generator().manual_seed(1))
    asked = ["cam", "grad_cam", "hires_cam", "layer_cam", "ablation_cam", "full_grad"]
    maps = heatlens.attribute(subject, images, method=asked, target=2)
    assert all(bool(found.any()) for found in maps.values())
    # with global average pooling and one linear layer HiRes-CAM is CAM over the number of places, here before its ReLU
    found = heatlens.attribute(subject, images, method=["hires_cam", "cam"], target=2, upsample=False)
    torch.testing.assert_close(found["hires_cam"] * 42, found["cam"])


def test_preprocessing_is_caffes_and_says_that_it_is_assumed(old: tuple[Path, Path], tmp_path: Path) -> None:
    subject = heatlens.load(f"caffe/{old[0]}", weights=old[1])
    p = subject.preprocessing
    assert (p.size, p.before_cut, p.resize, p.channels, p.scale) == ((29, 33), (256, 256), "squash", "BGR", 1.0)
    assert subject.assumed == ("preprocessing: BGR 0 to 255, mean 104, 117, 123",)
    image, _ = subject.prepare(heatlens.images.read_photo(np.full((40, 50, 3), (10, 20, 30), np.uint8)))
    assert image[0, :, 5, 5].tolist() == [30 - 104, 20 - 117, 10 - 123]
    mean = torch.arange(12.0).reshape(1, 3, 2, 2)
    (tmp_path / "mean.binaryproto").write_bytes(blob(mean, old=True))
    np.save(tmp_path / "mean.npy", mean[0].numpy())
    for name in ("mean.binaryproto", "mean.npy"):
        told = heatlens.load(f"caffe/{old[0]}", weights="none", mean_file=tmp_path / name)
        assert (told.preprocessing.mean, told.assumed) == ((1.5, 5.5, 9.5), ())


def test_numbers_one_by_one_and_double_are_read(tmp_path: Path) -> None:
    weights = torch.tensor([[1.5, -2.0], [0.25, 8.0]])
    from helpers.caffe_files import field, varint

    one_by_one = field(100, field(1, b"a") + field(7, blob(weights, packed=False)))
    shape = field(7, field(1, varint(2) + varint(2)))
    double = field(100, field(1, b"b") + field(7, shape + field(8, weights.double().numpy().tobytes())))
    (tmp_path / "w").write_bytes(one_by_one + double)
    found = read_caffemodel(tmp_path / "w")
    assert torch.equal(found["a"][0], weights)
    assert torch.equal(found["b"][0], weights)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("layer { name: ", "net.prototxt, line 1: the file ends too early"),
        ("name: 'x'\nlayer { name 3 }", "net.prototxt, line 2: 'name' has no value"),
        ("name: 'x'\n\n}", "net.prototxt, line 3: '}'"),
        ("name: 'x'", "net.prototxt does not say how large its images are"),
        (
            OLD.replace("type: LRN", "type: MVN"),
            "the layer 'norm1' is of type Mvn. Expected one of",
        ),
        (OLD.replace('bottom: "pool1"', 'bottom: "pool0"'), "layer 'norm1' reads 'pool0'"),
        (OLD.replace("num_output: 12", "number: 12"), "layer 'CAM_conv' cannot be built: 'num_output'"),
        (OLD.replace("kernel_size: 5", "kernel_size: 55"), "layer 'conv1' cannot be built"),
    ],
)
def test_a_broken_prototxt_gives_one_clear_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(text)
    with pytest.raises((ModelUnavailable, BadValue)) as caught:
        heatlens.load(str(tmp_path / "net.prototxt"), weights="none")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_broken_weights_give_one_clear_line(old: tuple[Path, Path], tmp_path: Path) -> None:
    whole = old[1].read_bytes()
    weights = random_weights(OLD)
    cases = {
        whole[: len(whole) // 2]: "is damaged or something else: the file ends too early",
        b"PK\x03\x04 something else": "is damaged or something else",
        b"": "no layer in it has weights",
        caffemodel({k: v for k, v in weights.items() if k != "fc"}): "layer 'fc': 0 of 2 blobs",
        caffemodel({**weights, "fc": [torch.zeros(4, 12), torch.zeros(4)]}): "(4, 12) where (5, 12) belongs",
    }
    for data, said in cases.items():
        (tmp_path / "w.caffemodel").write_bytes(data)
        with pytest.raises(ModelUnavailable) as caught:
            heatlens.load(str(old[0]), weights=tmp_path / "w.caffemodel")
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelUnavailable, match="comes without weights"):
        heatlens.load(str(old[0]))
    with pytest.raises(ModelUnavailable, match="no file"):
        heatlens.load(str(old[0]), weights="gone.caffemodel")


def test_ten_crops_of_a_photo_are_the_releases(tmp_path: Path) -> None:
    """By hand: the photo squashed to 256x256, mean subtracted; ten crops of 224; W A of each, enlarged cubically to
    224, pasted back and turned back, their magnitudes summed."""
    prototxt = """input: "data" input_dim: 10 input_dim: 3 input_dim: 224 input_dim: 224
    layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 6 kernel_size: 32 stride: 32 } }
    layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
    layer { name: "gap" type: "Pooling" bottom: "c" top: "gap" pooling_param { pool: AVE global_pooling: true } }
    layer { name: "fc" type: "InnerProduct" bottom: "gap" top: "fc" inner_product_param { num_output: 4 } }
    layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }"""  # noqa: E501
    files = written(tmp_path, prototxt)
    subject = heatlens.load(f"caffe/{files[0]}", weights=files[1])
    photo = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    found = heatlens.explain(subject, photo, method="cam", target=2, average="crops:absolute=true,cubic=true")

    small = np.array(Image.fromarray(photo).resize((256, 256), Image.Resampling.BILINEAR), np.float32)
    wide = torch.from_numpy(small[..., ::-1] - np.array([104, 117, 123], np.float32)).permute(2, 0, 1)
    net, total = subject.model, torch.zeros(256, 256)
    for top, left in ((0, 0), (0, 32), (32, 0), (32, 32), (16, 16)):
        for mirrored in (False, True):
            crop = wide[:, top : top + 224, left : left + 224]
            crop = crop.flip(-1) if mirrored else crop
            activations = net.get_submodule("r")(net.get_submodule("c")(crop[None]))
            cam = torch.einsum("c,chw->hw", net.get_submodule("fc").weight[2], activations[0]).detach()
            large = torch.nn.functional.interpolate(cam[None, None], (224, 224), mode="bicubic", antialias=True)[0, 0]
            total[top : top + 224, left : left + 224] += (large.flip(-1) if mirrored else large).abs()
    assert found.raw.shape == (256, 256)
    np.testing.assert_allclose(found.raw, total.numpy() / 10, rtol=1e-3, atol=1e-4 * float(total.max()))
    # the whole photo is explained, not only the centre that one crop sees; every method can look at crops
    assert found.seen.all()
    assert not heatlens.explain(subject, photo, method="cam", target=2).seen.all()
    other = heatlens.explain(subject, photo, method=["layer_cam", "eigen_cam"], target=2, average="crops")
    assert all(np.ptp(one.raw) > 0 for one in other)
    # the score is that of the plain question
    plain = subject.model(wide[None, :, 16:240, 16:240])[0, 2]
    assert found.score == pytest.approx(float(plain), rel=1e-4)


def test_crops_of_a_size_go_with_no_other_average(old: tuple[Path, Path]) -> None:
    subject = heatlens.load(f"caffe/{old[0]}", weights=old[1])
    asked = [heatlens.Recipe("cam", average="crops:size=29+33"), heatlens.Recipe("cam")]
    with pytest.raises(BadValue, match="one average at a time"):
        heatlens.attribute(subject, torch.zeros(1, 3, 40, 40), method=asked)
    maps = heatlens.attribute(subject, torch.randn(2, 3, 40, 40), method="cam", average="crops:size=29+33", target=1)
    assert maps.shape == (2, 40, 40)
