"""Tiny BERT checkpoints in every form that folders of weights come in, and BERT's forward pass in plain NumPy."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np
from safetensors.numpy import save_file

Tensors = dict[str, np.ndarray]

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "a", "##s", "é", "e", "."]
HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 16, 2, 4, 24, 12


@dataclass(frozen=True)
class Checkpoint:
    """A Hugging Face folder to write, and what is unusual about it."""

    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-12
    prefix: str = ""
    older_norm_names: bool = False
    shards: int = 1
    dtype: Any = np.float32
    pooler: bool = True
    tokenizer_json: bool = False
    config: dict[str, Any] = field(default_factory=dict)

    def tensors(self) -> Tensors:
        """Random weights by Hugging Face's names of today, as the folder's precision rounds them, in float32."""
        random = np.random.default_rng(7)

        def draw(*shape: int) -> np.ndarray:
            return random.normal(0, 0.3, shape).astype(self.dtype).astype(np.float32)

        tensors = {
            "embeddings.word_embeddings.weight": draw(len(VOCABULARY) + 3, HIDDEN),
            "embeddings.position_embeddings.weight": draw(POSITIONS, HIDDEN),
            "embeddings.token_type_embeddings.weight": draw(2, HIDDEN),
        }
        dense = {"pooler.dense": (HIDDEN, HIDDEN)} if self.pooler else {}
        norms = ["embeddings.LayerNorm"]
        for number in range(LAYERS):
            layer = f"encoder.layer.{number}"
            dense |= {f"{layer}.attention.self.{part}": (HIDDEN, HIDDEN) for part in ("query", "key", "value")}
            dense |= {
                f"{layer}.attention.output.dense": (HIDDEN, HIDDEN),
                f"{layer}.intermediate.dense": (INNER, HIDDEN),
                f"{layer}.output.dense": (HIDDEN, INNER),
            }
            norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
        for name, shape in dense.items():
            tensors |= {f"{name}.weight": draw(*shape), f"{name}.bias": draw(shape[0])}
        for name in norms:
            tensors |= {f"{name}.weight": 1 + draw(HIDDEN), f"{name}.bias": draw(HIDDEN)}
        return {name: array.astype(self.dtype).astype(np.float32) for name, array in tensors.items()}

    def write(self, folder: Path) -> Path:
        """Writes the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        config = {
            "model_type": "bert",
            "vocab_size": len(VOCABULARY) + 3,
            "hidden_size": HIDDEN,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "intermediate_size": INNER,
            "max_position_embeddings": POSITIONS,
            "hidden_act": self.hidden_act,
            "layer_norm_eps": self.layer_norm_eps,
            **self.config,
        }
        (folder / "config.json").write_text(json.dumps(config))
        self._write_tokenizer(folder)
        stored = {self._stored_name(name): array.astype(self.dtype) for name, array in self.tensors().items()}
        stored["cls.predictions.bias"] = np.zeros(3, np.float32)  # a head that is left alone
        if self.shards == 1:
            save_file(stored, folder / "model.safetensors")
            return folder
        names = [f"model-{number + 1:05}-of-{self.shards:05}.safetensors" for number in range(self.shards)]
        parts = [dict(list(stored.items())[number :: self.shards]) for number in range(self.shards)]
        for name, part in zip(names, parts, strict=True):
            save_file(part, folder / name)
        places = {tensor: name for name, part in zip(names, parts, strict=True) for tensor in part}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
        return folder

    def _write_tokenizer(self, folder: Path) -> None:
        if self.tokenizer_json:
            pieces = {piece: number for number, piece in enumerate(VOCABULARY)}
            rules = {"type": "BertNormalizer", "lowercase": True, "strip_accents": None, "handle_chinese_chars": True}
            whole = {"model": {"type": "WordPiece", "vocab": pieces}, "normalizer": rules}
            (folder / "tokenizer.json").write_text(json.dumps(whole))
        else:
            (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")

    def _stored_name(self, name: str) -> str:
        if self.older_norm_names:
            name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        return self.prefix + name


PLAIN = Checkpoint()


def write_keras_hub(folder: Path) -> Path:
    """A KerasHub preset folder: encoder and tokenizer, saved by KerasHub itself."""
    keras.utils.set_random_seed(3)
    encoder = keras_hub.models.BertBackbone(
        vocabulary_size=len(VOCABULARY),
        num_layers=LAYERS,
        num_heads=HEADS,
        hidden_dim=HIDDEN,
        intermediate_dim=INNER,
        max_sequence_length=POSITIONS,
        dropout=0.2,
    )
    for weight in encoder.weights:
        weight.assign(weight + keras.random.normal(weight.shape, stddev=0.2))
    encoder.save_to_preset(str(folder))
    keras_hub.models.BertTokenizer(vocabulary=VOCABULARY, lowercase=True).save_to_preset(str(folder))
    return folder


def keras_hub_tensors(encoder: Any) -> Tensors:
    """The weights of a KerasHub BERT by Hugging Face's names, as PyTorch lays them out."""

    def dense(name: str, layer: Any, outputs: int) -> Tensors:
        kernel = np.asarray(layer.kernel).reshape(-1, outputs)
        return {f"{name}.weight": kernel.T, f"{name}.bias": np.asarray(layer.bias).reshape(-1)}

    def norm(name: str, layer: Any) -> Tensors:
        return {f"{name}.weight": np.asarray(layer.gamma), f"{name}.bias": np.asarray(layer.beta)}

    tensors = {
        "embeddings.word_embeddings.weight": np.asarray(encoder.token_embedding.embeddings),
        "embeddings.position_embeddings.weight": np.asarray(encoder.position_embedding.position_embeddings),
        "embeddings.token_type_embeddings.weight": np.asarray(encoder.segment_embedding.embeddings),
        **norm("embeddings.LayerNorm", encoder.embeddings_layer_norm),
        **dense("pooler.dense", encoder.pooled_dense, HIDDEN),
    }
    for number, layer in enumerate(encoder.transformer_layers):
        prefix, attention = f"encoder.layer.{number}", layer._self_attention_layer
        for part in ("query", "key", "value"):
            tensors |= dense(f"{prefix}.attention.self.{part}", getattr(attention, f"{part}_dense"), HIDDEN)
        tensors |= dense(f"{prefix}.attention.output.dense", attention.output_dense, HIDDEN)
        tensors |= norm(f"{prefix}.attention.output.LayerNorm", layer._self_attention_layer_norm)
        tensors |= dense(f"{prefix}.intermediate.dense", layer._feedforward_intermediate_dense, INNER)
        tensors |= dense(f"{prefix}.output.dense", layer._feedforward_output_dense, HIDDEN)
        tensors |= norm(f"{prefix}.output.LayerNorm", layer._feedforward_layer_norm)
    return tensors


def ragged_inputs(rows: int = 5) -> dict[str, np.ndarray]:
    """Random tokens of rows of unequal length, the shortest one token, the longest all positions; pairs and padding."""
    random = np.random.default_rng(11)
    lengths = np.linspace(1, POSITIONS, rows).astype(int)
    mask = (np.arange(POSITIONS) < lengths[:, None]).astype(np.int32)
    tokens = random.integers(1, len(VOCABULARY), mask.shape).astype(np.int32)
    segments = (np.arange(POSITIONS) >= lengths[:, None] // 2).astype(np.int32)
    return {"token_ids": tokens * mask, "segment_ids": segments * mask, "padding_mask": mask}


def _erf(x: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erf)(x)


_GELU_TANH = lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))  # noqa: E731
ACTIVATIONS = {
    "gelu": lambda x: x * 0.5 * (1 + _erf(x / math.sqrt(2))),
    "gelu_new": _GELU_TANH,
    "gelu_pytorch_tanh": _GELU_TANH,
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


def forward(
    tensors: Tensors, inputs: dict[str, np.ndarray], *, hidden_act: str = "gelu", epsilon: float = 1e-12
) -> tuple[np.ndarray, np.ndarray | None]:
    """BERT in float64: the token vectors [batch, length, hidden], and the pooled ones if there is a pooler."""
    weights = {name: array.astype(np.float64) for name, array in tensors.items()}

    def dense(name: str, x: np.ndarray) -> np.ndarray:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name: str, x: np.ndarray) -> np.ndarray:
        scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    tokens, mask = inputs["token_ids"], inputs["padding_mask"]
    rows, length = tokens.shape
    x = weights["embeddings.word_embeddings.weight"][tokens]
    x = x + weights["embeddings.position_embeddings.weight"][:length]
    x = x + weights["embeddings.token_type_embeddings.weight"][inputs["segment_ids"]]
    x = norm("embeddings.LayerNorm", x)
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        heads = [
            dense(f"{layer}.attention.self.{part}", x).reshape(rows, length, HEADS, -1).swapaxes(1, 2)
            for part in ("query", "key", "value")
        ]
        scores = heads[0] @ heads[1].swapaxes(2, 3) / math.sqrt(HIDDEN // HEADS)
        scores = np.where(mask[:, None, None, :] == 1, scores, -1e30)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        context = (shares @ heads[2]).swapaxes(1, 2).reshape(rows, length, HIDDEN)
        x = norm(f"{layer}.attention.output.LayerNorm", x + dense(f"{layer}.attention.output.dense", context))
        inner = ACTIVATIONS[hidden_act](dense(f"{layer}.intermediate.dense", x))
        x = norm(f"{layer}.output.LayerNorm", x + dense(f"{layer}.output.dense", inner))
    return x, np.tanh(dense("pooler.dense", x[:, 0])) if "pooler.dense.weight" in weights else None
