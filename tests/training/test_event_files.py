"""TensorBoard shows each point of a resumed run once."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sftkeras.training.resume.event_files import cut_events


def write(folder: Path, steps: range, epochs: range, *, evaluated: bool = False) -> None:
    with tf.summary.create_file_writer(str(folder)).as_default(0):
        if steps.start == 1:
            tf.summary.text("config", "written when a run begins")
        for step in steps:
            tf.summary.scalar("step/loss", float(step), step)
        for epoch in epochs:
            tf.summary.scalar("epoch/val_loss", float(epoch), epoch)
        if evaluated:
            tf.summary.scalar("test/accuracy", 0.5, 0)
            tf.summary.scalar("compare/test_accuracy", 0.5, 0)


def points(folder: Path) -> dict[str, list[int]]:
    events = EventAccumulator(str(folder), {"tensors": 0})
    events.Reload()
    return {tag: [event.step for event in events.Tensors(tag)] for tag in events.Tags()["tensors"]}


def test_points_after_the_cut_are_gone_and_others_stay(tmp_path: Path) -> None:
    write(tmp_path, range(1, 9), range(1, 3), evaluated=True)
    cut_events(tmp_path, steps=6, epochs=1)
    assert points(tmp_path) == {"config": [0], "step/loss": [*range(1, 7)], "epoch/val_loss": [1]}
    write(tmp_path, range(7, 10), range(2, 3))
    cut_events(tmp_path, steps=8, epochs=2)
    assert points(tmp_path) == {"config": [0], "step/loss": [*range(1, 9)], "epoch/val_loss": [1, 2]}


def test_a_run_that_begins_anew_keeps_nothing(tmp_path: Path) -> None:
    write(tmp_path, range(1, 4), range(0))
    cut_events(tmp_path, steps=0, epochs=0)
    assert points(tmp_path) == {}


def test_half_an_event_at_the_end_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, range(1, 5), range(0))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    cut_events(tmp_path, steps=9, epochs=9)
    write(tmp_path, range(4, 6), range(0))
    assert points(tmp_path) == {"config": [0], "step/loss": [1, 2, 3, 4, 5]}


def test_a_run_without_events_has_nothing_to_cut(tmp_path: Path) -> None:
    cut_events(tmp_path / "none", steps=1, epochs=1)
