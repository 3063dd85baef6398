"""The parts of a backbone that a published TF-Hub module needs."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from sftkeras.backbones.backbone import Backbone
from sftkeras.backbones.hugging_face.family import listed, model_type_of
from sftkeras.errors import SFTError
from sftkeras.text import SentencePiece, Tokenizer, WordPiece, WordRules, without_special_strings

# The architectures that public modules have names for.
_PUBLISHED = ("bert", "electra", "albert")


@dataclass(frozen=True)
class Publication:
    """An encoder to publish, with its tokenizer; made by `Publication.of`.

    Attributes:
        encoder: a BERT, ELECTRA or ALBERT of KerasHub, in float32.
        tokenizer: splits texts into the numbers the encoder knows: a `WordPiece` or `SentencePiece`, to which tokens
            may have been added.
        pooled: what "pooled_output" is to be, [batch, hidden], from `encoder.output`.
        has_pooler: whether `pooled` comes from the encoder's own pooler, which is left out if it does not.
        max_positions: most tokens the encoder has positions for.
    """

    encoder: keras.Model
    tokenizer: Tokenizer
    pooled: keras.KerasTensor
    has_pooler: bool
    max_positions: int

    @classmethod
    def of(cls, backbone: Backbone, pooled: keras.KerasTensor) -> Publication:
        """Takes what it needs of a native backbone.

        Raises:
            SFTError: SFT378 if it has not its own tokenizer, SFT381 if public modules have no form for it.
        """
        if not isinstance(backbone.tokenizer, Tokenizer):
            raise SFTError("SFT378")
        kind = model_type_of(backbone.model)
        plain = without_special_strings(backbone.tokenizer)
        if (
            kind not in _PUBLISHED
            or not isinstance(plain, WordPiece | SentencePiece)
            or isinstance(plain.rules, WordRules)
        ):
            tokenizer = type(plain).__name__
            raise SFTError("SFT381", encoder=kind, tokenizer=tokenizer, known=listed(_PUBLISHED))
        return cls(backbone.model, backbone.tokenizer, pooled, backbone.has_pooler, backbone.max_positions)
