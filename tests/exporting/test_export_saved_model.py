from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import TASKS, build_model  # sets TensorFlow's environment first

import keras  # isort: skip
import tensorflow as tf  # isort: skip
from tensorflow.core.protobuf.fingerprint_pb2 import FingerprintDef  # isort: skip
from tensorflow.python.saved_model.pywrap_saved_model.fingerprinting import CreateFingerprintDef  # isort: skip

from sftkeras.exporting.saved_model import write_saved_model


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A model wide enough that its weights outweigh the index, as those of real models do."""
    folder = tmp_path_factory.mktemp("written")
    return folder, write_saved_model(build_model(TASKS["classification"], hidden=128), folder)[1]


def test_a_model_is_written_to_the_same_bytes_each_time(written: tuple[Path, int], tmp_path: Path) -> None:
    tf.function(lambda x: x + 1)(tf.constant(1))  # what the process traces in between must not show
    write_saved_model(build_model(TASKS["classification"], hidden=128), tmp_path)
    first, second = files(written[0]), files(tmp_path)
    assert [name for name in first | second if first.get(name) != second.get(name)] == []


def test_fingerprint_describes_the_graph_that_was_written(written: tuple[Path, int]) -> None:
    found = FingerprintDef.FromString((written[0] / "fingerprint.pb").read_bytes())
    true = FingerprintDef.FromString(CreateFingerprintDef(str(written[0])))
    true.uuid = found.uuid
    assert found == true


def test_weights_are_stored_once_without_pooler_seeds_or_optimizer(written: tuple[Path, int]) -> None:
    folder, parameter_bytes = written
    stored = sum(path.stat().st_size for path in (folder / "variables").iterdir())
    assert parameter_bytes < stored <= 1.05 * parameter_bytes
    model = build_model(TASKS["classification"], hidden=128)
    assert parameter_bytes == sum(
        weight.value.dtype.size * weight.shape.num_elements()
        for weight in model.network.weights
        if weight.dtype == "float32"
    )


def test_loads_with_the_loader_of_tensorflow_2(written: tuple[Path, int]) -> None:
    loaded = tf.saved_model.load(str(written[0]))
    answers = loaded.signatures["serving_default"](text=tf.constant(["good film"]))
    expected = build_model(TASKS["classification"], hidden=128)(tf.constant(["good film"]))
    assert answers["label"].numpy() == expected["label"].numpy()


def test_model_in_half_precision_is_refused(tmp_path: Path) -> None:
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_model(TASKS["classification"])
    finally:
        keras.config.set_dtype_policy(policy)
    with pytest.raises(ValueError, match="computes in bfloat16"):
        write_saved_model(model, tmp_path)
