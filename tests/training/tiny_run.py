"""A tiny training run in a process of its own: one distribution strategy per process.

`python tests/training/tiny_run.py OUTPUT.npz KEY=VALUE …` trains a random two-layer encoder and saves its weights.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator

from sftkeras import runtime

runtime.start_tensorflow()

import keras_hub  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from sftkeras.backbones import Backbone  # noqa: E402
from sftkeras.backbones.dropout import use_stream_dropout  # noqa: E402
from sftkeras.backbones.fused_transformer import use_fused_encoder_layers  # noqa: E402
from sftkeras.config import OptimizerConfig, TrainingConfig  # noqa: E402
from sftkeras.tasks import attach_head  # noqa: E402
from sftkeras.tasks.classification import Classification  # noqa: E402
from sftkeras.training.model import SupervisedModel  # noqa: E402
from sftkeras.training.optimizers import make_optimizer  # noqa: E402

ROWS, BATCH, EPOCHS = 13, 5, 2  # the last batch of an epoch has three rows: some devices get none of them
STEPS = -(-ROWS // BATCH)


@dataclasses.dataclass
class Settings:
    """What a test varies."""

    devices: int = 1
    optimizer: str = "adamw"
    accumulation: int = 1
    dropout: float = 0.0
    precision: str = "float32"
    fused: bool = True
    clip_norm: float = 0.5
    class_weights: bool = False


def batches(settings: Settings) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]]:
    random = np.random.default_rng(3)
    ids = random.integers(1, 50, (ROWS, 9)).astype(np.int32)
    lengths = random.integers(2, 10, ROWS)
    mask = (np.arange(9) < lengths[:, None]).astype(np.int32)
    labels = random.integers(0, 3, ROWS).astype(np.int32)
    weights = np.array([1.0, 2.0, 0.5], np.float32)[labels] if settings.class_weights else np.ones(ROWS, np.float32)
    for _ in range(EPOCHS):
        order = random.permutation(ROWS)
        for begin in range(0, ROWS, BATCH):
            rows = order[begin : begin + BATCH]
            inputs = {"token_ids": ids[rows] * mask[rows], "segment_ids": ids[rows] * 0, "padding_mask": mask[rows]}
            yield inputs, labels[rows], weights[rows] / weights[rows].sum()


def train(settings: Settings) -> dict[str, np.ndarray]:
    config = TrainingConfig(devices=settings.devices, precision=settings.precision)
    strategy = runtime.make_strategy(config, seed=5)
    with strategy.scope():
        encoder = keras_hub.models.BertBackbone(
            vocabulary_size=50,
            num_layers=2,
            num_heads=2,
            hidden_dim=16,
            intermediate_dim=32,
            max_sequence_length=16,
            dropout=settings.dropout,
        )
        if settings.fused:
            use_fused_encoder_layers(encoder)
        task = Classification(("a", "b", "c"), dropout=settings.dropout)
        network = attach_head(Backbone(encoder, None, 16, False, "hugging_face", ()), task, "mean")
        use_stream_dropout(network)
        model = SupervisedModel(
            network, task, seed=5, clip_norm=settings.clip_norm, accumulation=settings.accumulation
        )
        optimizer = OptimizerConfig(name=settings.optimizer, learning_rate=1e-2)
        model.compile(
            make_optimizer(optimizer, total_steps=STEPS * EPOCHS, loss_scaling=settings.precision == "mixed_float16")
        )
    examples = list(batches(settings))
    dataset = tf.data.Dataset.from_generator(
        lambda: iter(examples),
        output_signature=tf.nest.map_structure(
            lambda array: tf.TensorSpec([None, *array.shape[1:]], array.dtype), examples[0]
        ),
    ).apply(tf.data.experimental.assert_cardinality(len(examples)))
    history = model.fit(
        dataset, epochs=EPOCHS, steps_per_epoch=STEPS, validation_data=dataset, validation_steps=STEPS, verbose=0
    ).history
    result = {variable.path: variable.numpy() for variable in network.trainable_variables}
    result.update({f"history/{name}": np.asarray(values) for name, values in history.items()})
    result["iterations"] = model.optimizer.iterations.numpy()
    return result


if __name__ == "__main__":
    values = dict(word.split("=") for word in sys.argv[2:])
    types = {field.name: type(field.default) for field in dataclasses.fields(Settings)}
    chosen = {name: value if types[name] is str else types[name](json.loads(value)) for name, value in values.items()}
    np.savez(sys.argv[1], **train(Settings(**chosen)))
