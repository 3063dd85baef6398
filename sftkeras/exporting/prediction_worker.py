"""The program of a fresh process that predicts with a SavedModel the way a stock server does.

It knows three files of the rest of the package: which graphs are loaded, how TensorFlow prepares them, and what it need
not import. It imports NumPy, TensorFlow and tensorflow_text (for its operations) alone and loads with the V1 loader,
the route TensorFlow Serving takes. `sftkeras.exporting.prediction_process` starts it.

Requests come on standard input, one line of JSON each, and each with a "number":
    {"load": FOLDER, "threads": N, "generates": BOOL}, with the threads of an operation; 0 leaves them to TensorFlow.
        The first load decides.
    {"run": {"signature": NAME, "inputs": {NAME: VALUES}, "outputs": [NAME, …] or null}}, where bytes are {"b64": "…"}
Requests that come while others are answered are answered beside them. Replies go to the file descriptor that is the
program's argument, in the order of the requests: a line of JSON with the number, and after {"outputs": [NAME, …],
"size": N} the N bytes of an .npz archive with one array an output. What fails is answered {"error": "…", "refused": …},
where the second says whether the graph was not trusted.
"""

from __future__ import annotations

import base64
import io
import json
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType
from typing import Any, BinaryIO


def _load_alone(name: str, file: str) -> ModuleType:
    """Loads a file of the package without the package."""
    spec = spec_from_file_location(name, Path(__file__).parents[1] / file)
    assert spec
    assert spec.loader
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


with _load_alone("optional_packages", "internals/optional_packages.py").hidden_optional_packages(keras=False):
    import numpy as np
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  registers the operations of the text signatures

preparation = _load_alone("preparation", "graphs/preparation.py")
trusted_graph = _load_alone("trusted_graph", "graphs/trusted.py")

_AT_ONCE = 8  # requests, at most: those who ask send fewer before they wait


class SessionModel:
    """A SavedModel in a V1 session, safe to use from several threads.

    Args:
        folder: holds saved_model.pb and variables/.
        threads: of an operation; 0 leaves them to TensorFlow.
        generates: whether it writes texts.
    """

    def __init__(self, folder: Path, threads: int, *, generates: bool) -> None:
        trusted_graph.check_served(folder)
        config = preparation.session_config(threads=threads, generates=generates)
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        loaded = tf.compat.v1.saved_model.loader.load(self._session, [tf.saved_model.SERVING], str(folder))
        self._signatures = {name: it for name, it in loaded.signature_def.items() if not name.startswith("__")}
        self._callables: dict[Any, Callable[..., list[np.ndarray]]] = {}
        self._preparing = threading.Lock()

    def describe(self) -> dict[str, dict[str, list[str]]]:
        """The names of each signature's inputs and outputs, sorted, and of inputs that may be left out, if any."""
        described = {}
        for name, signature in self._signatures.items():
            described[name] = {"inputs": sorted(signature.inputs), "outputs": sorted(signature.outputs)}
            if signature.defaults:
                described[name]["optional"] = sorted(signature.defaults)
        return described

    def run(self, signature: str, inputs: dict[str, Any], outputs: list[str] | None = None) -> dict[str, np.ndarray]:
        """Answers one batch; strings come back as str, those that are no UTF-8 as bytes."""
        wanted = self._signatures[signature]
        names = tuple(outputs or sorted(wanted.outputs))
        feeds = [
            _array(inputs[name], wanted.inputs[name].dtype)
            if name in inputs
            else tf.make_ndarray(wanted.defaults[name])
            for name in sorted(wanted.inputs)
        ]
        answers = self._run(signature, names, feeds)
        return {name: _storable(answer) for name, answer in zip(names, answers, strict=True)}

    def _run(self, signature: str, outputs: tuple[str, ...], feeds: list[np.ndarray]) -> list[np.ndarray]:
        with self._preparing:
            if (signature, outputs) not in self._callables:
                # Its first run prepares the graph, which takes long: two at once would both do so.
                run = self._callable(signature, outputs)
                answers = run(*feeds)
                self._callables[signature, outputs] = run
                return answers
        return self._callables[signature, outputs](*feeds)

    def _callable(self, signature: str, outputs: tuple[str, ...]) -> Callable[..., list[np.ndarray]]:
        wanted = self._signatures[signature]
        return self._session.make_callable(
            [wanted.outputs[name].name for name in outputs],
            feed_list=[wanted.inputs[name].name for name in sorted(wanted.inputs)],
        )


def _array(values: Any, dtype: int) -> np.ndarray:
    if dtype != tf.string.as_datatype_enum:
        return np.array(values, tf.dtypes.as_dtype(dtype).as_numpy_dtype)
    return np.array(_bytes(values), object)


def _bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_bytes(one) for one in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()


def _storable(answer: np.ndarray) -> np.ndarray:
    if answer.dtype != object:
        return answer
    try:
        return np.char.decode(answer.astype("S"), "utf-8")
    except UnicodeDecodeError:
        return answer.astype("S")


def _answer(request: dict[str, Any], models: list[SessionModel]) -> tuple[dict[str, Any], bytes]:
    if "load" in request:
        models[:] = [SessionModel(Path(request["load"]), request["threads"], generates=request["generates"])]
        return {"signatures": models[0].describe()}, b""
    answers = models[0].run(**request["run"])
    archive = io.BytesIO()
    np.savez(archive, *answers.values())
    return {"outputs": list(answers), "size": archive.tell()}, archive.getvalue()


def _reply(line: bytes, models: list[SessionModel]) -> bytes:
    """Returns the reply to a request, whatever happens."""
    request = json.loads(line)
    try:
        header, content = _answer(request, models)
    except Exception as error:  # whatever it is, the parent words it for the user
        refused = isinstance(error, trusted_graph.UntrustedGraphError)
        message = str(error) if refused else f"{type(error).__name__}: {error}"
        header, content = {"error": message, "refused": refused}, b""
    return json.dumps({"number": request["number"], **header}).encode() + b"\n" + content


def _send(replies: SimpleQueue[Future[bytes] | None], file: BinaryIO) -> None:
    """Writes each reply once it is there, in their order, until None comes."""
    while (reply := replies.get()) is not None:
        file.write(reply.result())
        file.flush()


def main() -> None:
    """Answers requests until standard input ends."""
    models: list[SessionModel] = []
    replies: SimpleQueue[Future[bytes] | None] = SimpleQueue()
    with os.fdopen(int(sys.argv[1]), "wb") as file, ThreadPoolExecutor(_AT_ONCE) as runners:
        sender = threading.Thread(target=_send, args=(replies, file))
        sender.start()
        for line in sys.stdin.buffer:
            replies.put(runners.submit(_reply, line, models))
        replies.put(None)
        sender.join()


if __name__ == "__main__":
    main()
