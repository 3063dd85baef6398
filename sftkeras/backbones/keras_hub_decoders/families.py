"""The families of decoders among KerasHub's networks: the config.json of each, and its tensors by Hugging Face's names.

Every setting and every variable is used, known to change nothing, or refused by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sftkeras.backbones.hugging_face.decoders import gemma, gpt2, opt, phi3
from sftkeras.backbones.keras_hub_decoders import configs, layouts
from sftkeras.backbones.keras_hub_decoders.configs import Settings
from sftkeras.backbones.keras_hub_decoders.layouts import Names
from sftkeras.backbones.keras_hub_decoders.preset import Preset

_SIZES = {
    "vocabulary_size": "vocab_size",
    "hidden_dim": "hidden_size",
    "intermediate_dim": "intermediate_size",
    "num_layers": "num_hidden_layers",
    "num_query_heads": "num_attention_heads",
    "num_key_value_heads": "num_key_value_heads",
}
_OTHERS = {"layer_norm_epsilon": "rms_norm_eps", "dropout": "attention_dropout"}
# Settings that ask for nothing that a forward pass computes, or whose answer is in the weights.
_UNCOMPUTED = {"name", "trainable", "dtype", "tie_word_embeddings"}


@dataclass(frozen=True)
class Family:
    """Reading rules for the networks of a class.

    Attributes:
        model_type: what config.json calls the family.
        layer: what the weights' file calls its layers; the second has "_1" behind it.
        parts: the parts of a layer, and the layers that they are inside of it.
        norm: the last norm.
        names: of the tensors.
        config: what config.json says beside sizes.
        defaults: settings that `config` reads or that are `fixed`, each with what a config without it means.
        fixed: for settings that may not be anything, the values they may have.
        sizes: whole numbers that must be there, and their keys in config.json.
        others: other settings that only have another name there.
        embedding: the layer of the tokens' table.
        positions: the layer of the positions' table.
        heads_first: whether kernels of queries, keys and values are [heads, inputs, size].
    """

    model_type: str
    layer: str
    parts: Mapping[str, str]
    norm: str
    config: Callable[[Settings, Preset], dict[str, Any]]
    names: Names = field(default_factory=Names)
    defaults: Settings = field(default_factory=dict)
    fixed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    sizes: Mapping[str, str] = field(default_factory=lambda: _SIZES)
    others: Mapping[str, str] = field(default_factory=lambda: _OTHERS)
    embedding: str = "reversible_embedding"
    positions: str = "position_embedding"
    heads_first: bool = False


def family_of(preset: Preset) -> Family:
    """Return the family of a preset.

    Raises:
        SFTError: SFT355 if its class is not known.
    """
    if preset.kind == "GemmaBackbone":
        return _GEMMA2 if preset.settings.get("use_post_ffw_norm") else _GEMMA
    if preset.kind not in FAMILIES:
        preset.refuse("a KerasHub preset of", preset.kind, ", ".join(FAMILIES))
    return FAMILIES[preset.kind]


def read_config(family: Family, preset: Preset) -> dict[str, Any]:
    """Return what config.json says of a preset.

    Raises:
        SFTError: SFT354 if a number is missing, SFT355 if something is asked for that is not computed.
    """
    settings = {**family.defaults, **preset.settings}
    for key in family.sizes:
        if not isinstance(settings.get(key), int) or isinstance(settings[key], bool):
            raise preset.damaged(preset.folder / "config.json", f"it has no number for {key}")
    for key, known in family.fixed.items():
        if (value := settings.get(key)) not in known:
            preset.refuse(key, value, ", ".join(map(str, known)))
    read = {*family.sizes, *family.others, *family.defaults, *_UNCOMPUTED}
    for key, value in settings.items():
        if key not in read and value not in (None, False):
            preset.refuse(key, value, f"{preset.kind} without it")
    renamed = {**family.sizes, **family.others}
    try:
        return {
            "model_type": family.model_type,
            **{new: settings[key] for key, new in renamed.items() if key in settings},
            "tie_word_embeddings": len(preset.variables(f"layers/{family.embedding}")) == 1,
            **family.config(settings, preset),
        }
    except TypeError as error:
        raise preset.damaged(preset.folder / "config.json", error) from error


def read_tensors(family: Family, preset: Preset) -> Iterator[tuple[str, np.ndarray]]:
    """Read the tensors one by one, each with its Hugging Face name and layout.

    Raises:
        SFTError: SFT354 if the file is damaged, SFT355 if a variable is not known, SFT357 if one is missing.
    """
    names = family.names
    table, *head = preset.variables(f"layers/{family.embedding}")
    yield f"{names.embedding}.weight", table
    if head:
        yield "lm_head.weight", np.ascontiguousarray(head[0].T)
    if names.positions:
        (rows,) = preset.variables(f"layers/{family.positions}")
        yield f"{names.positions}.weight", np.pad(rows, [(names.first_position, 0), (0, 0)])
    for number in range(preset.settings["num_layers"]):
        layer = f"layers/{family.layer}{f'_{number}' if number else ''}"
        prefix = names.layer.format(number)
        parts = {part: _part(preset, f"{layer}/{path}", part, family) for part, path in family.parts.items()}
        for part, name in names.parts.items():
            if part in parts:
                yield from _named(f"{prefix}.{name}", [parts[part]], names.as_multiplied)
        for name, joined in names.joined.items():
            yield from _named(f"{prefix}.{name}", [parts[part] for part in joined], names.as_multiplied)
    yield from _named(names.norm, [preset.variables(f"layers/{family.norm}")], names.as_multiplied)
    if unread := preset.unread():
        preset.refuse("the variable", unread[0], f"those of {preset.kind}")


def _part(preset: Preset, path: str, part: str, family: Family) -> list[np.ndarray]:
    """A norm's vectors, or a kernel as it is multiplied, [inputs, outputs], and its bias [outputs]."""
    kernel, *bias = preset.variables(path)
    if kernel.ndim == 3 and part == "attention_output":  # [heads, size, outputs]
        kernel = kernel.reshape(-1, kernel.shape[-1])
    elif kernel.ndim == 3:
        kernel = kernel.swapaxes(0, 1) if family.heads_first else kernel
        kernel = kernel.reshape(len(kernel), -1)
    return [kernel, *(it.reshape(-1) for it in bias)]


def _named(name: str, parts: list[list[np.ndarray]], as_multiplied: bool) -> Iterator[tuple[str, np.ndarray]]:
    """The tensors of one part, or of several side by side."""
    for kind, values in zip(("weight", "bias"), zip(*parts, strict=True), strict=False):
        joined = np.concatenate(values, -1)
        yield f"{name}.{kind}", np.ascontiguousarray(joined if as_multiplied or joined.ndim == 1 else joined.T)


_GEMMA_DEFAULTS = {
    "query_head_dim_normalize": True,
    "use_post_ffw_norm": False,
    "use_post_attention_norm": False,
    "attention_logit_soft_cap": None,
    "final_logit_soft_cap": None,
    "use_sliding_window_attention": False,
    "sliding_window_size": 4096,
    "layer_norm_epsilon": 1e-6,
    "head_dim": None,
}
_GEMMA_OTHERS = {**_OTHERS, "head_dim": "head_dim"}
_BOTH_NORMS = dict.fromkeys(("use_post_ffw_norm", "use_post_attention_norm"), (True,))
# KerasHub's layers have this epsilon whatever the config says.
_EPSILON = {"layer_norm_epsilon": (1e-6,)}
_ROTARY = {"rope_max_wavelength": 10_000, "rope_scaling_factor": 1.0}
_LLAMA_DEFAULTS = {
    "rope_max_wavelength": 10_000,
    "rope_position_scaling_factor": 1.0,
    "rope_frequency_adjustment_factor": None,
    "rope_low_freq_factor": None,
    "rope_high_freq_factor": None,
    "rope_pretraining_sequence_length": None,
}
_HEADS_THAT_SHARE_NOTHING = {
    "vocabulary_size": "vocab_size",
    "hidden_dim": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "intermediate_dim": "ffn_dim",
    "max_sequence_length": "max_position_embeddings",
}

_LLAMA = Family(
    "llama",
    "llama_transformer_decoder",
    layouts.LLAMA_PARTS,
    "llama_layer_norm",
    configs.llama,
    defaults=_LLAMA_DEFAULTS,
    # KerasHub's layers take no notice of another one.
    fixed={"rope_position_scaling_factor": (1.0,)},
)
_GEMMA = Family(
    "gemma",
    "gemma_decoder_block",
    layouts.GEMMA_PARTS,
    "rms_normalization",
    configs.gemma,
    defaults=_GEMMA_DEFAULTS,
    fixed={
        **_EPSILON,
        "query_head_dim_normalize": (True,),
        "use_post_attention_norm": (False,),
        "attention_logit_soft_cap": (None,),
        "final_logit_soft_cap": (None,),
        "use_sliding_window_attention": (False,),
    },
    others=_GEMMA_OTHERS,
    heads_first=True,
)
_GEMMA2 = Family(
    "gemma2",
    "gemma_decoder_block",
    layouts.GEMMA2_PARTS,
    "rms_normalization",
    configs.gemma2,
    Names(parts=gemma.FOUR_NORMS),
    defaults=_GEMMA_DEFAULTS,
    fixed=_EPSILON | _BOTH_NORMS,
    others=_GEMMA_OTHERS,
    heads_first=True,
)
# By the class of the network; GemmaBackbone is Gemma 1 and 2.
FAMILIES: Mapping[str, Family] = {
    "GPT2Backbone": Family(
        "gpt2",
        "transformer_decoder",
        layouts.GPT2_PARTS,
        "layer_normalization",
        configs.gpt2,
        Names(
            "transformer.h.{}",
            {"attention_norm": "ln_1", "feed_forward_norm": "ln_2"},
            gpt2.PARTS,
            "transformer.wte",
            "transformer.ln_f",
            "transformer.wpe",
            as_multiplied=True,
        ),
        defaults={"dropout": 0.1},
        sizes={
            "vocabulary_size": "vocab_size",
            "hidden_dim": "n_embd",
            "num_layers": "n_layer",
            "num_heads": "n_head",
            "intermediate_dim": "n_inner",
            "max_sequence_length": "n_positions",
        },
        others={},
    ),
    "OPTBackbone": Family(
        "opt",
        "transformer_decoder",
        layouts.GPT2_PARTS,
        "layer_normalization",
        configs.opt,
        Names(
            "model.decoder.layers.{}",
            opt.NAMES,
            {},
            "model.decoder.embed_tokens",
            "model.decoder.final_layer_norm",
            "model.decoder.embed_positions",
            opt.UNUSED_POSITIONS,
        ),
        defaults={"dropout": 0.1},
        sizes=_HEADS_THAT_SHARE_NOTHING,
        others={},
        embedding="token_and_position_embedding/token_embedding",
        positions="token_and_position_embedding/position_embedding",
    ),
    "LlamaBackbone": _LLAMA,
    "Llama3Backbone": _LLAMA,
    "QwenBackbone": Family(
        "qwen2",
        "qwen_transformer_decoder",
        layouts.LLAMA_PARTS,
        "qwen_layer_norm",
        configs.qwen,
        defaults={**_ROTARY, "use_sliding_window_attention": False, "sliding_window_size": 32_768},
    ),
    "Qwen3Backbone": Family(
        "qwen3",
        "qwen3_transformer_decoder",
        layouts.QWEN3_PARTS,
        "qwen3_layer_norm",
        configs.qwen3,
        defaults={**_ROTARY, "sliding_window_size": 32_768},
        others={**_OTHERS, "head_dim": "head_dim"},
    ),
    "MistralBackbone": Family(
        "mistral",
        "mistral_transformer_decoder",
        layouts.LLAMA_PARTS,
        "mistral_layer_normalization",
        configs.mistral,
        defaults={**_ROTARY, "sliding_window": 512},
        others={**_OTHERS, "head_dim": "head_dim", "sliding_window": "sliding_window"},
    ),
    "GemmaBackbone": _GEMMA,
    "Gemma3Backbone": Family(
        "gemma3_text",
        "gemma3_decoder_block",
        layouts.GEMMA3_PARTS,
        "rms_normalization",
        configs.gemma3,
        Names(parts=gemma.FOUR_NORMS),
        defaults={
            **_GEMMA_DEFAULTS,
            "use_query_key_norm": True,
            "sliding_window_size": 1024,
            "local_rope_scaling_factor": 1.0,
            "global_rope_scaling_factor": 1.0,
            "image_size": None,
        },
        fixed={
            **_EPSILON,
            **_BOTH_NORMS,
            "use_query_key_norm": (True,),
            "attention_logit_soft_cap": (None,),
            "local_rope_scaling_factor": (1.0,),
        },
        others=_GEMMA_OTHERS,
        heads_first=True,
    ),
    "Phi3Backbone": Family(
        "phi3",
        "phi3_decoder",
        layouts.PHI3_PARTS,
        "phi3_layer_norm",
        configs.phi3,
        Names(parts=phi3.OTHER_NAMES, joined=phi3.JOINED),
        defaults={
            "pretraining_sequence_length": 4096,
            "rope_max_wavelength": 10_000,
            "rope_scaling_type": None,
            "rope_scaling_short_factor": None,
            "rope_scaling_long_factor": None,
        },
        fixed={"rope_scaling_type": (None, "su")},
        sizes={**_SIZES, "max_sequence_length": "max_position_embeddings"},
    ),
    "SmolLM3Backbone": Family(
        "smollm3",
        "smol_lm3_decoder_layer",
        layouts.SMOLLM3_PARTS,
        "rms_normalization",
        configs.smollm3,
        defaults={
            "attention_bias": False,
            "partial_rotary_factor": 1.0,
            "rope_layer_enabled_list": [],
            "layer_types": [],
        },
        fixed={"attention_bias": (False,), "partial_rotary_factor": (1.0,)},
        sizes={
            **{key: new for key, new in _SIZES.items() if key != "num_query_heads"},
            "num_attention_heads": "num_attention_heads",
            "max_position_embeddings": "max_position_embeddings",
        },
        others={
            "layer_norm_epsilon": "rms_norm_eps",
            "attention_dropout": "attention_dropout",
            "mlp_bias": "mlp_bias",
            "rope_theta": "rope_theta",
        },
    ),
}
