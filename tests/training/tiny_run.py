"""Tiny training runs in a process of their own, which has one distribution strategy.

`python tests/training/tiny_run.py DEVICES` reads lines such as `["FOLDER", {"NAME": {settings}, …}]`, trains a random
encoder for each name, leaves its weights and history in FOLDER/NAME.npz, and answers each line with `done`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sftkeras import runtime

runtime.start_tensorflow()

import keras  # noqa: E402
import keras_hub  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from sftkeras.backbones import Backbone, Choice, choose_mode, load_chosen  # noqa: E402
from sftkeras.backbones.fused_transformer import use_fused_encoder_layers  # noqa: E402
from sftkeras.backbones.rematerialisation import rematerialise  # noqa: E402
from sftkeras.backbones.token_vectors import give_token_vectors  # noqa: E402
from sftkeras.config import (  # noqa: E402
    DistillationConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TrainConfig,
    TrainingConfig,
    TuningConfig,
)
from sftkeras.config.tuning import VIRTUAL  # noqa: E402
from sftkeras.objectives import distilled_objective, make_objective  # noqa: E402
from sftkeras.objectives.inner_distillation import InnerDistillation, Inside  # noqa: E402
from sftkeras.tasks import Task, attach_head, attach_head_again, make_task  # noqa: E402
from sftkeras.tasks.classification.spec import ClassificationSettings  # noqa: E402
from sftkeras.tasks.classification.task import Classification  # noqa: E402
from sftkeras.tasks.head import with_text_vectors  # noqa: E402
from sftkeras.tasks.similarity.spec import SimilaritySettings  # noqa: E402
from sftkeras.tasks.soft_targets import TEACHER  # noqa: E402
from sftkeras.training.batches import untuned  # noqa: E402
from sftkeras.training.step.model import SupervisedModel  # noqa: E402
from sftkeras.training.step.optimizers import make_optimizer  # noqa: E402
from sftkeras.tuning.layers import depths_of, rate_factors  # noqa: E402
from sftkeras.tuning.methods import choose_what_learns  # noqa: E402
from sftkeras.tuning.tuning import Tuning, allocate_ranks  # noqa: E402
from sftkeras.tuning.unfreezing import Unfreezing  # noqa: E402
from sftkeras.tuning.virtual_tokens import begin_virtual_tokens  # noqa: E402

ROWS, BATCH, EPOCHS = 13, 5, 2  # the last batch of an epoch has three rows: some devices get none of them
STEPS = -(-ROWS // BATCH)
SEED = 5


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a test varies."""

    optimizer: str = "adamw"
    accumulation: int = 1
    dropout: float = 0.0
    precision: str = "float32"
    fused: bool = True
    layers: int = 1
    clip_norm: float = 0.5
    class_weights: bool = False
    focal_gamma: float = 0.0
    row_weights: bool = False  # weights of the examples, zero for some
    layer_decay: float | None = None
    ema: float | None = None
    unfreeze: int | None = None
    rematerialise: bool = False
    objective: dict[str, Any] = dataclasses.field(default_factory=dict)
    distillation: dict[str, Any] | None = None  # learns from a teacher whose logits are drawn
    loss_scale: float = 0.0  # to begin with, where the loss is scaled; 0 takes Keras' own
    validated: bool = True  # on the same rows, after each epoch: half as much again to trace
    compare_replicas: bool = False  # also give each replica's loss of one batch
    module: str = ""  # folder of a TF-Hub module to train in place of the KerasHub encoder
    mode: str = "opaque"  # how it is loaded
    tuning: dict[str, Any] | None = None  # settings of what learns
    pairs: str = ""  # the loss of pairs of texts that is learned, in place of classes


def batches(settings: Settings) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]]:
    if settings.pairs:
        yield from batches_of_pairs(settings)
        return
    random = np.random.default_rng(3)
    ids = random.integers(1, 50, (ROWS, 9)).astype(np.int32)
    lengths = random.integers(2, 10, ROWS)
    mask = (np.arange(9) < lengths[:, None]).astype(np.int32)
    labels = random.integers(0, 3, ROWS).astype(np.int32)
    weights = np.array([1.0, 2.0, 0.5], np.float32)[labels] if settings.class_weights else np.ones(ROWS, np.float32)
    if settings.row_weights:
        weights *= random.integers(0, 4, ROWS).astype(np.float32) + (np.arange(ROWS) == 0)
    given = np.random.default_rng(6).normal(size=(ROWS, 3)).astype(np.float32)
    for _ in range(EPOCHS):
        order = random.permutation(ROWS)
        for begin in range(0, ROWS, BATCH):
            rows = order[begin : begin + BATCH]
            inputs = {"token_ids": ids[rows] * mask[rows], "segment_ids": ids[rows] * 0, "padding_mask": mask[rows]}
            inputs |= {TEACHER: given[rows]} if settings.distillation else {}
            yield inputs, labels[rows], weights[rows] / weights[rows].sum()


def batches_of_pairs(settings: Settings) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]]:
    """Two texts of each pair one after the other: devices and micro-batches divide some pairs."""
    random = np.random.default_rng(4)
    ids = random.integers(1, 50, (2 * ROWS, 9)).astype(np.int32)
    ids[7] = ids[1]  # pairs 0 and 3 have the same second text
    mask = (np.arange(9) < random.integers(2, 10, 2 * ROWS)[:, None]).astype(np.int32)
    mask[7] = mask[1]
    if settings.pairs == "multiple_negatives":
        labels = np.arange(2 * ROWS, dtype=np.int32)
        labels[7] = labels[1]
    else:
        labels = np.repeat(random.integers(0, 2, ROWS), 2).astype(np.float32)
    weights = np.repeat(random.integers(0, 4, ROWS) + (np.arange(ROWS) == 0), 2).astype(np.float32)
    for _ in range(EPOCHS):
        order = random.permutation(ROWS)
        for begin in range(0, ROWS, BATCH):
            rows = (2 * order[begin : begin + BATCH, None] + [0, 1]).reshape(-1)
            inputs = {"token_ids": ids[rows] * mask[rows], "segment_ids": ids[rows] * 0, "padding_mask": mask[rows]}
            yield inputs, labels[rows], weights[rows] / weights[rows].sum()


def build(settings: Settings, choice: Choice | None = None) -> SupervisedModel:
    """The model, the same weights each time; call it in the strategy's scope."""
    keras.utils.set_random_seed(SEED)
    keras.config.set_dtype_policy(settings.precision)
    if choice:
        backbone = load_chosen(choice, max_length=9)
    else:
        backbone = Backbone(build_encoder(settings), None, 16, False, "hugging_face", {})
    task: Task = Classification(("a", "b", "c"), dropout=settings.dropout, focal_gamma=settings.focal_gamma)
    if settings.pairs:
        task = make_task(SimilaritySettings(loss=settings.pairs), (), np.array([0, 1], np.float32))  # type: ignore[arg-type]
    network = attach_head(backbone, task, "cls" if settings.module else "mean")
    config = TrainConfig(task=ClassificationSettings(), tuning=TuningConfig(**settings.tuning or {}), seed=SEED)
    if config.tuning.method in VIRTUAL:
        config = dataclasses.replace(config, backbone=dataclasses.replace(config.backbone, max_length=9))
        backbone = begin_virtual_tokens(backbone, config)
        network = attach_head_again(network, backbone, task, "mean")
    choose_what_learns(network, backbone, config)
    depths = () if settings.module else depths_of(network, backbone)
    if settings.rematerialise:
        rematerialise(backbone.layers)
    objective = ObjectiveConfig(**settings.objective)
    if objective.changes_token_vectors:
        give_token_vectors(backbone.token_embedding)
    if settings.distillation:
        distillation = DistillationConfig("runs/teacher", **settings.distillation)
        learned = distilled_objective(distillation, task, inner(distillation, Inside.of(network, backbone), task))
    else:
        learned = make_objective(objective, task)
    model = SupervisedModel(
        network,
        task,
        seed=SEED,
        clip_norm=settings.clip_norm,
        accumulation=settings.accumulation,
        ema=settings.ema,
        objective=learned,
        learning=with_text_vectors(network) if objective.compares_text_vectors else None,
        tuning=Tuning(
            unfreezing=Unfreezing(depths, settings.unfreeze) if settings.unfreeze else None,
            allocation=allocate_ranks(backbone, config, STEPS * EPOCHS) if config.tuning.method == "adalora" else None,
        ),
    )
    loss_scaling = settings.precision == "mixed_float16"
    name = "adamw" if settings.optimizer == "stock adamw" else settings.optimizer
    rule = OptimizerConfig(name=name, learning_rate=1e-2, weight_decay=0.1)  # type: ignore[arg-type]
    optimizer = make_optimizer(
        rule,
        total_steps=STEPS * EPOCHS,
        loss_scaling=loss_scaling,
        rate_factors=rate_factors(depths, settings.layer_decay) if settings.layer_decay else (),
        own_steps=settings.unfreeze is not None,
    )
    if settings.optimizer == "stock adamw":
        stock = keras.optimizers.AdamW(optimizer._learning_rate, weight_decay=0.1, epsilon=rule.epsilon)
        stock.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        optimizer = stock
    model.compile(optimizer)
    if settings.loss_scale:
        optimizer.dynamic_scale.assign(settings.loss_scale)
    return model


def inner(config: DistillationConfig, student: Inside, task: Task) -> InnerDistillation | None:
    """Distances from the hidden states, attention and relations of a teacher that has two layers and other weights."""
    if not config.looks_inside:
        return None
    encoder = build_encoder(Settings(layers=2))
    backbone = Backbone(encoder, None, 16, False, "hugging_face", {})
    teacher = Inside.of(attach_head(backbone, task, "mean"), backbone)
    weights = {"hidden": config.hidden, "attention": config.attention, "relations": config.relations}
    return InnerDistillation(student, teacher, **weights)


def build_encoder(settings: Settings) -> keras.Model:
    encoder = keras_hub.models.BertBackbone(
        vocabulary_size=50,
        num_layers=settings.layers,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=32,
        max_sequence_length=16,
        dropout=settings.dropout,
    )
    if settings.fused:
        use_fused_encoder_layers(encoder)
    return encoder


def train(settings: Settings, strategy: tf.distribute.Strategy) -> dict[str, Any]:
    keras.utils.clear_session()  # names are those of a first run
    choice = choose_mode(Path(settings.module), settings.mode) if settings.module else None  # type: ignore[arg-type]
    with strategy.scope():
        model = build(settings, choice)
    examples = list(batches(settings))
    signature = tf.nest.map_structure(lambda array: tf.TensorSpec([None, *array.shape[1:]], array.dtype), examples[0])
    # Copies: TensorFlow takes a generator's arrays as its own, and may compute in their memory.
    dataset = tf.data.Dataset.from_generator(
        lambda: (tf.nest.map_structure(np.copy, example) for example in examples), output_signature=signature
    )
    dataset = untuned(dataset.apply(tf.data.experimental.assert_cardinality(len(examples))))
    steps = StepLog(model.network)
    before = weights_of(model.network)
    history = model.fit(
        dataset,
        epochs=EPOCHS,
        steps_per_epoch=STEPS,
        validation_data=dataset if settings.validated else None,
        validation_steps=STEPS if settings.validated else None,
        callbacks=[steps, *model.tuning.callbacks(model.train_only)],
        verbose=0,
    ).history
    result = {f"weights/{name}": array for name, array in weights_of(model.network).items()}
    result |= {f"before/{name}": array for name, array in before.items()}
    result |= {f"one step/{name}": array for name, array in steps.after_one.items()}
    result |= {f"history/{name}": np.asarray(values) for name, values in history.items()}
    result |= {f"averages/{average.name}": average.numpy() for average in model.averages}
    result |= {f"optimizer/{variable.path}": variable.numpy() for variable in model.optimizer.variables}
    result |= {f"first epoch/{name}": array for name, array in steps.after_an_epoch.items()}
    result["losses"] = np.asarray(steps.losses)
    result["iterations"] = model.optimizer.iterations.numpy()
    if settings.loss_scale:
        result["loss_scale"] = model.optimizer.dynamic_scale.numpy()
    if settings.module:
        result["restored"] = restored(model.network, strategy)
    if settings.compare_replicas:
        result["replica_losses"] = losses_of_replicas(model, examples[0], strategy)
    return result


def restored(network: keras.Model, strategy: tf.distribute.Strategy) -> bool:
    """Whether all weights come back from a file, on every device."""
    kept = [variable.numpy() for variable in network.variables]
    with tempfile.TemporaryDirectory() as folder:
        network.save_weights(Path(folder) / "kept.weights.h5")
        for variable in network.variables:
            variable.assign(variable.numpy() + 1)
        network.load_weights(Path(folder) / "kept.weights.h5")
    copies = [strategy.experimental_local_results(variable.value) for variable in network.variables]
    return all(np.array_equal(copy, it) for it, those in zip(kept, copies, strict=True) for copy in those)


def losses_of_replicas(model: SupervisedModel, batch: Any, strategy: tf.distribute.Strategy) -> np.ndarray:
    """The training loss of one and the same batch on each replica: they differ only by their dropout."""
    data = tf.nest.map_structure(tf.constant, batch)
    losses = strategy.run(tf.function(lambda: model._gradients(data)[0]))
    return np.array([float(loss) for loss in strategy.experimental_local_results(losses)])


def weights_of(network: keras.Model) -> dict[str, np.ndarray]:
    return {variable.path: variable.numpy() for variable in network.trainable_variables}


class StepLog(keras.callbacks.Callback):
    """The loss of each step, and the weights after the first step and the first epoch."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network = network
        self.losses: list[float] = []
        self.after_one: dict[str, np.ndarray] = {}
        self.after_an_epoch: dict[str, np.ndarray] = {}

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.losses.append(float((logs or {})["loss"]))
        self.after_one = self.after_one or weights_of(self.network)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.after_an_epoch = self.after_an_epoch or weights_of(self.network)


def main(devices: str) -> None:
    strategy = runtime.make_strategy(TrainingConfig(devices=int(devices), deterministic=True), SEED)
    answers, sys.stdout = sys.stdout, sys.stderr  # nothing else comes between the answers
    for line in sys.stdin:
        folder, runs = json.loads(line)
        for name, values in runs.items():
            np.savez(Path(folder) / f"{name}.npz", **train(Settings(**values), strategy))
        print("done", file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
