"""The weights of an exported BERT classifier under the names that transformers gives them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from sftkeras import runtime

# The order in which an export of a BERT encoder lists its weights; a kernel of attention has the heads as an axis.
_EMBEDDINGS = ["word_embeddings.weight", "position_embeddings.weight", "token_type_embeddings.weight"]
_NORM = ["weight", "bias"]
_DENSE = ["kernel", "bias"]
_BLOCK = [
    *(f"attention.self.{name}.{part}" for name in ("query", "key", "value") for part in _DENSE),
    *(f"attention.output.dense.{part}" for part in _DENSE),
    *(f"attention.output.LayerNorm.{part}" for part in _NORM),
    *(f"output.LayerNorm.{part}" for part in _NORM),
    *(f"{name}.dense.{part}" for name in ("intermediate", "output") for part in _DENSE),
]


def write_for_transformers(version: Path, encoder: Path, folder: Path) -> None:
    """Writes what peers/fastapi_classifier.py reads.

    Whether it computes the same is for the caller to compare: the weights are matched by their order alone.

    Args:
        version: of an export; a classification with a mean of the tokens and a linear head.
        encoder: the pretrained encoder's Hugging Face folder, for its config and tokenizer.
        folder: made here.
    """
    contract = json.loads((version / "contract.json").read_text(encoding="utf-8"))
    weights = read_weights(version)
    layers = json.loads((encoder / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"]
    names = [f"embeddings.{name}" for name in [*_EMBEDDINGS, *(f"LayerNorm.{part}" for part in _NORM)]]
    names += [f"encoder.layer.{layer}.{name}" for layer in range(layers) for name in _BLOCK]
    if len(weights) != len(names) + 2:
        raise SystemExit(f"{version}: {len(weights)} weights are not those of a BERT of {layers} layers and its head")
    *encoder_weights, kernel, bias = weights
    folder.mkdir(parents=True)
    for file in encoder.iterdir():
        if file.suffix in (".json", ".txt"):
            shutil.copy(file, folder)
    save_file(dict(map(as_transformers, names, encoder_weights)), folder / "model.safetensors", {"format": "pt"})
    head: dict[str, Any] = {"kernel": kernel.tolist(), "bias": bias.tolist(), "max_length": contract["max_length"]}
    head["label_names"] = contract["task"]["label_names"]
    (folder / "head.json").write_text(json.dumps(head), encoding="utf-8")


def read_weights(version: Path) -> list[np.ndarray]:
    """The variables of a SavedModel, in the order in which it lists them."""
    runtime.start_tensorflow()
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    names = [name for name in reader.get_variable_to_shape_map() if name.startswith("weights/")]
    return [reader.get_tensor(name) for name in sorted(names, key=lambda name: int(re.findall(r"\d+", name)[0]))]


def as_transformers(name: str, weight: np.ndarray) -> tuple[str, np.ndarray]:
    """PyTorch keeps a kernel as [output, input]; a bias of attention has no axis for the heads."""
    if name.endswith(".kernel"):
        inputs = weight.shape[0] if weight.ndim == 2 or ".self." in name else weight.shape[0] * weight.shape[1]
        return name.removesuffix("kernel") + "weight", np.ascontiguousarray(weight.reshape(inputs, -1).T)
    return name, np.ascontiguousarray(weight.reshape(-1) if name.endswith(".bias") else weight)
