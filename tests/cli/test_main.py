"""`python -m heatlens` is the command."""

import subprocess
import sys

import heatlens


def said(*words: str) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_module_is_the_command() -> None:
    assert said("-m", "heatlens", "--version") == (0, f"heatlens, version {heatlens.__version__}\n", "")
    code, out, _ = said("-m", "heatlens", "--help")
    assert code == 0
    assert out.startswith("Usage: heatlens [OPTIONS] COMMAND")


def test_its_exit_codes_are_the_command_s() -> None:
    code, out, error = said("-m", "heatlens", "layers", "no-such-model")
    assert (code, out) == (2, "")
    assert error.startswith("heatlens: ")
    assert len(error.splitlines()) == 1


def test_importing_it_runs_nothing() -> None:
    assert said("-c", "import heatlens.__main__") == (0, "", "")
