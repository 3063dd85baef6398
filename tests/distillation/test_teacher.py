"""Teachers that do not suit a run are refused before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sftkeras.config import DataConfig, DistillationConfig, ObjectiveConfig, TaskSettings, TrainConfig
from sftkeras.disk.files import sha256_of
from sftkeras.distillation.teacher import check_distillation, find_teacher, identity_of
from sftkeras.errors import SFTError
from sftkeras.tasks.causal_lm.spec import CausalLMSettings
from sftkeras.tasks.classification.spec import ClassificationSettings
from sftkeras.tasks.masked_lm.spec import MaskedLMSettings
from sftkeras.tasks.regression.spec import RegressionSettings

LABELLING = ClassificationSettings()
LABELS = {"kind": "classification", "multi_label": False, "label_names": ["bad", "good"]}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run, with what is looked at before TensorFlow."""
    run = tmp_path / "runs" / "teacher"
    (run / "state").mkdir(parents=True)
    (run / "config.yaml").write_text("{}")
    (run / "state" / "best.weights.h5").write_bytes(b"weights")
    write_model(run, LABELS)
    return run


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """The folder of an exported model."""
    version = tmp_path / "saved_models" / "teacher" / "1"
    (version / "variables").mkdir(parents=True)
    weights = version / "variables" / "variables.data-00000-of-00001"
    weights.write_bytes(b"weights")
    (version / "saved_model.pb").touch()
    signature = {"inputs": {}, "outputs": {"label": {"dtype": "string", "shape": [None]}}}
    contract = {"schema": 1, "name": "teacher", "task": LABELS, "max_length": 16, "pairs": False, "origin": {}}
    contract |= {"signatures": {"serving_default": signature}, "weights_sha256": sha256_of(weights)}
    (version / "contract.json").write_text(json.dumps(contract))
    return version.parent


def write_model(run: Path, task: dict[str, Any], *, pairs: bool = False, max_length: int = 128) -> None:
    (run / "model.json").write_text(json.dumps({"task": task, "pairs": pairs, "max_length": max_length}))


def configured(teacher: Path | None, task: TaskSettings = LABELLING, **sections: Any) -> TrainConfig:
    settings = sections.pop("distillation", {})
    named = str(teacher) if teacher else None
    return TrainConfig(task=task, distillation=DistillationConfig(named, **settings), **sections)


def refused(code: str, *given: Any, **sections: Any) -> str:
    with pytest.raises(SFTError, match=code) as raised:
        check_distillation(configured(*given, **sections))
    return str(raised.value)


def test_a_run_and_an_exported_model_are_found(run: Path, exported: Path) -> None:
    for folder in (run, exported, exported / "1"):
        config = configured(folder)
        check_distillation(config)
        teacher = find_teacher(config)
        assert teacher is not None
        assert teacher.task == LABELS
        teacher.check_labels(["good", "odd", "bad"])  # of a label that it does not know, it says nothing
        with pytest.raises(SFTError, match=r'SFT496.*the data lacks "bad"'):
            teacher.check_labels(["good", "odd"])
    assert find_teacher(configured(None)) is None


def test_other_weights_or_another_task_are_another_run(run: Path) -> None:
    before = identity_of(configured(run))
    write_model(run, {**LABELS, "label_names": ["good", "bad"]})
    task = identity_of(configured(run))
    (run / "state" / "best.weights.h5").write_bytes(b"others")
    weights = identity_of(configured(run))
    assert len({json.dumps(it) for it in (before, task, weights)}) == 3
    assert identity_of(configured(None)) == {}


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    refused("SFT495", tmp_path)
    refused("SFT495", tmp_path / "nowhere")


def test_another_task_and_other_inputs_are_refused(run: Path) -> None:
    assert "its task is classification, and this run's regression" in refused("SFT496", run, RegressionSettings())
    assert "labels of the kind" in refused("SFT496", run, ClassificationSettings(multi_label=True))
    assert "it takes one text, not two" in refused("SFT496", run, data=DataConfig(pair="other"))
    write_model(run, LABELS, pairs=True)
    assert "it takes two texts" in refused("SFT496", run)


def test_what_is_learned_of_tokens_is_learned_of_a_run_with_the_same_length(run: Path, exported: Path) -> None:
    learner = CausalLMSettings()
    write_model(run, {"kind": "causal_lm"})
    check_distillation(configured(run, learner))
    write_model(run, {"kind": "causal_lm"}, max_length=64)
    assert "the same tokenizer, --backbone.max_length" in refused("SFT498", run, learner)
    contract = exported / "1" / "contract.json"
    contract.write_text(json.dumps(json.loads(contract.read_text()) | {"task": {"kind": "causal_lm"}}))
    assert "must be a run" in refused("SFT498", exported, learner)


def test_settings_that_have_no_effect_or_contradict_are_refused(run: Path) -> None:
    assert "--distillation.weight" in refused("SFT104", None, distillation={"weight": 0.9})
    refused("SFT499", run, objective=ObjectiveConfig("r_drop"))
    refused("SFT115", run, distillation={"layers": [1]})
    refused("SFT412", run, RegressionSettings(), distillation={"temperature": 3.0})
    refused("SFT412", run, distillation={"top_k": 8})
    refused("SFT412", run, CausalLMSettings(), distillation={"temperature": 3.0})
    refused("SFT497", run, MaskedLMSettings())
    refused("SFT102", run, runs=str(run.parent), name=run.name)
