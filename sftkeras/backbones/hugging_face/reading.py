"""From a folder to a backbone: config → architecture → encoder → weights, and the tokenizer beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sftkeras.backbones.backbone import Backbone
from sftkeras.backbones.hugging_face import tokenizers
from sftkeras.backbones.hugging_face.config import read_config
from sftkeras.backbones.hugging_face.family import Family, is_pooler
from sftkeras.backbones.hugging_face.tensors import Tensors
from sftkeras.errors import SFTError

if TYPE_CHECKING:
    import keras


def load(folder: Path, *, dropout: float | None, weights: bool) -> Backbone:
    """Loads an encoder and its tokenizer; see `sftkeras.backbones.load_backbone`."""
    family, config = read_config(folder)
    files = tokenizers.read_tokenizer_files(folder)
    _check_vocabulary(folder, files.size, config["vocab_size"])
    tokenizer = files.build()
    if config.get("type_vocab_size") == 1:  # no number for a second segment
        tokenizer.layout = replace(tokenizer.layout, segments=False)
    encoder = family.build(config, dropout)
    has_pooler = _assign_weights(folder, family, encoder) if weights else True
    kept = {name: path for name in ("config.json", *tokenizers.FILES) if (path := folder / name).exists()}
    source = folder if weights else None
    return Backbone(encoder, tokenizer, family.positions(config), has_pooler, "hugging_face", kept, source)


def check_folder(folder: Path, *, max_length: int) -> None:
    """Finds what `load` and the length would fail on, as far as the small files show it.

    Raises:
        SFTError: SFT351 if the encoder has too few positions, SFT353 to SFT356 if a file is missing or damaged, asks
            for something unknown, or does not belong to the others.
    """
    family, config = read_config(folder)
    _check_vocabulary(folder, tokenizers.read_tokenizer_files(folder).size, config["vocab_size"])
    if max_length > (most := family.positions(config)):
        raise SFTError("SFT351", length=max_length, most=most)


def _check_vocabulary(folder: Path, pieces: int, rows: int) -> None:
    if pieces > rows:
        raise SFTError("SFT353", folder=folder, pieces=pieces, rows=rows)


def _assign_weights(folder: Path, family: Family, encoder: keras.Model) -> bool:
    """Fills `encoder` from the folder's safetensors; returns whether they had a pooler."""
    tensors = Tensors(folder, prefix=f"{family.prefix}.")
    has_pooler = any(is_pooler(weight) and weight.name in tensors for weight in family.weights(encoder))
    for weight in family.weights(encoder):
        if has_pooler or not is_pooler(weight):
            weight.assign(tensors.read(weight))
    return has_pooler
