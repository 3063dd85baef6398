"""The safetensors files of a folder: read by the names of today, whatever names they were stored under, and written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Protocol

import ml_dtypes
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from sftkeras.backbones.hugging_face.config import read_json
from sftkeras.errors import SFTError
from sftkeras.handles import check_safetensors

FloatType = Literal["float32", "bfloat16", "float16"]

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
BOTTLENECKS = "bottleneck_adapters.safetensors"  # of this package: see `sftkeras.backbones.bottlenecks`


class Stored(Protocol):
    """A tensor of a checkpoint: the value of a variable, or of several."""

    @property
    def name(self) -> str:
        """The tensor's name, without the checkpoint's prefix."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""

    def tensor(self) -> np.ndarray:
        """The value as a checkpoint stores it."""


class Tensors:
    """The tensors of a folder.

    Args:
        folder: holds model.safetensors, or its parts and their index.
        prefix: what a checkpoint with a head puts before the names of the encoder's tensors, such as "bert.".

    Raises:
        SFTError: SFT306 if a file is missing, SFT307 if one is damaged, SFT354 if the index cannot be read.
    """

    def __init__(self, folder: Path, prefix: str) -> None:
        self._folder = folder
        names = {WHOLE} if (folder / WHOLE).exists() else set(read_json(folder / INDEX)["weight_map"].values())
        self._files: dict[str, Path] = {}
        for path in sorted(folder / name for name in names):
            check_safetensors(path)
            with safe_open(path, framework="numpy") as file:
                self._files.update(dict.fromkeys(file.keys(), path))
        self._prefix = prefix if any(name.startswith(prefix) for name in self._files) else ""

    def __contains__(self, name: str) -> bool:
        return self._stored_name(name) is not None

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor that is there."""
        stored = self._stored_name(name)
        assert stored is not None
        with safe_open(self._files[stored], framework="numpy") as file:
            return tuple(file.get_slice(stored).get_shape())

    def read(self, weight: Stored) -> np.ndarray:
        """Reads one tensor as float32.

        Raises:
            SFTError: SFT357 if it is missing, SFT358 if it has another shape, SFT359 if it is not finite.
        """
        stored = self._stored_name(weight.name)
        if stored is None:
            raise SFTError("SFT357", folder=self._folder, tensor=weight.name)
        with safe_open(self._files[stored], framework="numpy") as file:
            tensor = np.asarray(file.get_tensor(stored), np.float32)
        if tensor.shape != weight.shape:
            raise SFTError("SFT358", folder=self._folder, tensor=weight.name, got=tensor.shape, expected=weight.shape)
        if not np.isfinite(tensor).all():
            raise SFTError("SFT359", folder=self._folder, tensor=weight.name)
        return tensor

    def _stored_name(self, name: str) -> str | None:
        older = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        return next((full for part in (name, older) if (full := self._prefix + part) in self._files), None)


def write_tensors(weights: Iterable[Stored], folder: Path, dtype: FloatType = "float32") -> None:
    """Writes model.safetensors, with values rounded to `dtype`."""
    # NumPy has no bfloat16 of its own.
    values = {weight.name: weight.tensor().astype(getattr(ml_dtypes, dtype, dtype)) for weight in weights}
    # Readers of PyTorch refuse a file that does not say what it was made for.
    save_file(values, folder / WHOLE, metadata={"format": "pt"})
