"""What is checked of a run's settings before anything is read."""

from __future__ import annotations

from typing import Any

import pytest

from sftkeras.config import BackboneConfig, ObjectiveConfig, OptimizerConfig, TrainConfig, TuningConfig
from sftkeras.errors import SFTError
from sftkeras.tasks import spec_of
from sftkeras.tasks.causal_lm.spec import CausalLMSettings
from sftkeras.tasks.chat.spec import ChatSettings
from sftkeras.tasks.classification.spec import ClassificationSettings
from sftkeras.tasks.masked_lm.spec import MaskedLMSettings
from sftkeras.tasks.regression.spec import RegressionSettings


def check(**settings: Any) -> None:
    config = TrainConfig(**{"task": RegressionSettings(), **settings})
    spec_of(config.task.kind).check(config)


@pytest.mark.parametrize(
    ("optimizer", "told"),
    [
        (OptimizerConfig(momentum=0.9), "--optimizer.momentum has no effect with --optimizer.name adamw"),
        (OptimizerConfig(name="adam", weight_decay=0.1), "--optimizer.weight_decay has no effect"),
        (OptimizerConfig(name="sgd", beta_1=0.8), "--optimizer.beta_1 .* a setting of adam, adamw"),
        (OptimizerConfig(name="sgd", epsilon=1e-6), "--optimizer.epsilon"),
    ],
)
def test_a_setting_of_another_optimizer_is_refused(optimizer: OptimizerConfig, told: str) -> None:
    with pytest.raises(SFTError, match=f"SFT115  {told}"):
        check(optimizer=optimizer)


def test_a_setting_of_another_objective_is_refused() -> None:
    with pytest.raises(SFTError, match=r"SFT115  --objective.steps has no effect with --objective.kind fgm"):
        check(objective=ObjectiveConfig("fgm", steps=5))


@pytest.mark.parametrize(
    ("tuning", "named"),
    [
        (TuningConfig(rank=4), "--tuning.rank has no effect with --tuning.method full"),
        (
            TuningConfig(method="head", layers=[1]),
            "--tuning.layers .* a setting of lora, dora, adalora, ia3, adapters, bitfit",
        ),
    ],
)
def test_a_setting_of_another_tuning_method_is_refused(tuning: TuningConfig, named: str) -> None:
    with pytest.raises(SFTError, match=f"SFT115  {named}"):
        check(tuning=tuning)


def test_a_task_whose_loss_is_made_otherwise_has_the_plain_objective_alone() -> None:
    with pytest.raises(SFTError, match=r"SFT413  --objective.kind r_drop: the task masked_lm .* one of: plain"):
        check(task=MaskedLMSettings(), objective=ObjectiveConfig("r_drop"))
    several = r"SFT413  --objective.kind contrastive: the task classification \(it predicts labels\) .*r_drop\."
    with pytest.raises(SFTError, match=several):
        check(task=ClassificationSettings(multi_label=True), objective=ObjectiveConfig("contrastive"))
    check(task=ClassificationSettings(), objective=ObjectiveConfig("contrastive"))


@pytest.mark.parametrize(
    "optimizer",
    [
        OptimizerConfig(),
        OptimizerConfig(name="sgd", momentum=0.9),
        OptimizerConfig(name="adam", beta_1=0.8),
        OptimizerConfig(weight_decay=0.2, beta_2=0.9, epsilon=1e-6),
    ],
)
def test_its_own_settings_and_usual_values_are_let_through(optimizer: OptimizerConfig) -> None:
    check(optimizer=optimizer)


def test_a_task_adds_checks_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sftkeras.tasks.config_checks.util.find_spec", lambda package: None)
    check(task=MaskedLMSettings())
    with pytest.raises(SFTError, match="SFT107  jieba is not installed"):
        check(task=MaskedLMSettings(chinese_words=True))
    with pytest.raises(SFTError, match="SFT401"):  # beside those of every task
        check(task=MaskedLMSettings(), **{"training": _watching("val_rmse")})


def test_tokens_that_no_text_can_have_are_refused() -> None:
    extra = BackboneConfig(extra_tokens=["[E1]"])
    check(task=MaskedLMSettings(), backbone=extra)
    check(task=ChatSettings(), backbone=extra)  # its template may write them
    with pytest.raises(SFTError, match=r"SFT412  --backbone\.extra_tokens has no effect here"):
        check(task=CausalLMSettings(), backbone=extra)


def _watching(monitor: str) -> Any:
    from sftkeras.config import EarlyStoppingConfig, TrainingConfig

    return TrainingConfig(early_stopping=EarlyStoppingConfig(monitor=monitor))
