"""Answering requests padded to their longest text, as exports do, against padding to the maximum length.

    python benchmarks/export_padding.py --run runs/movie-sentiment

Takes a trained run and its own test texts, in requests of 1, 8 and 32 texts. Both ways take turns, request by request.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
from rich.console import Console
from rich.table import Table

from sftkeras import runtime
from sftkeras.command_line import commands
from sftkeras.config import TrainConfig
from sftkeras.data import load_data
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import restore_model
from sftkeras.tasks import spec_of

runtime.start_tensorflow()

import tensorflow as tf  # noqa: E402

from sftkeras.tasks import TextModel  # noqa: E402

REQUEST_SIZES = [1, 8, 32]
Answer = Callable[[tf.Tensor], tf.Tensor]


def main() -> None:
    """Prints texts a second for each request size, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="a run folder")
    parser.add_argument("--requests", type=int, default=30, help="of each size")
    settings = parser.parse_args()
    run = RunFolder.open(settings.run)
    config = commands.parse(TrainConfig, ["--config", str(run.config_file)])
    data = load_data(config.data, spec_of(config.task.kind).label_kind(config.task), config.seed, None)
    if config.data.pair:
        raise SystemExit("This measurement is about single texts.")
    model = restore_model(run)
    ways = {"longest": answer_padded(model, None), "maximum": answer_padded(model, model.features.max_length)}
    table = Table("texts a request", "padded to longest", f"to {model.features.max_length}", "ratio")
    for size in REQUEST_SIZES:
        texts = data.examples.texts(data.splits["test"])
        seconds = take_turns(ways, list(requests(texts, size, settings.requests)))
        speeds = {name: size / float(np.median(times)) for name, times in seconds.items()}
        ratio = float(np.median(seconds["maximum"] / seconds["longest"]))
        table.add_row(str(size), *(f"{speed:.0f} texts/s" for speed in speeds.values()), f"{ratio:.2f}")
    Console(width=100, highlight=False).print(table)


def answer_padded(model: TextModel, length: int | None) -> Answer:
    """Raw texts [batch] to probabilities or values, padded to `length`, or to the longest of the batch."""

    def answer(texts: tf.Tensor) -> tf.Tensor:
        inputs = model.features(texts)
        if length is not None:
            short = length - tf.shape(inputs["token_ids"])[1]
            inputs = {name: tf.pad(tensor, [[0, 0], [0, short]]) for name, tensor in inputs.items()}
        answers = model.predict_features(inputs)
        return answers.get("probabilities", answers.get("value"))

    return tf.function(answer, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)


def requests(texts: list[str], size: int, count: int) -> Iterator[tf.Tensor]:
    random = np.random.default_rng(size)
    for _ in range(count):
        yield tf.constant([texts[row] for row in random.integers(0, len(texts), size)])


def take_turns(ways: dict[str, Answer], asked: list[tf.Tensor]) -> dict[str, np.ndarray]:
    """Seconds of each request, [requests], for each way."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn, texts in enumerate(asked):
        for name in list(ways)[:: 1 if turn % 2 else -1]:
            if turn == 0:
                ways[name](texts)  # traced and warm
            began = time.perf_counter()
            ways[name](texts).numpy()
            seconds[name].append(time.perf_counter() - began)
    return {name: np.array(times) for name, times in seconds.items()}


if __name__ == "__main__":
    main()
