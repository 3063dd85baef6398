"""KerasHub presets: a preset's name to its Kaggle model, and a Kaggle model to a folder in kagglehub's cache."""

from __future__ import annotations

import ast
import functools
import importlib.util
import logging
from pathlib import Path

from sftkeras.errors import SFTError
from sftkeras.handles.parsing import KaggleHandle
from sftkeras.handles.reasons import in_one_line

_log = logging.getLogger(__name__)


@functools.cache
def preset_handles() -> dict[str, str]:
    """Returns the Kaggle handle of every preset that the installed KerasHub knows, by the preset's name.

    KerasHub keeps them in modules that are nothing but literal dictionaries. They are read here, not imported:
    importing keras_hub imports TensorFlow, too slow for telling the user of a typing mistake.
    """
    package = importlib.util.find_spec("keras_hub")
    if package is None or package.origin is None:
        return {}
    handles: dict[str, str] = {}
    for module in sorted(Path(package.origin).parent.glob("src/models/*/*_presets.py")):
        for statement in ast.parse(module.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.Assign):
                handles |= _literal_handles(statement.value)
    return handles


def fetch_model(handle: KaggleHandle, *, flag: str, offline: bool) -> Path:
    """Returns the model's folder; kagglehub uses a version that was fetched before without a look at the network.

    Raises:
        SFTError: SFT107 if kagglehub is missing, SFT317 if offline and not cached, SFT331 no such model, SFT332 access
            refused, SFT333 no network or any other answer of Kaggle.
    """
    try:
        import kagglehub
    except ImportError as error:
        raise SFTError("SFT107", package="kagglehub", install="kagglehub") from error
    if offline:
        return _cached(handle, flag)
    _log.info("Fetching %s from Kaggle.", handle)
    try:
        return Path(kagglehub.model_download(handle.model))
    # kagglehub raises a dozen unrelated classes (its own, requests', tarfile's, ValueError): none may pass uncoded.
    except Exception as error:
        raise _refusal(error, handle, flag) from error


def _literal_handles(value: ast.expr) -> dict[str, str]:
    try:
        presets = ast.literal_eval(value)
    except ValueError:  # not a literal: no preset stands there
        return {}
    if not isinstance(presets, dict):
        return {}
    return {
        name: preset["kaggle_handle"]
        for name, preset in presets.items()
        if isinstance(preset, dict) and "kaggle_handle" in preset
    }


def _cached(handle: KaggleHandle, flag: str) -> Path:
    from kagglehub.cache import Cache
    from kagglehub.handle import parse_model_handle

    folder = Cache().load_from_cache(parse_model_handle(handle.model))
    if folder is None:
        raise SFTError("SFT317", flag=flag, handle=handle)
    return Path(folder)


def _refusal(error: Exception, handle: KaggleHandle, flag: str) -> SFTError:
    answer = getattr(error, "response", None)  # of an HTTP answer
    code = {401: "SFT332", 403: "SFT332", 404: "SFT331"}.get(getattr(answer, "status_code", 0), "SFT333")
    return SFTError(code, flag=flag, handle=handle, reason=in_one_line(error))
