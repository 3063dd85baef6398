"""The program of a fresh process that predicts with a SavedModel the way a stock server does.

It knows two files of the rest of the package: which graphs are loaded, and what Keras need not import. It imports
NumPy, TensorFlow and tensorflow_text (for its operations) alone and loads with the V1 loader, the route TensorFlow
Serving takes.
`sftkeras.exporting.prediction_process` starts it.

Requests come on standard input, one line of JSON each:
    {"load": FOLDER}
    {"run": {"signature": NAME, "inputs": {NAME: VALUES}, "outputs": [NAME, …] or null}}, where bytes are {"b64": "…"}
Replies go to the file descriptor that is the program's argument: a line of JSON, and after {"outputs": [NAME, …],
"size": N} the N bytes of an .npz archive with one array an output. What fails is answered {"error": "…", "refused": …},
where the second says whether the graph was not trusted.
"""

from __future__ import annotations

import base64
import io
import json
import os
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any


def _load_alone(name: str, file: str) -> ModuleType:
    """Loads a file of the package without the package."""
    spec = spec_from_file_location(name, Path(__file__).parents[1] / file)
    assert spec
    assert spec.loader
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


with _load_alone("optional_packages", "internals/optional_packages.py").hidden_optional_packages():
    import numpy as np
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  registers the operations of the text signatures

trusted_graph = _load_alone("trusted_graph", "graphs/trusted.py")


class SessionModel:
    """A SavedModel in a V1 session.

    Args:
        folder: holds saved_model.pb and variables/.
    """

    def __init__(self, folder: Path) -> None:
        trusted_graph.check_served(folder)
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        loaded = tf.compat.v1.saved_model.loader.load(self._session, [tf.saved_model.SERVING], str(folder))
        self._signatures = {name: it for name, it in loaded.signature_def.items() if not name.startswith("__")}
        self._callables: dict[Any, Callable[..., list[np.ndarray]]] = {}

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
        answers = self._callable(signature, names)(*feeds)
        return {name: _storable(answer) for name, answer in zip(names, answers, strict=True)}

    def _callable(self, signature: str, outputs: tuple[str, ...]) -> Callable[..., list[np.ndarray]]:
        if (signature, outputs) not in self._callables:
            wanted = self._signatures[signature]
            self._callables[signature, outputs] = self._session.make_callable(
                [wanted.outputs[name].name for name in outputs],
                feed_list=[wanted.inputs[name].name for name in sorted(wanted.inputs)],
            )
        return self._callables[signature, outputs]


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


def _reply(request: dict[str, Any], models: list[SessionModel]) -> tuple[dict[str, Any], bytes]:
    if "load" in request:
        models[:] = [SessionModel(Path(request["load"]))]
        return {"signatures": models[0].describe()}, b""
    answers = models[0].run(**request["run"])
    archive = io.BytesIO()
    np.savez(archive, *answers.values())
    return {"outputs": list(answers), "size": archive.tell()}, archive.getvalue()


def main() -> None:
    """Answers requests until standard input ends."""
    models: list[SessionModel] = []
    with os.fdopen(int(sys.argv[1]), "wb") as replies:
        for line in sys.stdin.buffer:
            try:
                header, content = _reply(json.loads(line), models)
            except Exception as error:  # whatever it is, the parent words it for the user
                refused = isinstance(error, trusted_graph.UntrustedGraphError)
                message = str(error) if refused else f"{type(error).__name__}: {error}"
                header, content = {"error": message, "refused": refused}, b""
            replies.write(json.dumps(header).encode() + b"\n" + content)
            replies.flush()


if __name__ == "__main__":
    main()
