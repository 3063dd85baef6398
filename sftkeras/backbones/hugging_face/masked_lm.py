"""The masked-LM head of a checkpoint: by the names that each architecture has for it, read if it is there, and written.

A head is anything with the layers `dense` and `norm` and the variable `bias`, one number for each token; its product
with the token embedding is nothing of its own.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from sftkeras.backbones.hugging_face.family import Weight, Weights, dense, model_type_of, norm
from sftkeras.backbones.hugging_face.tensors import Tensors

if TYPE_CHECKING:
    import keras


class MaskedLMHead(Protocol):
    """The layers of a masked-LM head that are read and written."""

    dense: keras.layers.Dense
    norm: keras.layers.LayerNormalization
    bias: keras.Variable


class _Names(NamedTuple):
    dense: str
    norm: str
    bias: str


_BERT = _Names("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias")
_ROBERTA = _Names("lm_head.dense", "lm_head.layer_norm", "lm_head.bias")
_NAMES = {
    "bert": _BERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "distilbert": _Names("vocab_transform", "vocab_layer_norm", "vocab_projector.bias"),
    "albert": _Names("predictions.dense", "predictions.LayerNorm", "predictions.bias"),
    "electra": _Names("generator_predictions.dense", "generator_predictions.LayerNorm", "generator_lm_head.bias"),
    "deberta-v2": _BERT,
}


def head_weights(head: MaskedLMHead, model_type: str) -> Weights:
    """The weights that are the head's own, the bias last."""
    names = _NAMES.get(model_type, _BERT)
    yield from dense(head.dense, names.dense)
    yield from norm(head.norm, names.norm)
    yield Weight(head.bias, names.bias, tuple(head.bias.shape))


def read_head(folder: Path, encoder: keras.Model, head: MaskedLMHead) -> bool:
    """Fills a head from the folder its encoder is from; returns whether there was one.

    Tokens that were added since have the bias zero.

    Raises:
        SFTError: as `Tensors.read`, if there is a head that is damaged or of another shape.
    """
    *weights, bias = head_weights(head, model_type_of(encoder))
    tensors = Tensors(folder, prefix="")
    if not all(weight.name in tensors for weight in (*weights, bias)):
        return False
    for weight in weights:
        weight.assign(tensors.read(weight))
    known = tensors.read(replace(bias, shape=tensors.shape(bias.name)))[: bias.shape[0]]
    bias.assign(np.concatenate([known, np.zeros(bias.shape[0] - len(known), known.dtype)]))
    return True
