"""A folder of pretrained weights to an encoder or a decoder, and its tokenizer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sftkeras.backbones.backbone import Backbone, BackboneKind
from sftkeras.backbones.keras_hub_decoders import keras_hub_decoder
from sftkeras.backbones.mode import Choice, Mode, choose_mode
from sftkeras.errors import SFTError
from sftkeras.handles import Kind, kind_of

__all__ = [
    "Backbone",
    "BackboneKind",
    "Choice",
    "Mode",
    "check_folder",
    "check_kind",
    "choice_without_weights",
    "choose_mode",
    "kind_of_backbone",
    "load_backbone",
    "load_chosen",
]


def check_folder(folder: Path, *, max_length: int, task: str | None = None, wanted: BackboneKind = "encoder") -> None:
    """Finds what `load_backbone` would refuse, as far as the small files of a Hugging Face folder show it at once.

    Imports no TensorFlow.

    Args:
        folder: of the weights.
        max_length: tokens a text will have at most.
        task: the kind of task that is to be trained; None takes whatever the folder holds.
        wanted: what that task trains.

    Raises:
        SFTError: SFT351 or SFT353 to SFT356, and SFT396 or SFT397 if the folder holds what the task does not train.
    """
    kind = kind_of(folder)
    if task is not None:
        check_kind(folder, task=task, wanted=wanted)
    if kind == "run":  # which keeps the small files of the folder that it began with
        folder, kind = folder / "backbone", json.loads((folder / "model.json").read_text(encoding="utf-8"))["backbone"]
    if kind == "hugging_face":
        from sftkeras.backbones.hugging_face import check_folder as check

        check(folder, max_length=max_length)


def check_kind(folder: Path, *, task: str, wanted: BackboneKind) -> None:
    """Checks that a folder of weights, or a run, holds what a task trains. Imports no TensorFlow.

    Raises:
        SFTError: SFT396 or SFT397 if it does not.
    """
    if kind_of_backbone(folder) != wanted:
        raise SFTError("SFT396" if wanted == "encoder" else "SFT397", folder=folder, task=task)


def kind_of_backbone(folder: Path) -> BackboneKind:
    """Return what a folder of weights, or a run, holds. Imports no TensorFlow."""
    kind = kind_of(folder)
    if kind == "run":
        folder, kind = folder / "backbone", json.loads((folder / "model.json").read_text(encoding="utf-8"))["backbone"]
    if kind == "keras_hub":
        return "decoder" if keras_hub_decoder(folder) else "encoder"
    if kind == "tfhub":
        return "encoder"
    from sftkeras.backbones.hugging_face import kind_of_config

    return kind_of_config(folder)


def choice_without_weights(folder: Path, kind: Kind) -> Choice:
    """Return how an encoder is loaded whose folder holds no weights, since a run has its own."""
    return Choice(folder, "opaque" if kind == "tfhub" else "native")


def load_backbone(
    folder: Path,
    *,
    max_length: int,
    dropout: float | None = None,
    mode: Mode = "auto",
    preprocessor: Path | None = None,
    without_weights: Kind | None = None,
    extra_tokens: Sequence[str] = (),
) -> Backbone:
    """Loads the encoder or decoder, and the tokenizer, of `folder`.

    Args:
        folder: a Hugging Face or KerasHub folder or a TF-Hub module, as `sftkeras.handles.resolve` gives it. Under a
            strategy's scope, use `choose_mode` before it and `load_chosen` in it.
        max_length: tokens a text will have at most.
        dropout: dropout inside the encoder; None takes the checkpoint's own.
        mode: how a TF-Hub module is loaded; see `choose_mode`.
        preprocessor: folder of the TF-Hub preprocessor that tokenises; None takes the encoder's own tokenizer, or the
            preprocessor that a run keeps beside its encoder.
        without_weights: the folder's kind, if it holds no weights: the encoder is built with zeros, for a run
            that has its own. A module is always whole.
        extra_tokens: strings that become tokens; see `sftkeras.backbones.extra_tokens`.

    Raises:
        SFTError: SFT35x to SFT38x if the folder's files are broken, do not match, are of no supported kind
            or cannot do what is asked.
    """
    if without_weights is None:
        choice = choose_mode(folder, mode)
    else:
        choice = choice_without_weights(folder, without_weights)
        kept = folder / "preprocessor"
        preprocessor = preprocessor or (kept if kept.is_dir() else None)
    return load_chosen(
        choice,
        max_length=max_length,
        dropout=dropout,
        preprocessor=preprocessor,
        without_weights=without_weights,
        extra_tokens=extra_tokens,
    )


def load_chosen(
    choice: Choice,
    *,
    max_length: int,
    dropout: float | None = None,
    preprocessor: Path | None = None,
    without_weights: Kind | None = None,
    extra_tokens: Sequence[str] = (),
) -> Backbone:
    """Loads what `choose_mode` chose, also under a strategy's scope; otherwise as `load_backbone`."""
    if choice.mode == "opaque":
        from sftkeras.backbones.tfhub.opaque import load as load_opaque

        backbone = load_opaque(choice.folder, max_length=max_length, dropout=dropout, preprocessor=preprocessor)
    else:
        backbone = _load_native(choice.folder, max_length, dropout, without_weights)
        if preprocessor is not None:
            backbone = _with_preprocessor(backbone, preprocessor)
    if extra_tokens:
        from sftkeras.backbones.extra_tokens import add_tokens

        backbone = add_tokens(backbone, extra_tokens)
    return replace(backbone, notes=(*choice.notes, *backbone.notes))


def _load_native(folder: Path, max_length: int, dropout: float | None, without_weights: Kind | None) -> Backbone:
    from sftkeras.backbones.bottlenecks import with_stored_bottlenecks
    from sftkeras.backbones.fused_transformer import use_fused_encoder_layers
    from sftkeras.internals.keras import zeros_in_place_of_random

    if (without_weights or kind_of(folder)) == "hugging_face":
        from sftkeras.backbones.hugging_face import load
    else:
        from sftkeras.backbones.keras_hub_preset import load
    with zeros_in_place_of_random():
        backbone = load(folder, dropout=dropout, weights=without_weights is None)
    use_fused_encoder_layers(backbone.model)
    if without_weights is None:
        backbone = with_stored_bottlenecks(backbone, folder)
    if max_length > backbone.max_positions:
        raise SFTError("SFT351", length=max_length, most=backbone.max_positions)
    return backbone


def _with_preprocessor(backbone: Backbone, folder: Path) -> Backbone:
    """The same encoder, with texts tokenised by the preprocessor in `folder`."""
    from sftkeras.backbones.tfhub.preprocessor import files_of, load_preprocessor

    preprocessor = load_preprocessor(folder)
    rows = backbone.model.token_embedding.input_dim
    if preprocessor.size is not None and preprocessor.size > rows:
        raise SFTError("SFT353", folder=folder, pieces=preprocessor.size, rows=rows)
    files = {**backbone.files, **files_of(folder, inside="preprocessor")}
    return replace(backbone, tokenizer=preprocessor, files=files)
