"""From a backbone to a folder that `load`, and Hugging Face's own library, read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.backbones.hugging_face.albert import ALBERT
from sftkeras.backbones.hugging_face.bert import BERT
from sftkeras.backbones.hugging_face.electra import ELECTRA
from sftkeras.backbones.hugging_face.families import FAMILIES
from sftkeras.backbones.hugging_face.family import Family, is_pooler, listed
from sftkeras.backbones.hugging_face.masked_lm import MaskedLMHead, head_weights
from sftkeras.backbones.hugging_face.task_heads import CLASSES, TaskHead, tensors_with_head
from sftkeras.backbones.hugging_face.tensors import FloatType, Stored, write_tensors
from sftkeras.backbones.hugging_face.tokenizers import write_tokenizer
from sftkeras.errors import SFTError

if TYPE_CHECKING:
    import keras

    from sftkeras.text import Tokenizer

_BY_CLASS = {family.encoder: family for family in (BERT, ELECTRA, ALBERT)}


def write_folder(
    folder: Path,
    encoder: keras.Model,
    tokenizer: Tokenizer,
    *,
    has_pooler: bool,
    head: MaskedLMHead | TaskHead | None = None,
    dtype: FloatType = "float32",
) -> None:
    """Writes config.json, model.safetensors and the tokenizer's files.

    The weights are those of the encoder, bit for bit; the config is what the encoder is, not what a config.json that it
    once came from said. Files are written one by one: give a folder that is not read yet.

    Args:
        folder: made if it is missing.
        encoder: an encoder that was built here, or a BERT, ELECTRA or ALBERT of `keras_hub.models`.
        tokenizer: splits texts into the numbers the encoder knows.
        has_pooler: whether the encoder's pooler is worth keeping.
        head: a masked-LM head, or one that transformers has a class for, to go with it.
        dtype: to which the weights are rounded.

    Raises:
        SFTError: SFT355 if the encoder is of another architecture, or has an activation without a name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    family = _family_of(encoder, folder)
    weights: list[Stored]
    if isinstance(head, TaskHead):
        weights = [*tensors_with_head(family, encoder, head)]
    else:
        weights = [it for it in family.weights(encoder) if has_pooler or not is_pooler(it)]
        weights += head_weights(head, family.model_type) if head else ()
    config = {"architectures": [CLASSES[family.model_type] + _class_end(head)], "dtype": dtype}
    _write_config(family, encoder, folder, config | (head.config() if isinstance(head, TaskHead) else {}))
    write_tensors(weights, folder, dtype)
    write_tokenizer(tokenizer, folder)


def write_config(encoder: keras.Model, folder: Path) -> Family:
    """Writes config.json alone, into a folder that exists, and gives the architecture. Raises as `write_folder`."""
    family = _family_of(encoder, folder)
    _write_config(family, encoder, folder, {})
    return family


def _class_end(head: MaskedLMHead | TaskHead | None) -> str:
    """Return the end of the name of the class of transformers that has such a head."""
    if isinstance(head, TaskHead):
        return f"For{head.kind}"
    return "ForMaskedLM" if head else "Model"


def _write_config(family: Family, encoder: keras.Model, folder: Path, more: Mapping[str, Any]) -> None:
    config = json.dumps({**family.describe(encoder), **more}, ensure_ascii=False, indent=2)
    (folder / "config.json").write_text(config + "\n", encoding="utf-8")


def _family_of(encoder: keras.Model, folder: Path) -> Family:
    family = family_of(encoder)
    if family is None:
        kind = type(encoder).__name__
        raise SFTError("SFT355", folder=folder, key="encoder", value=kind, known=listed(_BY_CLASS))
    return family


def family_of(encoder: keras.Model) -> Family | None:
    """Return the architecture of an encoder; None if Hugging Face's form of it is not known."""
    # An encoder that was not built here is known by its class.
    return FAMILIES.get(getattr(encoder, "model_type", "")) or _BY_CLASS.get(type(encoder).__name__)
