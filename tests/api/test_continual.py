"""A run that begins with another one: what it replays, and what it forgets; and rows that are not what they were."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import sftkeras
from sftkeras.api.settings import train_config
from sftkeras.training.warm_start import check_continual

Rows = list[dict[str, str]]

pytestmark = pytest.mark.processes

NEW = [{"text": f"the {word} film number {number}", "label": word} for number in range(5) for word in ("awful", "odd")]


def test_old_and_new_test_parts_stand_side_by_side(
    finished: sftkeras.Run, tiny: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {**tiny, "name": "more", "data": {"train": NEW}, "verbose": True, "distillation": {"weight": 0.3}}
    settings["distillation.teacher"] = str(finished.folder)
    more = sftkeras.fine_tune(**settings, start_from=finished.folder, continual={"replay": 0.5})
    said = capsys.readouterr().out
    assert f"Replayed in an epoch: 8 of 48 training rows of {finished.folder}." in said
    old, new = more.report["before_and_after"]
    assert (old["run"], old["earlier"], old["rows"]) == (str(finished.folder), True, 6)
    assert (new["run"], new["earlier"], new["rows"]) == (str(more.folder), False, 1)
    # The model before is the earlier run's: it knows its own rows as it did, and no new label.
    assert old["before"]["metrics"]["accuracy"] == pytest.approx(finished.report["metrics"]["accuracy"], abs=1e-5)
    assert new["before"]["metrics"]["accuracy"] == 0
    assert new["after"]["metrics"] == pytest.approx(more.report["metrics"], abs=1e-5)
    assert old["gain"] == pytest.approx(old["after"]["metrics"]["accuracy"] - old["before"]["metrics"]["accuracy"])
    low, high = old["gain_interval"]
    assert low <= old["gain"] <= high
    page, text = ((more.folder / f"report.{kind}").read_text("utf-8") for kind in ("html", "md"))
    for shown in (page, text, said):
        assert "".join(f"6 test texts of {finished.folder}".split()) in "".join(shown.replace("\\_", "_").split())
    assert "Before and after" in page
    assert "## Before and after" in text


def test_rows_that_are_not_what_they_were_are_refused(
    finished: sftkeras.Run, tiny: dict[str, Any], tmp_path: Path
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(finished.folder, changed)
    origin = json.loads((changed / "origin.json").read_text("utf-8")) | {"data_fingerprint": "other"}
    (changed / "origin.json").write_text(json.dumps(origin), encoding="utf-8")
    settings = {**tiny, "name": "more", "start_from": changed, "data": NEW, "continual": {"replay": 0.5}}
    with pytest.raises(sftkeras.SFTError, match=r"SFT466.*not those that it was trained on.*settings of continual"):
        sftkeras.fine_tune(**settings)
    text = (changed / "config.yaml").read_text("utf-8")
    (path,) = train_config(str(changed / "config.yaml")).data.train
    (changed / "config.yaml").write_text(text.replace(path, str(tmp_path / "gone.jsonl")), encoding="utf-8")
    with pytest.raises(sftkeras.SFTError, match=r"SFT466.*gone\.jsonl"):
        sftkeras.fine_tune(**settings)


def test_a_run_of_the_same_rows_has_nothing_to_replay(finished: sftkeras.Run, tiny: dict[str, Any], rows: Rows) -> None:
    with pytest.raises(sftkeras.SFTError, match="SFT467"):
        sftkeras.fine_tune(**{**tiny, "name": "more"}, data=rows, start_from=finished.folder, continual={"replay": 0.5})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"continual": {"replay": 0.5}}, r"SFT104.*--start_from.*--continual\.replay"),
        ({"continual": {"fisher_rows": 5}, "start_from": "runs/a"}, r"SFT115.*--continual\.fisher_rows"),
        ({"continual": {"ewc": 1}, "start_from": "runs/a", "task": "similarity"}, "SFT468.*similarity"),
    ],
)
def test_settings_without_effect_are_refused(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(sftkeras.SFTError, match=expected):
        check_continual(train_config(None, **settings))
