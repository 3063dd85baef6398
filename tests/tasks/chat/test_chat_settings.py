"""Settings that chat would not look at are refused before anything is read."""

from __future__ import annotations

from typing import Any

import pytest

from sftkeras.config import CleaningConfig, DataConfig, TrainConfig
from sftkeras.errors import SFTError
from sftkeras.tasks.chat.spec import SPEC, ChatSettings


@pytest.mark.parametrize(
    ("settings", "flag"),
    [
        ({"cleaning": CleaningConfig(mask=["email"])}, "--cleaning.mask"),
        ({"data": DataConfig(pair="other")}, "--data.pair"),
        ({"data": DataConfig(mark=["head"])}, "--data.mark"),
        ({"data": DataConfig(label_names={"0": "no"})}, "--data.label_names"),
    ],
)
def test_a_setting_without_effect_is_refused(settings: dict[str, Any], flag: str) -> None:
    with pytest.raises(SFTError, match=f"SFT412  {flag}"):
        SPEC.check(TrainConfig(task=ChatSettings(), **settings))


def test_columns_of_questions_and_answers_can_be_named() -> None:
    SPEC.check(TrainConfig(task=ChatSettings(allow=["several_answers"]), data=DataConfig(text="q", label="a")))
