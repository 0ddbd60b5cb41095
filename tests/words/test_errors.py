"""The words of errors: got, expected, what to do."""

import inspect
import pickle

import pytest

import heatlens
from heatlens.words import errors
from heatlens.words.errors import BadValue, HeatlensError, MissingExtra, UnknownName, unknown
from heatlens.words.optional import require

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]
KINDS = [kind for kind in CLASSES if not issubclass(kind, Warning)]


def test_a_message_says_what_was_got_what_was_expected_and_what_to_do() -> None:
    error = BadValue("batch_size=0", "at least 1", "leave it out")
    assert str(error) == "batch_size=0. Expected at least 1. Leave it out."
    assert (error.got, error.expected, error.do) == ("batch_size=0", "at least 1", "leave it out")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("it failed",), "it failed."),
        (("it failed.",), "it failed."),
        (("it failed", "Expected more"), "it failed. Expected more."),
        (("it failed", "Close: a, b"), "it failed. Close: a, b."),
        (("it failed", "", "try again"), "it failed. Try again."),
        (("it failed", "", "heatlens layers MODEL lists them"), "it failed. Heatlens layers MODEL lists them."),
    ],
)
def test_parts_become_sentences(parts: tuple[str, ...], message: str) -> None:
    assert str(HeatlensError(*parts)) == message


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_a_heatlens_error_with_a_meaning_and_travels(kind: type[HeatlensError]) -> None:
    assert issubclass(kind, heatlens.HeatlensError)
    assert inspect.getdoc(kind)
    sent = pickle.loads(pickle.dumps(kind("got", "expected", "do")))
    assert type(sent) is kind
    assert str(sent) == "got. Expected expected. Do."


class TestUnknown:
    def test_close_names_come_first(self) -> None:
        error = unknown("method", "gradcam", ["grad_cam", "fem", "eigen_cam"], "heatlens methods")
        assert isinstance(error, UnknownName)
        assert str(error) == "No method is called 'gradcam'. Close: grad_cam, eigen_cam. All names: heatlens methods."

    def test_capitals_do_not_matter(self) -> None:
        assert "Close: Layer4" in str(unknown("layer", "LAYER3", ["Layer4", "stem"]))

    def test_few_names_are_listed_when_none_is_close(self) -> None:
        assert (
            str(unknown("fusion", "xyz", ["mean", "maximum"])) == "No fusion is called 'xyz'. There are: mean, maximum."
        )

    def test_no_more_than_twelve_are_listed(self) -> None:
        assert str(unknown("thing", "q", [f"name{i}" for i in range(50)])).count("name") == 12

    def test_the_owner_is_named(self) -> None:
        assert str(unknown("layer", "x", [], owner="ResNet")) == "ResNet has no layer 'x'."


class TestRequire:
    def test_what_is_installed_is_imported(self) -> None:
        assert require("os.path").__name__ in ("posixpath", "ntpath")

    def test_what_is_not_is_named_with_the_line_that_installs_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(name: str) -> None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])

        monkeypatch.setattr("heatlens.words.optional.import_module", missing)
        for module, extra in {"timm.data": "timm", "torchvision": "torchvision", "skimage.data": "superpixels"}.items():
            with pytest.raises(MissingExtra) as refused:
                require(module)
            assert f"the package {module.partition('.')[0]} is not installed" in str(refused.value)
            assert f'pip install "heatlens[{extra}]"' in str(refused.value)

    def test_a_module_that_an_installed_package_lacks_is_another_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(name: str) -> None:
            raise ModuleNotFoundError("No module named 'yaml'", name="yaml")

        monkeypatch.setattr("heatlens.words.optional.import_module", broken)
        with pytest.raises(ModuleNotFoundError, match="yaml"):
            require("timm")
