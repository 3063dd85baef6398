"""One file over HTTP: bounded in size, and asked for again when the network or the server falters.

What the file is for is the business of the callers.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sftkeras.errors import SFTError
from sftkeras.handles.archives import BOUNDS, Bounds, refuse_if
from sftkeras.handles.progress import receiving
from sftkeras.handles.reasons import in_one_line

if TYPE_CHECKING:
    from requests import RequestException, Response

_log = logging.getLogger(__name__)

_PIECE = 256 * 2**10  # bytes
_BUSY = (429, 500, 502, 503, 504)  # statuses that may pass
# Some servers pack a second time what is an archive already, and would then send another file than they store.
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "sftkeras"}


@dataclass(frozen=True)
class Patience:
    """Seconds that a server is waited for, and number of times it is asked."""

    connect: float = 10
    read: float = 60  # without one byte
    attempts: int = 4
    pause: float = 1  # after the first attempt; each later one is twice as long
    longest_pause: float = 60  # whatever the server asks for


PATIENCE = Patience()


@dataclass(frozen=True)
class Download:
    """A file to be fetched.

    Attributes:
        url: where it is; redirects are followed.
        handle: the handle it is fetched for, named in errors.
        flag: the setting that holds the handle, named in errors.
        bounds: its size is the most that is received.
        accept: the type of content that the server is asked for.
    """

    url: str
    handle: object
    flag: str
    patience: Patience = PATIENCE
    bounds: Bounds = BOUNDS
    accept: str = "*/*"

    def run(self, target: Path) -> None:
        """Writes the file to `target`.

        Raises:
            SFTError: SFT316 too large; SFT341 unreachable; SFT342 silent; SFT343 not there; SFT344 access refused;
                SFT345 any other status; SFT346 a web page; SFT347 broken off.
            OSError: if it cannot be written.
        """
        for attempt in range(1, self.patience.attempts + 1):
            try:
                return self._attempt(target)
            except _PassingError as failure:
                if attempt == self.patience.attempts:
                    raise self._error(failure.code, failure.reason) from failure
                wait = max(self.patience.pause * 2 ** (attempt - 1), failure.wait)
                wait = min(wait, self.patience.longest_pause)
                _log.warning("%s: %s. Trying again in %.3g s.", self.handle, failure.reason, wait)
                time.sleep(wait)

    def _attempt(self, target: Path) -> None:
        with self._ask() as answer:
            self._refuse(answer)
            self._receive(answer, target)

    def _ask(self) -> Response:
        import requests

        patience = self.patience
        headers = {**_HEADERS, "Accept": self.accept}
        try:
            return requests.get(self.url, stream=True, timeout=(patience.connect, patience.read), headers=headers)
        except requests.exceptions.SSLError as error:
            raise self._error("SFT341", _innermost(error)) from error
        except requests.Timeout as error:
            seconds = patience.connect if isinstance(error, requests.ConnectTimeout) else patience.read
            raise _PassingError("SFT342", f"no answer within {seconds:g} s") from error
        except requests.ConnectionError as error:
            raise _PassingError("SFT341", _innermost(error)) from error
        except requests.RequestException as error:  # such as a circle of redirects
            raise self._error("SFT341", _innermost(error)) from error

    def _refuse(self, answer: Response) -> None:
        reason = f"{answer.status_code} {answer.reason}"
        match answer.status_code:
            case 200:
                pass
            case 401 | 403:
                raise self._error("SFT344", reason)
            case 404 | 410:
                raise self._error("SFT343", reason)
            case status if status in _BUSY:
                raise _PassingError("SFT345", reason, wait=_asked_for(answer))
            case _:
                raise self._error("SFT345", reason)
        if answer.headers.get("Content-Type", "").lower().startswith("text/html"):
            raise self._error("SFT346", "a web page")

    def _receive(self, answer: Response, target: Path) -> None:
        import requests

        length = answer.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        received = 0
        self._refuse_larger(total or 0)
        try:
            # The HTTP library counts what comes against Content-Length.
            with target.open("wb") as file, receiving(str(self.handle), total) as count:
                for piece in answer.iter_content(_PIECE):
                    received += len(piece)
                    self._refuse_larger(received)
                    file.write(piece)
                    count(len(piece))
        except requests.RequestException as error:
            if type(error) is requests.ConnectionError:  # what a timeout is within the body
                raise _PassingError("SFT342", f"not a byte for {self.patience.read:g} s") from error
            of = f" of {total:,}" if total else ""
            raise _PassingError("SFT347", f"after {answer.raw.tell():,}{of} bytes") from error

    def _refuse_larger(self, size: int) -> None:
        refuse_if(f"it has more than {self.bounds.size:,} bytes" if size > self.bounds.size else "", self.handle)

    def _error(self, code: str, reason: str) -> SFTError:
        host = urlsplit(self.url).netloc.rpartition("@")[2]  # an index of packages may have a password before it
        return SFTError(code, flag=self.flag, handle=self.handle, host=host, reason=reason)


class _PassingError(Exception):
    """A failure that another attempt may not meet.

    Args:
        code: of the error, if it stays.
        reason: what happened.
        wait: seconds that the server asks to be left alone.
    """

    def __init__(self, code: str, reason: str, wait: float = 0) -> None:
        self.code = code
        self.reason = reason
        self.wait = wait
        super().__init__(reason)


def _asked_for(answer: Response) -> float:
    """The seconds of a Retry-After header, which may also be a date."""
    from urllib3 import Retry
    from urllib3.exceptions import InvalidHeader

    try:
        return Retry().parse_retry_after(answer.headers.get("Retry-After", "0"))
    except InvalidHeader:
        return 0


def _innermost(error: RequestException) -> str:
    """The reason that the HTTP library wraps in several layers, each with the address."""
    wrapped = error.args[0] if error.args else error
    reason = str(getattr(wrapped, "reason", wrapped))
    return in_one_line(reason.rpartition(": ")[2] or reason)
