"""A TF-Hub encoder module to a Hugging Face style folder whose encoder has equal outputs.

The architecture is read from the names and shapes of the module's variables. What these do not show, such as the
activation, is tried: the module itself says which candidate is right. Nothing is kept that differs from the module by
more than `TOLERANCE`. The folder lands in the cache, so a module is converted once; from there on it is loaded as any
Hugging Face folder is.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np
import tensorflow as tf

from sftkeras.backbones.fused_transformer import use_fused_encoder_layers
from sftkeras.backbones.hugging_face import load, write_folder
from sftkeras.backbones.hugging_face.config import read_json
from sftkeras.backbones.hugging_face.families import FAMILIES
from sftkeras.backbones.hugging_face.family import ACTIVATIONS, Family
from sftkeras.backbones.tfhub.module import HubModule, LoadedModule, read_module
from sftkeras.backbones.tfhub.names import hub_names
from sftkeras.backbones.tfhub.preprocessor import fingerprint_of
from sftkeras.backbones.tfhub.tokenizer import tokenizer_of
from sftkeras.disk.cache import building, cache_folder, locked, read_manifest, write_manifest
from sftkeras.errors import SFTError

TOLERANCE = 1e-4  # largest difference of an output between the module and what is made of it
_ROUNDING = 1e-5  # differences below this are those of float32: no other candidate can be called better
_FORMAT = 2  # of what is written; a higher number makes every module be converted again

# Names of 2019's exports by today's, applied in this order to names without the prefix they share.
_OLDER_NAMES = [
    (r"^embedding_postprocessor/(position|type)_embeddings$", r"\1_embeddings/embeddings"),
    (r"^position_embeddings/", "position_embedding/"),
    (r"^embedding_postprocessor/layer_norm/", "embeddings/layer_norm/"),
    (r"^embedding_postprocessor/embedding_hidden_mapping_in/", "embedding_projection/"),
    (r"^encoder/shared_layer/", "transformer/"),
    (r"^encoder/", "transformer/"),
    (r"/self_attention_output/", "/self_attention/attention_output/"),
]
_WORDS = "word_embeddings/embeddings"  # the one name that every layout has
_POOLER = "pooler_transform/kernel"

# Candidates, the likeliest first: public modules have the tanh approximation and 1e-12.
_ACTIVATIONS = ("gelu_new", "gelu", "relu", "silu")
_EPSILONS = (1e-12, 1e-6, 1e-5, 1e-7, 1e-3)
# Settings that no output shows. A module that does not give them gets the family's own.
_DROPOUT = ("hidden_dropout_prob", "attention_probs_dropout_prob")
_HEAD_SIZE = 64  # nearly every public encoder's
_LAYERS = (12, 24, *range(1, 12), *range(13, 24), 48)

_ROWS, _LENGTH = 5, 48  # of the batch on which outputs are compared


class _NotNativeError(Exception):
    """The module cannot be rebuilt; says why, as the part of a sentence."""


def convert(folder: Path) -> Path:
    """Gives the converted folder of a module, from the cache or made now. Call it outside of a strategy's scope.

    Raises:
        SFTError: SFT366 if the module is of no family that is known here, has no vocabulary, or differs from every
            encoder that can be built from it; SFT359 if it holds values that are not finite; and what `read_module` and
            the making of its tokenizer raise.
    """
    module = read_module(folder)
    entry = cache_folder("converted") / _content_key(folder)
    with locked(entry):
        if read_manifest(entry) is None:
            with building(entry) as temporary, _leaving_no_trace():
                difference = _convert_into(temporary, module)
                write_manifest(temporary, module=str(folder), difference=difference)
    return entry


def measured_difference(converted: Path) -> float:
    """The largest difference between the outputs of a module and of the folder that `convert` made of it."""
    manifest = read_manifest(converted)
    return float(manifest["difference"]) if manifest else math.nan


def _convert_into(folder: Path, module: HubModule) -> float:
    try:
        architecture = _Architecture.of(module)
        loaded = module.load()
        if loaded.regularization_losses:
            raise _NotNativeError("it has regularization losses, which the module alone can compute")
        comparison = _ModuleOutputs(loaded, architecture)
        encoder = _find_encoder(module, architecture, comparison)
    except _NotNativeError as error:
        raise SFTError("SFT366", folder=module.folder, reason=error) from None
    write_folder(folder, encoder, tokenizer_of(module), has_pooler=architecture.has_pooler)
    del encoder  # as large as the next
    again = load(folder, dropout=None, weights=True).model  # what is trained, not what was meant to be written
    use_fused_encoder_layers(again)
    difference = comparison.difference(again)
    if not difference <= TOLERANCE:
        raise SFTError("SFT366", folder=module.folder, reason=_told_difference(difference))
    return difference


def _content_key(folder: Path) -> str:
    content = f"{fingerprint_of(folder)} {_FORMAT} {keras_hub.__version__}"
    return hashlib.sha256(content.encode()).hexdigest()[:32]


@contextmanager
def _leaving_no_trace() -> Iterator[None]:
    """Computes in float32, and leaves precision and randomness as they were: a first run must equal the next ones."""
    policy, python, numpy = keras.config.dtype_policy(), random.getstate(), np.random.get_state()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
        random.setstate(python)
        np.random.set_state(numpy)


@dataclass(frozen=True)
class _Architecture:
    """The architecture of an encoder as far as its variables show it.

    Attributes:
        family: BERT, ELECTRA or ALBERT.
        config: what is certain, by the keys of config.json.
        candidates: what is not, the likeliest value first.
        stored_names: each variable's name in the module, by today's name.
    """

    family: Family
    config: Mapping[str, Any]
    candidates: Mapping[str, Sequence[Any]]
    stored_names: Mapping[str, str]

    @property
    def has_pooler(self) -> bool:
        return _POOLER in self.stored_names

    @classmethod
    def of(cls, module: HubModule) -> _Architecture:
        if module.kind != "token_encoder":
            raise _NotNativeError("it reads texts, not tokens")
        if module.vocabulary is None and module.sentence_piece is None:
            raise _NotNativeError("it has no vocabulary (vocab_file or sp_model_file)")
        stored = _todays_names(module.variables)
        shapes = {name: module.variables[older].shape for name, older in stored.items()}
        family, sizes = _read_sizes(shapes, module.layers)
        own = _own_settings(module)
        certain: dict[str, Any] = {key: size for key, size in sizes.items() if size is not None}
        if module.dropout is not None:
            certain |= dict.fromkeys(_DROPOUT, module.dropout)
        certain |= {key: own[key][0] for key in _DROPOUT if key in own}
        # Sizes first: a wrong one hides what else is wrong.
        uncertain: dict[str, Sequence[Any]] = {
            "num_hidden_layers": _LAYERS,
            "num_attention_heads": _possible_heads(sizes["hidden_size"]),
            "hidden_act": _ACTIVATIONS,
            "layer_norm_eps": _EPSILONS,
        }
        candidates = {key: [*own.get(key, ()), *values] for key, values in uncertain.items() if key not in certain}
        return cls(family, certain, candidates, stored)


def _read_sizes(shapes: Mapping[str, tuple[int, ...]], layers: int | None) -> tuple[Family, dict[str, Any]]:
    """The family, and the sizes by the keys of config.json; None for those that the variables do not show.

    Args:
        shapes: of the variables, by today's names.
        layers: how many layers the module gives the outputs of, if it does.
    """
    is_shared = "transformer/self_attention/query/kernel" in shapes
    first = "transformer" if is_shared else "transformer/layer_0"
    counted = {match[0] for name in shapes if (match := re.match(r"transformer/layer_\d+", name))}
    try:
        rows, width = shapes[_WORDS]
        query = shapes[f"{first}/self_attention/query/kernel"]
        hidden, inner = shapes[f"{first}/intermediate/kernel"]
        positions, types = (shapes[f"{table}/embeddings"][0] for table in ("position_embedding", "type_embeddings"))
    except KeyError as error:
        raise _NotNativeError(_unlike_bert(f"{error.args[0]} is missing")) from error
    except ValueError as error:
        raise _NotNativeError(_unlike_bert("their shapes are others")) from error
    return FAMILIES["albert" if is_shared else "electra" if width != hidden else "bert"], {
        "vocab_size": rows,
        "hidden_size": hidden,
        "num_hidden_layers": layers if is_shared else len(counted),
        "num_attention_heads": query[1] if len(query) == 3 else None,
        "intermediate_size": inner,
        "max_position_embeddings": positions,
        "embedding_size": width,
        "type_vocab_size": types,
    }


def _own_settings(module: HubModule) -> dict[str, list[Any]]:
    """Read the settings that the variables do not show from the module's own config.json, if it has one."""
    config = {} if module.encoder_config is None else read_json(module.encoder_config)
    possible = {"hidden_act": lambda value: value in ACTIVATIONS, "layer_norm_eps": _is_share}
    possible |= dict.fromkeys(_DROPOUT, _is_share)
    return {key: [config[key]] for key, is_possible in possible.items() if is_possible(config.get(key))}


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value < 1


def _todays_names(names: Mapping[str, Any]) -> dict[str, str]:
    """The names of a module's variables, by what they are called today, without the prefix that they share."""
    prefixes = [name.removesuffix(_WORDS) for name in names if name.endswith(_WORDS)]
    if not prefixes:
        raise _NotNativeError(_unlike_bert(f"{_WORDS} is missing"))
    prefix = min(prefixes, key=len)
    today = {}
    for stored in names:
        if stored.startswith(prefix):
            name = stored.removeprefix(prefix)
            for pattern, newer in _OLDER_NAMES:
                name = re.sub(pattern, newer, name)
            today[name] = stored
    return today


def _possible_heads(hidden: int) -> list[int]:
    """The numbers of heads that divide `hidden`, those nearest to the usual size of a head first."""
    heads = [count for count in range(1, hidden + 1) if hidden % count == 0]
    return sorted(heads, key=lambda count: abs(math.log(hidden / count / _HEAD_SIZE)))


class _ModuleOutputs:
    """The outputs of a module for random tokens in rows of unequal length, to be compared with an encoder's.

    Args:
        loaded: the module.
        architecture: what its variables show.
    """

    def __init__(self, loaded: LoadedModule, architecture: _Architecture) -> None:
        config = architecture.config
        length = min(config["max_position_embeddings"], loaded.module.length or _LENGTH, _LENGTH)
        draw = np.random.default_rng(0)
        mask = np.arange(length) < np.linspace(1, length, _ROWS).astype(int)[:, np.newaxis]
        # Padding is random too: an encoder that looks at it differs from one that does not.
        self._inputs = {
            "token_ids": draw.integers(config["vocab_size"], size=mask.shape, dtype=np.int32),
            "padding_mask": mask.astype(np.int32),
            "segment_ids": draw.integers(config["type_vocab_size"], size=mask.shape, dtype=np.int32),
        }
        self._mask = mask[:, :, np.newaxis]
        try:
            outputs = loaded.encode_tokens(*(tf.constant(tensor) for tensor in self._inputs.values()))
        except (tf.errors.OpError, ValueError) as error:
            problem = str(error).strip().split("\n")[0][:200]
            raise SFTError("SFT364", folder=loaded.module.folder, problem=problem) from error
        needed = ["sequence_output", *(["pooled_output"] if architecture.has_pooler else [])]
        if missing := [name for name in needed if name not in outputs]:
            raise _NotNativeError(f"it does not give its {missing[0]}")
        self._expected = {name: np.asarray(outputs[name], np.float32) for name in needed}

    def difference(self, encoder: keras.Model) -> float:
        """The largest difference of any output, but for those of padding."""
        outputs = encoder(self._inputs, training=False)
        return max(self._largest(name, np.asarray(outputs[name], np.float32)) for name in self._expected)

    def _largest(self, name: str, found: np.ndarray) -> float:
        expected = self._expected[name]
        if found.shape != expected.shape:
            return math.inf
        kept = self._mask if name == "sequence_output" else True
        largest = float(np.max(np.abs(found - expected), where=kept, initial=0.0))
        return math.inf if math.isnan(largest) else largest


def _find_encoder(module: HubModule, architecture: _Architecture, comparison: _ModuleOutputs) -> keras.Model:
    """Builds the encoder that is nearest to the module: each uncertain setting is chosen in turn."""
    values = _read_values(module, architecture)

    def build(settings: Mapping[str, Any]) -> tuple[float, keras.Model]:
        encoder = architecture.family.build({**architecture.config, **settings}, dropout=None)
        _assign(encoder, values, architecture.has_pooler)
        return comparison.difference(encoder), encoder

    chosen = {key: values[0] for key, values in architecture.candidates.items()}
    best, encoder = build(chosen)
    for key, others in architecture.candidates.items():
        for other in others[1:]:
            if best <= _ROUNDING:
                return encoder
            difference, candidate = build({**chosen, key: other})
            if difference < best:
                best, encoder, chosen = difference, candidate, {**chosen, key: other}
    if not best <= TOLERANCE:
        raise _NotNativeError(_told_difference(best))
    return encoder


def _read_values(module: HubModule, architecture: _Architecture) -> dict[str, np.ndarray]:
    values = {name: module.read(stored) for name, stored in architecture.stored_names.items()}
    for name, value in values.items():
        if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
            raise SFTError("SFT359", folder=module.folder, tensor=architecture.stored_names[name])
    return values


def _assign(encoder: keras.Model, values: Mapping[str, np.ndarray], pooler: bool) -> None:
    for variable, name in hub_names(encoder, pooler):
        if name not in values:
            raise _NotNativeError(_unlike_bert(f"{name} is missing"))
        value, shape = values[name], tuple(variable.shape)
        # Older exports keep the heads of attention side by side.
        if value.shape != shape and not ("/self_attention/" in name and value.size == math.prod(shape)):
            raise _NotNativeError(f"its variable {name} has the shape {value.shape}, not {shape}")
        variable.assign(value.reshape(shape))


def _unlike_bert(what: str) -> str:
    return f"its variables are not those of BERT, ELECTRA or ALBERT ({what})"


def _told_difference(difference: float) -> str:
    return (
        f"it differs by {difference:.1e} from the nearest encoder built of its weights, and {TOLERANCE:.0e} is allowed"
    )
