"""One training step of sftkeras, what each of its own parts brings, and stock KerasHub layers, by padded length.

    python benchmarks/step_time.py                       # the quickstart's encoder, 16, 32, 64 and 128 tokens
    python benchmarks/step_time.py --lengths 32 --rounds 60

All variants share one set of weights and one process and take turns step by step, so that what else the machine does
meets them alike. "without X" is sftkeras with that one part as Keras has it. The ratio is the median over the rounds of
the variant's time by sftkeras' time in the same round: what is above 1 is what the part brings. The same ratio of
processor time, over all threads, is steadier on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import ceiling
import numpy as np
from rich.console import Console
from rich.table import Table

from sftkeras import runtime
from sftkeras.command_line import commands
from sftkeras.config import OptimizerConfig, TrainConfig, TrainingConfig
from sftkeras.handles import resolve

runtime.start_tensorflow()

import keras  # noqa: E402
import keras_hub  # noqa: E402
import tensorflow as tf  # noqa: E402

from sftkeras.backbones import dropout, fused_transformer, load_backbone  # noqa: E402
from sftkeras.backbones.dense.operations import exact_gelu  # noqa: E402
from sftkeras.tasks import attach_head  # noqa: E402
from sftkeras.tasks.classification.task import Classification  # noqa: E402
from sftkeras.training.step.model import SupervisedModel  # noqa: E402
from sftkeras.training.step.optimizers import make_optimizer  # noqa: E402

CONFIG = Path(__file__).parent.parent / "examples" / "quickstart.yaml"
BATCH_SIZE = 32
PARTS = ["fused layers", "layer norm gradient", "bias gradient", "GELU gradient", "stream dropout", "fused AdamW"]
STOCK = "stock KerasHub"
Step = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def main() -> None:
    """Measures every variant at every length and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder or handle of the pretrained weights; the quickstart's by default")
    parser.add_argument("--lengths", type=int, nargs="+", default=[16, 32, 64, 128])
    parser.add_argument("--rounds", type=int, default=30, help="steps of each variant at each length")
    parser.add_argument("--threads", type=int, help="of TensorFlow; all cores by default")
    parser.add_argument("--without", nargs="*", choices=PARTS, default=PARTS, help="parts to leave out, one at a time")
    settings = parser.parse_args()
    if settings.threads:
        tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
        tf.config.threading.set_inter_op_parallelism_threads(settings.threads)
    model = settings.model or commands.parse(TrainConfig, ["--config", str(CONFIG)]).backbone.handle
    folder = resolve(model)
    shape = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    steps = make_steps(folder, settings.without, shape["vocab_size"], max(settings.lengths))
    for length in settings.lengths:
        limit = ceiling.measure(shape["hidden_size"], shape["intermediate_size"], BATCH_SIZE * length)["model"]
        seconds = take_turns(steps, batch(length, shape["vocab_size"]), settings.rounds)
        show(length, seconds, BATCH_SIZE * flops(shape, length), limit)


def make_steps(folder: Path, without: list[str], vocabulary: int, longest: int) -> dict[str, Step]:
    """A training step for sftkeras, one without each part, and one without any, on the same weights."""
    strategy = runtime.make_strategy(TrainingConfig(), seed=1)
    task = Classification(("negative", "positive"))
    with strategy.scope():
        network = attach_head(load_backbone(folder, max_length=longest), task, "mean")
    variants = {"sftkeras": [], **{f"without {part}": [part] for part in without}, STOCK: PARTS}
    steps = {}
    for name, stock_parts in variants.items():
        with as_stock(network, stock_parts):
            with strategy.scope():
                model = SupervisedModel(network, task, seed=1, clip_norm=1.0)
                model.compile(make_optimizer(OptimizerConfig(), total_steps=10**6, loss_scaling=False))
            steps[name] = make_step(model, strategy)
            steps[name](*batch(8, vocabulary))  # traced here, while the parts are as they should be
    return steps


def make_step(model: SupervisedModel, strategy: tf.distribute.Strategy) -> Step:
    def step(ids: tf.Tensor, mask: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        inputs = {"token_ids": ids, "segment_ids": tf.zeros_like(ids), "padding_mask": mask}
        weights = tf.fill(tf.shape(labels), 1 / BATCH_SIZE)
        return strategy.run(model.train_step, ((inputs, labels, weights),))["loss"]

    tokens = tf.TensorSpec([None, None], tf.int32)
    return tf.function(step, input_signature=[tokens, tokens, tf.TensorSpec([None], tf.int32)], autograph=False)


@contextmanager
def as_stock(network: keras.Model, parts: list[str]) -> Iterator[None]:
    """Inside the block, these parts of sftkeras are what Keras and TensorFlow have of their own."""

    def layer_norm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: tf.Tensor) -> tf.Tensor:
        mean, variance = tf.nn.moments(x, -1, keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, epsilon)

    def product_plus_bias(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        return tf.nn.bias_add(tf.matmul(x, kernel), bias)

    class StockAdamW(keras.optimizers.AdamW):
        def __new__(cls, *given: Any, rate_factors: object, own_steps: object, **settings: Any) -> Any:
            return keras.optimizers.AdamW(*given, **settings)  # which is not of this class

    functions: dict[str, tuple[str, Any]] = {
        "layer norm gradient": ("sftkeras.backbones.dense.operations._layer_norm", layer_norm),
        "bias gradient": ("sftkeras.backbones.dense.operations._product_plus_bias", product_plus_bias),
        "GELU gradient": ("sftkeras.backbones.dense.operations._exact_gelu", exact_gelu),
        "fused AdamW": ("sftkeras.training.step.optimizers.FusedAdamW", StockAdamW),
    }
    classes = {
        "fused layers": (fused_transformer.FusedTransformerEncoder, keras_hub.layers.TransformerEncoder),
        "stream dropout": (dropout.StreamDropout, keras.layers.Dropout),
    }
    with ExitStack() as stack:
        for part in parts:
            if part in functions:
                stack.enter_context(mock.patch(*functions[part]))
            else:
                ours, stock_class = classes[part]
                stack.enter_context(turned(network, ours, stock_class))
        yield


@contextmanager
def turned(network: keras.Model, ours: type, stock: type) -> Iterator[None]:
    """Inside the block, layers of class `ours` are of class `stock`."""
    layers = [layer for layer in network._flatten_layers() if type(layer) is ours]
    for layer in layers:
        layer.__class__ = stock
    try:
        yield
    finally:
        for layer in layers:
            layer.__class__ = ours


def batch(length: int, vocabulary: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Random token numbers and mask [batch, length], and labels [batch]; no padding."""
    random = np.random.default_rng(length)
    ids = tf.constant(random.integers(vocabulary // 30, vocabulary, (BATCH_SIZE, length)), tf.int32)
    return ids, tf.ones_like(ids), tf.constant(random.integers(0, 2, BATCH_SIZE), tf.int32)


def take_turns(steps: dict[str, Step], arrays: Sequence[tf.Tensor], rounds: int) -> dict[str, np.ndarray]:
    """Seconds of each step and of processor time in it, [rounds, 2]; one step of each variant in each round."""
    for step in steps.values():
        step(*arrays)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    order = list(steps)
    for turn in range(rounds):
        begins = turn % len(order)
        for name in order[begins:] + order[:begins]:
            began, used = time.perf_counter(), time.process_time()
            steps[name](*arrays).numpy()
            seconds[name].append((time.perf_counter() - began, time.process_time() - used))
    return {name: np.array(times) for name, times in seconds.items()}


def flops(shape: dict[str, int], tokens: int) -> float:
    """Matrix products of one training example: a forward pass, and two as large for the gradients."""
    hidden, inner = shape["hidden_size"], shape["intermediate_size"]
    layer = 2 * tokens * (4 * hidden**2 + 2 * hidden * inner) + 4 * tokens**2 * hidden
    return 3 * shape["num_hidden_layers"] * layer


def show(length: int, seconds: dict[str, np.ndarray], work: float, limit: float) -> None:
    """Prints the table of one length; `work` in FLOP a step, `limit` in GFLOP/s."""
    title = f"{BATCH_SIZE} rows of {length} tokens; the model's matrix products alone reach {limit:.0f} GFLOP/s"
    columns = ["", "ms, median", "fastest", "ratio", "of processor time", "examples/s", "GFLOP/s", "of the ceiling"]
    table = Table(*columns, title=title)
    for name, times in seconds.items():
        ratio, processor_ratio = np.median(times / seconds["sftkeras"], axis=0)
        median = float(np.median(times[:, 0]))
        table.add_row(
            name,
            f"{median * 1e3:.1f}",
            f"{times[:, 0].min() * 1e3:.1f}",
            f"{ratio:.3f}",
            f"{processor_ratio:.3f}",
            f"{BATCH_SIZE / median:.1f}",
            f"{work / median / 1e9:.0f}",
            f"{work / median / 1e9 / limit:.0%}",
        )
    Console(width=120, highlight=False).print(table)


if __name__ == "__main__":
    main()
