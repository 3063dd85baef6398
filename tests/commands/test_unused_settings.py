"""A setting that the task would not look at, or cannot follow, is refused before anything is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import flags

from sftkeras.config import TrainConfig
from sftkeras.train import main


@pytest.mark.parametrize(
    ("task", "named"),
    [
        ({"kind": "regression", "label_smoothing": 0.1}, "--task.label_smoothing"),
        ({"kind": "regression", "class_weights": "balanced"}, "--task.class_weights"),
        ({"kind": "regression", "multi_label": "true"}, "--task.multi_label"),
        ({"kind": "regression", "threshold": 0.3}, "--task.threshold"),
        ({"kind": "classification", "threshold": 0.3}, "--task.threshold"),
        ({"kind": "classification", "constrained_decoding": "false"}, "--task.constrained_decoding"),
        ({"kind": "tagging", "label_smoothing": 0.1}, "--task.label_smoothing"),
        ({"kind": "regression", "focal_gamma": 2}, "--task.focal_gamma"),
        ({"kind": "regression", "effective_beta": 0.9}, "--task.effective_beta"),
        ({"kind": "tagging", "multi_label": "true"}, "--task.multi_label"),
        ({"kind": "tagging", "max_answer_length": 8}, "--task.max_answer_length"),
        ({"kind": "span_qa", "threshold": 0.3}, "--task.threshold"),
    ],
)
def test_a_setting_without_effect_is_refused(
    refuse: Callable[..., str], tiny_run: list[str], reviews_csv: Path, task: dict[str, object], named: str
) -> None:
    words = flags(data__train=reviews_csv, **{f"task__{name}": value for name, value in task.items()})
    assert refuse(main, TrainConfig, *tiny_run, *words).startswith(f"SFT412  {named} has no effect here")


@pytest.mark.parametrize(
    ("task", "refused"),
    [
        (
            {"effective_beta": 0.9, "class_weights": "balanced"},
            "SFT115  --task.effective_beta has no effect with these --task.class_weights: it is a setting of "
            "effective_number.",
        ),
        (
            {"focal_gamma": 2, "label_smoothing": 0.1},
            "SFT102  --task.focal_gamma: the focal loss is of labels that are not smoothed.",
        ),
    ],
)
def test_settings_of_a_loss_that_do_not_go_together_are_refused(
    refuse: Callable[..., str], tiny_run: list[str], reviews_csv: Path, task: dict[str, object], refused: str
) -> None:
    words = flags(data__train=reviews_csv, **{f"task__{name}": value for name, value in task.items()})
    assert refuse(main, TrainConfig, *tiny_run, *words).startswith(refused)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("tuning__layer_decay", 0.9),
        ("optimizer__ema", 0.99),
        ("tuning__unfreeze", 1),
        ("training__rematerialise", "true"),
        ("tuning__freeze_embeddings", "true"),
        ("objective__kind", "fgm"),
    ],
)
def test_what_a_module_cannot_do_is_refused(
    refuse: Callable[..., str], tiny_run: list[str], reviews_csv: Path, setting: str, value: object
) -> None:
    words = flags(data__train=reviews_csv, backbone__mode="opaque", **{setting: value})
    refused = refuse(main, TrainConfig, *tiny_run, *words)
    assert refused.startswith(f"SFT440  --{setting.replace('__', '.')} {value}: the encoder is a TF-Hub module")
    assert "--backbone.mode native" in refused


@pytest.mark.parametrize("kind", ["tagging", "span_qa", "masked_lm"])
def test_a_pooling_where_nothing_is_pooled_is_refused_even_the_usual_one(
    refuse: Callable[..., str], tiny_run: list[str], reviews_csv: Path, kind: str
) -> None:
    words = flags(data__train=reviews_csv, task__kind=kind, backbone__pooling="mean")
    assert refuse(main, TrainConfig, *tiny_run, *words).startswith("SFT412  --backbone.pooling has no effect here")


def test_a_column_of_labels_where_there_are_none_is_refused_even_the_usual_one(
    refuse: Callable[..., str], tiny_run: list[str], reviews_csv: Path
) -> None:
    words = flags(data__train=reviews_csv, task__kind="masked_lm", data__label="label")
    assert refuse(main, TrainConfig, *tiny_run, *words).startswith("SFT412  --data.label has no effect here")


@pytest.mark.parametrize(
    ("task", "monitor", "advice"),
    [
        ({}, "val_acuracy", 'Did you mean "val_accuracy"? This task has: val_loss, val_accuracy, val_macro_f1.'),
        ({}, "accuracy", 'Did you mean "val_accuracy"?'),
        ({}, "loss", 'Did you mean "val_loss"?'),
        ({"multi_label": "true"}, "val_accuracy", "This task has: val_loss, val_macro_f1, val_micro_f1."),
        ({"kind": "regression"}, "val_accuracy", "This task has: val_loss, val_mae, val_rmse."),
        ({"kind": "tagging"}, "val_f1", 'Did you mean "val_entity_f1"?'),
    ],
)
def test_a_monitor_that_is_not_measured_is_refused_before_anything_is_read(
    refuse: Callable[..., str], tiny_run: list[str], task: dict[str, object], monitor: str, advice: str
) -> None:
    settings = {f"task__{name}": value for name, value in task.items()}
    words = flags(data__train="no-such-file.csv", training__early_stopping__monitor=monitor, **settings)
    refused = refuse(main, TrainConfig, *tiny_run, *words)
    assert refused.startswith(f"SFT401  --training.early_stopping.monitor {monitor}: no such metric.")
    assert advice in refused
