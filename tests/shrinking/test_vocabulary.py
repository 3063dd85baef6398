"""Models with a trimmed vocabulary predict the same for the texts that it was trimmed to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from models import all_texts, untrained
from tiny_bert import reviews, write_csv
from tiny_conversations import conversations

from sftkeras.shrinking.vocabulary import Corpus, trim_vocabulary
from sftkeras.tasks.masked_lm.vocabulary_head import VocabularyHead
from sftkeras.text import BytePair, WordPiece


def test_a_masked_lm_predicts_the_kept_tokens_alone(tiny_bert_folder: Path, tmp_path: Path) -> None:
    rows = write_csv(tmp_path / "reviews.csv", reviews(40))
    restored, data = untrained(tiny_bert_folder, rows, "--task.kind=masked_lm")
    texts, head = all_texts(data), VocabularyHead.of(restored.model.network)
    assert head
    head.bias.assign(np.arange(head.bias.shape[0], dtype=np.float32))
    before = logits(restored.model, texts[:4])
    names = restored.backbone.tokenizer.pieces(np.arange(restored.backbone.tokenizer.size))
    trimmed = trim_vocabulary(restored, Corpus(lambda: iter([texts])), made(tmp_path / "files"))
    tokenizer = trimmed.backbone.tokenizer
    kept = [names.index(piece) for piece in tokenizer.pieces(np.arange(tokenizer.size))]
    assert len(kept) < len(names)
    assert trimmed.model.task.vocabulary == len(kept)
    np.testing.assert_allclose(logits(trimmed.model, texts[:4]), before[..., kept], atol=1e-6)


def logits(model: object, texts: list[str]) -> np.ndarray:
    inputs = model.features(tf.constant(texts))
    return model.network({name: inputs[name] for name in model.network.input}).numpy()


def test_a_chat_model_reads_conversations_as_before(tiny_decoder_folder: Path, tmp_path: Path) -> None:
    rows = tmp_path / "chat.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in conversations(12)))
    restored, data = untrained(tiny_decoder_folder, rows, "--task.kind=chat", "--backbone.max_length=64")
    texts, whole = all_texts(data), restored.model.features
    before = whole.tokens(texts)
    trimmed = trim_vocabulary(restored, Corpus(lambda: iter([texts])), made(tmp_path / "files"))
    after, tokenizer = trimmed.model.features.tokens(texts), trimmed.backbone.tokenizer
    assert isinstance(tokenizer, BytePair)
    assert tokenizer.size == trimmed.backbone.token_embedding.input_dim < whole.tokenizer.size
    assert tokenizer.pieces(after.flat_values.numpy()) == whole.tokenizer.pieces(before.flat_values.numpy())


def test_a_word_that_was_unknown_as_a_whole_stays_so(tiny_bert_folder: Path, tmp_path: Path) -> None:
    """ "abc" is "ab" and nothing that follows; without "ab" it would be "a" and "##bc"."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "ab", "##bc", "good", "##x"]
    tokenizer = WordPiece(vocabulary)
    assert tokenizer.pieces(tokenizer(tf.constant(["abc"])).flat_values.numpy()) == ["[UNK]"]
    folder = made(tmp_path / "bert")
    for path in tiny_bert_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    rows = write_csv(tmp_path / "reviews.csv", reviews(40))
    restored, _ = untrained(folder, rows)
    texts = ["abc good", "a", "goodbc"]
    trimmed = trim_vocabulary(restored, Corpus(lambda: iter([texts])), made(tmp_path / "files"))
    assert "ab" in trimmed.backbone.tokenizer.vocabulary
    assert "##x" not in trimmed.backbone.tokenizer.vocabulary
    now = trimmed.model.features.tokens(texts)
    assert trimmed.backbone.tokenizer.pieces(now.flat_values.numpy()) == ["[UNK]", "good", "a", "good", "##bc"]


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder
