from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from examples.prepare.four_bit_weights import BLOCK, Header, dequantised, read_model_file
from examples.prepare.multilingual_e5 import bert_tensors, is_chinese_or_english, write_model

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁the", "中国", "при", "п", "<mask>"]
HEADER = Header(
    width=BLOCK, layers=1, heads=2, intermediate=2 * BLOCK, rows=12, positions=8, segments=2, epsilon=1e-12, block=BLOCK
)


def quantised(values: np.ndarray) -> bytes:
    """Packs whole numbers from -8 to 7, with a scale of 0.5, by the rules of the format, one block after another."""
    blocks = b""
    for block in values.reshape(-1, BLOCK):
        codes = [int(value) + 8 for value in block]
        halves = zip(codes[: BLOCK // 2], codes[BLOCK // 2 :], strict=True)
        blocks += struct.pack("<e", 0.5) + bytes(low | high << 4 for low, high in halves)
    return blocks


def whole_numbers(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-8, 8, count)


def tensors() -> dict[str, np.ndarray]:
    """The values of each tensor; those of matrices are whole numbers."""
    width, inner = HEADER.width, HEADER.intermediate
    sizes = {"emb.word": HEADER.rows * width, "emb.pos": HEADER.positions * width, "emb.type": HEADER.segments * width}
    sizes |= {"emb.ln.w": width, "emb.ln.b": width}
    for part, (outputs, inputs) in {
        "q": (width, width), "k": (width, width), "v": (width, width), "ao": (width, width), "aln": (width, 1),
        "fi": (inner, width), "fo": (width, inner), "oln": (width, 1),
    }.items():  # fmt: skip
        sizes |= {f"l0.{part}.w": outputs * inputs, f"l0.{part}.b": outputs}
    return {name: whole_numbers(number, size) for number, (name, size) in enumerate(sizes.items())}


def is_matrix(name: str) -> bool:
    return (name.endswith(".w") and "ln" not in name) or name == "emb.word"


@pytest.fixture
def model_file(tmp_path) -> Path:
    encoded = [piece.encode() for piece in PIECES]
    starts = np.cumsum([0, *map(len, encoded)])
    head = b"E5S1" + struct.pack("<I7ifi", 1, *HEADER)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, starts[-1])
    head += starts.astype("<u4").tobytes() + np.arange(len(PIECES), dtype="<f4").tobytes() + b"".join(encoded)
    head += struct.pack("<iI", 1, 9) + b"replaced!"
    stored = {
        name: quantised(values) if is_matrix(name) else values.astype("<f4").tobytes()
        for name, values in tensors().items()
    }
    directory_size = 4 + sum(2 + len(name) + 21 for name in stored)
    offset, directory = len(head) + directory_size, struct.pack("<i", len(stored))
    for name, content in stored.items():
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", is_matrix(name), tensors()[name].size, offset, len(content))
        offset += len(content)
    path = tmp_path / "model.bin"
    path.write_bytes(head + directory + b"".join(stored.values()))
    return path


def tokenizer() -> dict:
    special = [token for token in PIECES if token.startswith("<")]
    return {
        "added_tokens": [{"id": PIECES.index(token), "content": token, "special": True} for token in special],
        "normalizer": {"type": "Precompiled"},
        "model": {"type": "Unigram", "unk_id": 3, "vocab": [[piece, float(n)] for n, piece in enumerate(PIECES)]},
    }


@given(st.lists(st.integers(-8, 7), min_size=BLOCK, max_size=BLOCK))
def test_four_bit_numbers_become_their_weights_again(numbers):
    assert dequantised(quantised(np.array(numbers))).tolist() == [number * 0.5 for number in numbers]


def test_file_gives_sizes_pieces_and_tensors(model_file):
    model = read_model_file(model_file)
    assert model.header._replace(epsilon=1e-12) == HEADER
    assert model.pieces == [(piece, float(number)) for number, piece in enumerate(PIECES)]
    for name, values in tensors().items():
        np.testing.assert_array_equal(model.tensors[name], values * 0.5 if is_matrix(name) else values)


def test_cut_or_foreign_file_is_refused(model_file):
    content = model_file.read_bytes()
    model_file.write_bytes(content[:-1])
    with pytest.raises(ValueError, match="cut short"):
        read_model_file(model_file)
    model_file.write_bytes(b"GGUF" + content[4:])
    with pytest.raises(ValueError, match="does not begin with"):
        read_model_file(model_file)


def test_tensors_have_the_shapes_of_a_checkpoint(model_file):
    tensors = bert_tensors(read_model_file(model_file))
    width, inner = HEADER.width, HEADER.intermediate
    assert tensors["embeddings.word_embeddings.weight"].shape == (HEADER.rows, width)
    assert tensors["encoder.layer.0.attention.output.dense.weight"].shape == (width, width)
    assert tensors["encoder.layer.0.intermediate.dense.weight"].shape == (inner, width)
    assert tensors["encoder.layer.0.output.dense.weight"].shape == (width, inner)
    assert tensors["encoder.layer.0.output.LayerNorm.weight"].shape == (width,)


def test_tokens_that_are_left_out_leave_the_others_with_their_vectors(model_file, tmp_path):
    model = read_model_file(model_file)
    write_model(model, tokenizer(), tmp_path, is_chinese_or_english)
    written = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))
    pieces = [piece for piece, _ in written["model"]["vocab"]]
    assert pieces == [piece for piece in PIECES if piece != "при"]
    assert {token["content"]: token["id"] for token in written["added_tokens"]}["<mask>"] == pieces.index("<mask>")
    assert written["normalizer"] == tokenizer()["normalizer"]
    rows = load_file(tmp_path / "model.safetensors")["embeddings.word_embeddings.weight"]
    before = bert_tensors(model)["embeddings.word_embeddings.weight"]
    np.testing.assert_array_equal(rows, before[[PIECES.index(piece) for piece in pieces]])
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert config["vocab_size"] == len(pieces)
    assert config["layer_norm_eps"] == 1e-12


def test_tokenizer_of_another_model_is_refused(model_file, tmp_path):
    other = tokenizer()
    other["model"]["vocab"].reverse()
    with pytest.raises(ValueError, match="not those of the weights"):
        write_model(read_model_file(model_file), other, tmp_path, lambda piece: True)


@pytest.mark.parametrize("piece", ["▁the", "中国", "，", "▁2020", "々", "▁п", "é", "😀😀", "▁▁"])
def test_chinese_english_and_single_letters_are_kept(piece):
    assert is_chinese_or_english(piece)


@pytest.mark.parametrize("piece", ["при", "▁café", "東ア", "안녕", "▁של"])
def test_words_of_other_scripts_are_left_out(piece):
    assert not is_chinese_or_english(piece)
