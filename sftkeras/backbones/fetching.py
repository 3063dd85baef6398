"""The handles of an encoder and of its preprocessor to local folders, checked as far as that is quick.

Imports no TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sftkeras.backbones import BackboneKind, check_folder, check_kind
from sftkeras.backbones.keras_hub_decoders import keras_hub_decoder
from sftkeras.handles import check_weights, is_gguf, kind_of, resolve, weights_folder


@dataclass(frozen=True)
class BackboneFolders:
    """Folders that `load_backbone` reads.

    Attributes:
        encoder: folder of the encoder.
        preprocessor: folder of the TF-Hub preprocessor that tokenises, if there is one.
    """

    encoder: Path
    preprocessor: Path | None = None


def fetch_backbone(
    handle: str,
    preprocessor: str | None,
    *,
    max_length: int,
    task: str | None = None,
    wanted: BackboneKind = "encoder",
) -> BackboneFolders:
    """Fetches what is not here yet.

    Args:
        handle: of the encoder.
        preprocessor: the handle of its preprocessor, or None.
        max_length: tokens a text will have at most.
        task: the kind of task that is to be trained; None takes whatever the folder holds.
        wanted: what that task trains.

    Raises:
        SFTError: SFT30x to SFT35x, SFT36x and SFT39x, if a handle leads nowhere or a file is missing or damaged.
    """
    encoder = _folder_of(resolve(handle), task, wanted)
    check_weights(encoder)
    check_folder(encoder, max_length=max_length, task=task, wanted=wanted)
    if preprocessor is None:
        return BackboneFolders(encoder)
    folder = resolve(preprocessor, flag="--backbone.preprocessor")
    check_weights(folder)
    return BackboneFolders(encoder, folder)


def fetch_weights(handle: str, *, flag: str) -> Path:
    """Fetch whatever weights a handle names; returns their folder, or that of a run.

    Args:
        handle: of an encoder or a decoder.
        flag: which gave the handle, for errors.

    Raises:
        SFTError: as `fetch_backbone`.
    """
    folder = _folder_of(resolve(handle, flag=flag), None, "encoder")
    check_weights(folder)
    return folder


def _folder_of(found: Path, task: str | None, wanted: BackboneKind) -> Path:
    """Return the folder of weights that was found, or that is made of the GGUF file or the preset that was found."""
    if is_gguf(found):
        from sftkeras.backbones import gguf  # its package takes a third of a second

        return gguf.convert(found)
    folder = weights_folder(found)
    if kind_of(folder) == "keras_hub" and keras_hub_decoder(folder):
        from sftkeras.backbones.keras_hub_decoders.conversion import convert

        if task is not None:
            check_kind(folder, task=task, wanted=wanted)
        return convert(folder)
    return folder
