"""From a folder to a decoder: config → family → network → weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sftkeras.backbones.decoders.config import DecoderConfig
from sftkeras.backbones.hugging_face.decoders.families import DECODER_FAMILIES
from sftkeras.backbones.hugging_face.decoders.family import DecoderFamily
from sftkeras.backbones.hugging_face.decoders.weights import head
from sftkeras.backbones.hugging_face.family import listed, table
from sftkeras.backbones.hugging_face.piece_models import MODEL
from sftkeras.backbones.hugging_face.tensors import Tensors
from sftkeras.backbones.hugging_face.tokenizers import FILES
from sftkeras.errors import SFTError

if TYPE_CHECKING:
    from sftkeras.backbones.decoders.decoder import Decoder

# Keys of config.json that ask for nothing that a forward pass computes.
_UNCOMPUTED = {
    *("architectures", "model_type", "torch_dtype", "dtype", "transformers_version", "name_or_path", "_name_or_path"),
    *("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id", "id2label", "label2id", "problem_type"),
    *("auto_map", "is_llama_config", "use_cache", "cache_implementation", "initializer_range", "pretraining_tp"),
    *("output_attentions", "output_hidden_states", "return_dict", "task_specific_params", "chunk_size_feed_forward"),
    *("_attn_implementation", "attn_implementation", "transformers.js_config", "unsloth_fixed", "unsloth_version"),
}

# What null turns off, where a number is the default.
_OFF_BY_NULL = ("sliding_window", "attn_logit_softcapping", "final_logit_softcapping")


def describe(config: dict[str, Any], folder: Path) -> tuple[DecoderFamily, DecoderConfig]:
    """Gives the family of a config.json whose `model_type` is known, and what the network computes.

    Raises:
        SFTError: SFT354 if a size is missing or does not go with another, SFT355 if it asks for something that is not
            computed.
    """
    family = DECODER_FAMILIES[config["model_type"]]
    settings = {**family.defaults, **config}
    if missing := [key for key in family.sizes if not _is_size(settings.get(key))]:
        raise SFTError("SFT354", path=folder / "config.json", problem=f"no number for {listed(missing)}")
    for key, values in {**family.supported, "quantization_config": (None,)}.items():
        if (value := settings.get(key)) not in values:
            raise SFTError("SFT355", folder=folder, key=key, value=value, known=listed(values))
    numbers = {key for key, default in family.defaults.items() if isinstance(default, int | float)}
    given = {key: settings[key] for key in numbers if not (settings[key] is None and key in _OFF_BY_NULL)}
    if wrong := [key for key, value in given.items() if not isinstance(value, int | float)]:
        raise SFTError("SFT354", path=folder / "config.json", problem=f"no number for {listed(sorted(wrong))}")
    return family, family.describe(settings, folder)


def notes(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the user should know of a config.json: keys that ask for something nobody here knows of."""
    family = DECODER_FAMILIES[config["model_type"]]
    known = {*family.sizes, *family.defaults, *family.supported, *family.also_read, *_UNCOMPUTED}
    unknown = [key for key, value in config.items() if key not in known and value not in (None, False)]
    note = f"config.json has settings that are not known here and change nothing: {listed(unknown)}"
    return (note,) if unknown else ()


def kept_files(folder: Path) -> dict[str, Path]:
    """Return the small files of a folder that a decoder is rebuilt and used with, by their paths in it."""
    names = ("config.json", *FILES, MODEL, "generation_config.json", "chat_template.jinja", "chat_template.json")
    templates = (path.relative_to(folder).as_posix() for path in folder.glob("additional_chat_templates/*.jinja"))
    return {name: folder / name for name in (*names, *templates) if (folder / name).exists()}


def load_decoder(folder: Path, config: dict[str, Any], *, dropout: float | None, weights: bool) -> Decoder:
    """Builds the decoder of a folder.

    Args:
        folder: has the weights in safetensors.
        config: what its config.json says.
        dropout: all dropout inside the decoder; None takes the config's.
        weights: whether to read them; otherwise they are zeros, for a run that has its own.

    Raises:
        SFTError: as `describe`; SFT357 to SFT359 if a tensor is missing or damaged.
    """
    from sftkeras.backbones.decoders.decoder import Decoder
    from sftkeras.internals.keras import zeros_in_place_of_random

    family, described = describe(config, folder)
    if dropout is not None:
        described = replace(described, embedding_dropout=dropout, residual_dropout=dropout, attention_dropout=dropout)
    with zeros_in_place_of_random():
        decoder = Decoder(described)
    decoder.source = config
    if weights:
        _assign_weights(folder, family, decoder)
    return decoder


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _assign_weights(folder: Path, family: DecoderFamily, decoder: Decoder) -> None:
    tensors = Tensors(folder, family.prefix)
    for weight in family.weights(decoder):
        weight.assign(tensors.read(weight))
    heads = Tensors(folder, prefix="")
    for weight in head(decoder):
        weight.assign(heads.read(weight))
    _check_tied(heads, decoder, folder)


def _check_tied(tensors: Tensors, decoder: Decoder, folder: Path) -> None:
    """Refuses a head of its own beside a config.json that ties it to the embedding: one of the two is not meant.

    Raises:
        SFTError: SFT389.
    """
    if not decoder.config.tied or "lm_head.weight" not in tensors:
        return
    (weight,) = table(decoder.output_kernel, "lm_head")
    if not np.array_equal(tensors.read(weight), decoder.output_kernel.numpy()):
        raise SFTError("SFT389", folder=folder)
