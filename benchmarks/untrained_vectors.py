"""Exports a pretrained encoder as it is, as a model of vectors: python untrained_vectors.py ENCODER MAX_LENGTH OUTPUT

ENCODER is a Hugging Face folder. Run by predict_vs_peers.py, since how fast vectors are computed does not depend on
training.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sftkeras import runtime

runtime.start_tensorflow()

from sftkeras.backbones import load_backbone  # noqa: E402
from sftkeras.exporting.contract import ModelOrigin  # noqa: E402
from sftkeras.exporting.export import export  # noqa: E402
from sftkeras.tasks import TextModel, attach_head  # noqa: E402
from sftkeras.tasks.similarity.task import MatchingPairs  # noqa: E402


def main(encoder: Path, max_length: int, output: Path) -> None:
    """Publishes version 1 in OUTPUT."""
    backbone = load_backbone(encoder, max_length=max_length)
    task = MatchingPairs()
    features = task.features(backbone.tokenizer, max_length=max_length, pairs=False)
    model = TextModel(features, attach_head(backbone, task, "mean"), task, backbone)
    export(model, output, origin=ModelOrigin(encoder.name))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
