"""Plain KerasHub: `BertTextClassifier` and its preprocessor, texts padded to the maximum length, stock settings.

Run by benchmarks/train_vs_peers.py: python keras_hub_classifier.py RECIPE.json
"""

import json
import math
import sys
import time
from importlib.metadata import version
from pathlib import Path

import keras
import keras_hub
import tensorflow as tf


class LinearSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise over `warmup_steps`, then a linear fall to zero at `total_steps`."""

    def __init__(self, peak, warmup_steps, total_steps):
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        rise = (step + 1) / self.warmup_steps
        fall = (self.total_steps - step) / (self.total_steps - self.warmup_steps)
        return self.peak * tf.minimum(rise, fall)


class StepClock(keras.callbacks.Callback):
    """Notes when each step ended, epoch by epoch."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def on_epoch_begin(self, epoch, logs=None):
        self.ends.append([])

    def on_train_batch_end(self, batch, logs=None):
        self.ends[-1].append(time.perf_counter())


def main(recipe):
    keras.utils.set_random_seed(recipe["seed"])
    train, validation, test = (read(recipe["files"][part]) for part in ("train", "validation", "test"))
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor.from_preset(
        recipe["model"], sequence_length=recipe["max_length"]
    )
    classifier = keras_hub.models.BertTextClassifier.from_preset(
        recipe["model"], num_classes=len(recipe["labels"]), preprocessor=preprocessor
    )
    steps = math.ceil(len(train[0]) / recipe["batch_size"])
    classifier.compile(
        optimizer=make_optimizer(recipe, total_steps=steps * recipe["epochs"]),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    clock = StepClock()
    batches = tf.data.Dataset.from_tensor_slices(train).shuffle(len(train[0])).batch(recipe["batch_size"])
    if recipe["most_steps"]:  # for a look at the speed alone
        classifier.fit(batches.take(recipe["most_steps"]), callbacks=[clock], verbose=2)
        figures = None
    else:
        classifier.fit(
            batches.prefetch(tf.data.AUTOTUNE),
            validation_data=batched(validation, recipe),
            epochs=recipe["epochs"],
            callbacks=[clock],
            verbose=2,
        )
        classifier.save_weights(Path(recipe["output"]) / "final.weights.h5")
        print("TRAINED", flush=True)
        figures = classifier.evaluate(batched(test, recipe), return_dict=True, verbose=0)["accuracy"]
    answer = {
        "accuracy": figures,
        "step_ends": clock.ends,
        "versions": {name: version(name) for name in ("tensorflow", "keras", "keras-hub")},
    }
    print("RESULT " + json.dumps(answer), flush=True)


def make_optimizer(recipe, total_steps):
    optimizer = keras.optimizers.AdamW(
        LinearSchedule(recipe["learning_rate"], round(recipe["warmup"] * total_steps), total_steps),
        weight_decay=recipe["weight_decay"],
        beta_1=recipe["beta_1"],
        beta_2=recipe["beta_2"],
        epsilon=recipe["epsilon"],
        global_clipnorm=recipe["clip_norm"],
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def read(path):
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [row["text"] for row in rows], [row["class"] for row in rows]


def batched(rows, recipe):
    return tf.data.Dataset.from_tensor_slices(rows).batch(recipe["evaluation_batch_size"])


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
