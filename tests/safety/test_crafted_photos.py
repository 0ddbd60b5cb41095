"""Photos that someone found: a few formats, sizes known before anything is unpacked, and one line for all else."""

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from heatlens.images import Placement, overlay, overlay_small, read_photo, to_photo
from heatlens.images.geometry import seen
from heatlens.images.placement import highest
from heatlens.words.errors import BadPhoto

LARGE = """
import sys, warnings
warnings.simplefilter("ignore")
import torch
import heatlens
torch.manual_seed(0)
network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, 2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
                              torch.nn.Flatten(), torch.nn.Linear(4, 3)).eval()
explanation = heatlens.explain(network, sys.argv[1], method="grad_cam", layers="1")
explanation.save(sys.argv[2])
most = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))  # not the parent's, as ru_maxrss is
print(explanation.photo.width * explanation.photo.height, int(most.split()[1]) // 1024)
"""


def encoded(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def png(width: int, height: int) -> bytes:
    """A PNG of one bit a pixel, and of as many pixels as it says: a few kilobytes."""
    packer, row = zlib.compressobj(9), bytes(1 + (width + 7) // 8)
    rows = b"".join([packer.compress(row) for _ in range(height)] + [packer.flush()])

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_only_formats_of_photos_are_tried(tmp_path: Path) -> None:
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "JPEG2000", "MPO"):
        assert read_photo(encoded(photo, kind)).pixels.shape == (32, 32, 3)
    for kind in ("ICO", "DDS", "PCX", "TGA", "IM", "SGI", "MSP", "EPS", "PDF"):
        content = encoded(photo.convert("1") if kind == "MSP" else photo, kind)
        (tmp_path / "called.jpg").write_bytes(content)
        for source in (content, tmp_path / "called.jpg"):
            with pytest.raises(BadPhoto, match=r"is (not a photo that can be read|a drawing)"):
                read_photo(source)


def test_sizes_are_known_before_anything_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(png(1000, 1000))
    monkeypatch.setenv("HEATLENS_MAX_PHOTO_PIXELS", "999_999")
    with pytest.raises(BadPhoto, match=r"has 1,000,000 pixels.*at most 999,999.*set HEATLENS_MAX_PHOTO_PIXELS higher"):
        read_photo(photo)
    monkeypatch.setenv("HEATLENS_MAX_PHOTO_PIXELS", "1_000_000")
    assert read_photo(photo).pixels.shape == (1000, 1000, 3)
    monkeypatch.setenv("HEATLENS_MAX_PHOTO_BYTES", "100")
    with pytest.raises(BadPhoto, match="HEATLENS_MAX_PHOTO_BYTES"):
        read_photo(photo)
    for source in (png(20_000, 20_000), b"P6\n" + b"9" * 9000 + b" 1\n255\n", b"BM" + bytes(60)):
        monkeypatch.setenv("HEATLENS_MAX_PHOTO_BYTES", "1_000_000")
        with pytest.raises(BadPhoto):
            read_photo(source)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(BadPhoto, match="is a pipe or a device"):
        read_photo(tmp_path / "pipe.jpg")


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientations_are_pillows(turn: int) -> None:
    from PIL import ImageOps

    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = turn
    out = io.BytesIO()
    photo.save(out, "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(out.getvalue()))))
    np.testing.assert_array_equal(read_photo(out.getvalue()).pixels, expected)


def test_wide_numbers_are_converted_strip_by_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    sources = [
        rng.integers(0, 65536, (50, 7), np.uint16),
        rng.random((50, 7, 3)),
        Image.fromarray(rng.integers(0, 256, (50, 7, 4), np.uint8), "RGBA"),
        Image.fromarray(rng.integers(-9, 2**30, (50, 7)).astype(np.int32), "I"),
        Image.fromarray(rng.integers(0, 256, (50, 7), np.uint8)).convert("P"),
    ]
    whole = [read_photo(source).pixels for source in sources]
    monkeypatch.setattr("heatlens.images.reading.pixels._STRIP", 20)
    for source, expected in zip(sources, whole, strict=True):
        np.testing.assert_array_equal(read_photo(source).pixels, expected)


def test_maps_are_laid_on_large_photos_rows_by_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    maps, placement = torch.rand(2, 7, 5), Placement((90, 70), (64, 64), (64 / 70, 64 / 70), (-9.0, 0.0))
    whole = to_photo(maps, placement)
    peak = np.where(seen(placement), whole[0], -np.inf)
    monkeypatch.setattr("heatlens.images.placement._AT_ONCE", 500)
    torch.testing.assert_close(to_photo(maps, placement), whole, rtol=0, atol=0)
    value, (x, y) = highest(maps[0], placement)
    assert (value, y * 70 + x) == (peak.max(), peak.argmax())


def test_a_large_photo_is_drawn_as_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    y, x = np.mgrid[:600, :900]
    pixels = np.stack([x * 255 / 899, y * 255 / 599, 128 + 90 * np.sin(x / 17)], -1).astype(np.uint8)
    map, placement = torch.rand(7, 7), Placement((600, 900), (224, 224), (256 / 600,) * 2, (-16.0, -80.0))
    laid, inside = to_photo(map, placement).numpy(), seen(placement).numpy()
    marks = {"peak": (300, 200), "boxes": [(150, 100, 420, 380)], "signed": False, "top": 1.0}
    usual = np.asarray(overlay(pixels, laid, side=300, seen=inside, **marks), float)
    small = np.asarray(overlay_small(pixels, map, placement, side=300, **marks), float)
    assert usual.shape == small.shape == (200, 300, 3)
    assert np.abs(usual - small).mean() < 2


def test_a_photo_of_100_megapixels_is_explained_within_a_gigabyte_and_a_half(tmp_path: Path) -> None:
    photo = Image.linear_gradient("L").resize((12_500, 8000)).convert("RGB")
    photo.save(tmp_path / "photo.jpg", quality=60)
    del photo
    ran = subprocess.run(
        [sys.executable, "-c", LARGE, str(tmp_path / "photo.jpg"), str(tmp_path / "out.png")],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    pixels, peak = map(int, ran.stdout.split())
    assert pixels == 100_000_000
    assert peak < 1536
    assert max(Image.open(tmp_path / "out.png").size) < 2500
