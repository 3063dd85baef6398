"""The files of a KerasHub preset: the class and the settings of its network, and the variables of its layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import h5py
import ml_dtypes
import numpy as np

from sftkeras.backbones.hugging_face.config import read_json
from sftkeras.errors import SFTError

WEIGHTS, INDEX, CONFIG = "model.weights.h5", "model.weights.json", "config.json"
_VARIABLES = "/vars/"
# Of layers that draw numbers, and frequencies that are computed anew.
_NO_WEIGHTS = ("seed_generator", "rotary_embedding")


@dataclass(frozen=True)
class Preset:
    """A preset folder.

    Attributes:
        folder: the folder.
        kind: the class of its network, such as "Llama3Backbone".
        settings: the arguments of that class.
    """

    folder: Path
    kind: str
    settings: Mapping[str, Any]
    _read: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, folder: Path) -> Preset:
        """Read config.json.

        Raises:
            SFTError: SFT354 if it is damaged.
        """
        kind, settings = read_object(folder / CONFIG)
        return cls(folder, kind, settings)

    def refuse(self, key: str, value: object, known: object) -> NoReturn:
        """Refuse what is not computed: SFT355 with what it is and what it may be."""
        raise SFTError("SFT355", folder=self.folder, key=key, value=value, known=known)

    def damaged(self, path: Path, problem: object) -> SFTError:
        """Return the error for a file that is not as it should be."""
        return SFTError("SFT354", path=path, problem=" ".join(str(problem).split()))

    def variables(self, layer: str) -> list[np.ndarray]:
        """Return the variables of a layer by their order, such as kernel and bias.

        Raises:
            SFTError: SFT354 if the file is damaged, SFT355 if they are quantised, SFT357 if there are none.
        """
        names = sorted(name for name in self._places if name.rpartition(_VARIABLES)[0] == layer)
        if not names:
            raise SFTError("SFT357", folder=self.folder, tensor=layer)
        self._read.update(names)
        return [self._variable(name) for name in names]

    def unread(self) -> list[str]:
        """Return the names of variables that were not asked for."""
        return [
            name
            for name in self._places
            if name not in self._read and not any(part in _NO_WEIGHTS for part in name.split("/"))
        ]

    @cached_property
    def _places(self) -> dict[str, Path]:
        """The file of each variable, by its name in it. What a link leads to is in none."""
        places: dict[str, Path] = {}
        for path in self._files():
            names: list[str] = []
            with self._opened(path) as file:
                file.visititems(lambda name, it, names=names: _note(name, it, names))
            places |= dict.fromkeys(names, path)
        return places

    def _files(self) -> list[Path]:
        if (self.folder / WEIGHTS).exists():
            return [self.folder / WEIGHTS]
        found = read_json(self.folder / INDEX).get("weight_map")
        values = found.values() if isinstance(found, Mapping) else [found]
        names = {str(name) for value in values for name in (value if isinstance(value, list) else [value])}
        if wrong := [name for name in names if Path(name).name != name]:
            raise self.damaged(self.folder / INDEX, f"{wrong[0]!r} is no file beside it")
        return [self.folder / name for name in sorted(names)]

    def _opened(self, path: Path) -> h5py.File:
        try:
            return h5py.File(path, "r")
        except OSError as error:
            raise self.damaged(path, error) from error

    def _variable(self, name: str) -> np.ndarray:
        path = self._places[name]
        with self._opened(path) as file:
            try:
                stored = file[name]
                # A file may say that its numbers are those of another one.
                values = None if stored.external or stored.is_virtual else np.asarray(stored)
                dtype = stored.attrs.get("dtype")
            except (OSError, KeyError, ValueError) as error:
                raise self.damaged(path, error) from error
        if values is None:
            raise self.damaged(path, f"{name} is in another file")
        if dtype == "bfloat16" and values.dtype.kind == "V":
            values = values.view(ml_dtypes.bfloat16)
        elif values.dtype.kind != "f":
            self.refuse("weights of the type", values.dtype, "float32, float16, bfloat16")
        return values


def read_object(path: Path) -> tuple[str, dict[str, Any]]:
    """Read what Keras wrote of an object: its class, and the arguments of that.

    Raises:
        SFTError: SFT354 if the file is damaged.
    """
    content = read_json(path)
    kind, settings = content.get("class_name"), content.get("config")
    if not isinstance(kind, str) or not isinstance(settings, dict):
        raise SFTError("SFT354", path=path, problem="it has no class_name with its config")
    return kind, settings


def _note(name: str, found: object, names: list[str]) -> None:
    if isinstance(found, h5py.Dataset) and _VARIABLES in f"/{name}":
        names.append(name)
