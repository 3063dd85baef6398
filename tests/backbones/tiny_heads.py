"""Tiny encoders with heads, published as folders of transformers' classes. As a program, writes them all for `make.py`.

PYTHONPATH=tests python tests/backbones/tiny_heads.py FOLDER
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tiny_folders import POSITIONS, Checkpoint

from sftkeras.backbones import load_backbone
from sftkeras.exporting.contract import ModelOrigin
from sftkeras.publishing import hugging_face
from sftkeras.publishing.source import Source
from sftkeras.runs.restoring import RestoredRun
from sftkeras.tasks import TextModel, attach_head, restore_task

CLASSES = {"kind": "classification", "multi_label": False, "label_names": ["good", "bad", "é"]}
NUMBER = {"kind": "regression", "mean": 3.0, "deviation": 2.0}
TAGS = {"kind": "tagging", "label_names": ["PER", "ORG"], "constrained_decoding": True}
SPANS = {"kind": "span_qa", "max_answer_length": 5, "no_answer_threshold": None}
VECTORS = {"kind": "similarity", "loss": "multiple_negatives"}
TOKENIZERS = {"roberta": "roberta", "xlm-roberta": "xlm_roberta", "deberta-v2": "deberta"}

TOKENS = np.array([[2, 5, 6, 7, 3], [2, 5, 3, 0, 0]], np.int32)
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], np.int32)


@dataclass(frozen=True)
class TinyHead:
    """An encoder, its task and its pooling."""

    model_type: str
    task: dict[str, Any]
    pooling: str = "cls"

    def source(self, folder: Path) -> Source:
        """A run whose head has drawn weights; the checkpoint is written into `folder`."""
        checkpoint = Checkpoint(
            self.model_type,
            tokenizer_of=TOKENIZERS.get(self.model_type),
            sentence_piece=self.model_type == "albert",
        )
        backbone = load_backbone(checkpoint.write(folder), max_length=POSITIONS)
        task = restore_task(self.task)
        network = attach_head(backbone, task, self.pooling)
        for weight in network.weights:
            if "logits" in weight.path:
                weight.assign(np.random.default_rng(5).normal(0, 0.5, weight.shape))
        backbone = replace(backbone, has_pooler=backbone.has_pooler and self.pooling == "cls")
        run = RestoredRun(TextModel(None, network, task, backbone), backbone, self.pooling, POSITIONS, {})
        return Source(backbone, self.pooling, ModelOrigin("tiny"), run)


HEADS = {
    "bert": TinyHead("bert", CLASSES),
    "albert": TinyHead("albert", NUMBER),
    "roberta": TinyHead("roberta", CLASSES),
    "xlm-roberta": TinyHead("xlm-roberta", SPANS),
    "distilbert": TinyHead("distilbert", TAGS),
    "electra": TinyHead("electra", SPANS),
    "deberta-v2": TinyHead("deberta-v2", TAGS),
}


def published(head: TinyHead, folder: Path) -> tuple[Source, Path]:
    """The source, and the folder that was written of it."""
    source, output = head.source(folder / "source"), folder / "published"
    output.mkdir()
    hugging_face.write(source, output, output, "float32")
    return source, output


def logits(network: keras.Model, task: dict[str, Any]) -> np.ndarray:
    """Outputs of a head for `TOKENS`, in the unit of its data."""
    inputs = {"token_ids": TOKENS, "segment_ids": np.zeros_like(TOKENS), "padding_mask": MASK}
    found = network({name: inputs[name] for name in network.input}, training=False).numpy()
    return found * task.get("deviation", 1.0) + task.get("mean", 0.0)


if __name__ == "__main__":
    for name, tiny in HEADS.items():
        published(tiny, Path(sys.argv[1]) / name)
