"""A run made from Python is that of the command, and the process is afterwards as it was."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import sftkeras

Rows = list[dict[str, str]]

pytestmark = pytest.mark.processes


@contextmanager
def all_is_as_it_was() -> Iterator[None]:
    """Has a precision and a random state of its own, and expects them, environment and signal handlers at the end."""
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    random.seed(4)
    environment, handler = dict(os.environ), signal.getsignal(signal.SIGTERM)
    try:
        yield
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert random.random() == random.Random(4).random()
    assert dict(os.environ) == environment
    assert signal.getsignal(signal.SIGTERM) is handler


def test_a_run_from_rows_in_memory_has_report_history_and_version(finished: sftkeras.Run) -> None:
    assert set(finished.report["metrics"]) >= {"accuracy", "macro_f1"}
    assert [epoch["epoch"] for epoch in finished.history] == [1, 2]
    assert (finished.version / "saved_model.pb").exists()


def test_after_errors_the_process_is_as_it_was_and_the_next_call_works_in_silence(
    tiny: dict[str, Any], rows: Rows, capfd: pytest.CaptureFixture
) -> None:
    import keras

    with all_is_as_it_was(), pytest.raises(sftkeras.SFTError, match="SFT2"):
        sftkeras.fine_tune(data=[*rows, {"text": "a film", "label": ""}], **tiny)
    faulty = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: 1 // epoch)
    with all_is_as_it_was(), pytest.raises(ZeroDivisionError):
        sftkeras.fine_tune(data=rows, callbacks=[faulty], **tiny)
    with all_is_as_it_was():
        run = sftkeras.fine_tune(data=rows, **tiny)
    log = (run.folder / "log.txt").read_text()
    assert "row 61" not in log
    assert "epoch 2/2" in log
    assert capfd.readouterr().out == ""


def test_a_run_in_another_thread(tiny: dict[str, Any], rows: Rows) -> None:
    runs: list[sftkeras.Run] = []
    thread = threading.Thread(target=lambda: runs.append(sftkeras.fine_tune(data=rows, **tiny)))
    thread.start()
    thread.join()
    assert runs[0].report["metrics"]


def test_more_devices_than_tensorflow_has_started_with_are_refused(tiny: dict[str, Any], rows: Rows) -> None:
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("SFT403 comes first where there are GPUs")
    devices = len(tf.config.list_logical_devices("CPU"))
    with pytest.raises(sftkeras.SFTError, match=rf"SFT465  training.devices {devices + 1}: .* {devices} CPUs"):
        sftkeras.fine_tune(data=rows, **tiny, **{"training.devices": devices + 1})


def test_several_workers_are_refused(tiny: dict[str, Any], rows: Rows) -> None:
    with pytest.raises(sftkeras.SFTError, match=r"SFT430  training.strategy .*sftkeras\.launch"):
        sftkeras.fine_tune(data=rows, **tiny, **{"training.strategy": "multi_worker"})
