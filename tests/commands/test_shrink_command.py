"""`sftkeras shrink`: a smaller run that everything else takes as it is, and what it costs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import flags, run_several
from tiny_bert import NOUNS, VOCABULARY, write_csv
from tiny_runs import Finished

from sftkeras.command_line.commands import parse
from sftkeras.config import ShrinkConfig
from sftkeras.errors import SFTError
from sftkeras.pipeline.shrinking import check_settings
from sftkeras.publishing.source import fine_tuned


@pytest.fixture(scope="module")
def shrunk(finished: Finished, reviews_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run made smaller, and what the other commands make of that."""
    folder = tmp_path_factory.mktemp("shrunk")
    texts = write_csv(folder / "texts.csv", [(f"the {noun} a good film", "") for noun in NOUNS])
    made = flags(runs=folder / "runs", folder=folder / "saved_models")
    small, model = folder / "runs" / "small", folder / "saved_models" / "small"
    again = flags(data__train=reviews_csv, backbone__max_length=32, training__batch_size=8, training__epochs=1)
    again += flags(runs=folder / "runs", optimizer__learning_rate=0.01)
    commands = [
        ("shrink", [str(finished.run), *flags(vocabulary=f"run,{texts}", name="small"), *made]),
        ("predict", flags(model=finished.model, file=texts, output=folder / "before.jsonl")),
        ("predict", flags(model=model, file=texts, output=folder / "after.jsonl")),
        ("evaluate", flags(model=small, output=folder / "evaluation")),
        ("export", flags(run=small)),
        ("publish", flags(run=small, format="hugging_face", output=folder / "published")),
        ("shrink", [str(finished.run), *flags(heads=1, units=0.25, name="narrow"), *made]),
        ("fit", [*again, *flags(name="begun", backbone__handle=small)]),
        ("fit", [*again, *flags(name="narrower", backbone__handle=folder / "runs" / "narrow")]),
        ("fit", [*again, *flags(name="continued", start_from=small)]),
    ]
    for (command, _), done in zip(commands, run_several(commands, cwd=folder), strict=True):
        assert (done.returncode, done.stderr) == (0, ""), command + done.stdout + done.stderr
    return folder


def predictions(file: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_smaller_model_predicts_the_same_with_fewer_tokens(shrunk: Path) -> None:
    before, after = predictions(shrunk / "before.jsonl"), predictions(shrunk / "after.jsonl")
    assert len(after) == len(NOUNS)
    for one, other in zip(before, after, strict=True):
        assert one["label"] == other["label"]
        np.testing.assert_allclose(one["probability"], other["probability"], atol=1e-6)
    config = json.loads((shrunk / "runs" / "small" / "backbone" / "config.json").read_text())
    assert config["vocab_size"] < len(VOCABULARY)
    kept = (shrunk / "runs" / "small" / "backbone" / "vocab.txt").read_text().splitlines()
    assert set(NOUNS) < set(kept) < set(VOCABULARY)


def test_the_comparison_has_sizes_times_and_paired_figures(shrunk: Path) -> None:
    found = json.loads((shrunk / "runs" / "small" / "comparison.json").read_text())
    assert found["names"] == ["tiny", "small"]
    assert found["paired"] == [True, True]
    facts = found["facts"]
    assert facts["tokens"][1] < facts["tokens"][0] == len(VOCABULARY)
    assert facts["parameters"][0] - facts["parameters"][1] == 16 * (facts["tokens"][0] - facts["tokens"][1])
    assert all(0 < time < 60_000 for size in ("1 text", "32 texts") for time in facts[f"ms for {size} at once"])
    figure = found["figures"]["accuracy"][1]
    assert (figure["difference"], figure["difference_interval"]) == (0, [0, 0])
    assert "comparison.html" in {path.name for path in (shrunk / "runs" / "small").iterdir()}


def test_the_smaller_run_is_a_run_to_every_command(shrunk: Path) -> None:
    evaluated = json.loads((shrunk / "evaluation" / "report.json").read_text())
    own = json.loads((shrunk / "runs" / "small" / "report.json").read_text())
    assert evaluated["metrics"] == own["metrics"]
    assert (shrunk / "saved_models" / "small" / "2" / "saved_model.pb").exists()
    config = json.loads((shrunk / "published" / "config.json").read_text())
    assert config["vocab_size"] < len(VOCABULARY)
    for name in ("begun", "continued"):
        trained = json.loads((shrunk / "runs" / name / "backbone" / "config.json").read_text())
        assert trained["vocab_size"] == config["vocab_size"]


def test_fewer_heads_and_units_are_left_in_the_graph_and_in_what_begins_with_it(shrunk: Path) -> None:
    found = json.loads((shrunk / "runs" / "narrow" / "comparison.json").read_text())
    assert found["settings"] == {"heads": [None, 1], "units": [None, 0.25]}
    facts = found["facts"]
    assert facts["attention heads"] == [2, 1]
    assert facts["feed-forward units"] == [32, 8]
    # 16 numbers wide: query, key and value with their biases, output; up with its biases, down.
    assert facts["parameters"][0] - facts["parameters"][1] == 8 * (3 * 17 + 16) + 24 * (17 + 16)
    assert facts["MB of exported weights"][1] < facts["MB of exported weights"][0]
    config = json.loads((shrunk / "runs" / "narrower" / "backbone" / "config.json").read_text())
    assert (config["intermediate_size"], config["pruned_heads"]) == (8, {"0": [1]})


def test_an_encoder_with_fewer_heads_has_no_form_for_others(shrunk: Path) -> None:
    run = str(shrunk / "runs" / "narrow")
    for form in ("tf_hub", "hugging_face"):
        with pytest.raises(SFTError, match="SFT334"):
            fine_tuned(run, form)


def refused(*words: str) -> str:
    """The message of a command that is refused before TensorFlow is loaded."""
    with pytest.raises(SFTError) as error:
        check_settings(parse(ShrinkConfig, words))
    return str(error.value)


def test_what_cannot_be_made_smaller_is_refused_at_once(finished: Finished, tmp_path: Path) -> None:
    assert refused("--vocabulary=run").startswith("SFT104  --run is missing")
    assert refused(str(finished.run)).startswith("SFT104  --vocabulary, --heads or --units is missing")
    assert refused(str(tmp_path), "--vocabulary=run").startswith("SFT109")
    assert "is the name of the run itself" in refused(str(finished.run), "--vocabulary=run", "--name=tiny")
    assert "neither a whole number nor a share" in refused(str(finished.run), "--heads=1.5")
    whole = tmp_path / "tiny"
    shutil.copytree(finished.run, whole)
    model = json.loads((whole / "model.json").read_text())
    (whole / "model.json").write_text(json.dumps(model | {"backbone": "tfhub"}))
    assert refused(str(whole), "--vocabulary=run").startswith("SFT530")
    (whole / "export.json").unlink()
    assert refused(str(whole), "--vocabulary=run").startswith("SFT114")
