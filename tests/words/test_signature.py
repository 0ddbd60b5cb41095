from pathlib import Path
from typing import Any, Literal

import pytest
from torch import Tensor

import heatlens.methods
from heatlens.methods.contents import METHODS, as_entry, find_method
from heatlens.words.bounds import at_least
from heatlens.words.errors import BadValue, UnknownName
from heatlens.words.listing import by_name
from heatlens.words.signature import EVIDENCE, Entry, checked_settings, convert, method, needs, settings
from heatlens.words.wording import spelling


@pytest.mark.parametrize(
    ("spelt", "name"),
    [
        ("GradCAM++", "grad_cam_pp"),
        ("grad-cam-pp", "grad_cam_pp"),
        ("Grad-CAM plusplus", "grad_cam_pp"),
        ("GradCAMPlusPlus", "grad_cam_pp"),
        ("Smooth Grad-CAM++", "smooth_grad_cam_pp"),
        ("XGradCAM", "xgrad_cam"),
        ("xgrad-cam", "xgrad_cam"),
        ("x_grad_cam", "xgrad_cam"),
        ("HiResCAM", "hires_cam"),
        ("hires-cam", "hires_cam"),
        ("LayerCAM", "layer_cam"),
        ("GradCAMElementWise", "grad_cam_element_wise"),
        ("Eigen-CAM", "eigen_cam"),
        ("EigenGradCAM", "eigen_grad_cam"),
        ("Seg-Eigen-CAM", "seg_eigen_cam"),
        ("KPCA-CAM", "kpca_cam"),
        ("FEM", "fem"),
        ("Zoom-CAM", "zoom_cam"),
        ("ShapleyCAM", "shapley_cam"),
        ("Integrated Grad-CAM", "integrated_grad_cam"),
        ("InteGrad-CAM", "integrad_cam"),
        ("Ablation-CAM", "ablation_cam"),
        ("ReciproCAM", "recipro_cam"),
        ("Deep Feature Factorisation", "deep_feature_factorisation"),
        ("Score-CAM", "score_cam"),
        ("gScoreCAM", "g_score_cam"),
        ("SS-CAM", "ss_cam"),
        ("IS-CAM", "is_cam"),
        ("FullGrad", "full_grad"),
        ("SmoothFullGrad", "smooth_full_grad"),
        ("Guided Grad-CAM", "guided_grad_cam"),
        ("Opti-CAM", "opti_cam"),
        ("FD-CAM", "fd_cam"),
        ("CAMERAS", "cameras"),
    ],
)
def test_names_are_forgiving(spelt: str, name: str) -> None:
    assert find_method(spelt).name == name


def test_every_file_of_methods_is_in_the_table_of_contents() -> None:
    files = {path.stem for path in Path(heatlens.methods.__path__[0]).glob("*.py")} - {"__init__", "contents"}
    assert files == set(METHODS)


def test_no_two_methods_share_a_spelling() -> None:
    find_method("cam")
    assert len({spelling(name) for name in METHODS}) == len(METHODS)


def test_an_unknown_method_names_the_close_ones() -> None:
    with pytest.raises(UnknownName, match=r"No method is called 'grad_kam'\. Close: .*grad_cam") as caught:
        find_method("grad_kam")
    assert "heatlens methods" in str(caught.value)


def test_the_signature_is_the_declaration() -> None:
    entry = find_method("grad_cam_pp")
    assert needs(entry.function) == ("activations", "gradients")
    assert settings(entry.function) == {"normalise_alpha": False, "summing": "plain"}
    assert entry.cost == "1 forward + 1 backward"
    assert find_method("eigen_cam").cost == "1 forward"
    assert find_method("full_grad").cost == "1 forward + 1 backward to the image"
    assert find_method("smooth_full_grad").cost == "1 forward + 1 forward and backward to the image a sample"


def test_the_paper_is_the_files_first_paragraph_on_one_line() -> None:
    paper = find_method("grad_cam").paper
    assert paper.startswith("Grad-CAM: Visual Explanations")
    assert paper.endswith("arXiv:1610.02391.")
    assert "\n" not in paper


def test_what_a_method_declares() -> None:
    signed = {name for name, entry in METHODS.items() if entry.signed}
    assert signed == {"attn_lrp", "cam", "hires_cam", "layer_integrated_gradients", "lime", "occlusion"}
    zoom = find_method("zoom_cam")
    assert (zoom.fuse, zoom.layers) == ("maximum", "convolutions")
    ranged = {name for name, entry in METHODS.items() if entry.display == "range"}
    assert ranged == {"recipro_cam", "relevance_cam", "opti_cam", "vit_recipro_cam", "vit_cx", "tis"}
    poly = find_method("Poly-CAM")
    assert (poly.fuse, poly.layers) == ("poly", "stages")
    assert find_method("deep_feature_factorisation").joint


def test_every_word_of_evidence_is_used() -> None:
    find_method("cam")
    assert {word for entry in METHODS.values() for word in needs(entry.function)} == set(EVIDENCE)


def test_a_plain_function_is_a_method() -> None:
    entry = as_entry(lambda activations: activations.mean(1))
    assert entry.name == "<lambda>"
    assert needs(entry.function) == ("activations",)


def test_a_registered_function_is_its_entry() -> None:
    entry = find_method("eigen_cam")
    assert as_entry(entry.function) is entry
    assert as_entry("EigenCAM") is entry


def test_a_function_that_asks_for_something_else_is_refused() -> None:
    def mine(activations: Tensor, gradient: Tensor) -> Tensor:
        return activations * gradient

    with pytest.raises(UnknownName, match=r"method mine asks for gradient\. Expected some of activations, grad"):
        as_entry(mine)


def test_what_is_no_method_is_refused() -> None:
    with pytest.raises(BadValue, match=r"method 3. Expected a method's name or a function"):
        as_entry(3)


def test_one_name_one_method() -> None:
    @method
    def grad_cam(activations: Tensor) -> Tensor:
        return activations

    assert METHODS["grad_cam"].function is not grad_cam, "declaring changes no list"
    with pytest.raises(ValueError, match="two are called 'grad_cam'"):
        by_name([METHODS["grad_cam"], as_entry(grad_cam)])


@pytest.mark.parametrize(
    ("key", "given", "annotation", "default", "expected"),
    [
        ("flag", "true", bool, False, True),
        ("flag", "No", bool, True, False),
        ("flag", True, bool, False, True),
        ("count", "3", int, 1, 3),
        ("count", 3.0, int, 1, 3),
        ("share", "0.5", float, 1.0, 0.5),
        ("share", 2, float, 1.0, 2.0),
        ("gamma", "0.5", float | None, None, 0.5),
        ("gamma", "none", float | None, None, None),
        ("gamma", None, float | None, None, None),
        ("kernel", "rbf", Literal["rbf", "linear"], "linear", "rbf"),
    ],
)
def test_settings_are_converted(key: str, given: Any, annotation: Any, default: Any, expected: Any) -> None:
    ours = convert(key, given, annotation, default)
    assert ours == expected
    assert type(ours) is type(expected)


@pytest.mark.parametrize(
    ("given", "annotation", "message"),
    [
        ("maybe", bool, "setting x='maybe'. Expected a value of type bool."),
        ("3.5", int, "setting x='3.5'. Expected a value of type int."),
        (2.5, int, "setting x=2.5. Expected a value of type int."),
        (None, int, "setting x=None. Expected a value of type int."),
        (float("inf"), int, "setting x=inf. Expected a value of type int."),
        ("wide", float, "setting x='wide'. Expected a value of type float."),
        ("rbff", Literal["rbf", "linear"], "setting x='rbff'. Expected one of 'rbf', 'linear'."),
    ],
)
def test_what_cannot_be_converted_says_what_was_expected(given: Any, annotation: Any, message: str) -> None:
    with pytest.raises(BadValue) as caught:
        convert("x", given, annotation, None)
    assert str(caught.value).endswith(message)


def test_the_settings_of_a_method_are_checked() -> None:
    entry = find_method("kpca_cam")
    assert checked_settings(entry, {"kernel": "rbf", "gamma": "0.1"}) == {"kernel": "rbf", "gamma": 0.1}
    with pytest.raises(UnknownName, match=r"method kpca_cam has no setting 'kernl'. Close: kernel"):
        checked_settings(entry, {"kernl": "rbf"})


def test_at_least() -> None:
    at_least(1, steps=1, samples=5)
    with pytest.raises(BadValue, match=r"setting sigma=-0.1. Expected at least 0"):
        at_least(0, sigma=-0.1)
    with pytest.raises(BadValue, match="sigma=nan"):
        at_least(0, sigma=float("nan"))


def test_an_entry_is_a_value() -> None:
    def same(activations: Tensor) -> Tensor:
        return activations

    assert Entry("same", same) == Entry("same", same)
