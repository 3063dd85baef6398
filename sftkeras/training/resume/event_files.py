"""TensorBoard's event files cut back to where a resumed run continues, so that no point is written twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event

_FILES = "events.out.tfevents.*"
_BY_EPOCH = ("epoch/", "weights/")  # tags whose step is an epoch; that of the others is a step of the run
_AFTER_TRAINING = ("test/", "compare/", "_hparams_")  # written again once the run is evaluated
_AT_BEGINNING = ("config",)  # written again by a run that begins anew


def cut_events(folder: Path, *, steps: int, epochs: int) -> None:
    """Rewrites the event files in `folder` as one, without what came after so many steps and epochs."""
    old = sorted(folder.glob(_FILES))
    if not old:
        return
    partial = folder / ".cut"
    with tf.io.TFRecordWriter(str(partial)) as writer:
        for path in old:
            for record in _records(path):
                if _is_kept(Event.FromString(record), steps, epochs):
                    writer.write(record)
    partial.replace(old[0])  # a kill between here and the end leaves points of the other files twice, to be cut again
    for path in old[1:]:
        path.unlink()


def _records(path: Path) -> Iterator[bytes]:
    """The whole records of a file; a killed process may leave half of one at its end."""
    try:
        yield from tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    except tf.errors.DataLossError:
        return


def _is_kept(event: Event, steps: int, epochs: int) -> bool:
    tags = [value.tag for value in event.summary.value]
    if any(tag.startswith(_AFTER_TRAINING) for tag in tags):
        return False
    if any(tag.startswith(_AT_BEGINNING) for tag in tags):
        return steps > 0
    return event.step <= (epochs if any(tag.startswith(_BY_EPOCH) for tag in tags) else steps)
