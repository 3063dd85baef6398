"""`hf://` handles: a repository of the Hugging Face hub, kept in the cache that all its libraries share.

Only safetensors or KerasHub weights, configuration and tokenizer files are fetched, or the one GGUF file that is named,
never a pickle.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from sftkeras.disk.files import write_errors
from sftkeras.errors import SFTError, did_you_mean
from sftkeras.handles.folders import (
    CONFIG,
    SAVED_MODEL,
    SENTENCE_MODULES,
    SENTENCE_TRANSFORMER,
    kind_of,
    kind_of_names,
    weights_folder,
)
from sftkeras.handles.parsing import HubHandle
from sftkeras.handles.reasons import in_one_line

_log = logging.getLogger(__name__)

_WANTED = ["*.json", "*.txt", "*.model", "model.safetensors", "model-*.safetensors", "model*.weights.h5"]
_WANTED += [f"{SENTENCE_TRANSFORMER}/model.safetensors"]


def fetch_repository(handle: HubHandle, *, flag: str, offline: bool) -> Path:
    """Returns the repository's folder, or the file in it that the handle names.

    What was fetched before is used as it is, without a look at the network.

    Raises:
        SFTError: SFT301 malformed name; SFT304 to SFT306 no weights that can be read; SFT317 offline and not cached;
            SFT321 not found; SFT322 no such revision; SFT323 gated; SFT324 no network; SFT325 any other answer;
            SFT326 no such file.
    """
    from huggingface_hub.errors import HFValidationError

    try:
        cached = _cached(handle)
    except HFValidationError as error:  # the hub's own rules for names, stricter than the parser's
        raise SFTError("SFT301", flag=flag, handle=handle, problem=f"{in_one_line(error)}.") from error
    if cached:
        return cached
    if offline:
        raise SFTError("SFT317", flag=flag, handle=handle)
    return _fetch(handle, flag)


def _cached(handle: HubHandle) -> Path | None:
    from huggingface_hub import snapshot_download, try_to_load_from_cache
    from huggingface_hub.errors import LocalEntryNotFoundError

    if handle.file:
        path = try_to_load_from_cache(handle.repository, handle.file, revision=handle.revision)
        return Path(path) if isinstance(path, str) else None
    try:
        # Raises for a download that was cut short: the hub's list of files is kept beside them.
        folder = snapshot_download(
            handle.repository, revision=handle.revision, allow_patterns=_WANTED, local_files_only=True
        )
        kind_of(weights_folder(Path(folder)))
    except (LocalEntryNotFoundError, SFTError):
        return None
    return Path(folder)


def _fetch(handle: HubHandle, flag: str) -> Path:
    from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download

    # HTTPError is the class of all failures of the HTTP library that the hub's client is built on.
    from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    _log.info("Fetching %s from the Hugging Face hub.", handle)
    # Outermost, since the hub's own errors are OSErrors too.
    with write_errors(Path(constants.HF_HUB_CACHE), flag="HF_HOME"):
        try:
            about = HfApi().model_info(handle.repository, revision=handle.revision)
            names = {file.rfilename for file in about.siblings or []}
            _check_names(names, handle, flag)
            if handle.file:
                found = hf_hub_download(handle.repository, handle.file, revision=handle.revision)
            else:
                found = snapshot_download(handle.repository, revision=handle.revision, allow_patterns=_WANTED)
        except (HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
            raise _failure(error, handle, flag) from error
    if handle.revision != about.sha:
        _log.warning("%s may change on the hub. Pin it: %s", handle, replace(handle, revision=about.sha))
    return Path(found)


def _check_names(names: set[str], handle: HubHandle, flag: str) -> None:
    """Checks that a repository with files of these names has what the handle asks for."""
    if handle.file:
        if handle.file not in names:
            suggestion = did_you_mean(handle.file, sorted(name for name in names if name.endswith(".gguf")))
            raise SFTError("SFT326", flag=flag, handle=handle, suggestion=suggestion)
        return
    names = names - {SAVED_MODEL}  # one that lies there too is not among the files that are fetched
    if SENTENCE_MODULES in names and CONFIG not in names:
        inside = f"{SENTENCE_TRANSFORMER}/"
        names = {name.removeprefix(inside) for name in names if name.startswith(inside)}
    kind_of_names(names, handle)


def _failure(error: Exception, handle: HubHandle, flag: str) -> SFTError:
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    # The answer to the request for one file comes wrapped in "not found in the local cache either".
    answer = error if isinstance(error, HfHubHTTPError) else error.__cause__
    match answer:
        case GatedRepoError():  # before its parent class, RepositoryNotFoundError
            return SFTError("SFT323", flag=flag, handle=handle)
        case RepositoryNotFoundError():
            return SFTError("SFT321", flag=flag, handle=handle)
        case RevisionNotFoundError():
            return SFTError("SFT322", flag=flag, handle=handle, revision=handle.revision)
        case HfHubHTTPError():
            return SFTError("SFT325", flag=flag, handle=handle, reason=in_one_line(answer))
    return SFTError("SFT324", flag=flag, handle=handle, reason=in_one_line(error))
