"""Description of a decoder's family, and what most of them share: keys of config.json, names of weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.backbones.decoders.config import Activation, DecoderConfig, Rope
from sftkeras.backbones.hugging_face.decoders.rope import LONGROPE, read_rope, rope_settings
from sftkeras.backbones.hugging_face.decoders.weights import DecoderWeights, weights
from sftkeras.backbones.hugging_face.family import listed
from sftkeras.errors import SFTError

if TYPE_CHECKING:
    from sftkeras.backbones.decoders.decoder import Decoder

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
    """Reads a config of Llama's kind: root mean square norms, rotary positions, a gate.

    Args:
        settings: config.json, completed by the family's defaults.
        folder: for errors.
        **switches: attributes of `DecoderConfig` that a family has otherwise.

    Raises:
        SFTError: SFT354 if sizes do not go together, SFT355 if something is asked for that is not computed.
    """
    heads, shared, head_size = head_sizes(settings, folder)
    if "ropes" not in switches:
        switches["ropes"] = (rope(settings, folder),) * settings["num_hidden_layers"]
    if "windows" not in switches:
        switches["windows"] = windows(settings, folder)
    described = {
        "vocabulary_size": settings["vocab_size"],
        "hidden_size": settings["hidden_size"],
        "heads": heads,
        "key_value_heads": shared,
        "head_size": head_size,
        "inner_size": settings["intermediate_size"],
        "max_positions": _max_positions(settings),
        "epsilon": settings["rms_norm_eps"],
        "query_scale": head_size**-0.5,
        "activation": ACTIVATIONS[settings["hidden_act"]],
        "tied": bool(settings["tie_word_embeddings"]),
        "attention_dropout": settings["attention_dropout"],
    }
    return DecoderConfig(**{**described, **switches})


def layer_norm_config(
    folder: Path,
    *,
    hidden_size: int,
    heads: int,
    layers: int,
    max_positions: int,
    first_position: int = 0,
    bias: bool = True,
    **switches: Any,
) -> DecoderConfig:
    """Reads a config from before Llama: layer norms, learned positions, no gate, heads that share nothing.

    Raises:
        SFTError: SFT354 if sizes do not go together.
    """
    if hidden_size % heads:
        problem = f"vectors of {hidden_size} numbers cannot be divided among {heads} heads"
        raise SFTError("SFT354", path=folder / "config.json", problem=problem)
    return DecoderConfig(
        hidden_size=hidden_size,
        heads=heads,
        key_value_heads=heads,
        head_size=hidden_size // heads,
        max_positions=max_positions,
        query_scale=(hidden_size // heads) ** -0.5,
        windows=(None,) * layers,
        ropes=(None,) * layers,
        gated=False,
        norm="layer",
        query_key_value_bias=bias,
        attention_output_bias=bias,
        feed_forward_bias=bias,
        learned_positions=max_positions + first_position,
        first_position=first_position,
        **switches,
    )


def head_sizes(settings: Settings, folder: Path) -> tuple[int, int, int]:
    """Number of heads, of heads of keys and values, and size of one.

    Raises:
        SFTError: SFT354 if the sizes do not go together.
    """
    heads, hidden = settings["num_attention_heads"], settings["hidden_size"]
    shared = settings["num_key_value_heads"] or heads
    size = settings["head_dim"] or hidden // heads
    problem = None
    if heads % shared:
        problem = f"num_attention_heads {heads} is no multiple of num_key_value_heads {shared}"
    elif not settings["head_dim"] and hidden % heads:
        problem = f"hidden_size {hidden} is no multiple of num_attention_heads {heads}, and there is no head_dim"
    elif size % 2:
        problem = f"a head has {size} numbers, which cannot turn in pairs"
    if problem:
        raise SFTError("SFT354", path=folder / "config.json", problem=problem)
    return heads, shared, size


def rope(settings: Settings, folder: Path) -> Rope:
    """The rotary positions that all layers share.

    Raises:
        SFTError: as `head_sizes`, and SFT355 if they are of a kind that is not computed.
    """
    found = rope_settings(settings, settings["rope_theta"])
    return read_rope(found, head_sizes(settings, folder)[2], settings["max_position_embeddings"], folder)


def _max_positions(settings: Settings) -> int:
    """Most tokens of a sequence; with LongRoPE those whose frequencies do not depend on how long it gets."""
    found = rope_settings(settings, settings["rope_theta"])
    key = "original_max_position_embeddings"
    return found[key] if found["rope_type"] in LONGROPE else settings["max_position_embeddings"]


def windows(settings: Settings, folder: Path) -> tuple[int | None, ...]:
    """Window of tokens in each layer: `sliding_window` where `layer_types` says so, in all if it says nothing.

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
