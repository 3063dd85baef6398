"""From settings and checked data to everything `fit` needs: the model under its strategy, and the batches."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from sftkeras import runtime
from sftkeras.backbones import Backbone, choose_mode, load_chosen
from sftkeras.backbones.fetching import BackboneFolders
from sftkeras.config import TrainConfig
from sftkeras.console import progress_bar
from sftkeras.data import BatchPlan, LabelledData, RowInputs
from sftkeras.tasks import TextModel, attach_head, make_task
from sftkeras.text import make_features
from sftkeras.training.batches import Batches, read_inputs
from sftkeras.training.fit import is_higher_better, prepare_model
from sftkeras.training.model import SupervisedModel

# Validation keeps no activations for a gradient, so larger batches fit; larger than this is no faster.
_VALIDATION_BATCHES = 2


@dataclass(frozen=True)
class Setup:
    """Everything `fit` needs.

    Attributes:
        backbone: the pretrained encoder.
        text_model: what is trained, judged and exported; it shares the weights of `model`.
        model: what `fit` trains.
        inputs: the model inputs of every row.
        train: the training batches.
        validation: the validation batches.
        strategy: the devices.
    """

    backbone: Backbone
    text_model: TextModel
    model: SupervisedModel
    inputs: RowInputs
    train: Batches
    validation: Batches
    strategy: tf.distribute.Strategy

    def describe(self) -> str:
        """What the user should know of the backbone; and the model, the devices and the steps, in a few words."""
        devices = self.strategy.num_replicas_in_sync
        notes = "".join(f"Note: {note}.\n" for note in self.backbone.notes)
        return (
            f"{notes}"
            f"{self.model.network.count_params() / 1e6:.1f} million parameters on {devices} "
            f"{'device' if devices == 1 else 'devices'}, {self.model.network.compute_dtype}; "
            f"{self.train.steps:,} steps an epoch, {self.inputs.describe(self.train.plan)}."
        )


def set_up(config: TrainConfig, data: LabelledData, folders: BackboneFolders) -> Setup:
    """Loads the backbone, attaches the head, tokenises the texts and plans the batches."""
    strategy = runtime.make_strategy(config.training, config.seed)
    max_length = config.backbone.max_length
    labels = data.examples.labels
    choice = choose_mode(folders.encoder, config.backbone.mode)  # runs the module, so not under the strategy
    with strategy.scope():
        backbone = load_chosen(
            choice, max_length=max_length, dropout=config.backbone.dropout, preprocessor=folders.preprocessor
        )
        task = make_task(config.task, data.label_names, labels[data.splits["train"]])
        network = attach_head(backbone, task, config.backbone.pooling)
        is_higher_better(config.training.early_stopping.monitor, task)  # a misspelt metric is told before the long work
    features = make_features(backbone.tokenizer, max_length=max_length, pairs=config.data.pair is not None)
    with progress_bar() as progress:
        inputs = read_inputs(data.examples, features, progress)
    training = config.training
    multiple = runtime.length_multiple()
    plans = {
        "train": BatchPlan(
            inputs.lengths,
            data.splits["train"],
            training.batch_size,
            config.seed,
            group_by_length=training.group_by_length,
            multiple=multiple,
        ),
        "validation": BatchPlan(
            inputs.lengths,
            data.splits["validation"],
            training.batch_size * _VALIDATION_BATCHES,
            config.seed,
            shuffle=False,
            multiple=multiple,
        ),
    }
    train, validation = (Batches(plan, inputs, labels, task, max_length) for plan in plans.values())
    total_steps = train.steps * training.epochs
    model = prepare_model(network, task, config, total_steps=total_steps, strategy=strategy)
    text_model = TextModel(features, network, task)
    return Setup(backbone, text_model, model, inputs, train, validation, strategy)
