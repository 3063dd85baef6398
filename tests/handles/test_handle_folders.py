from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from sftkeras.errors import SFTError
from sftkeras.handles import check_safetensors, check_weights, kind_of

WEIGHTS = save({"weight": np.arange(64, dtype=np.float32), "bias": np.zeros(3, np.float32)})


def folder_of(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).write_text("{}")
    return path


def refused(code: str, act, *arguments) -> str:
    with pytest.raises(SFTError) as error:
        act(*arguments)
    assert error.value.code == code
    return str(error.value)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["config.json", "model.safetensors"], "hugging_face"),
        (["config.json", "model.safetensors", "pytorch_model.bin", "tf_model.h5"], "hugging_face"),
        (["config.json", "metadata.json", "model.weights.h5"], "keras_hub"),
        (["config.json", "model.weights.json", "model_00000.weights.h5"], "keras_hub"),
        (["saved_model.pb", "fingerprint.pb"], "tfhub"),
        (["saved_model.pb", "keras_metadata.pb", "tf_model.h5"], "tfhub"),
        (["saved_model.pb", "config.json", "model.safetensors"], "hugging_face"),
        (["saved_model.pb", "config.json", "model.weights.h5"], "keras_hub"),
    ],
)
def test_a_folder_is_known_by_its_files(tmp_path, names, kind):
    assert kind_of(folder_of(tmp_path, *names)) == kind


def test_a_sharded_folder_needs_all_its_shards(tmp_path):
    folder_of(tmp_path, "config.json", "model-1.safetensors")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model-2.safetensors is missing" in refused("SFT306", kind_of, tmp_path)
    (tmp_path / "model-2.safetensors").touch()
    assert kind_of(tmp_path) == "hugging_face"
    (tmp_path / "model.safetensors.index.json").write_text("[]")
    refused("SFT307", kind_of, tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.ckpt", "tf_model.h5"])
def test_pickled_weights_are_refused_with_the_remedy(tmp_path, name):
    message = refused("SFT305", kind_of, folder_of(tmp_path, "config.json", name))
    assert name in message
    assert "model.safetensors" in message


def test_a_folder_without_its_weights_or_its_config_names_the_missing_file(tmp_path):
    assert "model.safetensors" in refused("SFT306", kind_of, folder_of(tmp_path, "config.json"))
    (tmp_path / "config.json").rename(tmp_path / "model.safetensors")
    assert "config.json is missing" in refused("SFT306", kind_of, tmp_path)


def test_a_folder_of_something_else_says_what_it_holds(tmp_path):
    assert "it is empty" in refused("SFT304", kind_of, tmp_path)
    assert "found: notes.txt" in refused("SFT304", kind_of, folder_of(tmp_path, "notes.txt"))
    assert "it is a file" in refused("SFT304", kind_of, tmp_path / "notes.txt")
    assert "no such folder" in refused("SFT304", kind_of, tmp_path / "absent")


def test_a_whole_safetensors_file_passes(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    check_safetensors(tmp_path / "model.safetensors")


@given(st.integers(0, len(WEIGHTS) - 1))
def test_a_safetensors_file_cut_anywhere_is_refused(tmp_path_factory, length):
    path = tmp_path_factory.getbasetemp() / "cut.safetensors"
    path.write_bytes(WEIGHTS[:length])
    assert str(path) in refused("SFT307", check_safetensors, path)


@pytest.mark.parametrize(
    "content", [WEIGHTS + b"\0", b"\xff" * 64, b"<html>not found</html>", b"version https://git-lfs"]
)
def test_a_file_that_is_no_safetensors_is_refused(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    refused("SFT307", check_safetensors, path)


def test_a_missing_safetensors_file_is_named(tmp_path):
    assert "model.safetensors is missing" in refused("SFT306", check_safetensors, tmp_path / "model.safetensors")


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """The files of a TF-Hub module whose variables are in two shards."""
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"a graph with VarHandleOp")
    for name in ("index", "data-00000-of-00002", "data-00001-of-00002"):
        (tmp_path / f"variables/variables.{name}").touch()
    return tmp_path


def test_a_whole_module_passes(module):
    check_weights(module)


@pytest.mark.parametrize("name", ["index", "data-00000-of-00002", "data-00001-of-00002"])
def test_a_module_names_the_file_it_misses(module, name):
    (module / f"variables/variables.{name}").unlink()
    assert f"variables/variables.{name} is missing" in refused("SFT306", check_weights, module)


def test_a_module_without_variables_needs_none_of_their_files(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"a graph that tokenises")
    check_weights(tmp_path)


def test_a_module_in_tf1_format_is_refused_with_what_to_take_instead(module):
    (module / "tfhub_module.pb").touch()
    assert "TF2" in refused("SFT363", check_weights, module)


def test_an_empty_graph_is_refused(module):
    (module / "saved_model.pb").write_bytes(b"")
    assert "saved_model.pb is empty" in refused("SFT364", check_weights, module)
