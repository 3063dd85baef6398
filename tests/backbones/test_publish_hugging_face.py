"""Published folders: classes, tensors and logits as in transformers; the files of sentence-transformers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_gguf
from safetensors import safe_open
from safetensors.numpy import load_file
from tiny_folders import POSITIONS
from tiny_heads import CLASSES, HEADS, VECTORS, TinyHead, logits, published

from sftkeras.backbones import load_backbone
from sftkeras.backbones.gguf.conversion import write_folder
from sftkeras.backbones.hugging_face.sentence_model import read_sentence_model
from sftkeras.backbones.publishing import read_back
from sftkeras.errors import SFTError
from sftkeras.exporting.contract import ModelOrigin
from sftkeras.publishing import hugging_face
from sftkeras.publishing.source import Source
from sftkeras.runs.restoring import RestoredRun
from sftkeras.tasks import TextModel
from sftkeras.tasks.chat.rendering import Rendering
from sftkeras.tasks.chat.spec import ChatSettings
from sftkeras.tasks.chat.task import Chat
from sftkeras.text.templates.named import NAMED

REFERENCES = json.loads((Path(__file__).parent / "heads_from_transformers" / "heads.json").read_text("utf-8"))


def config_of(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text("utf-8"))


@pytest.mark.parametrize("name", HEADS)
def test_a_head_is_that_of_the_class_of_transformers(name: str, tmp_path: Path) -> None:
    source, folder = published(HEADS[name], tmp_path)
    reference = REFERENCES[name]
    assert config_of(folder)["architectures"] == [reference["class"]]
    with safe_open(folder / "model.safetensors", framework="numpy") as file:
        shapes = {tensor: file.get_slice(tensor).get_shape() for tensor in file.keys()}  # noqa: SIM118
    assert shapes == {tensor: shape for tensor, shape in reference["shapes"].items() if tensor in shapes}
    assert source.run is not None
    found, expected = logits(source.run.model.network, HEADS[name].task), np.array(reference["logits"])
    if expected.ndim == 3:  # padding aside
        found, expected = found[0], expected[0]
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_labels_have_their_names(tmp_path: Path) -> None:
    _, folder = published(HEADS["bert"], tmp_path)
    config = config_of(folder)
    assert config["id2label"] == {"0": "good", "1": "bad", "2": "é"}
    assert config["problem_type"] == "single_label_classification"
    card = (folder / "README.md").read_text("utf-8")
    assert "pipeline_tag: text-classification" in card


def test_a_classifier_that_no_class_computes_is_left_out_and_said_so(tmp_path: Path) -> None:
    _, folder = published(TinyHead("bert", CLASSES, "mean"), tmp_path)
    assert config_of(folder)["architectures"] == ["BertModel"]
    assert not [name for name in load_file(folder / "model.safetensors") if "classifier" in name or "pooler" in name]
    assert "encoder without its classifier: behind mean pooling" in (folder / "README.md").read_text("utf-8")


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_similarity_model_is_a_folder_of_sentence_transformers(pooling: str, tmp_path: Path) -> None:
    """Its pooler is a dense layer there, with tanh."""
    source, folder = published(TinyHead("bert", VECTORS, pooling), tmp_path)
    modules = [module["type"].rpartition(".")[2] for module in json.loads((folder / "modules.json").read_text())]
    assert modules == ["Transformer", "Pooling", *(["Dense"] if pooling == "cls" else []), "Normalize"]
    read = read_sentence_model(folder)
    assert read is not None
    assert (read.pooling, read.max_length, read.normalises) == (pooling, POSITIONS, True)
    if pooling == "cls":
        stored = load_file(folder / "2_Dense" / "model.safetensors")
        np.testing.assert_array_equal(stored["linear.weight"], source.backbone.pooler.kernel.numpy().T)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_are_rounded_to_the_type(dtype: str, tmp_path: Path) -> None:
    source = HEADS["distilbert"].source(tmp_path / "source")
    output = tmp_path / "published"
    output.mkdir()
    hugging_face.write(source, output, output, dtype)  # type: ignore[arg-type]
    assert config_of(output)["dtype"] == dtype
    assert {str(values.dtype) for values in load_file(output / "model.safetensors").values()} == {dtype}


def test_another_weight_is_found_when_the_folder_is_read_back(tmp_path: Path) -> None:
    source, folder = published(HEADS["electra"], tmp_path)
    other = load_backbone(folder, max_length=POSITIONS)
    read_back.prove_folder(other, folder, "float32", ["a good film"])
    weight = source.backbone.model.token_embedding.embeddings
    weight.assign(weight + 1e-3)
    with pytest.raises(SFTError, match=r"SFT379.*embeddings is another one"):
        read_back.prove_folder(source.backbone, folder, "float32", ["a good film"])


def test_a_decoder_has_the_template_and_the_ends_that_its_run_learned_with(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    write_folder(tiny_gguf.tiny_gguf(tmp_path / "tiny.gguf"), tmp_path / "source")
    backbone = load_backbone(tmp_path / "source", max_length=8)
    options = ChatSettings(template="chatml", system="Be brief.")
    task = Chat(options, Rendering.of(options, tmp_path / "source"))
    run = RestoredRun(TextModel(None, None, task, backbone), backbone, "mean", 8, {})  # type: ignore[arg-type]
    folder = tmp_path / "published"
    notes = hugging_face.write_decoder_folder(Source(backbone, "mean", ModelOrigin("tiny"), run), folder, "float32")
    assert (folder / "chat_template.jinja").read_text("utf-8") == NAMED["chatml"].source
    assert "chat_template" not in json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    generation = json.loads((folder / "generation_config.json").read_text("utf-8"))
    assert generation["eos_token_id"] == tiny_gguf.SPECIAL.index("<|im_end|>")
    assert notes == ['Give conversations the system message that it learned with: "Be brief."']
