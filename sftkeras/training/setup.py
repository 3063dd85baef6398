"""From settings and checked data to everything `fit` needs: the model under its strategy, and the batches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from sftkeras import runtime
from sftkeras.backbones import Backbone, load_backbone
from sftkeras.config import TrainConfig
from sftkeras.console import progress_bar
from sftkeras.data import BatchPlan, LabelledData, TokenCache, tokenise
from sftkeras.tasks import TextModel, attach_head, make_task
from sftkeras.text import TextFeatures
from sftkeras.training.batches import Batches
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
        tokens: the features of every row.
        train: the training batches.
        validation: the validation batches.
        strategy: the devices.
    """

    backbone: Backbone
    text_model: TextModel
    model: SupervisedModel
    tokens: TokenCache
    train: Batches
    validation: Batches
    strategy: tf.distribute.Strategy

    def describe(self) -> str:
        """The model, the devices and the steps, in a few words."""
        devices = self.strategy.num_replicas_in_sync
        cut = f", {self.tokens.truncated:,} texts cut to {self.text_model.features.max_length} tokens"
        return (
            f"{self.model.network.count_params() / 1e6:.1f} million parameters on {devices} "
            f"{'device' if devices == 1 else 'devices'}, {self.model.network.compute_dtype}; "
            f"{self.train.steps:,} steps an epoch, {self.train.plan.padding():.1%} padding"
            f"{cut if self.tokens.truncated else ''}."
        )


def set_up(config: TrainConfig, data: LabelledData, backbone_folder: Path) -> Setup:
    """Loads the backbone, attaches the head, tokenises the texts and plans the batches."""
    strategy = runtime.make_strategy(config.training, config.seed)
    max_length = config.backbone.max_length
    labels = data.examples.labels
    with strategy.scope():
        backbone = load_backbone(backbone_folder, max_length=max_length, dropout=config.backbone.dropout)
        task = make_task(config.task, data.label_names, labels[data.splits["train"]])
        network = attach_head(backbone, task, config.backbone.pooling)
        is_higher_better(config.training.early_stopping.monitor, task)  # a misspelt metric is told before the long work
    features = TextFeatures(backbone.tokenizer, max_length=max_length, pairs=config.data.pair is not None)
    with progress_bar() as progress:
        tokens = tokenise(data.examples, features.encode_arrays, features.fingerprint, progress)
    training = config.training
    multiple = runtime.length_multiple()
    plans = {
        "train": BatchPlan(
            tokens.lengths,
            data.splits["train"],
            training.batch_size,
            config.seed,
            group_by_length=training.group_by_length,
            multiple=multiple,
        ),
        "validation": BatchPlan(
            tokens.lengths,
            data.splits["validation"],
            training.batch_size * _VALIDATION_BATCHES,
            config.seed,
            shuffle=False,
            multiple=multiple,
        ),
    }
    train, validation = (Batches(plan, tokens, labels, task, max_length) for plan in plans.values())
    total_steps = train.steps * training.epochs
    model = prepare_model(network, task, config, total_steps=total_steps, strategy=strategy)
    text_model = TextModel(features, network, task)
    return Setup(backbone, text_model, model, tokens, train, validation, strategy)
