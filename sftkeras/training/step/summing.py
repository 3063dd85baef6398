"""The sum of a step's gradients over all replicas: in which form they travel, and in which packs."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

Gradient = Any  # a tf.Tensor or tf.IndexedSlices

# Over the network a core copies about 1 GB/s. In packs of this size the first travel while the last are computed, and
# nothing is copied into one large array: for 23 million weights 0.12 s of a core instead of 0.20 s.
_PACK_BYTES = 4 * 2**20
# An embedding of so many rows sends only those that the batch has: more than the batches of a CPU have.
_MANY_ROWS = 8192


def sum_over_replicas(
    loss: tf.Tensor, gradients: list[Gradient], variables: list[keras.Variable]
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Called on each replica with its part of the loss and of the variables' gradients; gives each the whole, dense."""
    context = tf.distribute.get_replica_context()
    total = tf.distribute.ReduceOp.SUM
    if context.num_replicas_in_sync == 1:
        return loss, [dense(gradient) for gradient in gradients]
    if not _by_network(context.strategy):
        return context.all_reduce(total, (loss, [dense(gradient) for gradient in gradients]))
    sparse = [_is_sparse(gradient) for gradient in gradients]
    options = tf.distribute.experimental.CommunicationOptions(bytes_per_pack=_PACK_BYTES)
    whole = []
    for gradient, variable, few in zip(gradients, variables, sparse, strict=True):
        if not few:
            whole.append(dense(gradient))
            whole[-1].set_shape(variable.shape)  # what has no shape is not packed
    loss, whole = context.all_reduce(total, (loss, whole), options)
    sums = iter(whole)
    return loss, [
        dense(context.all_reduce(total, gradient)) if few else next(sums)
        for gradient, few in zip(gradients, sparse, strict=True)
    ]


def dense(gradient: Gradient) -> tf.Tensor:
    """The gradient as one tensor; an embedding's comes as slices with repeated rows, whose norm is not its own."""
    return tf.convert_to_tensor(gradient)


def _by_network(strategy: tf.distribute.Strategy) -> bool:
    """Whether gradients travel over the network by way of the CPU; GPUs have faster ways, which want dense arrays."""
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return several and not tf.config.list_logical_devices("GPU")


def _is_sparse(gradient: Gradient) -> bool:
    return isinstance(gradient, tf.IndexedSlices) and (gradient.shape[0] or 0) >= _MANY_ROWS
