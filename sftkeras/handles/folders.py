"""What a folder of weights is, told by its file names; and whether a safetensors file is whole. Loads no weights."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from sftkeras.errors import SFTError

Kind = Literal["hugging_face", "keras_hub"]

CONFIG = "config.json"
SAFETENSORS = "model.safetensors"
SAFETENSORS_INDEX = "model.safetensors.index.json"
KERAS_WEIGHTS = ("model.weights.h5", "model.weights.json")  # one file, or the index of several
# Pickles, whose loading can run code, and the formats of frameworks that are not read here.
_OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", "tf_model.h5")


def kind_of(folder: Path) -> Kind:
    """Tells what wrote a folder of weights.

    Raises:
        SFTError: SFT304 if nothing known is in it, SFT305 if the weights are pickled, SFT306 if a file is missing.
    """
    if folder.is_file():
        raise SFTError("SFT304", place=folder, found="it is a file")
    if not folder.is_dir():
        raise SFTError("SFT304", place=folder, found="there is no such folder")
    names = {path.name for path in folder.iterdir()}
    kind = kind_of_names(names, folder)
    if kind == "hugging_face" and SAFETENSORS not in names:
        _require_shards(folder, names)
    return kind


def kind_of_names(names: Iterable[str], place: object) -> Kind:
    """Tells what wrote the weights from the file names alone; `place` stands in the error. Raises as `kind_of`."""
    names = set(names)
    if names & {SAFETENSORS, SAFETENSORS_INDEX}:
        kind, needed = "hugging_face", CONFIG
    elif names & set(KERAS_WEIGHTS):
        kind, needed = "keras_hub", CONFIG
    elif pickled := sorted(name for name in names if name.endswith(_OTHER_WEIGHTS)):
        raise SFTError("SFT305", place=place, file=pickled[0])
    elif CONFIG in names:
        raise SFTError("SFT306", place=place, file=f"{SAFETENSORS} (or {KERAS_WEIGHTS[0]})")
    else:
        found = ", ".join(sorted(names)[:5]) + (", …" if len(names) > 5 else "")
        raise SFTError("SFT304", place=place, found=f"found: {found}" if found else "it is empty")
    if needed not in names:
        raise SFTError("SFT306", place=place, file=needed)
    return kind  # type: ignore[return-value]


def check_safetensors(path: Path) -> None:
    """Checks that a safetensors file is whole: its header reads and describes exactly the bytes that follow.

    Reads the header alone, whatever the file's size.

    Raises:
        SFTError: SFT306 if there is no such file, SFT307 if it is corrupted or truncated.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise SFTError("SFT306", place=path.parent, file=path.name)
    try:
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError, ValueError) as error:
        raise SFTError("SFT307", path=path, problem=str(error).removeprefix("Error while deserializing ")) from error


def check_weights(folder: Path) -> None:
    """Checks what can be said of a folder of weights at once: that its files are there, known and whole.

    Raises:
        SFTError: SFT304 to SFT307.
    """
    if kind_of(folder) == "hugging_face":
        whole = folder / SAFETENSORS
        for path in [whole] if whole.exists() else sorted(folder / name for name in _shards(folder)):
            check_safetensors(path)


def _require_shards(folder: Path, names: set[str]) -> None:
    if missing := sorted(_shards(folder) - names):
        raise SFTError("SFT306", place=folder, file=missing[0])


def _shards(folder: Path) -> set[str]:
    """The names of the files that an index divides the weights among."""
    index = folder / SAFETENSORS_INDEX
    try:
        return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SFTError("SFT307", path=index, problem="its weight_map cannot be read") from error
