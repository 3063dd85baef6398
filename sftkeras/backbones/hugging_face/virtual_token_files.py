"""Virtual tokens as PEFT keeps them, adapter_config.json and adapter_model.safetensors: read and written.

PEFT has them in one tensor, `prompt_embeddings`: of a prompt [tokens, numbers in a token's vector]; of a prefix
[tokens, layers * 2 * width], for each layer the key and then the value, heads side by side. A network that made the
prefix in training is not in it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from sftkeras.backbones.hugging_face.adapter_files import CONFIG, VIRTUAL, WEIGHTS, read_tensors
from sftkeras.backbones.hugging_face.family import model_type_of
from sftkeras.backbones.virtual_tokens import VirtualTokens, virtual_weights
from sftkeras.errors import SFTError

if TYPE_CHECKING:
    from sftkeras.backbones import Backbone

_TENSOR = "prompt_embeddings"
# Encoders of Hugging Face's library that take keys and values from outside, which PEFT gives a prefix by.
_TAKE_KEYS = ("bert", "roberta", "xlm-roberta", "electra")


def fits_peft(backbone: Backbone) -> bool:
    """Whether PEFT can give a backbone of Hugging Face's library such virtual tokens.

    Encoders must take keys and values from outside for a prefix, and have token vectors as wide as their layers for a
    prompt.
    """
    from sftkeras.backbones.hugging_face.adapter_files import has_family

    if not has_family(backbone) or backbone.virtual is None:
        return False
    model = backbone.model
    if backbone.kind == "decoder":
        return True
    if backbone.virtual.kind == "prefix":
        is_whole = all(weight.shape[1] == 2 * model.hidden_dim for weight in virtual_weights(backbone))  # of all heads
        return is_whole and model_type_of(model) in _TAKE_KEYS
    return bool(model.token_embedding.output_dim == model.hidden_dim)


def read_virtual_tokens(folder: Path, kind: str) -> tuple[VirtualTokens, np.ndarray, int]:
    """Read virtual tokens.

    Args:
        folder: whose adapter_config.json `AdapterConfig.read` has read.
        kind: of virtual tokens.

    Returns:
        What they are; their values, [tokens, numbers] float32; and how many tensors of the file are others.

    Raises:
        SFTError: SFT486 if the file cannot be read, or does not hold them.
    """
    tensors = read_tensors(folder)
    values = tensors.pop(_TENSOR, None)
    if values is None or values.ndim != 2:
        raise SFTError("SFT486", folder=folder, problem=f"{WEIGHTS} has no {_TENSOR}. Copy it again.")
    virtual = VirtualTokens(cast("Literal['prompt', 'prefix']", kind), len(values))
    return virtual, values.astype(np.float32), len(tensors)


def write_virtual_tokens(folder: Path, backbone: Backbone, base: str) -> None:
    """Write virtual tokens as `peft.PeftModel.from_pretrained` reads them, for the Hugging Face model of the backbone.

    Args:
        folder: exists, and is not read yet.
        backbone: with virtual tokens that `fits_peft`.
        base: where its weights are.
    """
    from safetensors.numpy import save_file

    assert backbone.virtual is not None
    kind, values = backbone.virtual.kind, [weight.numpy() for weight in virtual_weights(backbone)]
    tensor = np.ascontiguousarray(np.concatenate(values, 1))
    is_decoder, model = backbone.kind == "decoder", backbone.model
    if is_decoder:
        layers = model.config.layers
        heads = model.config.key_value_heads if kind == "prefix" else model.config.heads
    else:
        layers, heads = model.num_layers, model.num_heads
    width = tensor.shape[1] // (2 * layers) if kind == "prefix" else tensor.shape[1]
    own = {"encoder_hidden_size": width, "prefix_projection": False} if kind == "prefix" else {}
    config = {
        "peft_type": VIRTUAL[kind],
        "task_type": "CAUSAL_LM" if is_decoder else "FEATURE_EXTRACTION",
        "base_model_name_or_path": base.removeprefix("hf://"),
        "num_virtual_tokens": backbone.virtual.tokens,
        "token_dim": width,
        "num_transformer_submodules": 1,
        "num_attention_heads": heads,
        "num_layers": layers,
        "inference_mode": True,
        **own,
        **({"prompt_tuning_init": "RANDOM"} if kind == "prompt" else {}),
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    save_file({_TENSOR: tensor}, folder / WEIGHTS, metadata={"format": "pt"})
