"""TorchScript in a file: its source is read for what it calls, written into a new archive, and then given to torch.

A part of it runs while torch reads it, so operators that touch files are refused before.
"""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import torch

from ....words.errors import ModelUnavailable
from ..archives import Archive, opened
from ..pickles import check_pickle
from .operators import computes

_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_WORD = re.compile(r"[A-Za-z_]\w*")
_STEP = re.compile(r"[-+*/%&|^<>~]|\b(?:not|and|or|if|else|in|is)\b|[)\]]\s*[(\[.]|\w\s*\.")
_KEPT = re.compile(r"(?:code/.+\.py|(?:data|constants|tensors)/[\w./]+|(?:data|constants)\.pkl|version|byteorder)")
_DEEPEST, _MOST_STEPS, _WIDEST = 100, 2000, 400
_CLASSES = re.compile(rb"torch\.classes\.(?!quantized)")


def read_script(file: Path) -> torch.jit.ScriptModule:
    """The network of a TorchScript file; `ModelUnavailable` where it does more than compute."""
    with opened(file) as archive:
        written = _written_anew(archive)
    return torch.jit.load(written, map_location="cpu")  # type: ignore[no-untyped-call,no-any-return]


def _written_anew(archive: Archive) -> BytesIO:
    out = BytesIO()
    with ZipFile(out, "w", ZIP_STORED) as made:
        for member in archive.sizes:
            if _KEPT.fullmatch(member):
                made.writestr(f"archive/{member}", _checked(archive, member))
    out.seek(0)
    return out


def _checked(archive: Archive, member: str) -> bytes:
    if member.endswith(".py"):
        content = archive.text(member)
        try:
            check_source(content.decode("ascii"))
        except ValueError as error:
            raise _refused(archive, member, str(error)) from None
        return content
    if member.endswith(".pkl"):
        content = archive.text(member)
        check_pickle(content, archive.name)
        if _CLASSES.search(content.replace(b"\n", b".")):
            raise _refused(archive, member, "an object of another library")
        return content
    return archive.read(member)


def _refused(archive: Archive, member: str, why: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"{archive.name} is not only a network: {member} has {why}", "TorchScript of operators that compute",
        "export it without code that reads or writes files",
    )  # fmt: skip


def check_source(source: str) -> None:
    """Raise ValueError where TorchScript source calls what does not compute, or nests without measure.

    Strings are taken out first; what torch itself never writes (other quotes, remarks, continued lines) is refused,
    so that no other reading of the text is possible.
    """
    plain = '"""' not in source and _STRING.sub("0", source)
    if not plain or any(sign in plain for sign in "\"'#\\;`") or not all(c.isprintable() or c in "\n\t" for c in plain):
        if source.strip():
            raise ValueError("signs that torch does not write")
        return
    words = _WORD.findall(plain)
    for word, following, last in zip(words, [*words[1:], ""], [*words[2:], "", ""], strict=False):
        if not computes("aten", word):
            raise ValueError(f"{word}, which reads or writes files")
        if word == "ops" and not computes(following, ""):
            raise ValueError(f"operators of {following}")
        if word == "torch" and following == "classes" and last != "quantized":
            raise ValueError(f"an object of {last}")
    for line in _lines(plain):
        if len(_STEP.findall(line)) > _MOST_STEPS or len(line) - len(line.lstrip()) > _WIDEST:
            raise ValueError("an expression that is too long")


def _lines(plain: str) -> Iterator[str]:
    """Statement by statement, those over several lines as one.  Raises ValueError for too many brackets."""
    begin = depth = 0
    for at, sign in enumerate(plain):
        if sign in "([{":
            depth += 1
            if depth > _DEEPEST:
                raise ValueError("too many brackets")
        elif sign in ")]}":
            depth -= 1
        elif sign == "\n" and depth <= 0:
            yield plain[begin:at]
            begin, depth = at + 1, 0
    yield plain[begin:]
