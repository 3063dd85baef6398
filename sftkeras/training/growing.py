"""The first weights of a run that begins with another one, whose head grows by the labels that are new."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np

from sftkeras.backbones import Backbone
from sftkeras.runs.restoring import load_best_weights
from sftkeras.tasks import Task, TextModel, attach_head, restore_task
from sftkeras.tasks.head import places_of
from sftkeras.training.warm_start import WarmStart

# Of what a new head begins with: the logits of new labels are near 0, and those of known ones keep their say.
_NEW_ROWS = 0.1
_NEVER = -1e9  # logit of a label that is not known


def begin_with(start: WarmStart, network: keras.Model, backbone: Backbone, task: Task) -> None:
    """Give a network the best weights of the run that it begins with.

    A label that the run knows keeps its weights in the head. A new one begins with a tenth of the initial weights, and
    without bias. Call it in the strategy's scope.

    Args:
        start: the run.
        network: with the head for all labels.
        backbone: the encoder in it.
        task: of the head.

    Raises:
        SFTError: as `load_best_weights`.
    """
    earlier = restore_task(start.model["task"])
    if earlier.logit_names() == task.logit_names():
        load_best_weights(start.run, network, backbone)
        return
    known = attach_head(backbone, earlier, start.model["pooling"])  # over the same encoder, which gets its weights too
    load_best_weights(start.run, known, backbone)
    places = places_of(earlier.logit_names(), task.logit_names())
    learned = _of_head(known, backbone)
    for name, variable in _of_head(network, backbone).items():
        weights = keras.ops.convert_to_numpy(learned[name])
        if variable.shape != learned[name].shape:
            grown = keras.ops.convert_to_numpy(variable) * _NEW_ROWS
            grown[..., places] = weights
            weights = grown
        variable.assign(weights)


def knowing_labels_of(task: Task, model: TextModel) -> TextModel:
    """Return a model with the labels of a task that knows more: it predicts as before, and never one of the others.

    Args:
        task: of the same kind.
        model: whose labels the task has too.
    """
    known, names = model.task.logit_names(), task.logit_names()
    if known == names:
        return model
    numbers = np.full(len(names), len(known), np.int32)  # the absent label comes after those that are known
    numbers[places_of(known, names)] = range(len(known))
    logits = model.network.output  # [batch, …, labels]
    absent = keras.ops.full_like(logits[..., :1], _NEVER)
    logits = keras.ops.take(keras.ops.concatenate([logits, absent], -1), numbers, axis=-1)
    network = keras.Model(model.network.input, logits, name=model.network.name)
    return replace(model, network=network, task=task)


def _of_head(network: keras.Model, backbone: Backbone) -> dict[str, keras.Variable]:
    """The weights that the task adds to those of the encoder, by their names."""
    of_encoder = {id(variable) for variable in backbone.model.variables}
    return {weight.path: weight for weight in network.trainable_variables if id(weight) not in of_encoder}
