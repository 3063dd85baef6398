"""A TF-Hub module that a run trained as it is, written again with the weights it has now."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones.publishing.proof import largest_difference
from sftkeras.backbones.tfhub.module import LoadedModule, read_module
from sftkeras.backbones.tfhub.opaque import OpaqueEncoder
from sftkeras.errors import SFTError
from sftkeras.text.features.raw_text import TEXT

_TOKENS = [[1, 2, 3, 4], [4, 3, 0, 0]]  # numbers that every vocabulary has


def write_again(encoder: keras.Model, folder: Path) -> float:
    """Writes the module inside an opaque encoder into `folder`; its interface, names and assets stay as they are.

    Returns:
        The largest difference of an output, loaded again from the files, as `proof.prove` has it.

    Raises:
        SFTError: SFT379 if TensorFlow cannot write the module, an output differs by more than 1e-5, or a weight at
            all.
    """
    (layer,) = (layer for layer in encoder.layers if isinstance(layer, OpaqueEncoder))
    root = layer.loaded.root
    try:
        tf.saved_model.save(root, str(folder), signatures=dict(getattr(root, "signatures", {})) or None)
    except (ValueError, AssertionError, NotImplementedError) as error:
        problem = str(error).strip().split("\n")[0][:200]
        raise SFTError("SFT379", problem=f"TensorFlow cannot write it again ({problem})") from error
    again = read_module(folder).load()
    for expected, found in zip(layer.loaded.variables, again.variables, strict=True):
        if not np.array_equal(found.numpy(), expected.numpy()):
            raise SFTError("SFT379", problem=f"{expected.name} differs when it is loaded again")
    return largest_difference(*_outputs(encoder, again))


def _outputs(encoder: keras.Model, again: LoadedModule) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """Outputs of the encoder and of the written module for the same few inputs."""
    if TEXT in encoder.input:
        texts = tf.constant(["a text", ""])
        return encoder({TEXT: texts}, training=False), again.encode_texts(texts)
    tokens = tf.constant(_TOKENS)
    inputs = {
        "token_ids": tokens,
        "padding_mask": tf.cast(tokens != 0, tf.int32),
        "segment_ids": tf.zeros_like(tokens),
    }
    return encoder(inputs, training=False), again.encode_tokens(*inputs.values())
