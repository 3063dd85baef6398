"""Training steps of sftkeras, turn by turn; run by steps_vs_peers.py: python sftkeras_steps.py RECIPE.json PRECISION

The first line on standard output says that it is ready; each line of standard input is answered by one line, both as
peers/torch_steps.py describes.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from sftkeras import runtime
from sftkeras.config import OptimizerConfig, TrainingConfig

runtime.start_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from answering import answer_turns  # noqa: E402
from step_time import make_step  # noqa: E402

from sftkeras.backbones import load_backbone  # noqa: E402
from sftkeras.tasks import attach_head  # noqa: E402
from sftkeras.tasks.classification.task import Classification  # noqa: E402
from sftkeras.training.step.model import SupervisedModel  # noqa: E402
from sftkeras.training.step.optimizers import make_optimizer  # noqa: E402


def main(recipe: dict[str, Any], precision: Any) -> None:
    began = time.perf_counter()
    data = np.load(recipe["batches"])
    batches = [
        tuple(tf.constant(data[f"{part}_{number}"]) for part in ("ids", "mask", "labels"))
        for number in range(recipe["batch_count"])
    ]
    strategy = runtime.make_strategy(TrainingConfig(precision=precision), seed=1)
    model = make_model(recipe, data, strategy)
    ids, mask, _ = batches[0]
    logits = model.network({"token_ids": ids, "segment_ids": tf.zeros_like(ids), "padding_mask": mask}).numpy()
    step = make_step(model, strategy)
    for batch in batches:
        step(*batch).numpy()
    print(json.dumps({"logits": logits.tolist(), "seconds": time.perf_counter() - began}), flush=True)
    answer_turns(step, batches)


def make_model(recipe: dict[str, Any], data: Any, strategy: tf.distribute.Strategy) -> SupervisedModel:
    """The network with the recipe's head, and its optimizer."""
    task = Classification(("negative", "positive"), dropout=recipe["head_dropout"])
    names = ("learning_rate", "weight_decay", "beta_1", "beta_2", "epsilon")
    settings = OptimizerConfig(schedule="constant", warmup=0.0, **{name: recipe[name] for name in names})
    with strategy.scope():
        backbone = load_backbone(Path(recipe["model"]), max_length=recipe["max_length"])
        network: keras.Model = attach_head(backbone, task, "mean")
        network.get_layer("logits").set_weights([data["kernel"], data["bias"]])
        model = SupervisedModel(network, task, seed=1, clip_norm=recipe["clip_norm"])
        model.compile(make_optimizer(settings, total_steps=10**6, loss_scaling=False))
    return model


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), sys.argv[2])
