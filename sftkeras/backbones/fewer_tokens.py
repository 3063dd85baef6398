"""A backbone with some of its tokens alone: a tokenizer that knows no others, and fewer rows of its table."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from sftkeras.backbones.backbone import Backbone
from sftkeras.backbones.decoders.decoder import Decoder
from sftkeras.backbones.hugging_face import load_decoder_tokenizer, load_tokenizer, write_config, write_tokenizer
from sftkeras.backbones.hugging_face.config import read_json
from sftkeras.backbones.hugging_face.decoders.reading import kept_files
from sftkeras.backbones.hugging_face.fewer_tokens import write_fewer_tokens
from sftkeras.backbones.hugging_face.tokenizers import FILES
from sftkeras.internals.keras import replace_table
from sftkeras.text import Tokenizer
from sftkeras.text.tokenizers.trimming import trimmed


def write_tokenizer_of(backbone: Backbone, kept: np.ndarray, folder: Path) -> Tokenizer:
    """Writes the tokenizer's files for some of a backbone's tokens alone, and gives the tokenizer that they make.

    Args:
        backbone: a decoder, or an encoder that was rebuilt, with its own tokenizer.
        kept: numbers of tokens, [kept] int32, ascending: the n-th gets the number n. See
            `sftkeras.text.tokenizers.trimming.tokens_to_keep`.
        folder: exists and is empty; of a decoder, it also gets the other small files.
    """
    tokenizer = backbone.tokenizer
    assert isinstance(tokenizer, Tokenizer)
    if not isinstance(backbone.model, Decoder):
        write_tokenizer(trimmed(tokenizer, kept), folder)
        return load_tokenizer(folder)
    for name, path in backbone.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    write_fewer_tokens(folder, tokenizer.special, kept)
    return load_decoder_tokenizer(folder)


def keep_tokens(backbone: Backbone, kept: np.ndarray, tokenizer: Tokenizer, folder: Path) -> Backbone:
    """The same backbone with the rows of some tokens alone. Its tables are changed in place.

    Args:
        backbone: as of `write_tokenizer_of`.
        kept: as there.
        tokenizer: what that gave.
        folder: what it wrote into; gets the config.json of an encoder.
    """
    _keep_rows(backbone.model, kept)
    if isinstance(backbone.model, Decoder):
        backbone.model.source = read_json(folder / "config.json")
        files = kept_files(folder)
    else:
        write_config(backbone.model, folder)
        files = {name: folder / name for name in ("config.json", *FILES) if (folder / name).exists()}
    return replace(backbone, tokenizer=tokenizer, format="hugging_face", files=files, weights=None)


def _keep_rows(model: keras.Model, kept: np.ndarray) -> None:
    """Gives the token embedding, and a decoder's head of its own, the rows of some tokens alone."""
    replace_table(model.token_embedding, model.token_embedding.embeddings.numpy()[kept])
    if isinstance(model, Decoder):
        if not model.config.tied:
            replace_table(model.output_layer, model.output_kernel.numpy()[kept])
        model.set_vocabulary_size(len(kept))
    for size in ("vocabulary_size", "vocab_size"):
        if hasattr(model, size):
            setattr(model, size, len(kept))
