"""A real export of a similarity model with random weights."""

from __future__ import annotations

from pathlib import Path

from forked import forked_predictions

from sftkeras import runtime

runtime.start_tensorflow()

from sftkeras.backbones import load_backbone  # noqa: E402
from sftkeras.exporting.contract import ModelOrigin  # noqa: E402
from sftkeras.exporting.export import export  # noqa: E402
from sftkeras.tasks import TextModel, attach_head  # noqa: E402
from sftkeras.tasks.similarity.task import MatchingPairs  # noqa: E402

MAX_LENGTH = 24


def export_tiny_vectors(encoder: Path, model: Path) -> None:
    """Exports version 1 of a model.

    Args:
        encoder: a folder of weights.
        model: the folder of its versions.
    """
    backbone = load_backbone(encoder, max_length=MAX_LENGTH)
    task = MatchingPairs()
    features = task.features(backbone.tokenizer, max_length=MAX_LENGTH, pairs=True)
    text_model = TextModel(features, attach_head(backbone, task, "mean"), task)
    with forked_predictions():
        export(text_model, model, origin=ModelOrigin(backbone="hf://someone/tiny"))
