"""Tiny checkpoints in every form that folders of weights come in, and their forward pass in plain NumPy."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np
from safetensors.numpy import save_file
from tiny_byte_pairs import tiny_byte_pairs
from tiny_sentence_pieces import tiny_sentence_pieces
from tiny_unigram import tiny_model

from sftkeras.backbones.hugging_face.vocabularies import UNIGRAMS, write_byte_pairs

Tensors = dict[str, np.ndarray]

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "a", "##s", "é", "e", "."]
HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 16, 2, 4, 24, 12
EMBEDDING = 8  # width of the embeddings where an architecture has one for them
BUCKETS = 4  # of relative positions: several distances share one

# What each architecture has. RoBERTa's positions begin with two rows that no token has.
POOLER = {"bert": "pooler.dense", "electra": None, "albert": "pooler", "roberta": "pooler.dense"}
POOLER |= {"xlm-roberta": "pooler.dense", "distilbert": None, "deberta-v2": None}
PROJECTION = {"electra": "embeddings_project", "albert": "encoder.embedding_hidden_mapping_in"}
UNUSED_POSITIONS = {"roberta": 2, "xlm-roberta": 2}
SEGMENTS = {"roberta": 1, "xlm-roberta": 1, "distilbert": 0, "deberta-v2": 0}
MODEL_TYPES = tuple(POOLER)
# What config.json means by leaving a key out.
ACTIVATION = {**dict.fromkeys(MODEL_TYPES, "gelu"), "albert": "gelu_new"}
DROPOUT = {**dict.fromkeys(MODEL_TYPES, 0.1), "albert": 0.0}
# The keys of config.json where they are others than BERT's.
KEYS = {
    "distilbert": {
        "hidden_size": "dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "intermediate_size": "hidden_dim",
        "hidden_act": "activation",
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    }
}
MORE_CONFIG = {
    "roberta": {"type_vocab_size": 1},
    "xlm-roberta": {"type_vocab_size": 1},
    "deberta-v2": {
        "type_vocab_size": 0,
        "relative_attention": True,
        "position_buckets": BUCKETS,
        "position_biased_input": False,
        "pos_att_type": "p2c|c2p",
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
    },
    "electra": {"embedding_size": EMBEDDING},
    "albert": {"embedding_size": EMBEDDING},
}


def layer_parts(model_type: str, number: int) -> dict[str, str]:
    """The names of the parts of a transformer layer; ALBERT has one layer, whatever the number."""
    if model_type == "albert":
        layer = "encoder.albert_layer_groups.0.albert_layers.0"
        names = {part: f"attention.{part}" for part in ("query", "key", "value")}
        names |= {"attention": "attention.dense", "attention_norm": "attention.LayerNorm"}
        names |= {"inner": "ffn", "output": "ffn_output", "output_norm": "full_layer_layer_norm"}
    elif model_type == "distilbert":
        layer = f"transformer.layer.{number}"
        names = {part: f"attention.{part[0]}_lin" for part in ("query", "key", "value")}
        names |= {"attention": "attention.out_lin", "attention_norm": "sa_layer_norm"}
        names |= {"inner": "ffn.lin1", "output": "ffn.lin2", "output_norm": "output_layer_norm"}
    else:
        layer = f"encoder.layer.{number}"
        end = "_proj" if model_type == "deberta-v2" else ""
        names = {part: f"attention.self.{part}{end}" for part in ("query", "key", "value")}
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
    tokenizer_of: str | None = None  # "roberta", "xlm_roberta" or "deberta"
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
        return 400 if self.sentence_piece or self.tokenizer_of else len(VOCABULARY) + 3

    def tensors(self) -> Tensors:
        """Random weights by Hugging Face's names of today, as the folder's precision rounds them, in float32."""
        random = np.random.default_rng(7)

        def draw(*shape: int) -> np.ndarray:
            return random.normal(0, 0.3, shape).astype(self.dtype).astype(np.float32)

        kind = self.model_type
        width = EMBEDDING if kind in PROJECTION else HIDDEN
        tensors = {"embeddings.word_embeddings.weight": draw(self.rows, width)}
        if kind != "deberta-v2":
            positions = draw(POSITIONS + UNUSED_POSITIONS.get(kind, 0), width)
            positions[: UNUSED_POSITIONS.get(kind, 0)] = 0
            tensors["embeddings.position_embeddings.weight"] = positions
        if segments := SEGMENTS.get(kind, 2):
            tensors["embeddings.token_type_embeddings.weight"] = draw(segments, width)
        dense = {self.pooler_name: (HIDDEN, HIDDEN)} if self.pooler_name else {}
        norms = {"embeddings.LayerNorm": width}
        if kind == "deberta-v2":
            tensors["encoder.rel_embeddings.weight"] = draw(2 * BUCKETS, HIDDEN)
            norms["encoder.LayerNorm"] = HIDDEN
        if projection := PROJECTION.get(kind):
            dense[projection] = (HIDDEN, EMBEDDING)
        for number in range(LAYERS):
            parts = layer_parts(kind, number)
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
            "max_position_embeddings": POSITIONS + UNUSED_POSITIONS.get(self.model_type, 0),
            "layer_norm_eps": self.layer_norm_eps,
            **MORE_CONFIG.get(self.model_type, {}),
        }
        config |= {} if self.hidden_act is None else {"hidden_act": self.hidden_act}
        keys = KEYS.get(self.model_type, {})
        config = {keys.get(key, key): value for key, value in (config | self.config).items()}
        (folder / "config.json").write_text(json.dumps(config))
        self.write_tokenizer(folder)
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

    def write_tokenizer(self, folder: Path) -> None:
        """Writes the tokenizer's files."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.tokenizer_of == "roberta":
            write_byte_pairs(*tiny_byte_pairs(), folder)
        elif self.tokenizer_of:
            (folder / UNIGRAMS[self.tokenizer_of]).write_bytes(tiny_model(self.tokenizer_of))
        elif self.sentence_piece:
            (folder / "spiece.model").write_bytes(tiny_sentence_pieces())
        elif self.tokenizer_json:
            pieces = {piece: number for number, piece in enumerate(VOCABULARY)}
            rules = {"type": "BertNormalizer", "lowercase": True, "strip_accents": None, "handle_chinese_chars": True}
            whole = {"model": {"type": "WordPiece", "vocab": pieces}, "normalizer": rules}
            whole["pre_tokenizer"] = {"type": "BertPreTokenizer"}
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


def ragged_inputs(model_type: str = "bert", rows: int = 5) -> dict[str, np.ndarray]:
    """Random tokens of rows of unequal length, the shortest one token, the longest all positions; pairs and padding."""
    random = np.random.default_rng(11)
    lengths = np.linspace(1, POSITIONS, rows).astype(int)
    mask = (np.arange(POSITIONS) < lengths[:, None]).astype(np.int32)
    tokens = random.integers(1, len(VOCABULARY), mask.shape).astype(np.int32)
    segments = (np.arange(POSITIONS) >= lengths[:, None] // 2).astype(np.int32)
    segments *= SEGMENTS.get(model_type) != 1  # an encoder of one segment has no second
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
    prompt: np.ndarray | None = None,
    prefix: Sequence[np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """The encoder in float64: the token vectors [batch, length, hidden], and the pooled ones if there is a pooler.

    Virtual tokens are a `prompt`, their vectors [tokens, size], or a `prefix`, of each layer [tokens, 2 * hidden].
    """
    weights = {name: array.astype(np.float64) for name, array in tensors.items()}

    def dense(name: str, x: np.ndarray) -> np.ndarray:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name: str, x: np.ndarray) -> np.ndarray:
        scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def split(x: np.ndarray) -> np.ndarray:  # [rows, heads, length, size]
        return x.reshape(len(x), -1, HEADS, HIDDEN // HEADS).swapaxes(1, 2)

    tokens, mask = inputs["token_ids"], inputs["padding_mask"]
    segments, virtual = inputs["segment_ids"], 0
    x = weights["embeddings.word_embeddings.weight"][tokens]
    if prompt is not None:
        virtual = len(prompt)
        x = np.concatenate([np.repeat(prompt[None], len(x), 0), x], 1)
        mask, segments = (
            np.pad(it, ((0, 0), (virtual, 0)), constant_values=one) for it, one in ((mask, 1), (segments, 0))
        )
    rows, length = mask.shape
    if "embeddings.position_embeddings.weight" in weights:
        first = UNUSED_POSITIONS.get(model_type, 0) + (len(prefix[0]) if prefix else 0)
        x = x + weights["embeddings.position_embeddings.weight"][first:][:length]
    if "embeddings.token_type_embeddings.weight" in weights:
        x = x + weights["embeddings.token_type_embeddings.weight"][segments]
    x = norm("embeddings.LayerNorm", x)
    if model_type in PROJECTION:
        x = dense(PROJECTION[model_type], x)
    for number in range(LAYERS):
        parts = layer_parts(model_type, number)
        query, key, value = (split(dense(parts[part], x)) for part in ("query", "key", "value"))
        scores = query @ key.swapaxes(2, 3)
        if model_type == "deberta-v2":
            table = norm("encoder.LayerNorm", weights["encoder.rel_embeddings.weight"])[None]
            where = np.arange(length)
            row = relative_rows(where[:, None] - where)  # [query, key]
            to_key, to_query = (split(dense(parts[part], table))[:, :, row] for part in ("key", "query"))
            scores = scores + np.einsum("bhqd,xhqkd->bhqk", query, to_key)
            scores = (scores + np.einsum("bhkd,xhqkd->bhqk", key, to_query)) / math.sqrt(3)
        scores = scores / math.sqrt(HIDDEN // HEADS)
        scores = np.where(mask[:, None, None, :] == 1, scores, -1e30)
        if prefix:
            own_key, own_value = (split(np.repeat(each[None], rows, 0)) for each in np.split(prefix[number], 2, -1))
            own = query @ own_key.swapaxes(2, 3) / math.sqrt(HIDDEN // HEADS * (3 if model_type == "deberta-v2" else 1))
            scores, value = np.concatenate([own, scores], -1), np.concatenate([own_value, value], 2)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        context = (shares @ value).swapaxes(1, 2).reshape(rows, length, HIDDEN)
        x = norm(parts["attention_norm"], x + dense(parts["attention"], context))
        x = norm(parts["output_norm"], x + dense(parts["output"], ACTIVATIONS[hidden_act](dense(parts["inner"], x))))
    x = x[:, virtual:]
    pooler = POOLER[model_type] or ""
    return x, np.tanh(dense(pooler, x[:, 0])) if f"{pooler}.weight" in weights else None


def relative_rows(distances: np.ndarray) -> np.ndarray:
    """The row of DeBERTa's table of relative positions for each distance: one each if near, several to a row if far."""
    middle = BUCKETS // 2
    far = np.maximum(np.abs(distances), middle) / middle
    steps = np.ceil(np.log(far) / np.log((POSITIONS - 1) / middle) * (middle - 1)) + middle
    rows = np.where(np.abs(distances) <= middle, distances, np.sign(distances) * steps)
    return np.clip(rows + BUCKETS, 0, 2 * BUCKETS - 1).astype(int)
