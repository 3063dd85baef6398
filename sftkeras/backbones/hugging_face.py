"""A Hugging Face folder (config.json, safetensors, vocabulary) to a KerasHub encoder with equal outputs.

Own code rather than `BertBackbone.from_preset(folder)`, which keeps KerasHub's tanh GELU, layer norm epsilon and
dropout whatever the checkpoint says, and fails on a checkpoint without a pooler.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np
from safetensors import safe_open

from sftkeras.backbones.backbone import Backbone
from sftkeras.backbones.fused_transformer import exact_gelu, tanh_gelu
from sftkeras.errors import SFTError
from sftkeras.handles import check_safetensors
from sftkeras.text import WordPiece
from sftkeras.text.word_piece import read_vocabulary

_ACTIVATIONS: dict[str, Callable] = {
    "gelu": exact_gelu,
    "gelu_new": tanh_gelu,
    "gelu_pytorch_tanh": tanh_gelu,
    "relu": keras.activations.get("relu"),
    "silu": keras.activations.get("silu"),
}
_TOKENIZER_FILES = ("config.json", "tokenizer_config.json", "tokenizer.json", "vocab.txt")
_POOLER = "pooled_dense"


def load(folder: Path, *, dropout: float | None, weights: bool) -> Backbone:
    """Loads a BERT-family encoder; see `sftkeras.backbones.load_backbone`."""
    config = _read_json(folder / "config.json")
    _check_architecture(folder, config)
    tokenizer = load_tokenizer(folder)
    if len(tokenizer.vocabulary) > config["vocab_size"]:
        raise SFTError("SFT353", folder=folder, pieces=len(tokenizer.vocabulary), rows=config["vocab_size"])
    encoder = _build_encoder(folder, config, dropout)
    has_pooler = _assign_weights(folder, encoder) if weights else True
    files = {name: path for name in _TOKENIZER_FILES if (path := folder / name).exists()}
    return Backbone(encoder, tokenizer, config["max_position_embeddings"], has_pooler, "hugging_face", files)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SFTError("SFT354", path=path, problem=error) from error
    if not isinstance(content, dict):
        raise SFTError("SFT354", path=path, problem="expected an object, {…}")
    return content


def _check_architecture(folder: Path, config: dict[str, Any]) -> None:
    wanted = {"model_type": ("bert",), "hidden_act": tuple(_ACTIVATIONS), "position_embedding_type": ("absolute",)}
    defaults = {"hidden_act": "gelu", "position_embedding_type": "absolute"}
    for key, known in wanted.items():
        value = config.get(key, defaults.get(key))
        if value not in known:
            raise SFTError("SFT355", folder=folder, key=key, value=value, known=", ".join(known))
    missing = [
        key
        for key in [
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
        ]
        if not isinstance(config.get(key), int)
    ]
    if missing:
        raise SFTError("SFT354", path=folder / "config.json", problem=f"no number for {', '.join(missing)}")


def load_tokenizer(folder: Path) -> WordPiece:
    """Reads the vocabulary and the case and accent rules, from either of the formats Hugging Face writes."""
    settings = _read_json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").exists() else {}
    whole = _read_json(folder / "tokenizer.json") if (folder / "tokenizer.json").exists() else {}
    normalizer = whole.get("normalizer") or {}
    if (folder / "vocab.txt").exists():
        try:
            vocabulary = read_vocabulary(folder / "vocab.txt")
        except (OSError, ValueError) as error:
            raise SFTError("SFT354", path=folder / "vocab.txt", problem=error) from error
    elif whole.get("model", {}).get("type") == "WordPiece":
        pieces: dict[str, int] = whole["model"]["vocab"]
        vocabulary = sorted(pieces, key=pieces.__getitem__)
        if [pieces[piece] for piece in vocabulary] != list(range(len(pieces))):
            raise SFTError("SFT354", path=folder / "tokenizer.json", problem="its vocabulary leaves out numbers")
    else:
        raise SFTError("SFT356", folder=folder)
    return WordPiece(
        vocabulary,
        lowercase=settings.get("do_lower_case", normalizer.get("lowercase", True)),
        strip_accents=settings.get("strip_accents", normalizer.get("strip_accents")),
        split_cjk=settings.get("tokenize_chinese_chars", normalizer.get("handle_chinese_chars", True)),
    )


def _build_encoder(folder: Path, config: dict[str, Any], dropout: float | None) -> keras.Model:
    encoder = keras_hub.models.BertBackbone(
        vocabulary_size=config["vocab_size"],
        num_layers=config["num_hidden_layers"],
        num_heads=config["num_attention_heads"],
        hidden_dim=config["hidden_size"],
        intermediate_dim=config["intermediate_size"],
        dropout=config.get("hidden_dropout_prob", 0.1) if dropout is None else dropout,
        max_sequence_length=config["max_position_embeddings"],
        num_segments=config.get("type_vocab_size", 2),
    )
    activation = _ACTIVATIONS[config.get("hidden_act", "gelu")]
    epsilon = config.get("layer_norm_eps", 1e-12)
    encoder.get_layer("embeddings_layer_norm").epsilon = epsilon
    for layer in encoder.transformer_layers:
        layer._feedforward_intermediate_dense.activation = activation
        layer._self_attention_layer_norm.epsilon = epsilon
        layer._feedforward_layer_norm.epsilon = epsilon
        if dropout is None:
            layer._self_attention_layer._dropout_layer.rate = config.get("attention_probs_dropout_prob", 0.1)
    return encoder


def _assign_weights(folder: Path, encoder: keras.Model) -> bool:
    """Fills `encoder` from the folder's safetensors; returns whether they had a pooler.

    Raises:
        SFTError: SFT357 if a tensor is missing, SFT358 if one has another shape, SFT359 if one is not finite, SFT307 if
            a file is damaged.
    """
    tensors = _Tensors(folder)
    has_pooler = "pooler.dense.weight" in tensors
    for variable, name in _variable_names(encoder):
        if name.startswith("pooler.") and not has_pooler:
            continue
        array = tensors.read(name)
        if array.shape != (expected := _stored_shape(variable, name)):
            raise SFTError("SFT358", folder=folder, tensor=name, got=array.shape, expected=expected)
        if not np.isfinite(array).all():
            raise SFTError("SFT359", folder=folder, tensor=name)
        if _is_dense_kernel(name):
            array = array.T
        variable.assign(np.reshape(array, variable.shape))
    return has_pooler


def _is_dense_kernel(name: str) -> bool:
    return name.endswith((".query.weight", ".key.weight", ".value.weight", "dense.weight"))


def _stored_shape(variable: keras.Variable, name: str) -> tuple[int, ...]:
    """The shape that Hugging Face gives the tensor: attention heads side by side, dense kernels [outputs, inputs]."""
    shape = tuple(variable.shape)
    if name.endswith("embeddings.weight"):
        return shape
    if not _is_dense_kernel(name):
        return (math.prod(shape),)
    inputs = math.prod(shape[:-1]) if name.endswith("dense.weight") else shape[0]
    return (math.prod(shape) // inputs, inputs)


def _variable_names(encoder: keras.Model) -> Iterator[tuple[keras.Variable, str]]:
    """Yields each variable of a `BertBackbone` with the name Hugging Face's BERT gives it."""
    yield encoder.get_layer("token_embedding").embeddings, "embeddings.word_embeddings.weight"
    yield encoder.get_layer("position_embedding").position_embeddings, "embeddings.position_embeddings.weight"
    yield encoder.get_layer("segment_embedding").embeddings, "embeddings.token_type_embeddings.weight"
    yield from _norm(encoder.get_layer("embeddings_layer_norm"), "embeddings.LayerNorm")
    for number, layer in enumerate(encoder.transformer_layers):
        prefix, attention = f"encoder.layer.{number}", layer._self_attention_layer
        yield from _dense(attention.query_dense, f"{prefix}.attention.self.query")
        yield from _dense(attention.key_dense, f"{prefix}.attention.self.key")
        yield from _dense(attention.value_dense, f"{prefix}.attention.self.value")
        yield from _dense(attention.output_dense, f"{prefix}.attention.output.dense")
        yield from _norm(layer._self_attention_layer_norm, f"{prefix}.attention.output.LayerNorm")
        yield from _dense(layer._feedforward_intermediate_dense, f"{prefix}.intermediate.dense")
        yield from _dense(layer._feedforward_output_dense, f"{prefix}.output.dense")
        yield from _norm(layer._feedforward_layer_norm, f"{prefix}.output.LayerNorm")
    yield from _dense(encoder.get_layer(_POOLER), "pooler.dense")


def _dense(layer: keras.layers.Layer, name: str) -> Iterator[tuple[keras.Variable, str]]:
    yield layer.kernel, f"{name}.weight"
    yield layer.bias, f"{name}.bias"


def _norm(layer: keras.layers.Layer, name: str) -> Iterator[tuple[keras.Variable, str]]:
    yield layer.gamma, f"{name}.weight"
    yield layer.beta, f"{name}.bias"


class _Tensors:
    """The tensors of a folder's safetensors files, whatever prefix and layer-norm names the checkpoint uses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        whole = folder / "model.safetensors"
        index = folder / "model.safetensors.index.json"
        names = {whole.name} if whole.exists() else set(_read_json(index)["weight_map"].values())
        self._files: dict[str, Path] = {}
        for path in sorted(folder / name for name in names):
            check_safetensors(path)
            with safe_open(path, framework="numpy") as file:
                self._files.update(dict.fromkeys(file.keys(), path))
        self._prefix = "bert." if any(name.startswith("bert.") for name in self._files) else ""

    def _stored_name(self, name: str) -> str | None:
        older = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        return next((full for part in (name, older) if (full := self._prefix + part) in self._files), None)

    def __contains__(self, name: str) -> bool:
        return self._stored_name(name) is not None

    def read(self, name: str) -> np.ndarray:
        """Reads one tensor as float32."""
        stored = self._stored_name(name)
        if stored is None:
            raise SFTError("SFT357", folder=self._folder, tensor=name)
        with safe_open(self._files[stored], framework="numpy") as file:
            return np.asarray(file.get_tensor(stored), np.float32)
