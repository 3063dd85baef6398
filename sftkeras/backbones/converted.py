"""Models in other formats, written once into the cache as Hugging Face folders, which are then read as any other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from sftkeras.disk.cache import building, cache_folder, locked, read_manifest, write_manifest

_LARGEST_PART = 2**30  # bytes of a safetensors file, so that a large model is never in memory whole


def converted(path: Path, content: str, write: Callable[[Path, Path], None]) -> Path:
    """Return the folder made of a model, from the cache or written now.

    Args:
        path: of the model.
        content: distinguishes it from all others, and the ways to write it.
        write: writes what is at the first path into an empty folder, the second.

    Raises:
        SFTError: SFT106, SFT108 if the cache cannot be written, and what `write` raises.
    """
    entry = cache_folder("converted") / hashlib.sha256(content.encode()).hexdigest()[:32]
    with locked(entry):
        if read_manifest(entry) is None:
            with building(entry) as temporary:
                write(path, temporary)
                write_manifest(temporary, file=str(path))
    return entry


def write_tensors(tensors: Iterable[tuple[str, np.ndarray]], folder: Path) -> None:
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
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": places})


def _parts(tensors: Iterable[tuple[str, np.ndarray]]) -> Iterator[dict[str, np.ndarray]]:
    part: dict[str, np.ndarray] = {}
    for name, values in tensors:
        if part and sum(it.nbytes for it in part.values()) + values.nbytes > _LARGEST_PART:
            yield part
            part = {}
        part[name] = values
    if part:
        yield part


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write an object as JSON."""
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
