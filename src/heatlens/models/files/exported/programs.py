"""Programs of torch.export in a `.pt2` file: checked word by word, written anew, and only then given to torch.

torch's reader evaluates formulas, imports types, looks operators up by attribute and writes names into source that it
executes.  So nothing of the file reaches it but what was parsed here by torch's own schema, with a rule for every kind
of text in it; sample inputs, guards and remarks are left out.
"""

import json
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import torch

from ....words.errors import ModelUnavailable
from ..archives import Archive, opened
from .schema import as_schema

_BYTES = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 9: 4, 10: 8, 11: 16, 12: 1, 13: 2, 28: 2, 29: 1, 30: 1, 31: 1,
    32: 1, 33: 1, 34: 4, 35: 8,
}  # fmt: skip
"""Bytes of a number, by torch's code for its type."""


def read_program(file: Path) -> torch.export.ExportedProgram:
    """The program of a `.pt2` file; `ModelUnavailable` where it is damaged or more than operations and tensors."""
    with opened(file) as archive:
        written = _written_anew(archive)
    from torch.export.pt2_archive._package import load_pt2

    return load_pt2(written).exported_programs["model"]


def _written_anew(archive: Archive) -> BytesIO:
    """An archive of what was checked, under names of our own."""
    programs = [m for m in archive.sizes if m.startswith("models/") and m.endswith(".json")]
    if len(programs) != 1:
        raise ModelUnavailable(f"{archive.name} holds {len(programs)} programs", *_PROGRAM)
    name = programs[0].removeprefix("models/").removesuffix(".json")
    odd = [m for m in archive.sizes if "/aotinductor/" in f"/{m}" or m.endswith(".so")]
    if odd:
        raise _refused(archive, odd[0], "compiled code")
    out = BytesIO()
    with ZipFile(out, "w", ZIP_STORED) as made:

        def put(member: str, content: bytes | str) -> None:
            made.writestr(f"model/{member}", content)

        for word, said in (("archive_format", "pt2"), ("archive_version", "0"), ("byteorder", "little")):
            put(word, said)
        put("models/model.json", json.dumps(_checked(archive, programs[0], "ExportedProgram")))
        put("data/sample_inputs/model.pt", b"")
        for kind, begin in (("weights", "weight_"), ("constants", "tensor_")):
            member = f"data/{kind}/{name}_{kind}_config.json"
            config = _checked(archive, member, "PayloadConfig")
            for path in _payloads(archive, member, config, begin):
                put(f"data/{kind}/{path}", archive.read(f"data/{kind}/{path}"))
            put(f"data/{kind}/model_{kind}_config.json", json.dumps(config))
        put("version", "3\n")
    out.seek(0)
    return out


_PROGRAM = ("a program of operations and tensors", "save it again with torch.export.save")


def _refused(archive: Archive, member: str, why: str) -> ModelUnavailable:
    said = f"{archive.name} holds objects or compiled code in {member}, which heatlens does not load ({why})"
    return ModelUnavailable(said, *_PROGRAM)


def _checked(archive: Archive, member: str, kind: str) -> Any:
    """A member as JSON of torch's schema and nothing else."""
    from torch._export.serde import schema

    try:
        read = json.loads(archive.text(member).decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
        return as_schema(getattr(schema, kind), read)
    except RecursionError:
        raise _refused(archive, member, "it is nested too deeply") from None
    except (ValueError, TypeError, KeyError) as error:
        raise _refused(archive, member, str(error)) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a word is there twice")
    return found


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _payloads(archive: Archive, member: str, config: dict[str, Any], begin: str) -> list[str]:
    """The members that tensors lie in, each large enough for those that do."""
    found: dict[str, None] = {}
    for held in config["config"].values():
        path, meta = held["path_name"], held["tensor_meta"]
        if held["use_pickle"] or meta is None or not path.startswith(begin):
            raise _refused(archive, member, "pickled")
        where = f"{member.rpartition('/')[0]}/{path}"
        sizes, strides = ([_whole(archive, member, one) for one in meta[key]] for key in ("sizes", "strides"))
        last = _whole(archive, member, meta["storage_offset"])
        last += sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=False))
        needed = (last + 1) * _BYTES.get(meta["dtype"], 16) if prod(sizes) else 0
        if len(sizes) != len(strides) or needed > archive.sizes.get(where, -1):
            raise ModelUnavailable(
                f"{archive.name} says more numbers than {where} has", "an undamaged file", "copy or download it again"
            )
        found[path] = None
    return list(found)


def _whole(archive: Archive, member: str, said: dict[str, Any]) -> int:
    number = said.get("as_int", -1)
    if number < 0:
        raise _refused(archive, member, "sizes that are no numbers")
    return int(number)
