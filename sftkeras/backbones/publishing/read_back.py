"""Proof that a written folder is the backbone it was made of: loaded again, weights, tokens and outputs compared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones import Backbone, load_backbone
from sftkeras.backbones.decoders.config import DecoderConfig, Rope
from sftkeras.errors import SFTError
from sftkeras.text import Tokenizer

TOLERANCE = 1e-4  # of outputs in float32, relative to the largest
# How far a weight may be from what it was, relative to the largest of its tensor. Gemma's norms are rounded in float32
# where 1 is added to them; blocks of Q8_0 have 127 steps to their largest weight, and its scale is a float16.
_OF_WEIGHTS = {"float32": 1e-6, "float16": 1e-3, "bfloat16": 4e-3, "q8_0": 5e-3}
_LENGTHS = (1, 2, 7, 16, 33)  # tokens of the rows that are compared
_NOT_KEPT = ("embedding_dropout", "residual_dropout", "attention_dropout")  # GGUF files say nothing of training


def prove_folder(made_of: Backbone, folder: Path, dtype: str, texts: Sequence[str]) -> float:
    """Compare the backbone of a folder with what it was made of.

    Args:
        made_of: what was written.
        folder: a Hugging Face folder.
        dtype: of the written weights: float32, float16, bfloat16 or q8_0.
        texts: on which tokenizers are compared.

    Returns:
        The largest difference of an output, relative to the largest output where that exceeds one.

    Raises:
        SFTError: SFT379 if a setting, a token or a weight is another one, or an output in float32 differs by more than
            `TOLERANCE`.
    """
    again = load_backbone(folder, max_length=1)
    if made_of.kind == "decoder":
        _compare_configs(made_of.model.config, again.model.config)
    _compare_weights(made_of, again, _OF_WEIGHTS[dtype])
    _compare_tokens(made_of, again, texts)
    difference = _difference_of_outputs(made_of, again)
    if dtype == "float32" and not difference <= TOLERANCE:  # also where it is no number
        raise SFTError("SFT379", problem=f"its outputs differ by {difference:.1e}")
    return difference


def _compare_configs(expected: DecoderConfig, found: DecoderConfig) -> None:
    for setting in fields(DecoderConfig):
        one, other = getattr(expected, setting.name), getattr(found, setting.name)
        if setting.name not in _NOT_KEPT and not _is_same(one, other):
            raise SFTError("SFT379", problem=f"{setting.name} is {other}, not {one}"[:200])


def _is_same(one: Any, other: Any) -> bool:
    """Whether two settings are equal but for the rounding of floats."""
    match one, other:
        case (float(), float()):
            return math.isclose(one, other, rel_tol=1e-5)
        case (Rope(), Rope()):
            return _is_same((*one.frequencies, one.factor), (*other.frequencies, other.factor))
        case (tuple(), tuple()):
            return len(one) == len(other) and all(map(_is_same, one, other))
    return one == other


def _compare_weights(made_of: Backbone, again: Backbone, tolerance: float) -> None:
    for expected, found in zip(_weights(made_of), _weights(again), strict=True):
        one, other = expected.numpy(), found.numpy()
        if one.shape != other.shape or not np.abs(one - other).max() <= tolerance * max(np.abs(one).max(), 1e-30):
            raise SFTError("SFT379", problem=f"the weight {expected.path} is another one")


def _weights(backbone: Backbone) -> Iterator[keras.Variable]:
    """Yield the weights that were written: all but those of a pooler that was not trained."""
    pooler = backbone.pooler
    left_out = {id(it) for it in pooler.weights} if pooler is not None else set()
    yield from (it for it in backbone.model.weights if id(it) not in left_out)


def _compare_tokens(made_of: Backbone, again: Backbone, texts: Sequence[str]) -> None:
    given = tf.constant([text.encode("utf-8", "replace") for text in texts])
    both = (_tokenizer(backbone)(given).to_list() for backbone in (made_of, again))
    for text, expected, found in zip(texts, *both, strict=True):
        if expected != found:
            raise SFTError("SFT379", problem=f"its tokenizer splits {text[:60]!r} otherwise")


def _tokenizer(backbone: Backbone) -> Tokenizer:
    assert isinstance(backbone.tokenizer, Tokenizer)
    return backbone.tokenizer


def _difference_of_outputs(made_of: Backbone, again: Backbone) -> float:
    inputs = _random_inputs(made_of)
    expected, found = (
        backbone.model(inputs, training=False)["sequence_output"].numpy() for backbone in (made_of, again)
    )
    mask = inputs["segments" if made_of.kind == "decoder" else "padding_mask"] > 0
    return float(np.abs(found - expected)[mask].max() / max(1.0, np.abs(expected[mask]).max()))


def _random_inputs(backbone: Backbone) -> dict[str, np.ndarray]:
    """Token numbers in rows of unequal length, each [batch, length] int32; the same ones every time."""
    lengths = np.minimum(_LENGTHS, backbone.max_positions)[:, np.newaxis]
    place = np.arange(lengths.max(), dtype=np.int32)
    mask = (place < lengths).astype(np.int32)
    random = np.random.default_rng(0)
    tokens = random.integers(_tokenizer(backbone).size, size=mask.shape, dtype=np.int32) * mask
    if backbone.kind == "decoder":
        return {"token_ids": tokens, "positions": place * mask, "segments": mask}
    return {"token_ids": tokens, "segment_ids": np.zeros_like(mask), "padding_mask": mask}
