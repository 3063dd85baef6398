"""A training whose steps ask for more memory than the machine has, in a process of its own.

`python tests/training/hungry_run.py FOLDER` trains as `small_fit` does and leaves FOLDER/hungry.npz. A process that was
once granted most of the memory cannot start others any more: Linux would have to promise it twice.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

from sftkeras import runtime

runtime.start_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import psutil  # noqa: E402
import small_fit  # noqa: E402
import tensorflow as tf  # noqa: E402

from sftkeras.training.fit import fit  # noqa: E402

CONFIG = small_fit.configured(epochs=2, optimizer={"learning_rate": 1e-3})


class Hungry(keras.layers.Layer):
    """In training, asks for so much memory with each row that eight rows get more than the machine has."""

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training:
            return inputs
        row = int(1.5 * (psutil.virtual_memory().total + psutil.swap_memory().total) / 8 / 2**20)
        shape = tf.stack([tf.shape(inputs)[0], row, 2**20])
        asked = tf.raw_ops.Empty(shape=shape, dtype=tf.uint8)  # never touched
        with tf.control_dependencies([asked]):
            return tf.identity(inputs)


def main(folder: Path) -> None:
    plain = small_fit.network()

    def hungry() -> keras.Model:
        return keras.Model(plain.input, Hungry()(plain.output))

    with mock.patch.object(small_fit, "network", hungry):
        prepared = small_fit.prepare(folder, CONFIG)
    fitted = fit(prepared.model, prepared.train, prepared.validation, prepared.config, prepared.run)
    weights = [weight.numpy() for weight in prepared.model.network.weights]
    parts = np.array(prepared.model.accumulation)
    np.savez(folder / "hungry.npz", *weights, losses=np.array(fitted.record.losses), accumulation=parts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
