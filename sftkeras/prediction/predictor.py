"""A model for Python programs: texts in, the records that `predict` prints out. Imports no TensorFlow."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sftkeras.errors import SFTError
from sftkeras.prediction.backends import BATCH_SIZE, TIMEOUT, LocalModel, OpenModel, RemoteModel, open_model
from sftkeras.prediction.records import text_records
from sftkeras.runs import RunFolder


def load(
    model: str | Path,
    *,
    name: str | None = None,
    version: int | None = None,
    version_label: str | None = None,
    token: str | None = None,
    tls: bool = False,
    tls_ca: str | Path | None = None,
    tls_certificate: str | Path | None = None,
    tls_key: str | Path | None = None,
    timeout: float = TIMEOUT,
    batch_size: int = BATCH_SIZE,
) -> Predictor:
    """Loads an exported model, or connects to one of a running server.

    A local model is run by a process of its own, as `python -m sftkeras.predict` does: it takes some seconds to start,
    shares no memory, graph or GPU setting with this process, and is as fast as a server once it runs. Its files are
    checked as there; loading never executes code of the model's folder.

    Args:
        model: a version folder or a model folder below saved_models (its newest version is taken), the folder of a run
            (the version it exported last), or grpc://HOST:PORT/NAME, http://HOST:PORT/NAME, https://HOST:PORT/NAME.
        name: of the model at the server, if the address ends without it.
        version: to call at the server; None takes the newest.
        version_label: of the version to call at the server, such as canary, in place of its number.
        token: that the server asks for.
        tls: whether to speak TLS over gRPC. Over HTTP, an https:// address does.
        tls_ca: PEM file of certificates to trust; None takes the system's.
        tls_certificate: PEM file of the client's own certificate, for a server that asks for one.
        tls_key: PEM file of the key of `tls_certificate`.
        timeout: seconds for a call to the server, its retries included.
        batch_size: texts predicted at once.

    Raises:
        SFTError: SFT114 for a run that exported nothing, SFT5xx if the version cannot be found, trusted or loaded,
            SFT660 to SFT667 if the server cannot be reached, refuses, or has no such model of texts.
    """
    from sftkeras.serving.client import TLS

    files = TLS(tls_ca, tls_certificate, tls_key)
    opened = open_model(
        _version_of(model),
        name=name,
        version=version,
        version_label=version_label,
        token=token,
        tls=files if tls or files != TLS() else None,
        timeout=timeout,
        batch_size=batch_size,
    )
    try:
        opened.load()
    except BaseException:
        opened.close()
        raise
    return Predictor(opened)


class Predictor(OpenModel):
    """A loaded model. `close` it, or use it in a `with` statement; it closes too when nothing refers to it any more.

    Attributes:
        name: its folder or address.
        pairs: whether it takes two texts.
    """

    def __init__(self, model: LocalModel | RemoteModel) -> None:
        self.name: str = model.name
        self.pairs: bool = model.pairs
        self._model = model
        self._close = weakref.finalize(self, model.close)

    def predict(self, texts: str | Iterable[str], pairs: str | Iterable[str] | None = None) -> list[dict[str, Any]]:
        """Returns a record for each text, as `python -m sftkeras.predict` prints them.

        Args:
            texts: a list, a column or any other iterable of strings; one string is a list of one.
            pairs: the second texts, as many, for a model of pairs: for question answering, the contexts.

        Raises:
            SFTError: SFT126 for what is no text, or for second texts that are missing or not wanted; SFT506 or SFT660
                to SFT664 if the model or the server fails.
        """
        first = self._strings(texts, "text")
        second = None if pairs is None else self._strings(pairs, "second text")
        if self.pairs != (second is not None):
            wanted = (
                "takes two texts. Give the second ones as pairs" if self.pairs else "takes one text. Leave out pairs"
            )
            raise SFTError("SFT126", model=self.name, problem=f"it {wanted}")
        if second is not None and len(first) != len(second):
            raise SFTError("SFT126", model=self.name, problem=f"{len(first)} texts have {len(second)} second texts")
        return text_records(self._model, first, second)

    __call__ = predict

    def __repr__(self) -> str:
        return f"Predictor({self.name!r})"

    def close(self) -> None:
        """Ends the process or the connection behind it."""
        self._close()

    def _strings(self, texts: str | Iterable[str], what: str) -> Sequence[str]:
        found = [texts] if isinstance(texts, str) else list(texts)
        for number, text in enumerate(found):
            if not isinstance(text, str):
                problem = f"{what} {number + 1} is {text!r:.40}, not a string"
                raise SFTError("SFT126", model=self.name, problem=problem)
        return found


def _version_of(model: str | Path) -> str | Path:
    """The version that a run exported last, if it is a run's folder."""
    run = RunFolder(Path(model).expanduser())
    return run.last_export() if run.config_file.exists() and run.model_file.exists() else model
