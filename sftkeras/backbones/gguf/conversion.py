"""From a GGUF file to the Hugging Face folder of the same model, written once into the cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from sftkeras.backbones.gguf.architectures import architecture_of, read_config, read_tensors
from sftkeras.backbones.gguf.file import GGUFFile, damaged
from sftkeras.backbones.gguf.tokenizers import read_tokenizer
from sftkeras.disk.cache import building, cache_folder, locked, read_manifest, write_manifest
from sftkeras.disk.files import sha256_of

_FORMAT = 1  # of what is written; a higher number makes every file be converted again
_LARGEST_PART = 2**30  # bytes of a safetensors file, so that a large model is never in memory whole


def convert(path: Path) -> Path:
    """Return the folder made of a GGUF file, from the cache or written now; the key is the file's content.

    Raises:
        SFTError: SFT106, SFT108 if the cache cannot be written, SFT398 if the file is damaged, SFT399 if it asks for
            something unknown.
    """
    try:
        content = f"gguf {sha256_of(path)} {_FORMAT} {version('gguf')}"
    except OSError as error:
        raise damaged(path, error.strerror or error) from error
    entry = cache_folder("converted") / hashlib.sha256(content.encode()).hexdigest()[:32]
    with locked(entry):
        if read_manifest(entry) is None:
            with building(entry) as temporary:
                write_folder(path, temporary)
                write_manifest(temporary, file=str(path))
    return entry


def write_folder(path: Path, folder: Path) -> None:
    """Write a GGUF file's model into an empty folder; raises as `convert`."""
    file = GGUFFile(path)
    architecture, model = architecture_of(file)
    tokenizer = read_tokenizer(file, model.architecture)
    config = read_config(architecture, model) | tokenizer.generation
    if (tokens := 1 + max(tokenizer.whole["model"]["vocab"].values())) > config["vocab_size"]:
        raise damaged(path, f"it has {tokens:,} tokens and {config['vocab_size']:,} rows of the embedding")
    _write_json(folder / "config.json", config)
    _write_json(folder / "generation_config.json", tokenizer.generation)
    _write_json(folder / "tokenizer.json", tokenizer.whole)
    _write_json(folder / "tokenizer_config.json", tokenizer.settings)
    _write_tensors(read_tensors(architecture, model), folder)


def _write_tensors(tensors: Iterable[tuple[str, np.ndarray]], folder: Path) -> None:
    """Write model.safetensors, or several of them with their index if they are large."""
    names: list[tuple[Path, list[str]]] = []
    for part in _parts(tensors):
        path = folder / f"model-{len(names) + 1:05}.safetensors"
        # Readers of PyTorch refuse a file that does not say what it was made for.
        save_file(part, path, metadata={"format": "pt"})
        names.append((path, list(part)))
    if len(names) == 1:
        names[0][0].rename(folder / "model.safetensors")
        return
    places = {tensor: path.name for path, tensors in names for tensor in tensors}
    _write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": places})


def _parts(tensors: Iterable[tuple[str, np.ndarray]]) -> Iterator[dict[str, np.ndarray]]:
    part: dict[str, np.ndarray] = {}
    for name, values in tensors:
        if part and sum(it.nbytes for it in part.values()) + values.nbytes > _LARGEST_PART:
            yield part
            part = {}
        part[name] = values
    if part:
        yield part


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
