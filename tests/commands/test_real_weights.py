"""The quickstart's weights and reviews on a few rows: it learns, and the export is what was trained."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml
from command_line import flags, run_several
from tiny_bert import write_csv

from sftkeras.handles import resolve

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.yaml"
TRAIN, TEST = 600, 200


def sample_reviews(folder: Path) -> tuple[Path, Path]:
    """Writes evenly spread rows of the quickstart's reviews as a training and a test file."""
    data = yaml.safe_load(QUICKSTART.read_text("utf-8"))["data"]
    with resolve(data["train"], flag="--data.train").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == data["where"]["source"]]
    chosen = rows[:: len(rows) // (TRAIN + TEST)][: TRAIN + TEST]
    header = ("text", "label", "source")
    cells = [[row[name] for name in header] for row in chosen]
    test, train = cells[::4], [row for number, row in enumerate(cells) if number % 4]
    return write_csv(folder / "train.csv", train, header), write_csv(folder / "test.csv", test, header)


@pytest.mark.real_weights
@pytest.mark.usefixtures("users_cache")
def test_the_quickstart_learns_from_a_few_rows_and_its_export_is_small_and_equal(tmp_path: Path) -> None:
    train, test = sample_reviews(tmp_path)
    words = flags(config=QUICKSTART, data__train=train, data__test=test, data__split="[0.9, 0.1, 0.0]")
    words += flags(training__epochs=1, training__batch_size=16, optimizer__learning_rate=3e-4)
    words.append("--training.early_stopping.monitor=val_loss")
    texts = ["a moving and beautifully acted film", "a dull, lifeless mess of a movie"]
    asking = [f"--model={tmp_path}/saved_models/movie-sentiment", *texts]
    trained, asked = run_several([("train", words), ("predict", asking)], cwd=tmp_path, timeout=400)
    assert trained.returncode == 0, trained.stderr
    report = json.loads((tmp_path / "runs" / "movie-sentiment" / "report.json").read_text("utf-8"))
    majority = report["baselines"]["majority"]["metrics"]["accuracy"]
    assert report["examples"]["test"] == TEST
    assert report["metrics"]["accuracy"] >= majority + 0.1, trained.stdout
    assert report["export"]["parity"] <= 1e-4
    assert report["export"]["size_ratio"] <= 1.05
    assert asked.returncode == 0, asked.stderr
    assert [json.loads(line)["label"] for line in asked.stdout.splitlines()] == ["positive", "negative"]
