"""Proof that a written module is the encoder it was made of: loaded from its files, asked, and converted back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones import load_backbone
from sftkeras.backbones.publishing.publication import Publication
from sftkeras.backbones.tfhub.names import HUB_INPUTS, hub_names
from sftkeras.backbones.tfhub.native import convert
from sftkeras.errors import SFTError
from sftkeras.text import TextFeatures, Tokenizer

TOLERANCE = 1e-5  # float32 through stock layers instead of fused ones differs by some 1e-6
_LENGTHS = (1, 2, 7, 16, 33)  # tokens of the rows that are compared


def prove(made_of: Publication, encoder: Path, preprocessor: Path, texts: Sequence[str]) -> float:
    """Compares what `write_encoder` and `write_preprocessor` wrote with what they were given.

    Args:
        made_of: what was published.
        encoder: the module.
        preprocessor: its preprocessor.
        texts: what the preprocessor and the tokenizer are compared on.

    Returns:
        The largest difference of an output, relative to the largest output where that exceeds one.

    Raises:
        SFTError: SFT379 if an output differs by more than `TOLERANCE`, or a weight or a token at all.
    """
    difference = _compare_outputs(made_of, encoder)
    _compare_native(made_of, encoder)
    _compare_tokens(made_of.tokenizer, preprocessor, texts)
    return difference


def largest_difference(expected: Mapping[str, tf.Tensor], found: Mapping[str, tf.Tensor]) -> float:
    """Largest distance between the outputs of a written module and those of its source; see `prove`."""
    largest = 0.0
    for name, tensor in expected.items():
        difference = float(np.max(np.abs(found[name] - tensor)) / max(1.0, np.max(np.abs(tensor))))
        if not difference <= TOLERANCE:  # also where it is no number
            raise SFTError("SFT379", problem=f"{name} differs by {difference:.1e}")
        largest = max(largest, difference)
    return largest


def _compare_outputs(made_of: Publication, folder: Path) -> float:
    encoder = made_of.encoder
    network = keras.Model(encoder.input, {**encoder.output, "pooled_output": made_of.pooled})
    inputs = _random_inputs(made_of)
    found = tf.saved_model.load(str(folder))({name: inputs[ours] for name, ours in HUB_INPUTS.items()})
    return largest_difference(network(inputs, training=False), found)


def _compare_native(made_of: Publication, folder: Path) -> None:
    again = load_backbone(convert(folder), max_length=made_of.max_positions)
    if again.has_pooler != made_of.has_pooler:
        raise SFTError("SFT379", problem="its pooler is lost when it is loaded natively")
    if again.tokenizer is None or again.tokenizer.fingerprint != made_of.tokenizer.fingerprint:
        raise SFTError("SFT379", problem="its tokenizer is another one when it is loaded natively")
    names = (hub_names(encoder, made_of.has_pooler) for encoder in (made_of.encoder, again.model))
    for (expected, name), (found, _) in zip(*names, strict=True):
        if not np.array_equal(found.numpy(), expected.numpy()):
            raise SFTError("SFT379", problem=f"{name} differs when it is loaded natively")


def _compare_tokens(tokenizer: Tokenizer, folder: Path, texts: Sequence[str]) -> None:
    """Lets the preprocessor pack each text, and each with another as a pair."""
    module = tf.saved_model.load(str(folder))
    given = tf.constant([text.encode("utf-8", "replace") for text in texts])
    for parts in ([given], [given, given[::-1]]):
        found = module.bert_pack_inputs([module.tokenize(part) for part in parts])
        length = found["input_mask"].shape[1]
        expected = TextFeatures(tokenizer, max_length=length, pairs=len(parts) > 1)(*parts)
        for name, ours in HUB_INPUTS.items():
            rest = length - expected[ours].shape[1]  # features are as wide as the longest row
            fill = tokenizer.pad_id if ours == "token_ids" else 0
            if not np.array_equal(found[name], np.pad(expected[ours], [(0, 0), (0, rest)], constant_values=fill)):
                raise SFTError("SFT379", problem=f"its preprocessor gives another {name}")


def _random_inputs(made_of: Publication) -> dict[str, np.ndarray]:
    """Token numbers in rows of unequal length, each [batch, length] int32; the same ones every time."""
    random = np.random.default_rng(0)
    lengths = np.minimum(_LENGTHS, made_of.max_positions)[:, np.newaxis]
    place = np.arange(lengths.max())
    mask = (place < lengths).astype(np.int32)
    tokens = random.integers(made_of.tokenizer.size, size=mask.shape, dtype=np.int32)
    second = (place >= lengths // 2).astype(np.int32)
    segments = np.minimum(second, made_of.encoder.num_segments - 1)
    return {"token_ids": tokens * mask, "segment_ids": segments * mask, "padding_mask": mask}
