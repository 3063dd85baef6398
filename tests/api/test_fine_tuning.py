"""A run made from Python is that of the command, and the process is afterwards as it was."""

from __future__ import annotations

import os
import random
import signal
import threading
from typing import Any

import pytest

import sftkeras

Rows = list[dict[str, str]]

pytestmark = pytest.mark.processes


def test_a_run_from_rows_in_memory_has_report_history_and_version(finished: sftkeras.Run) -> None:
    assert set(finished.report["metrics"]) >= {"accuracy", "macro_f1"}
    assert [epoch["epoch"] for epoch in finished.history] == [1, 2]
    assert (finished.version / "saved_model.pb").exists()


def test_what_the_process_had_it_has_again(tiny: dict[str, Any], rows: Rows) -> None:
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    random.seed(4)
    expected = random.Random(4).random()
    environment, handler = dict(os.environ), signal.getsignal(signal.SIGTERM)
    try:
        sftkeras.fine_tune(data=rows, **tiny)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert random.random() == expected
    assert dict(os.environ) == environment
    assert signal.getsignal(signal.SIGTERM) is handler


def test_after_an_error_the_next_call_works_and_its_log_is_its_own(tiny: dict[str, Any], rows: Rows) -> None:
    faulty = [*rows, {"text": "a film", "label": ""}]
    with pytest.raises(sftkeras.SFTError, match="SFT2"):
        sftkeras.fine_tune(data=faulty, **tiny)
    run = sftkeras.fine_tune(data=rows, **tiny)
    assert "row 61" not in (run.folder / "log.txt").read_text()


def test_a_run_in_another_thread(tiny: dict[str, Any], rows: Rows) -> None:
    runs: list[sftkeras.Run] = []
    thread = threading.Thread(target=lambda: runs.append(sftkeras.fine_tune(data=rows, **tiny)))
    thread.start()
    thread.join()
    assert runs[0].report["metrics"]


def test_not_verbose_is_silent(tiny: dict[str, Any], rows: Rows, capfd: pytest.CaptureFixture) -> None:
    run = sftkeras.fine_tune(data=rows, **tiny)
    assert capfd.readouterr() == ("", "")
    assert "epoch 2/2" in (run.folder / "log.txt").read_text()
