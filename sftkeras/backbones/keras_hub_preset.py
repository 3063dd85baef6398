"""A KerasHub preset folder to an encoder and its tokenizer."""

from __future__ import annotations

from pathlib import Path

import keras_hub

from sftkeras.backbones.backbone import Backbone
from sftkeras.errors import SFTError
from sftkeras.text import WordPiece


def load(folder: Path, *, dropout: float | None, weights: bool) -> Backbone:
    """Loads a BERT-family encoder that KerasHub saved; see `sftkeras.backbones.load_backbone`."""
    try:
        settings = {} if dropout is None else {"dropout": dropout}
        encoder = keras_hub.models.Backbone.from_preset(str(folder), load_weights=weights, **settings)
        tokenizer = keras_hub.models.Tokenizer.from_preset(str(folder))
    except (OSError, ValueError, KeyError) as error:
        raise SFTError("SFT354", path=folder, problem=" ".join(str(error).split())) from error
    if not isinstance(encoder, keras_hub.models.BertBackbone):
        raise SFTError("SFT355", folder=folder, key="backbone", value=type(encoder).__name__, known="BertBackbone")
    if len(tokenizer.vocabulary) > encoder.vocabulary_size:
        raise SFTError("SFT353", folder=folder, pieces=len(tokenizer.vocabulary), rows=encoder.vocabulary_size)
    word_piece = WordPiece(
        tokenizer.vocabulary,
        lowercase=tokenizer.lowercase,
        # BERT's own rule: an uncased model saw no accents. KerasHub's converter leaves the setting at False.
        strip_accents=tokenizer.strip_accents or tokenizer.lowercase,
        split_cjk=tokenizer.split_on_cjk,
    )
    files = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".weights.h5")
    }
    return Backbone(encoder, word_piece, encoder.max_sequence_length, True, "keras_hub", files)
