"""From a folder to a backbone: config → architecture → encoder → weights, and the tokenizer beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.backbones.backbone import Backbone, BackboneKind
from sftkeras.backbones.hugging_face import tokenizers
from sftkeras.backbones.hugging_face.config import read_config, read_json
from sftkeras.backbones.hugging_face.decoder_tokenizers import read_decoder_tokenizer
from sftkeras.backbones.hugging_face.decoders import reading as decoders
from sftkeras.backbones.hugging_face.decoders.families import DECODER_FAMILIES
from sftkeras.backbones.hugging_face.family import Family, is_pooler
from sftkeras.backbones.hugging_face.tensors import Tensors
from sftkeras.errors import SFTError

if TYPE_CHECKING:
    import keras


def kind_of_config(folder: Path) -> BackboneKind:
    """Return what the network is that config.json describes: a decoder if its family is one of these."""
    return "decoder" if _is_decoder(read_json(folder / "config.json")) else "encoder"


def load(folder: Path, *, dropout: float | None, weights: bool) -> Backbone:
    """Loads an encoder or a decoder, and its tokenizer; see `sftkeras.backbones.load_backbone`."""
    config = read_json(folder / "config.json")
    if _is_decoder(config):
        return _load_decoder(folder, config, dropout, weights)
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
    config = read_json(folder / "config.json")
    if _is_decoder(config):
        most = decoders.describe(config, folder)[1].max_positions
        pieces = read_decoder_tokenizer(folder).size
    else:
        family, config = read_config(folder)
        most = family.positions(config)
        pieces = tokenizers.read_tokenizer_files(folder).size
    _check_vocabulary(folder, pieces, config["vocab_size"])
    if max_length > most:
        raise SFTError("SFT351", length=max_length, most=most)


def _is_decoder(config: dict[str, Any]) -> bool:
    return config.get("model_type") in list(DECODER_FAMILIES)  # a list also takes what no dict can have as a key


def _load_decoder(folder: Path, config: dict[str, Any], dropout: float | None, weights: bool) -> Backbone:
    files = read_decoder_tokenizer(folder)
    decoder = decoders.load_decoder(folder, config, dropout=dropout, weights=weights)
    _check_vocabulary(folder, files.size, decoder.config.vocabulary_size)
    return Backbone(
        decoder,
        files.build(),
        decoder.config.max_positions,
        has_pooler=False,
        format="hugging_face",
        files=decoders.kept_files(folder),
        weights=folder if weights else None,
        notes=decoders.notes(config),
        kind="decoder",
    )


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
