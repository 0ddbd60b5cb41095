"""Photos of every kind become the same upright RGB pixels; what is no photo is refused with advice."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from heatlens.images import Photo, read_photo
from heatlens.words.errors import BadPhoto

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def corners() -> Image.Image:
    """A picture 3 wide and 2 high whose four corners differ."""
    image = Image.new("RGB", (3, 2))
    for place, colour in {(0, 0): RED, (2, 0): GREEN, (0, 1): BLUE, (2, 1): WHITE}.items():
        image.putpixel(place, colour)
    return image


def rgb(photo: Photo) -> list[list[tuple[int, ...]]]:
    return [[tuple(pixel) for pixel in row] for row in photo.pixels.tolist()]


# How a camera stores an upright scene under each orientation: the transposition that undoes the viewer's turn.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("ending", ["png", "tiff", "webp"])
def test_every_exif_orientation_comes_out_upright(tmp_path: Path, orientation: int, ending: str) -> None:
    turn = STORED[orientation]
    stored = corners() if turn is None else corners().transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if ending == "webp" else {}
    stored.save(tmp_path / f"turned.{ending}", exif=exif, **options)
    photo = read_photo(tmp_path / f"turned.{ending}")
    assert (photo.width, photo.height) == (3, 2)
    assert rgb(photo)[0][0] == RED
    assert rgb(photo)[0][2] == GREEN
    assert rgb(photo)[1][0] == BLUE
    assert rgb(photo)[1][2] == WHITE


def test_a_jpeg_turned_by_exif_has_its_sides_exchanged(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20), RED).save(tmp_path / "phone.jpg", exif=exif)
    photo = read_photo(tmp_path / "phone.jpg")
    assert (photo.width, photo.height) == (20, 40)


def test_a_pil_image_is_turned_too_and_keeps_its_file_name(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.new("RGB", (40, 20)).save(tmp_path / "held.png", exif=exif)
    photo = read_photo(Image.open(tmp_path / "held.png"))
    assert (photo.width, photo.name, photo.path) == (20, "held", None)


def test_broken_exif_does_not_lose_the_photo(tmp_path: Path) -> None:
    corners().save(tmp_path / "odd.png", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff garbage")
    assert rgb(read_photo(tmp_path / "odd.png"))[0][0] == RED


def test_name_path_and_size_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "Bello am Strand.png"
    Image.new("RGB", (7, 5), BLUE).save(path)
    photo = read_photo(str(path))
    assert (photo.name, photo.path, photo.width, photo.height) == ("Bello am Strand", path, 7, 5)
    assert photo.pixels.dtype == np.uint8
    assert photo.image().getpixel((6, 4)) == BLUE
    with pytest.raises(ValueError, match="read-only"):
        photo.pixels[0, 0] = 0


def test_a_photo_is_returned_as_it_is() -> None:
    photo = read_photo(corners())
    assert read_photo(photo) is photo


@pytest.mark.parametrize(("stored", "seen"), [(0, 0), (257, 1), (32768, 128), (65535, 255)])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path, stored: int, seen: int) -> None:
    deep = np.full((2, 3), stored, np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.fromarray(deep).save(tmp_path / "deep.tif")
    Image.fromarray(deep.astype(np.int32)).save(tmp_path / "integer.tif")
    for name in ("deep.png", "deep.tif", "integer.tif"):
        assert rgb(read_photo(tmp_path / name)) == [[(seen,) * 3] * 3] * 2
    assert rgb(read_photo(deep)) == [[(seen,) * 3] * 3] * 2
    assert rgb(read_photo(deep.astype(">u2"))) == [[(seen,) * 3] * 3] * 2


def test_thirty_two_bits_span_their_own_range(tmp_path: Path) -> None:
    Image.fromarray(np.array([[-100_000, 0, 100_000]], np.int32)).save(tmp_path / "scan.tif")
    assert [pixel[0] for pixel in rgb(read_photo(tmp_path / "scan.tif"))[0]] == [0, 128, 255]


def test_a_float_tiff_in_zero_to_one(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.0, 0.2, 1.0]], np.float32)).save(tmp_path / "float.tif")
    assert [pixel[0] for pixel in rgb(read_photo(tmp_path / "float.tif"))[0]] == [0, 51, 255]


@pytest.mark.parametrize(("mode", "colour", "seen"), [
    ("L", 90, (90, 90, 90)),
    ("1", 1, WHITE),
    ("LA", (0, 0), WHITE),
    ("LA", (100, 255), (100, 100, 100)),
    ("RGBA", (255, 0, 0, 0), WHITE),
    ("RGBA", (255, 0, 0, 255), RED),
    ("RGBA", (0, 0, 0, 51), (204, 204, 204)),
])  # fmt: skip
def test_grey_bits_and_transparency(tmp_path: Path, mode: str, colour: object, seen: tuple[int, ...]) -> None:
    Image.new(mode, (2, 2), colour).save(tmp_path / "mode.png")
    assert rgb(read_photo(tmp_path / "mode.png"))[1][1] == seen


def test_a_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "clear.png", transparency=0)
    image.save(tmp_path / "clear.gif", transparency=0)
    image.save(tmp_path / "opaque.png")
    assert rgb(read_photo(tmp_path / "clear.png")) == [[WHITE, (200, 100, 50)]]
    assert rgb(read_photo(tmp_path / "clear.gif")) == [[WHITE, (200, 100, 50)]]
    assert rgb(read_photo(tmp_path / "opaque.png")) == [[(10, 20, 30), (200, 100, 50)]]


def test_cmyk_jpeg_becomes_its_colour(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "print.jpg", quality=95)
    red, green, blue = rgb(read_photo(tmp_path / "print.jpg"))[8][8]
    assert red > 250
    assert max(green, blue) < 6


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "tiff"])
def test_of_an_animation_the_first_frame_is_taken(tmp_path: Path, ending: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (GREEN, RED, BLUE)]
    options = {"lossless": True} if ending == "webp" else {}
    frames[0].save(tmp_path / f"moving.{ending}", save_all=True, append_images=frames[1:], **options)
    assert rgb(read_photo(tmp_path / f"moving.{ending}"))[4][4] == GREEN


def test_bytes_and_open_files_are_read() -> None:
    memory = io.BytesIO()
    corners().save(memory, "PNG")
    assert rgb(read_photo(memory.getvalue()))[0][2] == GREEN
    assert rgb(read_photo(io.BytesIO(memory.getvalue())))[1][0] == BLUE


@pytest.mark.parametrize("make", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3), (4, 5, 4)])
def test_white_arrays_of_every_shape_and_type(make: type, shape: tuple[int, ...]) -> None:
    full = {np.uint8: 255, np.uint16: 65535}.get(make, 1)
    photo = read_photo(np.full(shape, full, make))
    assert rgb(photo) == [[WHITE] * 5] * 4


def test_an_array_is_copied_and_left_writable() -> None:
    array = np.zeros((4, 5, 3), np.uint8)
    photo = read_photo(array)
    array[0, 0] = 255
    assert rgb(photo)[0][0] == (0, 0, 0)


def test_float_arrays_round_to_the_nearest_level_and_forgive_round_off() -> None:
    assert read_photo(np.array([[0.0, 0.501, 1.0000005]])).pixels[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("shape", [(4, 5), (1, 4, 5), (3, 4, 5), (4, 4, 5)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.uint8])
def test_tensors_have_their_channels_first(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    tensor = torch.full(shape, 255 if dtype == torch.uint8 else 1, dtype=dtype)
    assert rgb(read_photo(tensor)) == [[WHITE] * 5] * 4


def test_a_tensor_keeps_colours_and_places_apart() -> None:
    tensor = torch.zeros(3, 2, 3)
    tensor[2, 0, 1] = 1
    assert rgb(read_photo(tensor.requires_grad_())) == [[(0, 0, 0), BLUE, (0, 0, 0)], [(0, 0, 0)] * 3]


@pytest.mark.parametrize(("source", "words"), [
    (np.full((4, 4, 3), 200.0), "floats from 200 to 200.*in \\[0, 1\\].*Divide it by 255"),
    (np.full((4, 4, 3), -2.0), "from -2 to -2.*undo the mean"),
    (np.full((4, 4), np.nan), "NaN"),
    (np.full((4, 4), np.inf), "NaN or infinity"),
    (np.zeros((4, 4, 3), np.int64), "int64.*uint8"),
    (np.zeros((3, 40, 50)), "transpose\\(1, 2, 0\\)"),
    (np.zeros((2, 40, 50, 3)), "one photo at a time"),
    (np.zeros((0, 5, 3)), "no pixels"),
    (np.zeros(5), "shape \\(5,\\)"),
    (torch.zeros(40, 50, 3), "permute\\(2, 0, 1\\)"),
    (torch.zeros(1, 3, 40, 50), "one photo at a time"),
    (torch.full((3, 4, 4), 255.0), "Divide it by 255"),
    (["a.jpg"], "from a list"),
    (None, "from a NoneType"),
    (b"", "empty"),
    (b"hello", "not a photo"),
    ("https://example.org/cat.jpg", "address.*Download it first"),
    ("file:///photos/cat.jpg", "Download it first"),
    (Image.new("RGB", (0, 4)), "no pixels"),
])  # fmt: skip
def test_what_is_no_photo_is_refused_with_advice(source: object, words: str) -> None:
    with pytest.raises(BadPhoto, match=words):
        read_photo(source)  # type: ignore[arg-type]


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "gif", "tif"])
def test_a_cut_off_file_is_damaged(tmp_path: Path, ending: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / f"whole.{ending}")
    data = (tmp_path / f"whole.{ending}").read_bytes()
    (tmp_path / f"cut.{ending}").write_bytes(data[: len(data) // 2])
    with pytest.raises(BadPhoto, match=f"cut.{ending}.*again"):
        read_photo(tmp_path / f"cut.{ending}")


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "gif", "tif", "bmp"])
def test_scrambled_files_are_refused_or_read_but_never_crash(tmp_path: Path, ending: str) -> None:
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(tmp_path / f"whole.{ending}")
    data = np.frombuffer((tmp_path / f"whole.{ending}").read_bytes(), np.uint8)
    read = refused = 0
    for _ in range(60):
        scrambled = data.copy()
        scrambled[rng.integers(0, min(len(data), 200), 6)] = rng.integers(0, 256, 6)
        try:
            assert read_photo(scrambled.tobytes()).pixels.shape[2] == 3
            read += 1
        except BadPhoto:
            refused += 1
    assert read + refused == 60
    assert refused


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "kitten.png")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "words.jpg").write_text("a cat")
    for name, words in {
        "kiten.png": "There is no file .*kiten.png.*Close: kitten.png",
        "nowhere/cat.png": "Expected it in the folder .*nowhere, which does not exist",
        "": "is a folder",
        "empty.jpg": "is empty",
        "words.jpg": "words.jpg is not a photo.*Convert it",
        "x" * 300: "cannot be opened",
    }.items():
        with pytest.raises(BadPhoto, match=words):
            read_photo(tmp_path / name)


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BadPhoto, match=r"may not be read.*permissions"):
        read_photo(tmp_path / "locked.png")


def test_decompression_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("1", (300, 300)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40_000)
    with pytest.raises(BadPhoto, match=r"enormous.*MAX_IMAGE_PIXELS"):
        read_photo(tmp_path / "bomb.png")


def test_a_drawing_is_not_handed_to_other_programs(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "drawing.eps")
    with pytest.raises(BadPhoto, match="drawing \\(EPS\\)"):
        read_photo(tmp_path / "drawing.eps")


def test_reading_does_not_load_matplotlib() -> None:
    import subprocess
    import sys

    code = "import sys, heatlens.images.reading.read; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
