"""Description of a decoder's family, and what most of them share: keys of config.json, names of weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.backbones.decoders.config import Activation, DecoderConfig
from sftkeras.backbones.hugging_face.decoders.rope import LONGROPE, read_rope, rope_settings
from sftkeras.backbones.hugging_face.decoders.weights import DecoderWeights, weights
from sftkeras.backbones.hugging_face.family import listed
from sftkeras.errors import SFTError

if TYPE_CHECKING:
    from sftkeras.backbones.decoders import Decoder

Settings = Mapping[str, Any]

# What config.json calls the activations that can be computed.
ACTIVATIONS: dict[str, Activation] = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
FULL, SLIDING = "full_attention", "sliding_attention"


SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
)
# What a config.json of Llama's kind means by what it leaves out.
DEFAULTS: Settings = {
    "num_key_value_heads": None,
    "head_dim": None,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "attention_bias": False,
    "attention_dropout": 0.0,
    "tie_word_embeddings": False,
    "sliding_window": None,
    "layer_types": None,
    "rope_theta": 10_000.0,
}
SUPPORTED: Mapping[str, tuple[Any, ...]] = {"hidden_act": tuple(ACTIVATIONS)}


@dataclass(frozen=True)
class DecoderFamily:
    """One family of decoders.

    Attributes:
        model_type: its name in config.json.
        describe: what config.json, completed by the defaults, says of the network; the folder is for errors.
        sizes: whole numbers that config.json must give.
        defaults: the other keys that matter, each with what a config.json without it means.
        supported: for keys that may not be anything, the values they may have.
        prefix: what stands before the names of its tensors in a checkpoint with a head, with the dot.
        weights: gives all weights of a decoder, but for those of an untied head.
        also_read: further keys that are understood.
    """

    model_type: str
    describe: Callable[[Settings, Path], DecoderConfig]
    sizes: tuple[str, ...] = SIZES
    defaults: Settings = field(default_factory=lambda: DEFAULTS)
    supported: Mapping[str, tuple[Any, ...]] = field(default_factory=lambda: SUPPORTED)
    prefix: str = "model."
    weights: Callable[[Decoder], DecoderWeights] = weights
    also_read: tuple[str, ...] = ("rope_scaling", "rope_parameters", "partial_rotary_factor")


def rms_config(settings: Settings, folder: Path, **switches: Any) -> DecoderConfig:
    """What a config of Llama's kind says: root mean square norms, rotary positions, a gate.

    Args:
        settings: config.json, completed by the family's defaults.
        folder: for errors.
        **switches: attributes of `DecoderConfig` that a family has otherwise.

    Raises:
        SFTError: SFT354 if sizes do not go together, SFT355 if something is asked for that is not computed.
    """
    heads, hidden = settings["num_attention_heads"], settings["hidden_size"]
    shared = settings["num_key_value_heads"] or heads
    head_size = settings["head_dim"] or hidden // heads
    if problem := _misfit(heads, shared, head_size, None if settings["head_dim"] else hidden):
        raise SFTError("SFT354", path=folder / "config.json", problem=problem)
    layers = settings["num_hidden_layers"]
    most = settings["max_position_embeddings"]
    if "ropes" not in switches:
        found = rope_settings(settings, settings["rope_theta"])
        switches["ropes"] = (read_rope(found, head_size, most, folder),) * layers
        most = found["original_max_position_embeddings"] if found["rope_type"] in LONGROPE else most
    described = {
        "vocabulary_size": settings["vocab_size"],
        "hidden_size": hidden,
        "heads": heads,
        "key_value_heads": shared,
        "head_size": head_size,
        "inner_size": settings["intermediate_size"],
        "max_positions": most,
        "epsilon": settings["rms_norm_eps"],
        "query_scale": head_size**-0.5,
        "windows": windows(settings, folder),
        "activation": ACTIVATIONS[settings["hidden_act"]],
        "tied": bool(settings["tie_word_embeddings"]),
        "attention_dropout": settings["attention_dropout"],
    }
    return DecoderConfig(**{**described, **switches})


def _misfit(heads: int, shared: int, head_size: int, hidden: int | None) -> str | None:
    """What is wrong with the sizes of heads, if anything; `hidden` is given where it decides the size of one."""
    if heads % shared:
        return f"num_attention_heads {heads} is no multiple of num_key_value_heads {shared}"
    if hidden is not None and hidden % heads:
        return f"hidden_size {hidden} is no multiple of num_attention_heads {heads}, and there is no head_dim"
    return f"heads of {head_size} numbers cannot turn in pairs" if head_size % 2 else None


def windows(settings: Settings, folder: Path) -> tuple[int | None, ...]:
    """How many tokens one sees in each layer: `sliding_window` where `layer_types` says so, in all if it says nothing.

    Raises:
        SFTError: SFT355 if a layer is of another type, SFT354 if there are not as many types as layers.
    """
    window, layers = settings["sliding_window"], settings["num_hidden_layers"]
    types = settings["layer_types"] or (SLIDING if window else FULL,) * layers
    if others := [kind for kind in types if kind not in (FULL, SLIDING)]:
        raise SFTError("SFT355", folder=folder, key="layer_types", value=others[0], known=listed((FULL, SLIDING)))
    if len(types) != layers:
        problem = f"layer_types has {len(types)} of {layers} layers"
        raise SFTError("SFT354", path=folder / "config.json", problem=problem)
    return tuple(window if kind == SLIDING else None for kind in types)
