"""Runs an exported version in a process of its own, which shares nothing with this one but the folder.

Proof that an export stands alone, and the way `predict` and the report get their predictions. Imports no TensorFlow.
"""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import numpy as np

from sftkeras.errors import SFTError
from sftkeras.exporting.generation_file import read_generation
from sftkeras.tasks.padding import by_length, in_order
from sftkeras.tasks.predictions import Outputs

_WORKER = Path(__file__).with_name("prediction_worker.py")
_MOST_AT_ONCE = 4  # batches
_TAIL = 2000  # characters of a dead worker's last words that are looked at


class PredictionProcess:
    """A process that loads versions and predicts with them. Use it in a `with` statement.

    It starts at once and takes some seconds to import TensorFlow, while this process continues.

    Args:
        version: a version folder to load; None loads nothing yet.
        gpu: let it use GPUs. False in training, which holds their memory.

    Attributes:
        version: the folder that is loaded, for messages.
        signatures: the inputs and outputs of each of its signatures, and which inputs are `optional`, if any.
        examples_per_second: speed of the last call of `predict`.

    Raises:
        SFTError: SFT505 or SFT517 if the version cannot be loaded, SFT507 if the process died.
    """

    def __init__(self, version: Path | None = None, *, gpu: bool = False) -> None:
        self.version = Path()
        self.signatures: dict[str, dict[str, list[str]]] = {}
        self.examples_per_second = 0.0
        self._at_once = 1  # batches
        self._sent = 0  # requests
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  `close` closes it
        reading, writing = os.pipe()
        self._replies = os.fdopen(reading, "rb")
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_WORKER), str(writing)],
                stdin=subprocess.PIPE,
                stdout=self._output,
                stderr=self._output,
                pass_fds=[writing],
                env=_environment(gpu),
                start_new_session=True,  # ctrl-C is for this process, which then ends that one
            )
        finally:
            os.close(writing)
        if version is not None:
            try:
                self.load(version)
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> PredictionProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        self._replies.close()
        self._output.close()

    @property
    def processor_seconds(self) -> float:
        """Processor time that the process has taken so far, on all cores together."""
        import psutil

        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system

    def load(self, version: Path) -> None:
        """Loads a version folder, in place of what was loaded before.

        Raises:
            SFTError: SFT505 if it is no SavedModel or is damaged, SFT517 if its graph could reach outside of the model.
        """
        self.version = version
        if not (version / "saved_model.pb").is_file():
            raise SFTError("SFT505", path=version, problem="saved_model.pb is missing")
        cores, generates = len(os.sched_getaffinity(0)), read_generation(version) is not None
        # Batches side by side use cores better than one that is spread over all. Texts that are written token by token
        # are bound by memory, and each of their steps uses several cores anyway.
        self._at_once = 1 if generates else min(cores, _MOST_AT_ONCE)
        threads = 0 if "TF_NUM_INTRAOP_THREADS" in os.environ else cores // self._at_once
        header = self._ask({"load": str(version.absolute()), "threads": threads, "generates": generates})
        if "error" in header:
            code = "SFT517" if header["refused"] else "SFT505"
            raise SFTError(code, path=version, problem=_first_line(header["error"]))
        self.signatures = header["signatures"]

    def run(self, signature: str, inputs: Mapping[str, Any], outputs: Sequence[str] | None = None) -> Outputs:
        """Runs a signature on one batch.

        Args:
            signature: one of `signatures`.
            inputs: an array or nested list for each input; texts are str, serialized examples bytes. One that is
                optional may be left out.
            outputs: names of the wanted outputs; None takes all.

        Raises:
            SFTError: SFT506 if the model has no such signature, or fails.
        """
        (found,) = self.run_each(signature, [inputs], outputs)
        return found

    def run_each(
        self, signature: str, batches: Iterable[Mapping[str, Any]], outputs: Sequence[str] | None = None
    ) -> Iterator[Outputs]:
        """Runs a signature on batches, as `run`, and yields the outputs of each, in their order.

        Some run at a time, so batches are taken before their outputs are asked for. Ask the process for nothing else
        before the last outputs are there.
        """
        sent: deque[int] = deque()
        for inputs in batches:
            sent.append(self._send({"run": self._request(signature, inputs, outputs)}))
            if len(sent) > self._at_once:  # one more waits, so that none of the others does
                yield self._outputs(sent.popleft())
        while sent:
            yield self._outputs(sent.popleft())

    def predict(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        batch_size: int = 32,
        outputs: Sequence[str] | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> Outputs:
        """Predicts for raw texts, in their order. Inside, texts of like length go together to save padding.

        Args:
            texts: the texts.
            pairs: the second texts, for a model of pairs.
            batch_size: texts a batch.
            outputs: names of the wanted outputs; None takes all.
            progress: called after each batch with its number of texts.

        Returns:
            The named outputs of the model's `serving_default`, each with one row a text.
        """
        began = time.perf_counter()
        inputs = {"text": texts} if pairs is None else {"text": texts, "pair": pairs}
        plan = by_length([sum(map(len, row)) for row in zip(*inputs.values(), strict=True)], batch_size)
        asked = ({name: [values[row] for row in rows] for name, values in inputs.items()} for rows in plan)
        batches = []
        for rows, found in zip(plan, self.run_each("serving_default", asked, outputs), strict=True):
            batches.append(found)
            if progress:
                progress(len(rows))
        self.examples_per_second = len(texts) / (time.perf_counter() - began)
        return in_order(batches, plan)

    def _request(self, signature: str, inputs: Mapping[str, Any], outputs: Sequence[str] | None) -> dict[str, Any]:
        if signature not in self.signatures:
            raise SFTError("SFT506", path=self.version, problem=f"it has no signature {signature}")
        known = self.signatures[signature]
        if missing := set(known["inputs"]) - set(inputs) - set(known.get("optional", ())):
            raise SFTError("SFT506", path=self.version, problem=f"{signature} also needs {', '.join(sorted(missing))}")
        plain = {name: _plain(values) for name, values in inputs.items()}
        return {"signature": signature, "inputs": plain, "outputs": None if outputs is None else list(outputs)}

    def _outputs(self, number: int) -> Outputs:
        header, content = self._receive(number)
        if "error" in header:
            raise SFTError("SFT506", path=self.version, problem=_first_line(header["error"]))
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return dict(zip(header["outputs"], archive.values(), strict=True))

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._receive(self._send(request))[0]

    def _send(self, request: dict[str, Any]) -> int:
        """Sends a request, and returns its number."""
        stream = self._process.stdin
        assert stream is not None
        self._sent += 1
        try:
            stream.write(json.dumps({"number": self._sent, **request}).encode() + b"\n")
            stream.flush()
        except BrokenPipeError:
            self._raise_dead()
        return self._sent

    def _receive(self, number: int) -> tuple[dict[str, Any], bytes]:
        """Returns the reply to a request. Those to earlier ones, which nobody waits for any more, are passed over."""
        while True:
            line = self._replies.readline()
            if not line.endswith(b"\n"):
                self._raise_dead()
            header = json.loads(line)
            content = self._replies.read(header.get("size", 0))
            if len(content) < header.get("size", 0):
                self._raise_dead()
            if header["number"] == number:
                return header, content

    def _raise_dead(self) -> NoReturn:
        code = self._process.wait()
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        if code == -signal.SIGKILL:
            how += ", as the system does when memory runs out"
        self._output.seek(0)
        words = self._output.read().decode("utf-8", "replace")[-_TAIL:]
        last = next((line.strip() for line in reversed(words.splitlines()) if line.strip()), "it said nothing")
        raise SFTError("SFT507", how=how, last=last.rstrip(".") + ".")


def _environment(gpu: bool) -> dict[str, str]:
    settings = {"TF_ENABLE_ONEDNN_OPTS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    if not gpu:
        settings["CUDA_VISIBLE_DEVICES"] = "-1"
    return {**os.environ, **settings}


def _plain(value: Any) -> Any:
    """Return what JSON can hold. A lone surrogate, which no UTF-8 can hold, becomes a question mark."""
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value if isinstance(value, int | float) else [_plain(one) for one in value]


def _first_line(message: str) -> str:
    """Return the informative part of a TensorFlow message, without the graph's nodes and the stack after it."""
    lines = message.replace("Graph execution error:", "").splitlines()
    words = " ".join(line.strip() for line in lines[:3] if line.strip())
    return words.split("[[", 1)[0].strip().rstrip(".")[:400]
