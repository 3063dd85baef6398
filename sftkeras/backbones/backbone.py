"""What every kind of pretrained folder becomes: an encoder, its tokenizer, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras

from sftkeras.handles import Kind
from sftkeras.text import WordPiece


@dataclass(frozen=True)
class Backbone:
    """A pretrained encoder that is ready to be fine-tuned.

    Attributes:
        encoder: maps `{"token_ids", "segment_ids", "padding_mask"}`, each [batch, length] int32, to
            `{"sequence_output": [batch, length, hidden], "pooled_output": [batch, hidden]}`.
        tokenizer: splits texts into the numbers the encoder knows.
        max_positions: most tokens the encoder has positions for.
        has_pooler: whether "pooled_output" comes from pretrained weights.
        kind: where it came from: "hugging_face" or "keras_hub".
        files: the small files from which `load_backbone` can build the encoder again without its weights, by their
            path inside the folder, with / between the parts.
    """

    encoder: keras.Model
    tokenizer: WordPiece
    max_positions: int
    has_pooler: bool
    kind: Kind
    files: dict[str, Path]

    @property
    def parameters(self) -> int:
        """How many numbers the encoder has learnt."""
        return self.encoder.count_params()
