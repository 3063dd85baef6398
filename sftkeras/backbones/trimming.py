"""A backbone with some of its transformer layers left out: a folder in the cache, smaller than that it is made of.

Imports TensorFlow only for a KerasHub preset, which it first writes as a Hugging Face folder.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from sftkeras.backbones.converted import converted, write_json, write_tensors
from sftkeras.backbones.hugging_face.config import read_config, read_json
from sftkeras.backbones.hugging_face.decoders.family import FULL, SLIDING
from sftkeras.backbones.hugging_face.decoders.reading import describe
from sftkeras.backbones.hugging_face.reading import kind_of_config
from sftkeras.backbones.hugging_face.tensors import BOTTLENECKS, INDEX, WHOLE
from sftkeras.backbones.mode import Choice
from sftkeras.disk.files import sha256_of
from sftkeras.errors import SFTError
from sftkeras.handles import kind_of

# The number of a layer in the names of tensors; ALBERT's only layer is called otherwise.
_LAYER = re.compile(r"(?<![^.])(layers?|h)\.(\d+)\.")
_COUNTS = ("num_hidden_layers", "n_layers", "n_layer")  # keys of config.json
_OF_LAYERS = ("layer_types", "no_rope_layers")  # keys whose values are lists with an item for each layer
_SMALL = (".json", ".txt", ".model", ".jinja")  # of a tokenizer, of chat templates, and how vectors are pooled


def trimmed(choice: Choice, wanted: int | Sequence[int]) -> Choice:
    """Return what is loaded in place of a backbone that is rebuilt, with some of its layers left out.

    Args:
        choice: how the whole backbone would be loaded.
        wanted: which layers are kept: see `kept_layers`.

    Raises:
        SFTError: SFT488 if there are no such layers, SFT489 if config.json has no words for what is left.
    """
    folder, kept, count = trim(choice.folder, wanted)
    note = f"of its {count} layers, those with the numbers {', '.join(map(str, kept))} are kept, counted from 0"
    return replace(choice, folder=folder, notes=(*choice.notes, *([note] if len(kept) < count else [])))


def trim(folder: Path, wanted: int | Sequence[int]) -> tuple[Path, tuple[int, ...], int]:
    """Writes a backbone without some of its layers into the cache; all else of the folder stays as it is.

    Args:
        folder: of Hugging Face's form, or an encoder that KerasHub saved.
        wanted: which layers are kept: see `kept_layers`.

    Returns:
        The folder to load, the numbers of the layers that it keeps, and how many there were.

    Raises:
        SFTError: as `trimmed`.
    """
    if kind_of(folder) == "keras_hub":
        content = _content(sorted(path for path in folder.rglob("*") if path.is_file()))
        folder = converted(folder, json.dumps(["keras_hub", content]), _write_whole)
    config = read_json(folder / "config.json")
    is_encoder = kind_of_config(folder) == "encoder"
    sizes = read_config(folder)[0].sizes if is_encoder else describe(config, folder)[0].sizes
    key = next(key for key in _COUNTS if key in sizes)
    kept = kept_layers(wanted, config[key])
    if len(kept) == config[key]:
        return folder, kept, config[key]
    # Of an encoder, all layers are of one kind.
    fewer = {**config, key: len(kept)} if is_encoder else _decoder_config(folder, config, key, kept)

    def write(whole: Path, new: Path) -> None:
        for path in _small_files(whole):
            copy = new / path.relative_to(whole)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        write_json(new / "config.json", fewer)
        write_tensors(_kept_tensors(_weight_files(whole), kept), new)
        if (whole / BOTTLENECKS).exists():
            save_file(dict(_kept_tensors([whole / BOTTLENECKS], kept)), new / BOTTLENECKS)

    beside = [folder / BOTTLENECKS] if (folder / BOTTLENECKS).exists() else []
    content = _content([*_small_files(folder), *_weight_files(folder), *beside])
    return converted(folder, json.dumps(["trimmed", fewer, kept, content]), write), kept, config[key]


def kept_layers(wanted: int | Sequence[int], count: int) -> tuple[int, ...]:
    """Return the numbers of the layers that a backbone keeps, ascending.

    So many layers are taken in like distances, the first and the last among them: of 12, 6 are 0, 2, 4, 7, 9 and 11, as
    DistilBERT takes them (Sanh et al., 2019, arXiv:1910.01108).

    Args:
        wanted: how many layers, or their numbers from 0.
        count: layers that there are.

    Raises:
        SFTError: SFT488 if there are not so many, or none of such a number, or a number stands twice.
    """
    if isinstance(wanted, int):
        if not 0 < wanted <= count:
            raise SFTError("SFT488", layers=wanted, count=count, last=count - 1)
        return tuple(round(place * (count - 1) / max(wanted - 1, 1)) for place in range(wanted))
    if not wanted or max(wanted) >= count or len(set(wanted)) < len(wanted):
        raise SFTError("SFT488", layers=list(wanted), count=count, last=count - 1)
    return tuple(sorted(wanted))


def _decoder_config(folder: Path, config: dict[str, Any], key: str, kept: Sequence[int]) -> dict[str, Any]:
    """The config.json of what is left of a decoder.

    Raises:
        SFTError: SFT489 if layers would become other than they are.
    """
    family, whole = describe(config, folder)
    windows = tuple(whole.windows[number] for number in kept)
    ropes = tuple(whole.ropes[number] for number in kept)
    expected = replace(whole, windows=windows, ropes=ropes)
    lists = {name: [config[name][number] for number in kept] for name in _OF_LAYERS if config.get(name)}
    fewer = {**config, key: len(kept), **lists}
    if describe(fewer, folder)[1] != expected:  # now it must say which layer is of which kind
        fewer["layer_types"] = [SLIDING if window else FULL for window in windows]
        if "no_rope_layers" in family.defaults:
            fewer["no_rope_layers"] = [int(rope is not None) for rope in ropes]
    if describe(fewer, folder)[1] != expected:
        raise SFTError("SFT489", folder=folder, layers=list(kept))
    return fewer


def _kept_tensors(files: Sequence[Path], kept: Sequence[int]) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the names and values of the tensors that are left, layers counted anew."""
    new = {number: place for place, number in enumerate(kept)}
    for path in files:
        with safe_open(path, framework="numpy") as file:
            for name in list(file.keys()):
                number = _LAYER.search(name)
                if number is None:
                    yield name, file.get_tensor(name)
                elif int(number[2]) in new:
                    layer = f"{number[1]}.{new[int(number[2])]}."
                    yield name[: number.start()] + layer + name[number.end() :], file.get_tensor(name)


def _weight_files(folder: Path) -> list[Path]:
    if (folder / WHOLE).exists():
        return [folder / WHOLE]
    return sorted(folder / name for name in set(read_json(folder / INDEX)["weight_map"].values()))


def _small_files(folder: Path) -> list[Path]:
    """The files of a folder beside its config and its weights."""
    left = {"config.json", "manifest.json", INDEX}
    paths = (path for path in folder.rglob("*") if path.suffix in _SMALL and path.is_file())
    return sorted(path for path in paths if path.name not in left)


def _write_whole(folder: Path, new: Path) -> None:
    """Writes an encoder that KerasHub saved as a Hugging Face folder."""
    from sftkeras.backbones import load_backbone
    from sftkeras.backbones.hugging_face import write_folder
    from sftkeras.text import Tokenizer

    backbone = load_backbone(folder, max_length=1)
    assert isinstance(backbone.tokenizer, Tokenizer)  # of all presets that are loaded
    write_folder(new, backbone.model, backbone.tokenizer, has_pooler=backbone.has_pooler)


def _content(paths: Sequence[Path]) -> list[tuple[str, str]]:
    """The names and hashes of files."""
    return [(path.name, sha256_of(path)) for path in paths]
