from __future__ import annotations

import json
from pathlib import Path

import pytest
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tiny_models import ORIGIN, TASKS, Exported, build_model

import sftkeras.exporting.op_gate as gate
from sftkeras.errors import SFTError
from sftkeras.exporting.contract import read_contract
from sftkeras.exporting.export import export
from sftkeras.exporting.op_gate import ServerNeeds, check_server, known_release, server_needs
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.exporting.server_config import BATCHING, MODELS, MONITORING

import tensorflow as tf  # isort: skip
from tensorflow.python.framework import op_def_registry  # isort: skip
import tensorflow_text  # noqa: F401  # isort: skip

TABLE = json.loads(Path(gate.__file__).with_name("server_operations.json").read_text())
OLDEST, *_, NEWEST = TABLE["servers"]


def graph(*operations: str, in_function: str = "Add", min_consumer: int = 0) -> MetaGraphDef:
    made = MetaGraphDef()
    for operation in operations:
        made.graph_def.node.add(name=operation, op=operation)
    made.graph_def.library.function.add().node_def.add(name="inside", op=in_function)
    made.graph_def.versions.min_consumer = min_consumer
    return made


def test_plain_graph_needs_the_oldest_release() -> None:
    assert server_needs(graph("MatMul", "FastWordpieceTokenizeWithOffsets", "VarHandleOp")) == ServerNeeds(OLDEST)


@pytest.mark.parametrize("where", ["graph", "function"])
def test_text_operation_that_older_servers_lack_raises_the_minimum(where: str) -> None:
    trim = "TFText>RoundRobinTrim"
    made = graph(trim) if where == "graph" else graph("MatMul", in_function=trim)
    assert server_needs(made).minimum == "2.20.0"
    check_server(made, "2.20.0")
    with pytest.raises(SFTError, match=r"SFT512 .*2.19.1 cannot .*no operation TFText>RoundRobinTrim.*2.20.0 or newer"):
        check_server(made, "2.19.1")


def test_operation_that_no_release_links_is_named() -> None:
    needs = server_needs(graph("MatMul", "SomebodysOwnOp"))
    assert needs == ServerNeeds(None, ("SomebodysOwnOp",))
    assert str(needs.warning()).startswith(f"SFT513  no release of TensorFlow Serving up to {NEWEST}")
    with pytest.raises(SFTError, match=r"SFT512 .*SomebodysOwnOp. No release can"):
        check_server(graph("SomebodysOwnOp"), NEWEST)


def test_graph_format_counts_too() -> None:
    version = TABLE["servers"][OLDEST]["graph_version"]
    assert server_needs(graph("MatMul", min_consumer=version)).minimum == OLDEST
    assert server_needs(graph("MatMul", min_consumer=version + 1)).minimum != OLDEST
    assert "older graph format" in str(server_needs(graph("MatMul", min_consumer=10**6)).warning())


@pytest.mark.parametrize(("given", "meant"), [("2.19", "2.19.0"), ("2.19.1", "2.19.1"), ("2.20", "2.20.0")])
def test_release_may_be_named_by_its_first_two_numbers(given: str, meant: str) -> None:
    assert known_release(given) == meant


@pytest.mark.parametrize("given", ["2.1", "3", "", "2.18.9"])
def test_unknown_release_is_an_error(given: str) -> None:
    with pytest.raises(SFTError, match=f"SFT514 .*{OLDEST}"):
        known_release(given)


def test_table_holds_the_operations_of_the_installed_packages() -> None:
    text, newer, core = set(TABLE["text_operations"]), set(TABLE["newer_core_operations"]), set(dir(tf.raw_ops))
    assert all(op_def_registry.get(name) for name in text)
    assert not text & core
    assert newer <= core
    for operations in (TABLE["text_operations"], TABLE["newer_core_operations"]):
        assert set(operations.values()) <= set(TABLE["servers"])


def test_graph_format_of_the_newest_release_is_that_of_the_installed_tensorflow() -> None:
    assert tf.version.VERSION.startswith(NEWEST.rpartition(".")[0])
    assert TABLE["servers"][NEWEST]["graph_version"] == tf.version.GRAPH_DEF_VERSION


def test_contract_and_card_name_the_oldest_server(classifier: Exported) -> None:
    assert read_contract(classifier.path)["minimum_server"] == OLDEST
    assert classifier.version.minimum_server == OLDEST
    assert classifier.version.warnings == ()
    assert f"TensorFlow Serving {OLDEST} or newer" in (classifier.path / "README.md").read_text()


def test_export_that_the_given_server_cannot_load_is_not_published(
    tmp_path: Path, process: PredictionProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    text_model = build_model(TASKS["regression"])
    monkeypatch.setitem(gate._table()["text_operations"], "FastWordpieceTokenizeWithOffsets", NEWEST)
    with pytest.raises(SFTError, match=r"SFT512 .*FastWordpieceTokenizeWithOffsets"):
        export(text_model, tmp_path / "tiny", origin=ORIGIN, process=process, server=OLDEST)
    assert list(tmp_path.iterdir()) == []
    assert export(text_model, tmp_path / "tiny", origin=ORIGIN, process=process, server=NEWEST).minimum_server == NEWEST


def test_export_writes_the_servers_configuration_beside_the_models(classifier: Exported) -> None:
    folder = classifier.path.parents[1]
    assert 'name: "tiny"' in (folder / MODELS).read_text()
    assert (folder / BATCHING).exists()
    assert (folder / MONITORING).exists()


def test_export_goes_on_when_the_configuration_cannot_be_added_to(tmp_path: Path, process: PredictionProcess) -> None:
    (tmp_path / MODELS).write_text("nonsense {")
    made = export(build_model(TASKS["regression"]), tmp_path / "tiny", origin=ORIGIN, process=process)
    assert [warning.code for warning in made.warnings] == ["SFT515"]
    assert made.path.is_dir()
