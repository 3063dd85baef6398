"""Tiny checkpoints in every form that folders of weights come in, and their forward pass in plain NumPy."""

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
from tiny_sentence_pieces import tiny_sentence_pieces

Tensors = dict[str, np.ndarray]

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "a", "##s", "é", "e", "."]
HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 16, 2, 4, 24, 12
EMBEDDING = 8  # width of the embeddings where an architecture has one for them

# What config.json means by leaving a key out, by architecture.
ACTIVATION = {"bert": "gelu", "electra": "gelu", "albert": "gelu_new"}
DROPOUT = {"bert": 0.1, "electra": 0.1, "albert": 0.0}
POOLER = {"bert": "pooler.dense", "electra": None, "albert": "pooler"}
PROJECTION = {"electra": "embeddings_project", "albert": "encoder.embedding_hidden_mapping_in"}


def layer_parts(model_type: str, number: int) -> dict[str, str]:
    """The names of the parts of a transformer layer; ALBERT has one layer, whatever the number."""
    if model_type == "albert":
        layer = "encoder.albert_layer_groups.0.albert_layers.0"
        names = {part: f"attention.{part}" for part in ("query", "key", "value")}
        names |= {"attention": "attention.dense", "attention_norm": "attention.LayerNorm"}
        names |= {"inner": "ffn", "output": "ffn_output", "output_norm": "full_layer_layer_norm"}
    else:
        layer = f"encoder.layer.{number}"
        names = {part: f"attention.self.{part}" for part in ("query", "key", "value")}
        names |= {"attention": "attention.output.dense", "attention_norm": "attention.output.LayerNorm"}
        names |= {"inner": "intermediate.dense", "output": "output.dense", "output_norm": "output.LayerNorm"}
    return {part: f"{layer}.{name}" for part, name in names.items()}


@dataclass(frozen=True)
class Checkpoint:
    """A Hugging Face folder to write, and what is unusual about it."""

    model_type: str = "bert"
    hidden_act: str | None = None
    layer_norm_eps: float = 1e-12
    prefix: str = ""
    older_norm_names: bool = False
    shards: int = 1
    dtype: Any = np.float32
    pooler: bool = True
    tokenizer_json: bool = False
    sentence_piece: bool = False
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def activation(self) -> str:
        """The activation of its layers, said or not."""
        return self.hidden_act or ACTIVATION[self.model_type]

    @property
    def pooler_name(self) -> str | None:
        """What its pooler is called, if it has one."""
        return POOLER[self.model_type] if self.pooler else None

    @property
    def rows(self) -> int:
        """Rows of the embedding, a few more than the vocabulary has pieces."""
        return 300 if self.sentence_piece else len(VOCABULARY) + 3

    def tensors(self) -> Tensors:
        """Random weights by Hugging Face's names of today, as the folder's precision rounds them, in float32."""
        random = np.random.default_rng(7)

        def draw(*shape: int) -> np.ndarray:
            return random.normal(0, 0.3, shape).astype(self.dtype).astype(np.float32)

        width = HIDDEN if self.model_type == "bert" else EMBEDDING
        tensors = {
            "embeddings.word_embeddings.weight": draw(self.rows, width),
            "embeddings.position_embeddings.weight": draw(POSITIONS, width),
            "embeddings.token_type_embeddings.weight": draw(2, width),
        }
        dense = {self.pooler_name: (HIDDEN, HIDDEN)} if self.pooler_name else {}
        norms = {"embeddings.LayerNorm": width}
        if projection := PROJECTION.get(self.model_type):
            dense[projection] = (HIDDEN, EMBEDDING)
        for number in range(LAYERS):
            parts = layer_parts(self.model_type, number)
            dense |= {parts[part]: (HIDDEN, HIDDEN) for part in ("query", "key", "value", "attention")}
            dense |= {parts["inner"]: (INNER, HIDDEN), parts["output"]: (HIDDEN, INNER)}
            norms |= {parts["attention_norm"]: HIDDEN, parts["output_norm"]: HIDDEN}
        for name, shape in dense.items():
            tensors |= {f"{name}.weight": draw(*shape), f"{name}.bias": draw(shape[0])}
        for name, size in norms.items():
            tensors |= {f"{name}.weight": 1 + draw(size), f"{name}.bias": draw(size)}
        return {name: array.astype(self.dtype).astype(np.float32) for name, array in tensors.items()}

    def write(self, folder: Path) -> Path:
        """Writes the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        config = {
            "model_type": self.model_type,
            "vocab_size": self.rows,
            "hidden_size": HIDDEN,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "intermediate_size": INNER,
            "max_position_embeddings": POSITIONS,
            "layer_norm_eps": self.layer_norm_eps,
        }
        config |= {} if self.model_type == "bert" else {"embedding_size": EMBEDDING}
        config |= {} if self.hidden_act is None else {"hidden_act": self.hidden_act}
        (folder / "config.json").write_text(json.dumps(config | self.config))
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
        if self.sentence_piece:
            (folder / "spiece.model").write_bytes(tiny_sentence_pieces())
        elif self.tokenizer_json:
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
    tensors: Tensors,
    inputs: dict[str, np.ndarray],
    *,
    model_type: str = "bert",
    hidden_act: str = "gelu",
    epsilon: float = 1e-12,
) -> tuple[np.ndarray, np.ndarray | None]:
    """The encoder in float64: the token vectors [batch, length, hidden], and the pooled ones if there is a pooler."""
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
    if model_type in PROJECTION:
        x = dense(PROJECTION[model_type], x)
    for number in range(LAYERS):
        parts = layer_parts(model_type, number)
        heads = [
            dense(parts[part], x).reshape(rows, length, HEADS, -1).swapaxes(1, 2) for part in ("query", "key", "value")
        ]
        scores = heads[0] @ heads[1].swapaxes(2, 3) / math.sqrt(HIDDEN // HEADS)
        scores = np.where(mask[:, None, None, :] == 1, scores, -1e30)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        context = (shares @ heads[2]).swapaxes(1, 2).reshape(rows, length, HIDDEN)
        x = norm(parts["attention_norm"], x + dense(parts["attention"], context))
        x = norm(parts["output_norm"], x + dense(parts["output"], ACTIVATIONS[hidden_act](dense(parts["inner"], x))))
    pooler = POOLER[model_type] or ""
    return x, np.tanh(dense(pooler, x[:, 0])) if f"{pooler}.weight" in weights else None
