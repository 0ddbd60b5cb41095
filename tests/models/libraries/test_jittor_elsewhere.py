"""Where Jittor must not run, and how its modules are known without importing it.  Its own tests: make test-jittor."""

import numpy as np
import pytest

import heatlens
from heatlens.models.libraries.jittor import check_numpy, made_with_jittor
from heatlens.words.errors import BadValue


def test_numpy_2_is_refused_in_one_line() -> None:
    with pytest.raises(BadValue) as caught:
        check_numpy("2.4.6")
    message = str(caught.value)
    assert message.startswith(
        "Jittor computes garbage with numpy 2.4.6. Expected numpy 1.26. Use an environment of its own"
    )
    assert "\n" not in message
    check_numpy("1.26.4")


@pytest.mark.skipif(np.__version__.startswith("1."), reason="this numpy is one that Jittor can use")
def test_a_module_of_jittor_is_known_by_its_class() -> None:
    base = type("Module", (), {"__module__": "jittor"})
    model = type("ResNet", (base,), {})()
    assert made_with_jittor(model)
    assert not made_with_jittor(object())
    with pytest.raises(BadValue, match="Jittor computes garbage"):
        heatlens.load(model)
