"""A folder of pretrained weights to an encoder and its tokenizer."""

from __future__ import annotations

from pathlib import Path

from sftkeras.backbones.backbone import Backbone
from sftkeras.errors import SFTError
from sftkeras.handles import Kind, kind_of

__all__ = ["Backbone", "load_backbone"]


def load_backbone(
    folder: Path, *, max_length: int, dropout: float | None = None, without_weights: Kind | None = None
) -> Backbone:
    """Loads the encoder and the tokenizer of `folder`.

    Args:
        folder: a Hugging Face or KerasHub folder, as `sftkeras.handles.resolve` gives it.
        max_length: tokens a text will have at most.
        dropout: dropout inside the encoder; None takes the checkpoint's own.
        without_weights: the folder's kind, if it holds no weights: the encoder is built with random ones, for a run
            that has its own.

    Raises:
        SFTError: SFT35x if the folder's files are broken, do not belong together, or are of no supported kind.
    """
    from sftkeras.backbones.fused_transformer import use_fused_encoder_layers

    if (without_weights or kind_of(folder)) == "hugging_face":
        from sftkeras.backbones.hugging_face import load
    else:
        from sftkeras.backbones.keras_hub_preset import load
    backbone = load(folder, dropout=dropout, weights=without_weights is None)
    use_fused_encoder_layers(backbone.encoder)
    if max_length > backbone.max_positions:
        raise SFTError("SFT351", length=max_length, most=backbone.max_positions)
    return backbone
