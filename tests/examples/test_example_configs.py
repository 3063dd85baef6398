from __future__ import annotations

import re
from pathlib import Path

import pytest

from sftkeras.command_line.commands import parse
from sftkeras.config import TrainConfig

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "examples").glob("*.yaml"))
RUNS = re.findall(r"^name: (\S+)$", "\n".join(path.read_text("utf-8") for path in CONFIGS), re.MULTILINE)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_example_is_valid_and_opens_with_its_command_its_passes_and_its_score(path):
    comment = re.match(r"(?:#.*\n)+", path.read_text("utf-8"))[0]
    assert f"# python -m sftkeras.train --config examples/{path.name}\n" in comment
    passes = re.search(r"(once|twice|(\d+) (?:times|epochs))(?: at most)?: test .*\d\.\d", comment)
    assert passes
    config = parse(TrainConfig, ["--config", str(path)])
    assert config.data.train
    assert config.training.epochs == {"once": 1, "twice": 2}.get(passes[1], int(passes[2] or 0))
    assert "minute" not in comment  # which depends on the processor


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_file_of_an_example_is_fetched_or_made_by_a_script_it_names(path):
    comment = re.match(r"(?:#.*\n)+", path.read_text("utf-8"))[0]
    scripts = [
        (ROOT / "examples/prepare" / f"{name}.py").read_text("utf-8")
        for name in re.findall(r"^# python -m examples\.prepare\.(\w+)", comment, re.MULTILINE)
    ]
    config = parse(TrainConfig, ["--config", str(path)])
    for handle in (config.data.train, config.backbone.handle):
        names = (Path(handle).name, Path(handle).name.replace("-train.", "-{part}."))
        made = any(name in script for name in names for script in scripts)
        assert made or handle.startswith("pypi:") or handle.removeprefix("runs/") in RUNS
