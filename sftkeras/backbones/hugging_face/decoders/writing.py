"""From a decoder to a folder that `load`, and Hugging Face's own library, read.

What the decoder came with is kept: its config.json, tokenizer, chat template and generation_config.json. Only the
weights, the size of the vocabulary and the type of the numbers are its own.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.backbones.hugging_face.added_tokens import add_to_files
from sftkeras.backbones.hugging_face.decoder_tokenizers import write_whole
from sftkeras.backbones.hugging_face.decoders.families import DECODER_FAMILIES
from sftkeras.backbones.hugging_face.decoders.weights import Joined, head
from sftkeras.backbones.hugging_face.family import Weight
from sftkeras.backbones.hugging_face.tensors import FloatType, write_tensors

if TYPE_CHECKING:
    from sftkeras.backbones import Backbone
    from sftkeras.backbones.decoders.decoder import Decoder


def write_decoder(folder: Path, backbone: Backbone, dtype: FloatType = "float32") -> None:
    """Writes config.json, model.safetensors and the other files that the backbone keeps.

    The weights are those of the decoder, in float32 bit for bit; a tied head is not written. Files are written one by
    one: give a folder that is not read yet.

    Args:
        folder: made if it is missing.
        backbone: a decoder that was loaded from a folder.
        dtype: to which the weights are rounded.
    """
    from sftkeras.text import Tokenizer

    folder.mkdir(parents=True, exist_ok=True)
    for name, path in backbone.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    config = written_config(backbone.model, dtype)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    write_tensors(tensors(backbone.model), folder, dtype)
    if backbone.tokenizer is not None:
        assert isinstance(backbone.tokenizer, Tokenizer)
        write_whole(folder)
        add_to_files(folder, backbone.tokenizer.special)


def written_config(decoder: Decoder, dtype: FloatType = "float32") -> dict[str, Any]:
    """Return the config.json of a decoder: that which it came with, for its weights of now."""
    assert decoder.source is not None  # of each that was loaded
    source = {key: value for key, value in decoder.source.items() if key not in ("dtype", "torch_dtype")}
    name = "dtype" if "dtype" in decoder.source else "torch_dtype"  # as transformers 5 and 4 call it
    return {**source, "vocab_size": decoder.config.vocabulary_size, name: dtype}


def tensors(decoder: Decoder) -> Iterator[Weight | Joined]:
    """All weights of a decoder by their names in a checkpoint."""
    family = DECODER_FAMILIES[decoder.model_type]
    for weight in family.weights(decoder):
        yield replace(weight, name=family.prefix + weight.name)
    yield from head(decoder)
