"""Virtual tokens of a run: begun as the settings say, described for the run's files, and written as PEFT has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from sftkeras.backbones import Backbone
from sftkeras.backbones.virtual_tokens import VirtualTokens, add_virtual_tokens, values_of_tokens, virtual_weights
from sftkeras.config import TrainConfig
from sftkeras.disk.cache import building
from sftkeras.errors import SFTError

_KEY = "virtual_tokens"  # of model.json


def begin_virtual_tokens(backbone: Backbone, config: TrainConfig) -> Backbone:
    """Return the backbone with the virtual tokens of the settings.

    They begin as tokens of a text, or of the vocabulary, which the paper of prompt tuning found better than random
    numbers but for the largest models (Lester et al., 2021, arXiv:2104.08691). A prefix begins as the keys and values
    of such tokens, so that it changes the model like a text: the paper of prefix tuning found that better than random
    numbers too, and a network that makes the prefix of smaller vectors better than none (Li & Liang, 2021,
    arXiv:2101.00190). Here is no such network: that of P-tuning v2 helped on some tasks and harmed others (Liu et al.,
    2022, arXiv:2110.07602), and what is learned without one is what is stored.

    Raises:
        SFTError: SFT486 if a given adapter does not fit, SFT491 if too few positions are left for texts, SFT492 if a
            text cannot be tokenised.
    """
    tuning = config.tuning
    assert tuning.method in ("prompt", "prefix")
    if tuning.adapter:
        return _begin_with_given(backbone, config)
    virtual = VirtualTokens(tuning.method, int(tuning.virtual_tokens))  # of a type that Keras does not know
    check_room(backbone, virtual, config)
    if tuning.init == "random" and tuning.init_text is None:
        given = add_virtual_tokens(backbone, virtual)
        draw, weights = np.random.default_rng(config.seed), virtual_weights(given)
        # A prefix as PEFT and P-tuning v2 draw it; the vectors of a prompt as large as those of tokens.
        scale = 1.0 if virtual.kind == "prefix" else float(np.std(given.token_embedding.embeddings.numpy()))  # type: ignore[union-attr]
        return _assigned(given, [draw.normal(0, scale, tuple(weight.shape)) for weight in weights])
    values = values_of_tokens(backbone, virtual.kind, _first_tokens(backbone, config))
    return _assigned(add_virtual_tokens(backbone, virtual), values)


def add_described(backbone: Backbone, model: Mapping[str, Any]) -> Backbone:
    """Return the backbone with the virtual tokens that model.json of a run describes, if any, as zeros."""
    return add_virtual_tokens(backbone, VirtualTokens(**described)) if (described := model.get(_KEY)) else backbone


def describe_virtual_tokens(backbone: Backbone) -> dict[str, Any]:
    """Return what model.json says of the virtual tokens of a backbone; empty if it has none."""
    return {_KEY: backbone.virtual.describe()} if backbone.virtual else {}


def check_room(backbone: Backbone, virtual: VirtualTokens, config: TrainConfig) -> None:
    """Make sure that virtual tokens leave positions for texts.

    Raises:
        SFTError: SFT491.
    """
    most, length = backbone.max_positions, config.backbone.max_length
    if virtual.tokens + length > most:
        raise SFTError("SFT491", tokens=virtual.tokens, length=length, most=most)


def write_virtual_token_files(folder: Path, backbone: Backbone, base: str) -> bool:
    """Write the virtual tokens of a backbone as PEFT has them, if it has any and PEFT can hold them.

    Args:
        folder: lands whole or not at all, in place of what is there.
        backbone: with virtual tokens.
        base: where its weights are.

    Returns:
        Whether it was written.
    """
    from sftkeras.backbones.hugging_face.virtual_token_files import fits_peft, write_virtual_tokens

    if backbone.virtual is None or not fits_peft(backbone):
        return False
    with building(folder) as unfinished:
        write_virtual_tokens(unfinished, backbone, base)
    return True


def _assigned(backbone: Backbone, values: Sequence[np.ndarray]) -> Backbone:
    for variable, value in zip(virtual_weights(backbone), values, strict=True):
        variable.assign(value)
    return backbone


def _begin_with_given(backbone: Backbone, config: TrainConfig) -> Backbone:
    from sftkeras.backbones.hugging_face.virtual_token_files import read_virtual_tokens

    folder = Path(config.tuning.adapter or "").expanduser()
    virtual, tensor, left = read_virtual_tokens(folder, config.tuning.method)
    check_room(backbone, virtual, config)
    given = add_virtual_tokens(backbone, virtual)
    weights = virtual_weights(given)
    width = sum(weight.shape[1] for weight in weights)
    if tensor.shape != (virtual.tokens, width):
        problem = f"its virtual tokens have {tensor.shape[-1]} numbers each, and those of this backbone {width}."
        raise SFTError("SFT486", folder=folder, problem=f"{problem} Give an adapter of this backbone's weights.")
    notes = [f"the {virtual.tokens} virtual tokens of {folder} are begun with"]
    notes += [f"{left} tensors of its head are not taken"] if left else []
    values = np.split(tensor, np.cumsum([weight.shape[1] for weight in weights])[:-1], 1)
    return _assigned(replace(given, notes=(*given.notes, *notes)), values)


def _first_tokens(backbone: Backbone, config: TrainConfig) -> np.ndarray:
    """The tokens that virtual ones begin as, [tokens] int32."""
    tuning = config.tuning
    tokenizer: Any = backbone.tokenizer if backbone.knows_tokens else None  # none of a preprocessor
    if tuning.init_text is not None:
        found = tokenizer(tf.constant([tuning.init_text])).flat_values.numpy() if tokenizer else np.zeros(0)
        if not len(found):
            raise SFTError("SFT492", text=tuning.init_text)
        return np.resize(found, tuning.virtual_tokens).astype(np.int32)
    assert backbone.token_embedding is not None
    known = np.arange(backbone.token_embedding.input_dim)
    if tokenizer is not None:
        pieces = tokenizer.pieces(np.arange(tokenizer.size))
        special = set(tokenizer.special.values())
        # Neither special tokens nor places that a vocabulary keeps free.
        known = np.array(
            [
                number
                for number, piece in enumerate(pieces)
                if number not in special and any(map(str.isalpha, piece)) and piece[0] not in "[<"
            ]
        )
    return np.random.default_rng(config.seed).choice(known, tuning.virtual_tokens).astype(np.int32)
