"""Keyword settings are read by the parser of the command line, with the same refusals in the words of Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sftkeras
from sftkeras.api.settings import errors_in_keywords, train_config
from sftkeras.command_line.remedies import in_keywords


def test_groups_dotted_names_and_words_in_place_of_groups() -> None:
    config = train_config(
        None,
        name="films",
        task="tagging",
        backbone=Path("weights"),
        data={"train": ["a.csv", "b.csv"], "where": {"lang": "en"}},
        training=sftkeras.TrainingConfig(epochs=2),
        **{"optimizer.learning_rate": np.float32(0.5), "optimizer.clip_norm": None},
    )
    assert (config.name, config.task.kind, config.backbone.handle) == ("films", "tagging", "weights")
    assert (config.data.train, config.data.where) == (["a.csv", "b.csv"], {"lang": "en"})
    assert (config.training.epochs, config.optimizer.learning_rate, config.optimizer.clip_norm) == (2, 0.5, None)


def test_keywords_override_a_config_of_any_form(tmp_path: Path) -> None:
    file = tmp_path / "films.yaml"
    file.write_text("name: films\ntraining:\n  epochs: 7\n  batch_size: 4\n")
    of_file = train_config(str(file), training={"epochs": 1})
    assert (of_file.name, of_file.training.epochs, of_file.training.batch_size) == ("films", 1, 4)
    assert train_config(of_file) == of_file
    assert train_config({"name": "films"}, seed=3) == train_config(train_config(None, name="films"), seed=3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trainng.epochs": 1}, r'SFT101  trainng.epochs: no such setting. Did you mean "training.epochs"\?'),
        ({"training": {"epochs": 0}}, r"SFT102  training.epochs: expected a whole number above 0; got 0"),
        ({"task": "taging"}, r"SFT102  task.kind"),
    ],
)
def test_a_wrong_setting_is_refused_in_the_words_of_python(settings: dict, message: str) -> None:
    with pytest.raises(sftkeras.SFTError, match=message), errors_in_keywords():
        train_config(None, **settings)


def test_what_is_no_config_is_refused() -> None:
    with pytest.raises(sftkeras.SFTError, match=r"SFT120.*int"):
        train_config(3)  # type: ignore[arg-type]


def test_remedies_are_keywords() -> None:
    message = "Choose another --name, or replace it with --overwrite true."
    assert in_keywords(message) == "Choose another name, or replace it with overwrite=True."
