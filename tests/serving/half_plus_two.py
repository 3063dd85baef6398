"""The model of TensorFlow Serving's own documentation, y = x / 2 + 2, written in plain TensorFlow."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

REGRESS, CLASSIFY = "regress_x_to_y", "classify_x_to_y"


class _HalfPlusTwo(tf.Module):
    def __init__(self, plus: float) -> None:
        super().__init__()
        self.half, self.plus = tf.Variable(0.5), tf.Variable(float(plus))

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, "x")])
    def predict(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": self.half * x + self.plus}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
    def regress(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"outputs": self.predict(_x(inputs))["y"]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"scores": self.predict(_x(inputs))["y"][:, tf.newaxis]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image"), tf.TensorSpec([None, 2], tf.int64, "n")])
    def several(self, image: tf.Tensor, n: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"image_bytes": image, "name": image, "sum": tf.reduce_sum(n, 1), "positive": n > 0}


def _x(examples: tf.Tensor) -> tf.Tensor:
    return tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([], tf.float32)})["x"]


def write_half_plus_two(folder: Path, *, plus: float = 2.0) -> None:
    """Writes the version `folder`."""
    model = _HalfPlusTwo(plus)
    signatures = {
        "serving_default": model.predict,
        REGRESS: model.regress,
        CLASSIFY: model.classify,
        "several": model.several,
    }
    tf.saved_model.save(model, str(folder), signatures)
    updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(str(folder))
    updater.replace_method_name(REGRESS, tf.saved_model.REGRESS_METHOD_NAME)
    updater.replace_method_name(CLASSIFY, tf.saved_model.CLASSIFY_METHOD_NAME)
    updater.save()
