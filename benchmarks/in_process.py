"""A SavedModel that is called where it is loaded, without a server: through the session callables that the server
itself runs, the quickest way there is.

Run by serve_vs_peers.py, through `processes.Worker`: python in_process.py VERSION_FOLDER TEXTS.json

Each line of standard input is answered by one line: {"rows", "seconds", "warm_up"}, so many texts a call, by
{"seconds", "latencies", "sent", "failures"}; {"texts"} by a list of answers.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

from sftkeras import runtime
from sftkeras.tasks.predictions import records


def main(folder: Path, texts: list[str]) -> None:
    model = Model(folder)
    for line in sys.stdin:
        turn = json.loads(line)
        answer = model.answer(turn["texts"]) if "texts" in turn else take_turn(model, texts, **turn)
        print(json.dumps(answer), flush=True)


class Model:
    """The default signature, from texts to named arrays."""

    def __init__(self, folder: Path) -> None:
        runtime.start_tensorflow()
        import numpy as np

        from sftkeras.serving.engine import Engine
        from sftkeras.serving.predicting import predict_run

        self._array, self._run = np.array, predict_run
        self._engine = Engine(folder)

    def __call__(self, texts: list[str]) -> dict[str, Any]:
        inputs = {"text": self._array([text.encode() for text in texts], object)}
        run, names = self._run(self._engine.signatures, "serving_default", inputs, ())
        arrays = dict(zip(run.call.fetches, self._engine.run(run.call, run.arrays), strict=True))
        return {name: arrays[tensor] for name, tensor in names.items()}

    def answer(self, texts: list[str]) -> list[dict[str, Any]]:
        decoded = {name: array.astype("U") if array.dtype == object else array for name, array in self(texts).items()}
        return list(records(decoded))


def take_turn(model: Model, texts: list[str], rows: int, seconds: float, warm_up: float) -> dict[str, Any]:
    latencies = []
    begin = time.perf_counter() + warm_up
    for number in count():
        first = number * rows % len(texts)
        batch = (texts + texts)[first : first + rows]
        asked = time.perf_counter()
        if asked >= begin + seconds:
            break
        model(batch)
        answered = time.perf_counter()
        if begin <= answered < begin + seconds:
            latencies.append(answered - asked)
    return {"seconds": seconds, "latencies": latencies, "sent": number * rows, "failures": {}}


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
