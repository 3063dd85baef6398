"""TF-Hub modules on web servers: tfhub.dev, any other that answers as it does, and archives at their own address."""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import urlsplit

from sftkeras.errors import SFTError
from sftkeras.handles.archives import BOUNDS, Bounds
from sftkeras.handles.download import PATIENCE, Download, Patience
from sftkeras.handles.modules import checked_and_unpacked, kept_or_fetched
from sftkeras.handles.parsing import WebHandle

_log = logging.getLogger(__name__)


def fetch_web_module(
    handle: WebHandle, *, flag: str, offline: bool, patience: Patience = PATIENCE, bounds: Bounds = BOUNDS
) -> Path:
    """Returns the module's folder, from the cache or else from the server.

    Raises:
        SFTError: SFT313 wrong hash; SFT340 to SFT347; and the errors of `modules.kept_or_fetched`.
    """

    def fetch(work: Path) -> tuple[Path, str]:
        _log.info("Fetching %s.", handle)
        archive = work / "archive"
        download = Download(handle.download_url, handle, flag, patience, bounds)
        download.run(archive)
        _refuse_page(archive, handle, flag)
        return checked_and_unpacked(archive, handle, flag=flag, bounds=bounds)

    return kept_or_fetched(handle, fetch, flag=flag, offline=offline)


def _refuse_page(archive: Path, handle: WebHandle, flag: str) -> None:
    """Names a web page or an API's answer what it is, where the server did not."""
    with archive.open("rb") as file:
        beginning = file.read(100).lstrip()
    if beginning.startswith((b"<", b"{")):
        shown = beginning[:30].decode("utf-8", "replace").split("\n")[0]
        host = urlsplit(handle.address).netloc
        raise SFTError("SFT346", flag=flag, handle=handle, host=host, reason=f"a page that begins {shown!r}")
