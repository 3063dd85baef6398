"""The `Backbone` that every kind of pretrained folder becomes: a network, its tokenizer, and facts about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sftkeras.handles import Kind

if TYPE_CHECKING:
    import keras

    from sftkeras.backbones.virtual_tokens import VirtualTokens
    from sftkeras.text import ModulePreprocessor, Tokenizer


BackboneKind = Literal["encoder", "decoder"]


@dataclass(frozen=True)
class Backbone:
    """A pretrained encoder or decoder that is ready to be fine-tuned: what it is, and what it gives.

    Attributes:
        model: a `Decoder` (see there); or an encoder, which maps `{"token_ids", "segment_ids", "padding_mask"}`, each
            [batch, length] int32, to `{"sequence_output": [batch, length, hidden], "pooled_output": [batch, hidden]}`,
            or, if it reads texts itself, `{"text"}`, [batch] string, to `{"pooled_output"}` alone.
        tokenizer: splits texts into the numbers the model knows, or the TF-Hub preprocessor that does so and packs
            them too; None if the encoder reads texts itself.
        max_positions: most tokens the model has positions for.
        has_pooler: whether "pooled_output" comes from pretrained weights.
        format: what wrote `files`: "hugging_face", "keras_hub" or "tfhub".
        files: what `load_backbone` needs to build the encoder again for weights of its own, by the path inside the
            folder, with / between the parts: small files, but of a "tfhub" module all.
        weights: the Hugging Face folder that its weights are from; None for other kinds, and where a run has its own.
        notes: how it was loaded and why, and which settings cannot reach it, for the user.
        kind: what the network does with tokens: an "encoder" gives each a vector that depends on all others, a
            "decoder" one that depends on those before it, and predicts the next.
        virtual: its virtual tokens, if it has any; `max_positions` are those that they leave.
    """

    model: keras.Model
    tokenizer: Tokenizer | ModulePreprocessor | None
    max_positions: int
    has_pooler: bool
    format: Kind
    files: dict[str, Path]
    weights: Path | None = None
    notes: tuple[str, ...] = ()
    kind: BackboneKind = "encoder"
    virtual: VirtualTokens | None = None

    @property
    def is_module(self) -> bool:
        """Whether the encoder is a TF-Hub module that is trained as it is: its layers cannot be accessed."""
        return self.format == "tfhub"

    @property
    def gives_token_vectors(self) -> bool:
        """Whether it gives a vector for each token, besides one for each text."""
        return "sequence_output" in self.model.output

    @property
    def knows_tokens(self) -> bool:
        """Whether its tokenizer says what a token is, and which characters it stands for; a preprocessor does not."""
        from sftkeras.text import Tokenizer

        return isinstance(self.tokenizer, Tokenizer)

    @property
    def token_embedding(self) -> keras.layers.Embedding | None:
        """The table of the tokens' vectors; None inside of a module."""
        return None if self.is_module else self.model.token_embedding

    @property
    def layers(self) -> tuple[keras.layers.Layer, ...]:
        """The transformer layers from the first to the last, each once, also one that is run again; none of a module.

        All that comes before them is the model's embeddings.
        """
        from sftkeras.backbones.hugging_face.family import transformer_layers

        return () if self.is_module else tuple(transformer_layers(self.model))

    @property
    def pooler(self) -> keras.layers.Dense | None:
        """The layer after the transformer that a text's vector comes from; None where there is none of its own."""
        return None if self.is_module or self.kind == "decoder" else self.model.pooled_dense

    @property
    def after_layers(self) -> tuple[keras.layers.Layer, ...]:
        """Layers after the last transformer layer: a pooler, or a decoder's last norm and a head of its own."""
        if self.kind == "decoder":
            head = () if self.model.config.tied else (self.model.output_layer,)
            return (self.model.last_norm, *head)
        return (self.pooler,) if self.pooler else ()

    @property
    def parameters(self) -> int:
        """Number of the model's parameters."""
        return self.model.count_params()
