"""Companions of a module besides its weights: its preprocessor, its lookup tables, its files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_text as tf_text

from sftkeras.backbones.tfhub.module import read_module
from sftkeras.disk.files import sha256_of
from sftkeras.errors import SFTError
from sftkeras.text import ModulePreprocessor


def load_preprocessor(folder: Path) -> ModulePreprocessor:
    """Loads a preprocessor module.

    Raises:
        SFTError: SFT375 if the module is no preprocessor, and what `read_module` raises.
    """
    module = read_module(folder)
    if module.kind != "preprocessor":
        problem = "the module does not turn texts into tokens"
        raise SFTError("SFT375", flag="--backbone.preprocessor", folder=folder, problem=problem)
    root = module.load().root
    return ModulePreprocessor(root, fingerprint_of(folder), resources_of(root))


def resources_of(root: Any) -> list[Any]:
    """The lookup tables and other stateful objects of a loaded module, and the files they are filled from."""
    parts = tf.train.TrackableView(root).descendants()
    resources = [part for part in parts if hasattr(type(part), "resource_handle")]
    # Tables of modules that older TensorFlow wrote do not know their files: the module itself does.
    files = [part for part in parts if isinstance(part, tf.saved_model.Asset)]
    return [*resources, *files] if resources else []


def files_of(folder: Path, *, inside: str = "") -> dict[str, Path]:
    """The files of a module by their path in it, as `Backbone.files` has them; `inside` is a folder to put before."""
    parts = ("saved_model.pb", "variables/**/*", "assets/**/*")  # and nothing that a cache added
    paths = sorted(path for part in parts for path in folder.glob(part) if path.is_file())
    return {(Path(inside) / path.relative_to(folder)).as_posix(): path for path in paths}


def fingerprint_of(folder: Path) -> str:
    """A hash of all the module's files, and of the library whose operations it calls."""
    digest = hashlib.sha256(tf_text.__version__.encode())
    for name, path in files_of(folder).items():
        digest.update(f"{name} {sha256_of(path)}\n".encode())
    return digest.hexdigest()
