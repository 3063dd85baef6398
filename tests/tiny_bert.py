"""A random BERT of one layer as a Hugging Face folder, and short reviews it can learn: what tests train in seconds."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

HIDDEN, LAYERS, HEADS, POSITIONS = 16, 1, 2, 64

GOOD, BAD = ("good", "great", "lovely", "moving"), ("bad", "dull", "awful", "boring")
NOUNS = ("film", "plot", "cast", "scene", "score", "ending", "pace", "story")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = (*SPECIALS, "a", "the", *GOOD, *BAD, *NOUNS, *LETTERS[1:], *(f"##{letter}" for letter in LETTERS))


def write_tiny_bert(folder: Path, *, seed: int = 5, pooler: bool = True) -> Path:
    """Writes config.json, vocab.txt and model.safetensors into `folder`, which is made, and returns it."""
    folder.mkdir(parents=True)
    config = {
        "model_type": "bert",
        "vocab_size": len(VOCABULARY),
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": 2 * HIDDEN,
        "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    tensors = _tensors(np.random.default_rng(seed))
    if not pooler:
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("pooler.")}
    save_file(tensors, folder / "model.safetensors")
    return folder


def _tensors(random: np.random.Generator) -> dict[str, np.ndarray]:
    tensors: dict[str, np.ndarray] = {}

    def dense(name: str, outputs: int, inputs: int) -> None:
        tensors[f"{name}.weight"] = random.normal(0, inputs**-0.5, (outputs, inputs)).astype(np.float32)
        tensors[f"{name}.bias"] = np.zeros(outputs, np.float32)

    def norm(name: str) -> None:
        tensors[f"{name}.weight"] = np.ones(HIDDEN, np.float32)
        tensors[f"{name}.bias"] = np.zeros(HIDDEN, np.float32)

    for name, rows in (("word", len(VOCABULARY)), ("position", POSITIONS), ("token_type", 2)):
        tensors[f"embeddings.{name}_embeddings.weight"] = random.normal(0, 0.5, (rows, HIDDEN)).astype(np.float32)
    norm("embeddings.LayerNorm")
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            dense(f"{prefix}.attention.{part}", HIDDEN, HIDDEN)
        norm(f"{prefix}.attention.output.LayerNorm")
        dense(f"{prefix}.intermediate.dense", 2 * HIDDEN, HIDDEN)
        dense(f"{prefix}.output.dense", HIDDEN, 2 * HIDDEN)
        norm(f"{prefix}.output.LayerNorm")
    dense("pooler.dense", HIDDEN, HIDDEN)
    return tensors


def reviews(rows: int = 60) -> list[tuple[str, str]]:
    """Returns up to 64 different short texts, "negative" and "positive" in turn; one word of each tells which."""
    found = []
    for number in range(rows):
        label, words = (("negative", BAD), ("positive", GOOD))[number % 2]
        noun, other, word = NOUNS[number % 8], NOUNS[number // 8 % 8], words[number // 2 % 4]
        found.append((f"the {word} {noun}" + " a" * (number % 4) + f" {other}", label))
    return found


def write_csv(path: Path, rows: Iterable[Sequence[object]], header: Sequence[str] = ("text", "label")) -> Path:
    """Writes rows as CSV and returns the path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path
