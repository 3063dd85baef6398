"""Modules written by the public exporter of TF-Hub's text encoders, and a published module read by its library.

Runs where tf-models-official is installed; benchmarks/hub_exporter.py starts it: python hub_exporter.py FOLDER.
FOLDER holds request.json (texts, and the encoders to write), vocab.txt, spiece.model and the module `published`. For
each encoder the module, its preprocessor and what the exporter's own code computes (NAME.npz) are written there.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras
from official.nlp.configs import encoders
from official.nlp.tasks import utils
from official.nlp.tools import export_tfhub_lib


def main() -> None:
    """Writes everything; what the library said of the published module goes to answer.json."""
    folder = Path(sys.argv[1])
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    texts = tf.constant(request["texts"])
    for name, settings in request["encoders"].items():
        write_encoder(folder, name, settings, texts)
    answer = {"versions": {package: version(package) for package in ("tf-models-official", "tensorflow", "tf_keras")}}
    answer["published"] = fine_tune(str(folder / "published"))
    (folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")


def write_encoder(folder, name, settings, texts):
    """One encoder with random weights, as a module, with its preprocessor and its own outputs."""
    config = encoders.EncoderConfig({"type": settings["type"], settings["type"]: settings["sizes"]})
    encoder = encoders.build_encoder(config)
    random = np.random.default_rng(7)
    encoder.set_weights([draw(random, weight) for weight in encoder.weights])
    checkpoint = tf.train.Checkpoint(model=encoder, encoder=encoder).save(str(folder / f"{name}.ckpt"))
    files = {key: str(folder / settings[key]) for key in ("vocab_file", "sp_model_file") if key in settings}
    export_tfhub_lib.export_model(
        str(folder / name),
        encoder_config=config,
        model_checkpoint_path=checkpoint,
        with_mlm=False,
        do_lower_case=settings["lowercase"],
        **files,
    )
    export_tfhub_lib.export_preprocessing(
        str(folder / f"{name}-preprocessor"),
        do_lower_case=settings["lowercase"],
        tokenize_with_offsets=False,
        default_seq_length=64,
        **files,
    )
    preprocess = tf.saved_model.load(str(folder / f"{name}-preprocessor"))
    inputs = preprocess(texts)
    tokens = preprocess.tokenize(texts)
    tokens = tokens.merge_dims(1, -1) if tokens.ragged_rank > 1 else tokens
    outputs = encoder(inputs, training=False)
    np.savez(
        folder / f"{name}.npz",
        tokens=tokens.flat_values,
        lengths=tokens.row_lengths(),
        sequence_output=outputs["sequence_output"],
        pooled_output=outputs["pooled_output"],
        **inputs,
    )


def draw(random, weight):
    """Random values, large enough that every part of the encoder shows in its outputs."""
    around = 1.0 if weight.name.endswith("gamma:0") else 0.0
    return random.normal(around, 0.2, weight.shape).astype(np.float32)


def fine_tune(module):
    """Puts a module where the library puts those of TF-Hub, and trains it; says what happened."""
    encoder = utils.get_encoder_from_hub(module)
    model = tf_keras.Model(encoder.inputs, tf_keras.layers.Dense(1)(encoder.outputs[-1][:, :1]))
    model.compile(tf_keras.optimizers.SGD(0.1), "mse")
    before = [weight.numpy() for weight in model.trainable_weights]
    ids = np.array([[2, 5, 6, 7, 3], [2, 5, 3, 0, 0]], np.int32)
    inputs = {"input_word_ids": ids, "input_mask": (ids > 0).astype(np.int32), "input_type_ids": ids * 0}
    model.fit(inputs, np.ones([2, 1, 1]), verbose=0)
    moved = [bool((weight.numpy() != old).any()) for weight, old in zip(model.trainable_weights, before, strict=True)]
    return {"trainable": len(moved), "moved": sum(moved)}


if __name__ == "__main__":
    main()
