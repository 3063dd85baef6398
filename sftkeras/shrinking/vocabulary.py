"""A vocabulary trimmed to the tokens that a corpus uses: each of its texts is split as before, which is checked."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from sftkeras.backbones.fewer_tokens import keep_tokens, write_tokenizer_of
from sftkeras.console import progress_bar
from sftkeras.data.storage.progress import RowCount
from sftkeras.errors import SFTError
from sftkeras.runs.restoring import RestoredRun
from sftkeras.tasks import TextModel
from sftkeras.tasks.masked_lm.vocabulary_head import VocabularyHead
from sftkeras.text import Features, Tokenizer, make_cleaning
from sftkeras.text.tokenizers.plain_pieces import without_marks
from sftkeras.text.tokenizers.trimming import tokens_to_keep

_ATTEMPTS = 3
_SHOWN = 60  # characters of a text in a message


@dataclass(frozen=True)
class Corpus:
    """Texts that decide which tokens stay.

    Attributes:
        batches: yields them, some at once, from the first to the last each time that it is called.
        size: how many there are; None if that is not known before they are read.
    """

    batches: Callable[[], Iterator[list[str]]]
    size: int | None = None

    def read(self, doing: str) -> Iterator[list[str]]:
        """Yields the texts beside a progress bar."""
        with progress_bar() as progress:
            count, done = RowCount(progress, doing, self.size), 0
            for texts in self.batches():
                yield texts
                done += len(texts)
                count.update(done)


def trim_vocabulary(restored: RestoredRun, corpus: Corpus, folder: Path) -> RestoredRun:
    """Leaves out the tokens that a corpus never uses: rows of the embedding, and of what predicts tokens.

    Args:
        restored: a model whose backbone has a tokenizer of its own; its network is changed in place.
        corpus: all its texts have the same tokens afterwards, by other numbers.
        folder: exists and is empty; gets the small files of the smaller backbone.

    Raises:
        SFTError: SFT531 if a text would be split otherwise.
    """
    backbone, features = restored.backbone, restored.model.features
    assert isinstance(backbone.tokenizer, Tokenizer)
    used = _used_tokens(features, corpus, backbone.tokenizer.size)
    for attempt in range(_ATTEMPTS):
        files = folder / str(attempt)
        files.mkdir()
        kept = tokens_to_keep(backbone.tokenizer, used)
        tokenizer = write_tokenizer_of(backbone, kept, files)
        task = restored.model.task.for_tokenizer(tokenizer)
        new_features = task.features(
            tokenizer,
            max_length=restored.max_length,
            pairs=features.pairs,
            cleaning=make_cleaning(**restored.cleaning),
        )
        differing = _differing_texts(features, new_features, kept, corpus)
        if not differing:
            break
        # A word that was unknown as a whole is split where the piece that led astray is missing; two splits may also
        # be equally probable. Few texts are of this kind: all that they might use stays.
        used = {*used, *_pieces_within(backbone.tokenizer, differing)}
    else:
        raise SFTError("SFT531", text=" ".join(differing[0].split())[:_SHOWN])
    if head := VocabularyHead.of(restored.model.network):
        head.keep_tokens(kept)
    backbone = keep_tokens(backbone, kept, tokenizer, files)
    model = TextModel(new_features, restored.model.network, task, backbone)
    return replace(restored, model=model, backbone=backbone)


def _used_tokens(features: Features, corpus: Corpus, size: int) -> set[int]:
    used = np.zeros(size, bool)
    for texts in corpus.read("Finding the tokens that are used"):
        used[features.tokens(texts).flat_values.numpy()] = True
    return set(np.flatnonzero(used).tolist())


def _differing_texts(before: Features, now: Features, kept: np.ndarray, corpus: Corpus) -> list[str]:
    """Return the texts that are split otherwise than before."""
    differing: list[str] = []
    for texts in corpus.read("Checking that all texts are split as before"):
        old, new = before.tokens(texts), now.tokens(texts)
        same_lengths = old.row_lengths() == new.row_lengths()
        if bool(tf.reduce_all(same_lengths)):
            unequal = old.flat_values.numpy() != kept[new.flat_values.numpy()]
            wrong: Sequence[int] = np.unique(old.value_rowids().numpy()[unequal]).tolist()
        else:
            rows = zip(old.to_list(), new.to_list(), strict=True)
            wrong = [row for row, (one, other) in enumerate(rows) if one != kept[other].tolist()]
        differing += [texts[row] for row in wrong]
    return differing


def _pieces_within(tokenizer: Tokenizer, texts: Sequence[str]) -> Iterator[int]:
    """Yields the tokens whose letters stand somewhere in some texts, however these are written."""
    joined = "\n".join(texts)
    written = "\n".join(
        form
        for text in (joined, joined.lower(), joined.casefold())
        for form in (text, unicodedata.normalize("NFD", text), unicodedata.normalize("NFKC", text))
    )
    for number, piece in enumerate(tokenizer.pieces(np.arange(tokenizer.size))):
        if (letters := without_marks(piece)) and letters in written:
            yield number
