"""Chat training steps of sftkeras, turn by turn.

Run by chat_vs_peers.py: python sftkeras_chat_steps.py RECIPE.json PRECISION

The first line on standard output says that it is ready; each line of standard input is answered by one line, both as
peers/torch_chat_steps.py describes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sftkeras import runtime
from sftkeras.config import OptimizerConfig, TrainConfig, TrainingConfig

runtime.start_tensorflow()

import tensorflow as tf  # noqa: E402
from answering import answer_turns  # noqa: E402

from sftkeras.backbones import Backbone  # noqa: E402
from sftkeras.backbones.hugging_face.decoders.reading import load_decoder  # noqa: E402
from sftkeras.tasks import attach_head  # noqa: E402
from sftkeras.tasks.causal_lm.spec import CausalLMSettings  # noqa: E402
from sftkeras.tasks.causal_lm.task import CausalLM  # noqa: E402
from sftkeras.training.fit import prepare_model  # noqa: E402
from sftkeras.training.memory import held_now, memory_use  # noqa: E402
from sftkeras.training.step.model import SupervisedModel  # noqa: E402


def main(recipe: dict[str, Any], precision: Any) -> None:
    began = time.perf_counter()
    strategy = runtime.make_strategy(TrainingConfig(precision=precision), seed=1)
    before = held_now()
    model = make_model(recipe, precision, strategy)
    batches = read_batches(recipe, model)
    step = make_step(model, strategy, batches[0])
    losses = [float(step(*batches[number % len(batches)])) for number in range(recipe["first_steps"])]
    use = memory_use(model, before=before, peak=runtime.peak_memory())
    ready = {"losses": losses, "seconds": time.perf_counter() - began, "peak_bytes": runtime.peak_memory()}
    print(json.dumps({**ready, "activation_bytes": use.activations, "gradient_bytes": use.gradients}), flush=True)
    answer_turns(step, batches)


def make_model(recipe: dict[str, Any], precision: Any, strategy: tf.distribute.Strategy) -> SupervisedModel:
    """The decoder in the recipe's folder, and its optimizer."""
    folder = Path(recipe["model"])
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    task = CausalLM(CausalLMSettings())
    names = ("learning_rate", "weight_decay", "beta_1", "beta_2", "epsilon", "clip_norm")
    optimizer = OptimizerConfig(schedule="constant", warmup=0.0, **{name: recipe[name] for name in names})
    settings = TrainConfig(task=task.options, optimizer=optimizer, training=TrainingConfig(precision=precision))
    with strategy.scope():
        decoder = load_decoder(folder, config, dropout=None, weights=True)
        most = decoder.config.max_positions
        network = attach_head(Backbone(decoder, None, most, False, "hugging_face", {}, kind="decoder"), task, "mean")
    return prepare_model(network, task, settings, total_steps=10**6, strategy=strategy)


def read_batches(recipe: dict[str, Any], model: SupervisedModel) -> list[Any]:
    """The recipe's batches as the training step takes them."""
    data, found = np.load(recipe["batches"]), []
    for number in range(recipe["batch_count"]):
        names = {"token_ids": "ids", "padding_mask": "mask", "learned": "learned"}
        inputs = {name: data[f"{part}_{number}"] for name, part in names.items()}
        inputs, labels = model.task.targets(inputs, None, np.random.default_rng(0))
        weights = model.task.example_weights(labels)
        found.append(tf.nest.map_structure(tf.constant, (inputs, labels, weights / weights.sum())))
    return found


def make_step(model: SupervisedModel, strategy: tf.distribute.Strategy, batch: Any) -> Callable[..., tf.Tensor]:
    """The training step for batches like `batch`, of any size, which gives the loss; traced once, as `fit` does it."""

    def any_size(tensor: tf.Tensor) -> tf.TensorSpec:
        return tf.TensorSpec([None] * len(tensor.shape), tensor.dtype)

    @tf.function(input_signature=tf.nest.map_structure(any_size, batch))
    def step(inputs: dict[str, tf.Tensor], labels: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        return strategy.run(model.train_step, args=((inputs, labels, weights),))["loss"]

    return step


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), sys.argv[2])
