"""A version that was noted before it was published is found again, if it is that one and wanted as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sftkeras.exporting.exported import ExportedVersion, note_version, noted_version

CONTRACT: dict[str, Any] = {
    "schema": 1,
    "name": "films",
    "created": "2026-11-22T10:00:00+00:00",
    "task": {},
    "max_length": 8,
    "pairs": False,
    "signatures": {},
    "origin": {},
    "weights_sha256": "ab",
    "graph_sha256": "cd",
    "minimum_server": "2.18.0",
}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """FOLDER/NAME with one version, and a note of it beside."""
    folder = tmp_path / "saved_models" / "films"
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "contract.json").write_text(json.dumps(CONTRACT))
    note_version(tmp_path / "note", ExportedVersion(folder / "1", 1, 1e-7, 1.01, "2.18.0"), CONTRACT, "2.19.0")
    return folder


def test_the_noted_version_is_found(models: Path, tmp_path: Path) -> None:
    found = noted_version(tmp_path / "note", models, "2.19.0")
    assert found == ExportedVersion(models / "1", 1, 1e-7, 1.01, "2.18.0")


def test_one_that_was_judged_meanwhile_is_the_same(models: Path, tmp_path: Path) -> None:
    (models / "1" / "contract.json").write_text(json.dumps({**CONTRACT, "metrics": {"accuracy": 1.0}}))
    assert noted_version(tmp_path / "note", models, "2.19.0")


@pytest.mark.parametrize("entry", ["created", "weights_sha256", "graph_sha256"])
def test_another_version_of_the_same_number_is_not_taken_for_it(models: Path, tmp_path: Path, entry: str) -> None:
    (models / "1" / "contract.json").write_text(json.dumps({**CONTRACT, entry: "another"}))
    assert noted_version(tmp_path / "note", models, "2.19.0") is None


def test_what_was_noted_but_never_published_is_not_found(models: Path, tmp_path: Path) -> None:
    (models / "1").rename(models / "2")
    assert noted_version(tmp_path / "note", models, "2.19.0") is None


def test_a_version_elsewhere_or_for_another_server_will_not_do(models: Path, tmp_path: Path) -> None:
    assert noted_version(tmp_path / "note", tmp_path / "elsewhere" / "films", "2.19.0") is None
    assert noted_version(tmp_path / "note", models, None) is None


@pytest.mark.parametrize("written", [None, "", "{", "[]", "{}"])
def test_without_a_whole_note_nothing_is_found(models: Path, tmp_path: Path, written: str | None) -> None:
    (tmp_path / "note").unlink()
    if written is not None:
        (tmp_path / "note").write_text(written)
    assert noted_version(tmp_path / "note", models, "2.19.0") is None
