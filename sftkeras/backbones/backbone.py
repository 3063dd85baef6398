"""What every kind of pretrained folder becomes: an encoder, its tokenizer, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sftkeras.handles import Kind

if TYPE_CHECKING:
    import keras

    from sftkeras.text import ModulePreprocessor, Tokenizer


@dataclass(frozen=True)
class Backbone:
    """A pretrained encoder that is ready to be fine-tuned.

    Attributes:
        encoder: maps `{"token_ids", "segment_ids", "padding_mask"}`, each [batch, length] int32, to
            `{"sequence_output": [batch, length, hidden], "pooled_output": [batch, hidden]}`; or, if it reads texts
            itself, `{"text"}`, [batch] string, to `{"pooled_output"}` alone.
        tokenizer: splits texts into the numbers the encoder knows, or the TF-Hub preprocessor that does so and packs
            them too; None if the encoder reads texts itself.
        max_positions: most tokens the encoder has positions for.
        has_pooler: whether "pooled_output" comes from pretrained weights.
        kind: what wrote `files`: "hugging_face", "keras_hub" or "tfhub".
        files: what `load_backbone` needs to build the encoder again for weights of its own, by the path inside the
            folder, with / between the parts: small files, but of a "tfhub" module all.
        weights: the Hugging Face folder that its weights are from; None for other kinds, and where a run has its own.
        notes: what a user should be told: how it was loaded and why, and which settings cannot reach it.
    """

    encoder: keras.Model
    tokenizer: Tokenizer | ModulePreprocessor | None
    max_positions: int
    has_pooler: bool
    kind: Kind
    files: dict[str, Path]
    weights: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """How many numbers the encoder has learnt."""
        return self.encoder.count_params()
