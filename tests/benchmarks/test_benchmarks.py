"""The benchmarks run: on a tiny model where this package is all they need, and else as far as their settings."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import forked
import pytest
import yaml

from sftkeras.command_line import commands
from sftkeras.config import TrainConfig

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))  # where Python looks when it runs one of them

from steps_vs_peers import write_recipe  # noqa: E402

SMOKE = Path(__file__).with_name("smoke.py")
SCRIPTS = sorted(
    path.name for path in (ROOT / "benchmarks").glob("*.py") if "ArgumentParser(" in path.read_text("utf-8")
)
# What each prints when it has measured; the others need other packages, servers under load, or minutes.
RUN = {
    "ceiling.py": '"model": ',
    "step_time.py": "stock KerasHub",
    "data_memory.py": "rows",
    "checkpoint_cost.py": "ratio",
    "growth.py": "tokenise",
    "sftkeras_steps.py": '{"logits": ',
    "claims.py": "Claims of the README",
}


def words_of(script: str, folder: Path, tiny_bert: Path, reviews: Path) -> list[str]:
    """The smallest measurement of a script, on tiny weights."""
    config = folder / "config.yaml"
    settings = {
        "name": "tiny",
        "backbone": {"handle": str(tiny_bert), "max_length": 16},
        "data": {"train": str(reviews)},
    }
    config.write_text(yaml.safe_dump(settings), "utf-8")
    recipe = write_recipe(commands.parse(TrainConfig, ["--config", str(config)]), folder)
    growth = folder / "growth"
    growth.mkdir(exist_ok=True)
    return {
        "ceiling.py": ["--hidden", "8", "--intermediate", "16", "--tokens", "32"],
        "step_time.py": ["--model", str(tiny_bert), "--lengths", "8", "--rounds", "1", "--without"],
        "data_memory.py": ["--rows", "200"],
        "checkpoint_cost.py": [f"--config={config}", "--steps=1", "--pairs=1", f"--results={folder}"],
        "growth.py": ["--measure", "200", "3", str(growth)],
        "sftkeras_steps.py": [str(recipe), "float32"],
        "claims.py": [],
    }[script]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path, reviews_csv: Path) -> dict[str, list[str]]:
    """How each call ended and what it printed."""
    folder = tmp_path_factory.mktemp("benchmarks")
    calls = [(script, ["--help"]) for script in SCRIPTS]
    calls += [(script, words_of(script, folder, tiny_bert_folder, reviews_csv)) for script in RUN]
    done = forked.run(
        [sys.executable, str(SMOKE), str(folder / "answers.json")],
        input=json.dumps(calls),
        cwd=folder,
        timeout=600,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers = json.loads((folder / "answers.json").read_text("utf-8"))
    names = [f"{script} --help" if words == ["--help"] else script for script, words in calls]
    return dict(zip(names, answers, strict=True))


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_benchmark_imports_what_there_is_and_says_what_it_does(ended: dict[str, list[str]], script: str) -> None:
    problem, said = ended[f"{script} --help"]
    assert problem == ""
    assert said.startswith(f"usage: {script}")


@pytest.mark.parametrize("script", RUN)
def test_a_benchmark_measures(ended: dict[str, list[str]], script: str) -> None:
    problem, said = ended[script]
    assert problem == ""
    assert RUN[script] in said
