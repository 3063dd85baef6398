from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from sftkeras.errors import SFTError
from sftkeras.exporting.server_config import BATCHING, MODELS, MONITORING, splitting_warning, write_server_config
from sftkeras.serving.batching_parameters import read_batching_parameters


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("movies/1", "movies/2", "spam/1", "notes", ".hidden"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def models(folder: Path) -> dict[str, str]:
    config = text_format.Parse((folder / MODELS).read_text(), ModelServerConfig())
    return {model.name: model.base_path for model in config.model_config_list.config}


def test_every_model_of_the_folder_is_served(folder: Path) -> None:
    write_server_config(folder)
    assert models(folder) == {"movies": "/models/movies", "spam": "/models/spam"}


def test_batching_and_monitoring_are_what_a_server_reads(folder: Path) -> None:
    write_server_config(folder)
    parameters = read_batching_parameters(folder / BATCHING)
    assert not parameters.enable_large_batch_splitting  # answers that are lists could not be put together again
    assert parameters.max_batch_size == parameters.max_execution_batch_size == 128
    assert parameters.num_batch_threads >= 1
    monitoring = text_format.Parse((folder / MONITORING).read_text(), monitoring_config_class()())
    assert monitoring.prometheus_config.enable
    assert monitoring.prometheus_config.path == "/monitoring/prometheus/metrics"


def monitoring_config_class() -> Any:
    """MonitoringConfig of tensorflow/serving's monitoring_config.proto, which tensorflow-serving-api does not have."""
    file = FileDescriptorProto(name="monitoring_config.proto", package="tensorflow.serving", syntax="proto3")
    kinds = FieldDescriptorProto
    prometheus = file.message_type.add(name="PrometheusConfig")
    prometheus.field.add(name="enable", number=1, label=kinds.LABEL_OPTIONAL, type=kinds.TYPE_BOOL)
    prometheus.field.add(name="path", number=2, label=kinds.LABEL_OPTIONAL, type=kinds.TYPE_STRING)
    monitoring = file.message_type.add(name="MonitoringConfig")
    inner = monitoring.field.add(name="prometheus_config", number=1, label=kinds.LABEL_OPTIONAL)
    inner.type, inner.type_name = kinds.TYPE_MESSAGE, ".tensorflow.serving.PrometheusConfig"
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("tensorflow.serving.MonitoringConfig"))


def test_what_an_operator_wrote_stays(folder: Path) -> None:
    mine = """# ours
model_config_list {
  config {  # the film one
    name: "movies"
    base_path: "/elsewhere/movies"
    model_version_policy { specific { versions: 1 versions: 2 } }
    version_labels { key: "stable" value: 1 }
  }
}
"""
    (folder / MODELS).write_text(mine)
    (folder / BATCHING).write_text("max_batch_size { value: 8 }\n")
    write_server_config(folder)
    text = (folder / MODELS).read_text()
    assert text.startswith(mine.rstrip().removesuffix("}"))
    assert models(folder) == {"movies": "/elsewhere/movies", "spam": "/models/spam"}
    assert (folder / BATCHING).read_text() == "max_batch_size { value: 8 }\n"
    write_server_config(folder)
    assert (folder / MODELS).read_text() == text


@pytest.mark.parametrize(
    ("text", "warns"),
    [
        ("max_batch_size { value: 8 }\nenable_large_batch_splitting {\n  value: True }\n", True),
        ("max_batch_size { value: 8 } enable_large_batch_splitting: { value: true }\n", True),
        ("enable_large_batch_splitting { value: false }\n", False),
        ("# enable_large_batch_splitting { value: true }\n", False),
        (None, False),
    ],
)
def test_a_file_that_lets_requests_be_split_is_warned_of(folder: Path, text: str | None, warns: bool) -> None:
    if text:
        (folder / BATCHING).write_text(text)
    write_server_config(folder)
    warning = splitting_warning(folder)
    assert (warning.code if warning else None) == ("SFT516" if warns else None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nonsense {", "no model server configuration"),
        ("model_config_list {}\n# the end }", "add movies, spam to it yourself"),
    ],
)
def test_file_that_cannot_be_added_to_is_left_alone(folder: Path, text: str, problem: str) -> None:
    (folder / MODELS).write_text(text)
    with pytest.raises(SFTError, match=f"SFT515 .*{problem}"):
        write_server_config(folder)
    assert (folder / MODELS).read_text() == text


def test_empty_folder_gets_an_empty_list(tmp_path: Path) -> None:
    write_server_config(tmp_path)
    assert models(tmp_path) == {}
