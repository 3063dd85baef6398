from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from tiny_models import MAX_LENGTH, Exported

from sftkeras.errors import SFTError
from sftkeras.exporting.contract import WEIGHTS
from sftkeras.exporting.prediction_process import PredictionProcess

import tensorflow as tf  # isort: skip


@pytest.fixture
def copy(classifier: Exported, tmp_path: Path) -> Path:
    """The export under another name, with nothing of it left where it was written."""
    return Path(shutil.copytree(classifier.path, tmp_path / "moved" / "3"))


def test_moved_export_answers_in_a_process_of_its_own(copy: Path, classifier: Exported) -> None:
    counted: list[int] = []
    texts = ["good film"] * 3 + ["a much longer text about a film", ""]
    with PredictionProcess(copy) as process:
        answers = process.predict(texts, batch_size=2, progress=counted.append)
    expected = classifier.text_model(tf.constant(texts))
    np.testing.assert_allclose(answers["probabilities"], expected["probabilities"], atol=1e-6)
    assert sum(counted) == len(texts)


def test_answers_keep_the_order_of_the_texts(classifier: Exported, process: PredictionProcess) -> None:
    process.load(classifier.path)
    texts = ["film " * (7 * number % 10) for number in range(23)]
    together = process.predict(texts, batch_size=4, outputs=["probability"])
    alone = [process.predict([text])["probability"][0] for text in texts]
    assert list(together) == ["probability"]
    np.testing.assert_allclose(together["probability"], alone, atol=1e-6)
    assert process.examples_per_second > 0


def test_batches_that_run_side_by_side_are_answered_in_order(classifier: Exported, process: PredictionProcess) -> None:
    process.load(classifier.path)
    batches = [[f"film {number}"] * (1 + number % 3) for number in range(12)]
    answers = list(process.run_each("serving_default", ({"text": texts} for texts in batches)))
    for texts, answer in zip(batches, answers, strict=True):
        alone = process.run("serving_default", {"text": texts})
        np.testing.assert_allclose(answer["probabilities"], alone["probabilities"], atol=1e-6)


def test_batches_behind_one_that_fails_are_not_taken_for_other_answers(
    classifier: Exported, process: PredictionProcess
) -> None:
    process.load(classifier.path)
    rows = [["good film"], [["no row"]], ["bad film"] * 2, ["a film"] * 3]
    answers = process.run_each("serving_default", ({"text": texts} for texts in rows))
    assert len(next(answers)["label"]) == 1
    with pytest.raises(SFTError, match="SFT506"):
        next(answers)
    assert len(process.run("serving_default", {"text": ["film"] * 5})["label"]) == 5


def test_text_that_utf_8_cannot_hold_is_answered(classifier: Exported, process: PredictionProcess) -> None:
    process.load(classifier.path)
    assert len(process.predict(["broken \ud83d half"])["label"]) == 1


def test_too_long_tokens_are_refused_in_words(classifier: Exported, process: PredictionProcess) -> None:
    process.load(classifier.path)
    ones = np.ones([1, MAX_LENGTH + 1], np.int32)
    with pytest.raises(SFTError, match=f"SFT506 .*longer than the {MAX_LENGTH} tokens"):
        process.run("serve_tokens", {"token_ids": ones, "segment_ids": 0 * ones, "padding_mask": ones})


def test_unknown_signature_and_missing_input_are_named(classifier: Exported, process: PredictionProcess) -> None:
    process.load(classifier.path)
    with pytest.raises(SFTError, match=r"SFT506 .*no signature regress"):
        process.run("regress", {"inputs": [b""]})
    with pytest.raises(SFTError, match=r"SFT506 .*also needs text"):
        process.run("serving_default", {})


def test_damaged_exports_are_refused(copy: Path, process: PredictionProcess) -> None:
    weights = bytearray((copy / WEIGHTS).read_bytes())
    weights[len(weights) // 2] ^= 255
    (copy / WEIGHTS).write_bytes(weights)
    with pytest.raises(SFTError, match="SFT505"):
        process.load(copy)
    (copy / WEIGHTS).unlink()
    with pytest.raises(SFTError, match="SFT505"):
        process.load(copy)
    (copy / "saved_model.pb").write_bytes(b"not a graph")
    with pytest.raises(SFTError, match="SFT505"):
        process.load(copy)
    (copy / "saved_model.pb").unlink()
    with pytest.raises(SFTError, match=r"SFT505 .*saved_model.pb is missing"):
        process.load(copy)


def test_graph_that_reads_files_is_not_run(tmp_path: Path, process: PredictionProcess) -> None:
    module = tf.Module()
    read = tf.function(lambda text: {"label": tf.io.read_file(text[0])}, autograph=False)
    signature = read.get_concrete_function(tf.TensorSpec([None], tf.string, name="text"))
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": signature})
    with pytest.raises(SFTError, match=r"SFT517 .*__inference.* runs the operation ReadFile"):
        process.load(tmp_path)


def test_dead_process_is_reported_with_its_last_words(classifier: Exported) -> None:
    with PredictionProcess() as process:
        os.kill(process._process.pid, signal.SIGKILL)
        with pytest.raises(SFTError, match=r"SFT507 .*SIGKILL.*memory"):
            process.load(classifier.path)


def test_program_that_cannot_start_is_reported_with_its_last_words(
    classifier: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tensorflow.py").write_text("raise ImportError('no TensorFlow here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with PredictionProcess() as process, pytest.raises(SFTError, match=r"SFT507 .*exit code 1.*no TensorFlow here"):
        process.load(classifier.path)


def test_program_imports_nothing_of_this_package() -> None:
    from sftkeras.exporting.prediction_process import _WORKER

    assert "sftkeras" not in _WORKER.read_text().split('"""', 2)[2]
