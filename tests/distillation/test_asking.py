"""Encoders whose inside cannot be compared are refused with what is wrong."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras_hub
import pytest

from sftkeras.backbones import Backbone
from sftkeras.config import DistillationConfig, TrainConfig
from sftkeras.distillation import asking
from sftkeras.distillation.asking import Asking
from sftkeras.distillation.teacher import Teacher
from sftkeras.errors import SFTError
from sftkeras.tasks.classification.spec import ClassificationSettings

SIZES = {"vocabulary_size": 10, "num_layers": 2, "intermediate_dim": 12, "max_sequence_length": 6}
Bert, Deberta = keras_hub.models.BertBackbone, keras_hub.models.DebertaV3Backbone


def encoder(kind: Any, **settings: int) -> Backbone:
    model = kind(**{**SIZES, "num_heads": 2, "hidden_dim": 8, **settings})
    return Backbone(model, None, 6, False, "hugging_face", {})


@pytest.mark.parametrize(
    ("kind", "settings", "problem"),
    [
        (Bert, {"num_heads": 4}, r"its attention has 4 heads, and this 2\."),
        (Deberta, {}, r"attention that also looks at distances"),
    ],
)
def test_attention_is_compared_head_by_head_where_nothing_else_decides_it(
    kind: Any, settings: dict[str, int], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, student = encoder(kind, **settings), encoder(kind)
    features: Any = SimpleNamespace(fingerprint="of both")
    restored = SimpleNamespace(backbone=teacher, model=SimpleNamespace(features=features, network=None))
    monkeypatch.setattr(asking, "restore_run", lambda run: restored)
    run: Any = SimpleNamespace()
    config = TrainConfig(task=ClassificationSettings(), distillation=DistillationConfig("runs/teacher", attention=1.0))
    asks = Asking(Teacher("runs/teacher", {}, False, {}, run), config)
    with pytest.raises(SFTError, match=rf"SFT499 .*--distillation.attention 1.0: {problem}"):
        asks.inside(student.model, student, features)
