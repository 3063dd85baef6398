"""Tiny models of every task, and how to export one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sftkeras import runtime

runtime.start_tensorflow()

import keras  # noqa: E402
import keras_hub  # noqa: E402

from sftkeras.backbones import Backbone  # noqa: E402
from sftkeras.backbones.fused_transformer import use_fused_encoder_layers  # noqa: E402
from sftkeras.exporting.contract import ModelOrigin  # noqa: E402
from sftkeras.exporting.export import export  # noqa: E402
from sftkeras.exporting.exported import ExportedVersion  # noqa: E402
from sftkeras.exporting.prediction_process import PredictionProcess  # noqa: E402
from sftkeras.tasks import Task, TextModel, attach_head  # noqa: E402
from sftkeras.tasks.classification.task import Classification, MultiLabelClassification  # noqa: E402
from sftkeras.tasks.regression.task import Regression  # noqa: E402
from sftkeras.text import TextFeatures, WordPiece  # noqa: E402

MAX_LENGTH = 24
LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film", *LETTERS, *(f"##{it}" for it in LETTERS)]

TASKS: dict[str, Task] = {
    "classification": Classification(("bad", "good", "très bon")),
    "multi_label": MultiLabelClassification(("funny", "sad", "long"), threshold=0.4),
    "regression": Regression(mean=250_000.0, deviation=80_000.0),
}
ORIGIN = ModelOrigin(backbone="hf://someone/tiny", data={"train": "reviews.csv", "text": "review"}, rows={"train": 90})


def build_model(task: Task, *, pairs: bool = False, hidden: int = 16, seed: int = 1) -> TextModel:
    keras.utils.set_random_seed(seed)
    encoder = keras_hub.models.BertBackbone(
        vocabulary_size=len(VOCABULARY),
        num_layers=1,
        num_heads=2,
        hidden_dim=hidden,
        intermediate_dim=2 * hidden,
        max_sequence_length=MAX_LENGTH + 8,
    )
    use_fused_encoder_layers(encoder)
    tokenizer = WordPiece(VOCABULARY, lowercase=True)
    backbone = Backbone(encoder, tokenizer, MAX_LENGTH + 8, True, "hugging_face", {})
    network = attach_head(backbone, task, "mean")
    for weight in network.trainable_weights:  # away from zero, so that every weight has a say in the answers
        weight.assign(weight + keras.random.normal(weight.shape, stddev=0.3))
    return TextModel(TextFeatures(tokenizer, max_length=MAX_LENGTH, pairs=pairs), network, task, backbone)


@dataclass(frozen=True)
class Exported:
    """A model in memory and the version made of it."""

    text_model: TextModel
    version: ExportedVersion

    @property
    def path(self) -> Path:
        return self.version.path


def export_tiny(
    folder: Path, process: PredictionProcess, task: str = "classification", *, pairs: bool = False
) -> Exported:
    text_model = build_model(TASKS[task], pairs=pairs)
    return Exported(text_model, export(text_model, folder / "tiny", origin=ORIGIN, process=process))
