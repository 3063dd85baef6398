from __future__ import annotations

import re
from pathlib import Path

import pytest

from sftkeras.commands import parse
from sftkeras.config import TrainConfig

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_example_is_valid_and_opens_with_its_command_time_and_score(path):
    comment = re.match(r"(?:#.*\n)+", path.read_text("utf-8"))[0]
    assert f"# python -m sftkeras.train --config examples/{path.name}\n" in comment
    assert re.search(r"minutes?, test .*\d\.\d", comment)
    config = parse(TrainConfig, ["--config", str(path)])
    assert config.data.train


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
        assert handle.startswith("pypi:") or any(name in script for name in names for script in scripts)
