"""TF-Hub modules in Google Cloud Storage, read by TensorFlow's own file system, so its credentials count."""

from __future__ import annotations

import logging
import posixpath
from pathlib import Path

from sftkeras.errors import SFTError
from sftkeras.handles.archives import BOUNDS, Bounds, refuse_if, unsafe_reason
from sftkeras.handles.folders import SAVED_MODEL
from sftkeras.handles.modules import checked_and_unpacked, kept_or_fetched
from sftkeras.handles.parsing import BucketHandle
from sftkeras.handles.progress import receiving
from sftkeras.handles.reasons import in_one_line

_log = logging.getLogger(__name__)

_PIECE = 2**20  # bytes


def fetch_bucket_module(handle: BucketHandle, *, flag: str, offline: bool, bounds: Bounds = BOUNDS) -> Path:
    """Returns the module's folder, from the cache or else from the bucket.

    Raises:
        SFTError: SFT313 wrong hash; SFT348 the bucket cannot be read; SFT316 unsafe names or too large; SFT314, SFT340
            of an archive; and the errors of `modules.kept_or_fetched`.
    """

    def fetch(work: Path) -> tuple[Path, str | None]:
        _log.info("Fetching %s.", handle)
        from sftkeras.runtime import start_tensorflow

        start_tensorflow()
        import tensorflow as tf

        try:
            if handle.is_archive:
                archive = work / "archive"
                _copy_all({handle.address: archive}, handle, bounds)
                return checked_and_unpacked(archive, handle, flag=flag, bounds=bounds)
            module = work / "module"
            _copy_all(_files(handle, module), handle, bounds)
            return module, None
        except tf.errors.OpError as error:
            reason = in_one_line(error.message or type(error).__name__)
            raise SFTError("SFT348", flag=flag, handle=handle, reason=reason) from error

    return kept_or_fetched(handle, fetch, flag=flag, offline=offline)


def _files(handle: BucketHandle, into: Path) -> dict[str, Path]:
    """Destination of each file of the handle's folder."""
    import tensorflow as tf

    tf.io.gfile.stat(posixpath.join(handle.address, SAVED_MODEL))  # names what is wrong, where `walk` finds nothing
    files = {}
    for folder, _, names in tf.io.gfile.walk(handle.address):
        for name in filter(None, names):
            address = posixpath.join(folder, name)
            path = address.removeprefix(handle.address).lstrip("/")
            refuse_if(unsafe_reason(path), handle)
            files[address] = into / path
    return files


def _copy_all(files: dict[str, Path], handle: BucketHandle, bounds: Bounds) -> None:
    import tensorflow as tf

    size = sum(tf.io.gfile.stat(address).length for address in files)
    refuse_if(bounds.excess(files=len(files), size=size, packed=size), handle)
    with receiving(str(handle), size) as count:
        for address, target in files.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            with tf.io.gfile.GFile(address, "rb") as source, target.open("xb") as file:
                while piece := source.read(_PIECE):
                    file.write(piece)
                    count(len(piece))
