"""RoBERTa and XLM-RoBERTa: BERT with one segment, whose positions begin after that of padding.

They are built as `BertBackbone`: `RobertaBackbone` has neither the segment embedding nor the pooler.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sftkeras.backbones.hugging_face import bert
from sftkeras.backbones.hugging_face.family import Weights, dense, embeddings

if TYPE_CHECKING:
    import keras

# A token's position is its place among the tokens that are no padding, counted from here on.
_PAD = 1
_FIRST_POSITION = _PAD + 1


def weights(encoder: keras.Model) -> Weights:
    """All weights of an encoder that `ROBERTA` built."""
    yield from embeddings(encoder, _FIRST_POSITION)
    yield from bert.layers(encoder)
    yield from dense(encoder.pooled_dense, "pooler.dense")


ROBERTA = replace(
    bert.BERT,
    model_type="roberta",
    prefix="roberta",
    weights=weights,
    defaults={**bert.BERT.defaults, "pad_token_id": _PAD},
    supported={**bert.BERT.supported, "pad_token_id": (_PAD,)},
    first_position=_FIRST_POSITION,
)

XLM_ROBERTA = replace(ROBERTA, model_type="xlm-roberta")
