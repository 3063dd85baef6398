from __future__ import annotations

import json
from pathlib import Path

import pytest

from sftkeras.config import BackboneConfig, DataConfig, TrainConfig
from sftkeras.errors import SFTError
from sftkeras.exporting.contract import FILE, WEIGHTS, ModelOrigin, check_weights, read_contract, update_contract
from sftkeras.tasks.classification.spec import ClassificationSettings

CONTRACT = {
    "schema": 1,
    "name": "movies",
    "created": "2030-01-01T00:00:00+00:00",
    "task": {"kind": "regression"},
    "max_length": 128,
    "pairs": False,
    "signatures": {},
    "origin": {"backbone": "", "data": {}, "data_fingerprint": None, "rows": {}, "seed": None},
    "metrics": None,
    "weights_sha256": "0" * 64,
    "versions": {"sftkeras": "0"},
    "sample": {"request": {"inputs": {"text": ["It's fine."]}}, "response": {}},
}


def write(folder: Path, **changes: object) -> None:
    (folder / FILE).write_text(json.dumps({**CONTRACT, **changes}))


def test_metrics_are_added_and_shown_on_the_card(tmp_path: Path) -> None:
    write(tmp_path)
    update_contract(tmp_path, metrics={"accuracy": 0.875, "confusion": [[1]]})
    assert read_contract(tmp_path)["metrics"]["accuracy"] == 0.875
    card = (tmp_path / "README.md").read_text()
    assert "| accuracy | 0.8750 |" in card
    assert "It'\\''s fine." in card  # the shell sees one word
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", FILE]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "missing"),
        ("{", "Expecting"),
        ("[]", "not a JSON object"),
        (json.dumps({**CONTRACT, "schema": 2}), "schema is 2"),
        (json.dumps({**CONTRACT, "pairs": "no"}), '"pairs"'),
        (json.dumps({**CONTRACT, "schema": True}), '"schema"'),
    ],
)
def test_unusable_contracts_are_refused(tmp_path: Path, text: str | None, problem: str) -> None:
    if text is not None:
        (tmp_path / FILE).write_text(text)
    with pytest.raises(SFTError, match=f"SFT503 .*{problem}"):
        read_contract(tmp_path)


def test_weights_of_another_model_are_noticed(tmp_path: Path) -> None:
    with pytest.raises(SFTError, match="SFT504"):
        check_weights(tmp_path, CONTRACT)
    (tmp_path / WEIGHTS).parent.mkdir()
    (tmp_path / WEIGHTS).write_bytes(b"others")
    with pytest.raises(SFTError, match="SFT504"):
        check_weights(tmp_path, CONTRACT)


def test_origin_tells_no_folders_of_the_machine_and_can_be_kept(tmp_path: Path) -> None:
    config = TrainConfig(
        task=ClassificationSettings(),
        backbone=BackboneConfig(handle="/home/ann/weights/minilm"),
        data=DataConfig(train="/home/ann/reviews.csv", test="pypi:p==1/a/b.csv"),
    )
    origin = ModelOrigin.of(config, "abc", {"train": 3})
    assert (origin.backbone, origin.data["train"], origin.data["test"]) == (
        "minilm",
        "reviews.csv",
        "pypi:p==1/a/b.csv",
    )
    origin.write(tmp_path / "origin.json")
    assert ModelOrigin.read(tmp_path / "origin.json") == origin


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["/home/ann/a.csv", "/home/ann/b.csv.gz"], ["a.csv", "b.csv.gz"]),
        ("/home/ann/a.csv, /home/ann/b.csv", "a.csv,b.csv"),
        ("/home/ann/data/*.csv", "*.csv"),
        (["pypi:p==1/a/b.csv", "hf://org/name"], ["pypi:p==1/a/b.csv", "hf://org/name"]),
    ],
)
def test_several_files_are_told_without_their_folders_too(given: str | list[str], kept: str | list[str]) -> None:
    assert (
        ModelOrigin.of(TrainConfig(task=ClassificationSettings(), data=DataConfig(train=given))).data["train"] == kept
    )
