"""What stock Keras does under a strategy of two replicas, as JSON; see test_keras_faults.py."""

from __future__ import annotations

import json
import math

from sftkeras import runtime

runtime.start_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from sftkeras.config import TrainingConfig  # noqa: E402
from sftkeras.internals.keras import NoSymbolicBuild, stop_reducing_gradients  # noqa: E402

STRATEGY = runtime.make_strategy(TrainingConfig(devices=2), seed=1)


def step(optimizer: keras.optimizers.Optimizer, gradients: tuple[float, float], *, mended: bool) -> float:
    """A weight that starts at zero, after one step with each replica's own gradient."""
    with STRATEGY.scope():
        weight = keras.Variable(0.0)
        optimizer.build([weight])
    if mended:
        stop_reducing_gradients(optimizer)

    @tf.function
    def update() -> None:
        context = tf.distribute.get_replica_context()
        gradient = tf.gather(tf.constant(gradients), context.replica_id_in_sync_group)
        if mended:
            gradient = context.all_reduce(tf.distribute.ReduceOp.SUM, gradient)
        optimizer.apply([gradient], [weight])

    STRATEGY.run(update)
    return float(weight.numpy())


class Stock(keras.Model):
    """One dense layer, built when it is made."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.dense.build((None, 2))
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return self.dense(inputs)


class Mended(NoSymbolicBuild, Stock):
    """The same with the workaround."""


def fit(kind: type[keras.Model]) -> str:
    """What comes of a first batch of three rows, which two replicas cannot share evenly."""
    with STRATEGY.scope():
        model = kind()
        model.compile(optimizer="sgd", loss="mse")
    rows = tf.data.Dataset.from_tensor_slices((np.ones((3, 2), np.float32), np.ones((3, 1), np.float32))).batch(3)
    try:
        loss = model.fit(rows, verbose=0).history["loss"][0]
    except Exception as error:  # whatever it is: the test only asks whether it fails
        return type(error).__name__
    return "trained" if math.isfinite(loss) else "loss is not finite"


def main() -> None:
    sgd = keras.optimizers.SGD
    answers = {
        "clipped": step(sgd(1.0, global_clipnorm=1.0), (3.0, 4.0), mended=False),
        "clipped, mended": step(sgd(1.0, global_clipnorm=1.0), (3.0, 4.0), mended=True),
        "summed": step(sgd(1.0), (3.0, 4.0), mended=False),
        "summed, mended": step(sgd(1.0), (3.0, 4.0), mended=True),
    }
    for name, mended in (("infinite", False), ("infinite, mended", True)):
        scaled = keras.optimizers.LossScaleOptimizer(sgd(1.0), initial_scale=2.0)
        answers[name] = step(scaled, (1.0, math.inf), mended=mended)
    outcome = {name: value if math.isfinite(value) else "not finite" for name, value in answers.items()}
    print(json.dumps({**outcome, "odd batch": fit(Stock), "odd batch, mended": fit(Mended)}))


if __name__ == "__main__":
    main()
