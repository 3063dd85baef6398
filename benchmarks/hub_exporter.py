"""Modules written by the public exporter of TF-Hub's text encoders, loaded here; and one published here, loaded there.

    python -m venv .venv-hub
    .venv-hub/bin/pip install tf-models-official
    python benchmarks/hub_exporter.py --exporter_python .venv-hub/bin/python

The exporter is official/nlp/tools/export_tfhub_lib.py of TensorFlow's Model Garden, which wrote the public modules. It
writes tiny encoders with random weights, their preprocessors, and what its own code computes for a few texts. Measured
is how far the native and the opaque route are from that, for token vectors and pooled vectors, and for how many of the
texts our tokenizer and the preprocessor give the same tokens. Of the module published here it is measured how many
variables the exporter's library trains: all but the biases of the keys, whose gradient is zero.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from sftkeras import runtime

runtime.start_tensorflow()

import keras  # noqa: E402
import keras_hub  # noqa: E402
import sentencepiece  # noqa: E402
import tensorflow as tf  # noqa: E402

from sftkeras.backbones import Backbone, load_backbone  # noqa: E402
from sftkeras.backbones.publishing.encoder import write_encoder  # noqa: E402
from sftkeras.backbones.publishing.publication import Publication  # noqa: E402
from sftkeras.backbones.tfhub.names import HUB_INPUTS  # noqa: E402
from sftkeras.exporting.parity import ODD_TEXTS  # noqa: E402
from sftkeras.tasks import pool  # noqa: E402
from sftkeras.text import ModulePreprocessor, WordPiece  # noqa: E402

WRITER = Path(__file__).parent / "peers" / "hub_exporter.py"
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!'"
WORDS = ("film", "quiet", "stays", "with", "you", "that", "the", "is", "text", "long", "much", "too", "cafe", "naive")
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
TEXTS = [*ODD_TEXTS, "The film IS quiet, isn't it?", "a b", "x" * 90]
SIZES = {
    "hidden_size": 32,
    "num_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}


def main() -> None:
    """Has the modules written, loads them in every way, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exporter_python", required=True, help="interpreter that has tf-models-official")
    parser.add_argument("--folder", type=Path, help="where to leave the modules; a temporary folder by default")
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["SFTKERAS_CACHE"] = temporary  # converted anew each time
        folder = settings.folder or Path(temporary, "modules")
        folder.mkdir(parents=True, exist_ok=True)
        encoders = ask(folder)
        subprocess.run([settings.exporter_python, str(WRITER.absolute()), str(folder)], check=True)
        table = Table(
            "encoder", "native: tokens, pooled", "opaque: tokens, pooled", "own tokenizer", "its preprocessor"
        )
        for name in encoders:
            table.add_row(name, *compare(folder, name))
        answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    console = Console(width=120)
    console.print(table, answer)


def ask(folder: Path) -> dict[str, dict]:
    """Writes what the other process needs; returns the encoders it is asked for."""
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in VOCABULARY), encoding="utf-8")
    (folder / "spiece.model").write_bytes(sentence_piece_model())
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spiece.model")).get_piece_size()
    word_piece = {"vocab_file": "vocab.txt", "lowercase": True}
    sizes = {**SIZES, "vocab_size": len(VOCABULARY)}
    narrow = {**SIZES, "vocab_size": pieces, "embedding_width": 16}
    encoders = {
        "bert": {**word_piece, "type": "bert", "sizes": sizes},
        "bert-cased-relu": {**word_piece, "type": "bert", "lowercase": False}
        | {"sizes": {**sizes, "hidden_activation": "relu"}},
        "electra-like": {**word_piece, "type": "bert", "sizes": {**sizes, "embedding_size": 16}},
        "albert": {"type": "albert", "sp_model_file": "spiece.model", "lowercase": True, "sizes": narrow},
    }
    request = {"texts": TEXTS, "encoders": encoders}
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    publish(folder / "published")
    return encoders


def publish(folder: Path) -> None:
    """A random encoder as a module of our own."""
    keras.utils.set_random_seed(3)
    encoder = keras_hub.models.BertBackbone(
        vocabulary_size=len(VOCABULARY),
        num_layers=2,
        num_heads=4,
        hidden_dim=32,
        intermediate_dim=48,
        max_sequence_length=64,
    )
    backbone = Backbone(encoder, WordPiece(VOCABULARY, lowercase=True), 64, True, "keras_hub", {})
    write_encoder(Publication.of(backbone, pool(backbone, "cls")), folder)


def sentence_piece_model() -> bytes:
    """A small SentencePiece model with ALBERT's special pieces."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(WORDS), " ".join(LETTERS), *(text for text in TEXTS if text.isascii())]),
        model_writer=model,
        vocab_size=70,
        hard_vocab_limit=False,
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        pad_piece="<pad>",
        unk_piece="<unk>",
        control_symbols=["[CLS]", "[SEP]", "[MASK]"],
        minloglevel=2,
    )
    return model.getvalue()


def compare(folder: Path, name: str) -> tuple[str, str, str, str]:
    """The differences of one encoder: outputs natively and as it is, tokens of our tokenizer and its preprocessor."""
    expected = np.load(folder / f"{name}.npz")
    inputs = {ours: expected[hub] for hub, ours in HUB_INPUTS.items()}
    routes = {mode: load_backbone(folder / name, max_length=64, mode=mode) for mode in ("native", "opaque")}
    outputs = []
    for backbone in routes.values():
        found = backbone.model(inputs, training=False)
        mask = inputs["padding_mask"][:, :, np.newaxis]
        sequence = np.abs(found["sequence_output"] - expected["sequence_output"]) * mask
        pooled = np.abs(found["pooled_output"] - expected["pooled_output"])
        outputs.append(f"{float(sequence.max()):.1e}, {float(pooled.max()):.1e}")
    texts = tf.constant([text.encode("utf-8", "replace") for text in TEXTS])
    rows = np.split(expected["tokens"], np.cumsum(expected["lengths"])[:-1])
    tokenizer = routes["native"].tokenizer
    assert tokenizer is not None
    assert not isinstance(tokenizer, ModulePreprocessor)
    own = tokenizer(texts).to_list()
    same = sum(row.tolist() == tokens for row, tokens in zip(rows, own, strict=True))
    theirs = load_backbone(folder / name, max_length=64, preprocessor=folder / f"{name}-preprocessor", mode="native")
    assert isinstance(theirs.tokenizer, ModulePreprocessor)
    packed, _ = theirs.tokenizer.pack(texts, None, 64)
    longest = packed["token_ids"].shape[1]
    equal = np.sum(np.all(expected["input_word_ids"][:, :longest] == packed["token_ids"], axis=1))
    return outputs[0], outputs[1], f"{same} of {len(TEXTS)}", f"{equal} of {len(TEXTS)}"


if __name__ == "__main__":
    main()
