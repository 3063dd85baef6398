"""Written GGUF files: what llama.cpp's converter would write, read back as the model that was written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_gguf as tiny
from tiny_decoders import TinyDecoder

from sftkeras.backbones.gguf.architectures import ARCHITECTURES
from sftkeras.backbones.gguf.conversion import write_folder
from sftkeras.backbones.gguf.file import GGUFFile
from sftkeras.backbones.gguf.rope import FREQUENCIES, llama3_divisors
from sftkeras.backbones.gguf.writing import write_file
from sftkeras.config import PublishConfig
from sftkeras.errors import SFTError
from sftkeras.publish import check_output, main
from sftkeras.publishing.modelfile import go_template
from sftkeras.text.templates.compiled import CompiledTemplate


def tokenizer_for(architecture: str) -> tiny.Tokenizer:
    if architecture.startswith(("gemma", "phi")):
        return tiny.sentence_pieces()
    return tiny.byte_pairs("qwen2" if architecture.startswith("qwen") else "smollm")


def folder_of(path: Path) -> Path:
    folder = path.with_suffix("")
    folder.mkdir()
    write_folder(path, folder)
    return folder


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_a_file_is_what_llama_cpp_would_write(architecture: str, tmp_path: Path) -> None:
    """Names, order of rows, offsets, settings and vocabulary; the folder between them is our reader's."""
    given = tiny.tiny_gguf(tmp_path / "given.gguf", architecture, tokenizer_for(architecture))
    write_file(folder_of(given), tmp_path / "again.gguf", "float32", name="tiny")
    expected, found = GGUFFile(given), GGUFFile(tmp_path / "again.gguf")
    assert found.tensors.keys() == expected.tensors.keys()
    for name in expected.tensors:
        np.testing.assert_allclose(found.read(name), expected.read(name), rtol=0, atol=1.2e-7, err_msg=name)
    settings = {key: value for key, value in expected.metadata.items() if not key.endswith(".scores")}
    assert {key: found.metadata.get(key) for key in settings} == settings


@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_tokens_are_the_same_when_it_is_read_again(architecture: str, tmp_path: Path) -> None:
    first = folder_of(tiny.tiny_gguf(tmp_path / "first.gguf", architecture, tiny.sentence_pieces()))
    write_file(first, tmp_path / "second.gguf", "float32", name="tiny")
    second = folder_of(tmp_path / "second.gguf")
    one, other = (json.loads((folder / "tokenizer.json").read_text("utf-8")) for folder in (first, second))
    assert one == other


@pytest.mark.parametrize(("dtype", "most"), [("float16", 1e-4), ("bfloat16", 1e-3), ("q8_0", 1e-3)])
def test_matrices_have_the_type_and_vectors_stay_float32(dtype: str, most: float, tmp_path: Path) -> None:
    given = tiny.tiny_gguf(tmp_path / "given.gguf")
    write_file(folder_of(given), tmp_path / "again.gguf", dtype, name="tiny")  # type: ignore[arg-type]
    expected, found = GGUFFile(given), GGUFFile(tmp_path / "again.gguf")
    types = {"float16": "F16", "bfloat16": "BF16", "q8_0": "Q8_0"}
    for name, tensor in found.tensors.items():
        assert tensor.type.name == ("F32" if len(tensor.shape) == 1 else types[dtype])
        np.testing.assert_allclose(found.read(name).astype(np.float32), expected.read(name), atol=most)


def test_the_divisors_of_llama_3_are_a_tensor(tmp_path: Path) -> None:
    folder = folder_of(tiny.tiny_gguf(tmp_path / "given.gguf"))
    config = json.loads((folder / "config.json").read_text())
    constants = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
    config["rope_scaling"] = {"rope_type": "llama3", "factor": 8.0, **constants}
    (folder / "config.json").write_text(json.dumps(config))
    write_file(folder, tmp_path / "again.gguf", "float32", name="tiny")
    found = GGUFFile(tmp_path / "again.gguf").read(FREQUENCIES)
    np.testing.assert_allclose(found, llama3_divisors(10000.0, tiny.HEAD, 8.0), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "changes", "problem"),
    [
        ("opt", {}, "model_type opt is not known there"),
        ("mistral", {"sliding_window": 4}, "a window of 4 tokens"),
        ("qwen3", {}, "biases of queries"),
        ("llama-yarn", {}, "of the kind yarn"),
        ("llama-3.1", {}, "constants other than"),
    ],
)
def test_what_a_file_cannot_say_is_refused_by_its_name(name: str, changes: dict, problem: str, tmp_path: Path) -> None:
    decoder = TinyDecoder(name)
    donor = folder_of(tiny.tiny_gguf(tmp_path / "donor.gguf"))
    folder = decoder.write(tmp_path / "folder", tokens=len(tiny.byte_pairs().tokens), **changes)
    for file in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        (folder / file).write_bytes((donor / file).read_bytes())
    with pytest.raises(SFTError, match=f"SFT334.*{problem}"):
        write_file(folder, tmp_path / "again.gguf", "float32", name="tiny")


def test_the_command_writes_file_modelfile_and_card(tmp_path: Path) -> None:
    handle = tiny.tiny_gguf(tmp_path / "given.gguf")
    output = tmp_path / "published" / "tiny"
    main(PublishConfig(handle=str(handle), output=str(output), format="gguf", dtype="q8_0"))
    assert sorted(path.name for path in output.iterdir()) == ["Modelfile", "README.md", "tiny.gguf"]
    modelfile = (output / "Modelfile").read_text("utf-8")
    assert modelfile.startswith("FROM ./tiny.gguf\n")
    assert 'PARAMETER stop "<|im_end|>"' in modelfile
    assert GGUFFile(output / "tiny.gguf").metadata["tokenizer.chat_template"] == tiny.TEMPLATE


def test_files_that_this_command_did_not_write_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "downloaded.gguf").write_bytes(b"GGUF")
    with pytest.raises(SFTError, match=r"SFT377.*something else than a GGUF file"):
        check_output(tmp_path, "gguf", overwrite=True)
    (tmp_path / "README.md").write_text("Made of `x` with sftkeras: 135 parameters as q8_0.\n", encoding="utf-8")
    check_output(tmp_path, "gguf", overwrite=True)
    with pytest.raises(SFTError, match=r"SFT377.*a GGUF file is there already"):
        check_output(tmp_path, "gguf", overwrite=False)


def test_a_template_that_is_a_table_becomes_one_of_go() -> None:
    before = {("", "user", True): '<s>[INST] "', ("", "user", False): '<s>[INST] "'}
    found = go_template(CompiledTemplate(before, {"user": "\n[/INST]"}, frozenset()), "<s>")
    assert '(eq $previous "") (eq .Role "user") $isLast }}{{ "[INST] \\"" }}' in found
    assert found.endswith('{{- if eq $previous "user" }}{{ "\\n[/INST]" }}{{- end }}')
    assert "<s>" not in found
