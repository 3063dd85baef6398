"""Prediction backends: local export or remote server. Imports no TensorFlow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self
from urllib.parse import unquote, urlsplit

from sftkeras.conversations import Conversation
from sftkeras.errors import SFTError
from sftkeras.exporting.contract import check_weights, predictions_in, read_contract
from sftkeras.exporting.generation_file import read_generation
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.exporting.versions import find_version
from sftkeras.prediction.generating import OUTPUTS, Options, questions, renderer, turns_of
from sftkeras.tasks.predictions import Outputs, Predictions, predictions_of

if TYPE_CHECKING:
    from sftkeras.serving.client import TLS, Client, ClientError

BATCH_SIZE = 32  # texts predicted at once
TIMEOUT = 60.0  # seconds for a call to a server, its retries included

_SCHEMES = ("grpc", "http", "https")


Batch = tuple[Sequence[str], Sequence[str] | None]
"""Texts, and their second texts for a model of pairs."""


class Model(Protocol):
    """A model that predicts for texts.

    Attributes:
        flag: the setting that names it, for messages.
        name: its folder or address, as that setting has it.
        pairs: whether it takes two texts.
        predictions: what they look like.
        data: the settings its training data was read with, as far as they are known here.
        identity: what distinguishes its predictions from those of other models.
        generates: whether it writes texts, with options.
        chats: whether it answers conversations.
    """

    flag: str
    name: str
    pairs: bool
    predictions: Predictions
    data: Mapping[str, Any]
    identity: Mapping[str, Any]
    generates: bool
    chats: bool

    def load(self) -> None:
        """Makes it ready to predict. The first call of `predict` does so, too."""

    def predict(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Outputs:
        """Returns the named outputs for texts, and for their second texts if it takes pairs: one row a text."""

    def predict_each(self, batches: Iterable[Batch]) -> Iterator[Outputs]:
        """Yields the named outputs of each batch, in their order. Batches may be taken before their turn."""

    def write(self, texts: Sequence[str], asked: Sequence[Conversation] | None, options: Options) -> Outputs:
        """Returns what a model that generates writes for texts, or for the conversations that they end; one batch."""


class OpenModel:
    """A model that is closed at the end of a `with` statement, or by `close`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process or the connection behind it."""
        raise NotImplementedError


class LocalModel(OpenModel):
    """An exported version, run by a process of its own. The process starts at once; the version is loaded later.

    Args:
        folder: a version folder, or a model folder, whose newest version is taken.
        flag: the setting that names it, for messages.
        batch_size: texts predicted at once.

    Attributes:
        version: its folder.
        contract: what contract.json has.
        identity: its name and version, and hashes of its weights and of the settings of its task.
        generates: whether it writes texts, with options.
        chats: whether it answers conversations.

    Raises:
        SFTError: SFT5xx if the version cannot be found, trusted or loaded.
    """

    def __init__(self, folder: str | Path, *, flag: str = "--model", batch_size: int = BATCH_SIZE) -> None:
        self.flag, self.name = flag, str(folder)
        self.version = find_version(str(folder), flag)
        self.contract = read_contract(self.version)
        self.pairs: bool = self.contract["pairs"]
        self.predictions = predictions_in(self.contract)
        self.data: Mapping[str, Any] = self.contract["origin"].get("data", {})
        facts = read_generation(self.version)
        self._chat: Mapping[str, Any] | None = facts and facts["chat"]
        self.generates, self.chats = facts is not None, bool(self._chat)
        task = json.dumps(self.contract["task"], sort_keys=True).encode()
        self.identity: Mapping[str, Any] = {
            "model": self.contract["name"],
            "version": self.version.name,
            "weights": self.contract["weights_sha256"],
            "task": hashlib.sha256(task).hexdigest(),
        }
        self._batch_size = batch_size
        self._loaded = False
        self._process = PredictionProcess(gpu=True)

    def load(self) -> None:
        """Compares the weights with the contract, and loads them."""
        if not self._loaded:
            check_weights(self.version, self.contract)
            self._process.load(self.version)
            self._loaded = True

    def predict(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Outputs:
        """Returns the named outputs, one row a text."""
        self.load()
        return self._process.predict(texts, pairs, batch_size=self._batch_size)

    def predict_each(self, batches: Iterable[Batch]) -> Iterator[Outputs]:
        """Yields the named outputs of each batch, in their order; some batches run at a time."""
        self.load()
        named = ({"text": texts} if pairs is None else {"text": texts, "pair": pairs} for texts, pairs in batches)
        return self._process.run_each("serving_default", named)

    def write(self, texts: Sequence[str], asked: Sequence[Conversation] | None, options: Options) -> Outputs:
        """Returns generated texts: Jinja renders conversations, so that all that templates read is in the prompts.

        Raises:
            SFTError: SFT659 for a conversation that the template does not take.
        """
        self.load()
        if self._chat:
            prompts: Sequence[str] = list(map(self._rendered, asked or questions(texts)))
        else:
            prompts = self._process.run("prompt", {"text": texts})["text"].tolist()
        return self._process.run("generate", {"text": prompts, **options}, OUTPUTS)

    @cached_property
    def _rendered(self) -> Callable[[Conversation], str]:
        assert self._chat is not None
        return renderer(self._chat, self.name)

    def close(self) -> None:
        """Ends the process."""
        self._process.close()


class RemoteModel(OpenModel):
    """A model of a running server, TensorFlow Serving or `sftkeras.serve`. Its inputs are read at once.

    Args:
        address: HOST:PORT for gRPC, or a URL such as http://localhost:8501.
        model: its name at the server.
        grpc: whether to call it over gRPC, not over HTTP.
        flag: the setting that names the address, for messages.
        version: to call; None takes the newest that is served.
        version_label: of the version to call, such as canary, in place of its number.
        token: sent with each call.
        tls: for gRPC, None speaks without; over HTTP, an https:// address speaks TLS.
        timeout: seconds for one call, its retries included.
        batch_size: texts in one call.

    Raises:
        SFTError: SFT102 for an address that is none, SFT660 to SFT667 if the server cannot be reached, refuses, or has
            no such model of texts.
    """

    def __init__(
        self,
        address: str,
        model: str,
        *,
        grpc: bool,
        flag: str = "--model",
        version: int | None = None,
        version_label: str | None = None,
        token: str | None = None,
        tls: TLS | None = None,
        timeout: float = TIMEOUT,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        from sftkeras.serving.client import Client

        self.flag, self.name = flag, address
        self.data: Mapping[str, Any] = {}
        self._timeout = timeout
        connect = Client.grpc if grpc else Client.rest
        choices: dict[str, Any] = {"version": version, "label": version_label, "token": token, "tls": tls}
        with _file_errors(flag):
            self._client: Client = connect(address, model=model, timeout=timeout, batch_size=batch_size, **choices)
        try:
            with self._call_errors():
                contract = self._client.contract()
                signature = contract.signature("serving_default")
            inputs = sorted(signature.inputs)
            if inputs not in (["text"], ["pair", "text"]):
                raise SFTError("SFT665", flag=flag, address=address, name=model, inputs=", ".join(inputs))
        except BaseException:
            self.close()
            raise
        self.pairs = "pair" in inputs
        self.identity: Mapping[str, Any] = {"model": model, "version": contract.version}
        self.generates, self.chats = "generate" in contract.signatures, "chat" in contract.signatures
        self.predictions = predictions_of({name: len(it.shape or ()) for name, it in signature.outputs.items()})

    def load(self) -> None:
        """Does nothing: the server has loaded it."""

    def predict(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Outputs:
        """Returns the named outputs, one row a text."""
        with self._call_errors():
            return self._client.answer_arrays(texts, pairs)

    def predict_each(self, batches: Iterable[Batch]) -> Iterator[Outputs]:
        """Yields the named outputs of each batch, in their order."""
        return (self.predict(*batch) for batch in batches)

    def write(self, texts: Sequence[str], asked: Sequence[Conversation] | None, options: Options) -> Outputs:
        """Returns generated texts: the graph renders conversations.

        Raises:
            SFTError: SFT659 for a conversation with tools, which the graph does not render.
        """
        from sftkeras.serving.client.answers import decoded

        with self._call_errors():
            if self.chats:
                turns = turns_of(asked or questions(texts), self.name)
                found = self._client.predict({**turns, **options}, "chat")
            else:
                prompts = self._client.predict({"text": texts}, "prompt")["text"]
                found = self._client.predict({"text": prompts, **options}, "generate")
        return {name: array for name, array in decoded(found).items() if name in OUTPUTS}

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    @contextmanager
    def _call_errors(self) -> Iterator[None]:
        """Turns what a call raises into a coded error."""
        from sftkeras.serving.client import ClientError

        try:
            yield
        except ClientError as error:
            raise self._coded(error) from error

    def _coded(self, error: ClientError) -> SFTError:
        place: dict[str, Any] = {"flag": self.flag, "address": self.name}
        reason = " ".join(error.message.split())[:300].rstrip(".")
        match error.status:
            case "UNAVAILABLE":
                return SFTError("SFT660", **place, reason=reason)
            case "DEADLINE_EXCEEDED":
                return SFTError("SFT661", **place, timeout=self._timeout)
            case "NOT_FOUND":
                return SFTError("SFT662", **place, reason=reason)
            case "UNAUTHENTICATED" | "PERMISSION_DENIED":
                return SFTError("SFT663", **place, reason=reason)
        return SFTError("SFT664", **place, status=error.status, reason=reason)


def open_model(
    model: str | Path,
    *,
    name: str | None = None,
    version: int | None = None,
    version_label: str | None = None,
    token: str | None = None,
    tls: TLS | None = None,
    timeout: float = TIMEOUT,
    batch_size: int = BATCH_SIZE,
) -> LocalModel | RemoteModel:
    """Opens an exported model in a folder, or a model of a running server.

    Args:
        model: a folder such as saved_models/reviews; or grpc://HOST:PORT/NAME, http://HOST:PORT/NAME or
            https://HOST:PORT/NAME, where http://HOST:PORT/v1/models/NAME is the same.
        name: of the model at the server, if the address ends without it.
        version: see `RemoteModel`, as for what follows.
        version_label: see there.
        token: see there.
        tls: see there.
        timeout: see there.
        batch_size: texts predicted at once.

    Raises:
        SFTError: SFT102 or SFT104 for settings that do not fit, and what `LocalModel` and `RemoteModel` raise.
    """
    scheme, _, rest = str(model).partition("://")
    choices: dict[str, Any] = {"version": version, "version_label": version_label, "token": token, "tls": tls}
    if scheme not in _SCHEMES or not rest:
        if wrong := next((key for key, value in {"name": name, **choices}.items() if value is not None), None):
            raise SFTError("SFT102", flag=f"--{wrong}", problem="is for a server, not for a folder.")
        return LocalModel(model, batch_size=batch_size)
    if version is not None and version_label:
        raise SFTError("SFT102", flag="--version_label", problem="--version names a version already. Leave one out.")
    address, found = _address_and_name(str(model), name)
    if not found:
        raise SFTError("SFT104", flag="--name", remedy="Give the name under which the server has the model.")
    grpc = scheme == "grpc"
    return RemoteModel(address, found, grpc=grpc, timeout=timeout, batch_size=batch_size, **choices)


def read_token(file: Path) -> str:
    """Returns the first token of a file. A server's own file may have another, while one is replaced.

    Raises:
        SFTError: SFT667 if it holds none, or cannot be read.
    """
    with _file_errors("--token_file"):
        words = file.read_text(encoding="utf-8", errors="replace").split()
    if not words or not words[0].isascii():
        raise SFTError("SFT667", problem=f"{file} holds no token")
    return words[0]


def _address_and_name(url: str, name: str | None) -> tuple[str, str | None]:
    """Splits grpc://HOST:PORT/NAME into HOST:PORT and NAME, http://HOST:PORT/PATH/NAME into the URL before and NAME."""
    scheme, _, rest = url.partition("://")
    if name is None:
        path = urlsplit(url).path.rstrip("/")
        before, _, last = path.rpartition("/")
        name = unquote(last) or None
        rest = rest.rstrip("/")[: -len(path) or None] + before.removesuffix("/v1/models")
    return (rest.rstrip("/") if scheme == "grpc" else f"{scheme}://{rest}"), name


@contextmanager
def _file_errors(flag: str) -> Iterator[None]:
    """Turns what is raised for a file that cannot be read into SFT667, and for an address that is none into SFT102."""
    try:
        yield
    except OSError as error:
        raise SFTError("SFT667", problem=f"{error.filename or 'a file'}: {error.strerror or error}") from error
    except ValueError as error:
        raise SFTError("SFT102", flag=flag, problem=f"{error}.") from error
