"""A chat model's export: what lands in the version, the same bytes each time, and a gate that another does not pass."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tiny_generating import build_model
from tiny_models import ORIGIN

from sftkeras.conversations import Conversation, Message
from sftkeras.errors import SFTError
from sftkeras.exporting.contract import read_contract
from sftkeras.exporting.export import export
from sftkeras.exporting.generating_parity import check_generating
from sftkeras.exporting.generation_file import read_generation
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.exporting.saved_model import write_saved_model
from sftkeras.tasks.predictions import records

ROWS = [Conversation((Message("user", f"where is {it}?"), Message("assistant", "here"))).to_json() for it in "abc"]
SAME = ("saved_model.pb", "variables/variables.data-00000-of-00001", "fingerprint.pb")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, tiny_decoder_folder: Path, process: PredictionProcess):
    """The model, and an export of it, which `process` has loaded."""
    model, folder = build_model(tiny_decoder_folder), tmp_path_factory.mktemp("generating") / "tiny"
    return model, export(model, folder, origin=ORIGIN, sample_texts=ROWS, process=process)


def test_a_version_has_what_a_server_needs_to_generate(exported, process):
    _, version = exported
    contract, facts = read_contract(version.path), read_generation(version.path)
    assert version.parity <= 1e-4
    assert version.size_ratio == pytest.approx(1, abs=0.05)
    assert contract["chat"] == {"compiled": True}
    assert {"serving_default", "chat", "generate", "score", "step"} <= contract["signatures"].keys()
    assert contract["sample"]["response"]["outputs"].keys() == {"text", "ended", "prompt_tokens", "new_tokens"}
    assert facts["chat"]["template"]
    assert facts["defaults"]["max_new_tokens"] == 8
    assert "generate" in (version.path / "README.md").read_text("utf-8")
    (record,) = records(process.predict(["where is a?"]))
    assert record.keys() == {"generated", "ended", "prompt_tokens", "new_tokens"}


def operations(folder: Path) -> list[str]:
    """The operations of all functions of an export."""
    saved = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    return [node.op for function in saved.meta_graphs[0].graph_def.library.function for node in function.node_def]


def test_a_model_is_written_to_the_same_bytes_each_time(exported, tmp_path):
    model, version = exported
    write_saved_model(model, tmp_path, model.task.generating(model))
    assert [name for name in SAME if (version.path / name).read_bytes() != (tmp_path / name).read_bytes()] == []


def test_the_graph_holds_a_layer_once_for_each_kind_of_cache(exported):
    """However many layers and signatures there are: loading looks at the whole graph for each signature in use."""
    _, version = exported
    assert operations(version.path).count("InplaceUpdate") == 2


def test_reading_a_token_copies_no_table(exported):
    """A variable of which an operation reads rows is copied each time that its value is read."""
    _, version = exported
    assert "ResourceGather" not in operations(version.path)


def test_a_prompt_that_is_too_long_costs_no_other_row_its_text(exported, process):
    found = process.run("serving_default", {"text": ["where is a?", "x" * 300]})
    alone = process.run("serving_default", {"text": ["where is a?"]})
    assert found["text"].tolist() == [alone["text"][0], ""]
    assert found["new_tokens"][1] == 0
    assert found["prompt_tokens"][1] > read_generation(process.version)["positions"]


def test_an_export_of_other_weights_is_refused(exported, process):
    model, _ = exported
    table = model.backbone.model.token_embedding.embeddings
    kept = table.numpy()
    table.assign(kept * 1.01)
    try:
        with pytest.raises(SFTError, match="SFT510"):
            check_generating(model, model.task.generating(model), process, ROWS)
    finally:
        table.assign(kept)
