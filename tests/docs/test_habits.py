"""What a project that others join has beside its code: it parses, names what is there, and says the same everywhere."""

import importlib
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

import heatlens
from heatlens.words.limits import LIMITS
from helpers.pages import ROOT

yaml = pytest.importorskip("yaml")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PINNED = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text("utf-8").split())


def read(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


def test_the_forge_runs_what_we_run() -> None:
    flow = yaml.safe_load(read(".github/workflows/ci.yml"))
    job = flow["jobs"]["ci"]
    assert job["steps"][-1]["run"] == ".ci/run"
    assert job["strategy"]["matrix"]["python"][0] == PROJECT["requires-python"].removeprefix(">=")
    assert "make lint" in read(".ci/run")
    assert "make test" in read(".ci/run")


def test_pre_commit_has_the_same_ruff() -> None:
    (repository,) = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert repository["rev"] == f"v{PINNED['ruff']}"


@pytest.mark.parametrize("form", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml")), ids=lambda p: p.stem)
def test_issue_forms_ask_for_something(form: Path) -> None:
    said = yaml.safe_load(form.read_text("utf-8"))
    assert said.keys() == {"name", "description", "labels", "body"}
    fields = [field for field in said["body"] if field["validations"]["required"]]
    assert len(fields) >= 2
    assert len({field["id"] for field in said["body"]}) == len(said["body"])
    told = [field["attributes"][key] for field in said["body"] for key in ("label", "description")]
    assert all(isinstance(one, str) and one for one in (said["name"], said["description"], *told))
    assert {field["type"] for field in said["body"]} <= {"input", "textarea", "dropdown", "checkboxes", "markdown"}


def test_every_limit_on_files_is_told() -> None:
    rows = re.findall(r"^\| `(HEATLENS_\w+)` \| ([\d,]+) ", read("SECURITY.md"), re.MULTILINE)
    assert {name: int(most.replace(",", "")) for name, most in rows} == LIMITS


def test_the_citation_is_of_this_version() -> None:
    said = yaml.safe_load(read("CITATION.cff"))
    assert said["cff-version"] == "1.2.0"
    assert said["version"] == heatlens.__version__
    assert said["authors"]
    assert said["type"] == "software"


def test_the_changelog_begins_with_what_comes_next() -> None:
    headings = re.findall(r"^## (.+)$", read("CHANGELOG.md"), re.MULTILINE)
    assert headings[0].startswith("[Unreleased]")
    assert heatlens.__version__.partition(".dev")[0] in headings[0]
    kinds = re.findall(r"^### (.+)$", read("CHANGELOG.md"), re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert len(kinds) >= 3


def test_the_terms_of_the_weights_are_said_where_they_matter() -> None:
    told = "non-commercial"
    terms = "src/heatlens/models/bundled/LICENSE-WEIGHTS.md"
    assert told in read(terms)
    assert told in read("README.md").partition("## License")[2]
    assert "LicenseRef" in PROJECT["license"]
    assert terms in PROJECT["license-files"]
    done = subprocess.run(
        [sys.executable, "-m", "heatlens", "models", "bundled"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "bundled\n"
    assert told in done.stderr


@pytest.mark.skipif(find_spec("hatchling") is None, reason="no hatchling")
def test_the_wheel_holds_the_terms_beside_the_weights(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        names = files.namelist()
        beside = {name.rpartition("/")[2] for name in names if name.startswith("heatlens/models/bundled/")}
        assert {"LICENSE-WEIGHTS.md", "bundled_cnn.safetensors", "classes.json", "SHA256SUMS"} <= beside
        about = next(name for name in names if name.endswith(".dist-info/METADATA"))
        assert "License-File: src/heatlens/models/bundled/LICENSE-WEIGHTS.md" in files.read(about).decode()
    needed = {"heatlens/asking/half_precision.json", "heatlens/models/libraries/imagenet.tsv", "heatlens/py.typed"}
    assert needed <= set(names)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "benchmarks/README.md", "training/README.md"])
def test_commands_of_make_are_there(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z-]+)`?", read(page))) - {"a"} <= targets


def test_the_demo_installs_no_test_tools() -> None:
    def planned(target: str) -> str:
        return subprocess.run(["make", "-nB", target], capture_output=True, text=True, check=True, cwd=ROOT).stdout

    assert '-e ".[demo]"' in planned("demo")
    assert "[test" not in planned("demo")
    assert '-e ".[test,lint,demo]"' in planned("test")
    assert PROJECT["optional-dependencies"]["demo"] == ["heatlens[superpixels]"]


def test_make_help_lists_every_target() -> None:
    said = subprocess.run(
        ["make", "--no-print-directory", "help"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    targets = re.search(r"^\.PHONY: (.+)$", read("Makefile"), re.MULTILINE)
    assert targets is not None
    assert [line.split()[1] for line in said.splitlines()] == targets[1].split()


@pytest.mark.parametrize("page", ["benchmarks/README.md", "training/README.md"])
def test_the_modules_that_are_run_can_be(page: str) -> None:
    named = set(re.findall(r"python -m ((?:benchmarks|training)\.\w+)", read(page)))
    assert len(named) >= 5
    for module in named:
        assert callable(importlib.import_module(module).main)


def test_paths_that_pages_name_are_there() -> None:
    said = read("CONTRIBUTING.md") + read("SECURITY.md") + read("docs/architecture.md")
    named = set(re.findall(r"`((?:src|tests|docs|benchmarks|training|examples)/[\w./-]+)`", said))
    assert len(named) >= 5
    assert {path for path in named if not (ROOT / path).exists()} == set()
    inside = set(re.findall(r"`((?:methods|metrics|targets|recipes|models|images|localize|rules)/[\w/]+\.py)`", said))
    source = ROOT / "src" / "heatlens"
    missing = {p for p in inside if "NAME" not in p and not (source / p).exists() and not [*source.rglob(p)]}
    assert missing == set()
