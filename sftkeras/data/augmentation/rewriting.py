"""Training texts rewritten at random, so that a model learns what they say and not their letters.

Each rewriting is a function of (seed, row, variant) alone: it is the same in a resumed run and on every worker. What is
rewritten is cached as tokens, one entry a variant. Rewriting words follows Wei & Zou (2019, arXiv:1901.11196).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

import numpy as np

from sftkeras.config import AugmentationConfig
from sftkeras.data.augmentation.text_tables import TextTable, comparable, read_tables
from sftkeras.data.storage.examples import Examples
from sftkeras.errors import SFTError

_VERSION = 1  # raise it when the same settings give other texts: the token cache distinguishes them
_STREAM = 240  # keeps these random numbers apart from those of the batch plan, which have the same seed

# Chinese characters, each of which may be a word.
_IDEOGRAPH = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ebef"
# Tags, placeholders of masked data, mail and web addresses are no words.
_LEFT_ALONE = r"(?P<left_alone><[^<>]+>|[^\s<>]*(?:@|://)[^\s<>]*)"
_WORD = re.compile(rf"{_LEFT_ALONE}|[{_IDEOGRAPH}]+|[^\W{_IDEOGRAPH}]+(?:['’-][^\W{_IDEOGRAPH}]+)*")
_IS_IDEOGRAPHS = re.compile(rf"[{_IDEOGRAPH}]+")

Clean = Callable[[list[str]], list[str]]

_ROWS_OF_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, str]:
    """The letters beside each on an English keyboard, whose rows are each half a key further right."""
    places = {letter: (row, at + row / 2) for row, keys in enumerate(_ROWS_OF_KEYS) for at, letter in enumerate(keys)}
    return {
        letter: "".join(
            other
            for other, (other_row, other_at) in places.items()
            if other != letter and abs(other_row - row) <= 1 and abs(other_at - at) <= 1
        )
        for letter, (row, at) in places.items()
    }


_NEIGHBOURS = _neighbours()


class Augmentation:
    """Rewrites texts.

    Args:
        config: how.
        seed: of the run.
        clean: what else is done to texts before they are tokenised, if anything.
        clean_as: a hash of what `clean` does.

    Raises:
        SFTError: SFT201, SFT241 for a table that cannot be read.
    """

    def __init__(
        self, config: AugmentationConfig, seed: int, clean: Clean | None = None, clean_as: str | None = None
    ) -> None:
        self.config = config
        self.seed = seed
        self._clean = clean
        self._clean_as = clean_as
        self.synonyms, self.paraphrases = read_tables(config)
        self._longest_synonym = max(map(len, self.synonyms.entries), default=1) if self.synonyms else 1

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides what a text becomes, but for its row and the variant."""
        settings = asdict(self.config)
        del settings["variants"]  # more variants leave the first as they are
        for name, table in (("synonyms", self.synonyms), ("paraphrases", self.paraphrases)):
            settings[name] = table and table.fingerprint
        return hashlib.sha256(json.dumps([_VERSION, self.seed, settings, self._clean_as]).encode()).hexdigest()

    def rewrite(self, rows: Sequence[Sequence[str]], numbers: Sequence[int], variant: int) -> list[list[str]]:
        """Rewrites the texts of some rows.

        Args:
            rows: the text of each, or the texts.
            numbers: the number of each row in the data.
            variant: which rewriting, from 0.
        """
        # The variant is counted from 1: NumPy seeds a generator alike from [seed, row] and [seed, row, 0].
        randoms = [np.random.default_rng([self.seed, _STREAM, number, variant + 1]) for number in numbers]
        chosen = [random.random() < self.config.rows for random in randoms]
        new = [
            [self._paraphrase(text, random) for text in row] if wanted else list(row)
            for row, random, wanted in zip(rows, randoms, chosen, strict=True)
        ]
        # Paraphrases are found by the texts as the data has them, and words changed in what cleaning leaves: a typing
        # error would hide an e-mail address from it.
        if self._clean:
            cleaned = iter(self._clean([text for row in new for text in row]))
            new = [[next(cleaned) for _ in row] for row in new]
        return [
            [self._change_words(text, random) for text in row] if wanted else row
            for row, random, wanted in zip(new, randoms, chosen, strict=True)
        ]

    def _paraphrase(self, text: str, random: np.random.Generator) -> str:
        others = self.paraphrases.entries.get(comparable(text), ()) if self.paraphrases else ()
        return (text, *others)[random.integers(len(others) + 1)] if others else text

    def _change_words(self, text: str, random: np.random.Generator) -> str:
        config = self.config
        gaps, words = self._divide(text)
        if self.synonyms and config.synonym:
            words = _with_synonyms(words, self.synonyms, config.synonym, random)
        if config.swap:
            words = _swapped(words, config.swap, random)
        if config.deletion:
            gaps, words = _thinned(gaps, words, config.deletion, random)
        if config.key_noise:
            words = [_mistyped(word, random) if random.random() < config.key_noise else word for word in words]
        return "".join(piece for pair in zip(gaps, [*words, ""], strict=True) for piece in pair)

    def _divide(self, text: str) -> tuple[list[str], list[str]]:
        """The words of a text, and what stands before each and after the last."""
        gaps, words, end = [], [], 0
        for found in _WORD.finditer(text):
            if found["left_alone"]:
                continue
            for word in self._of_table(found[0]) if _IS_IDEOGRAPHS.fullmatch(found[0]) else [found[0]]:
                gaps.append(text[end : found.start()] if end < found.start() else "")
                words.append(word)
                end = found.end()
        return [*gaps, text[end:]], words

    def _of_table(self, ideographs: str) -> Iterator[str]:
        """Chinese words that the table of synonyms has, the longest first; all else character by character."""
        begin = 0
        while begin < len(ideographs):
            size = min(self._longest_synonym, len(ideographs) - begin)
            while size > 1 and not (self.synonyms and ideographs[begin : begin + size] in self.synonyms.entries):
                size -= 1
            yield ideographs[begin : begin + size]
            begin += size


class RewrittenTexts:
    """One variant of the training texts. Rows outside of the training part are empty: they are never rewritten.

    Args:
        examples: whose texts.
        rows: the training rows.
        augmentation: rewrites them.
        variant: which rewriting, from 0.
    """

    def __init__(self, examples: Examples, rows: np.ndarray, augmentation: Augmentation, variant: int) -> None:
        self._examples = examples
        self._augmentation = augmentation
        self._variant = variant
        self._trained = np.zeros(len(examples), bool)
        self._trained[rows] = True
        decides = f"{examples.fingerprint} {augmentation.fingerprint} {variant}".encode()
        self.fingerprint = hashlib.sha256(decides + self._trained.tobytes()).hexdigest()[:32]

    def __len__(self) -> int:
        return len(self._examples)

    def texts(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """Returns the texts of some rows, in their order."""
        rewritten = self._rewritten(self._examples.texts(rows), self._examples.pairs(rows), np.asarray(rows))
        return [row[0] for row in rewritten]

    def text_batches(self, size: int) -> Iterator[tuple[list[str], list[str] | None]]:
        """Yields texts and second texts of all rows in order, at most `size` at once."""
        begin = 0
        for texts, pairs in self._examples.text_batches(size):
            rewritten = self._rewritten(texts, pairs, np.arange(begin, begin + len(texts)))
            begin += len(texts)
            yield [row[0] for row in rewritten], None if pairs is None else [row[1] for row in rewritten]

    def _rewritten(self, texts: list[str], pairs: list[str] | None, numbers: np.ndarray) -> list[list[str]]:
        rows = [[text] for text in texts] if pairs is None else [list(row) for row in zip(texts, pairs, strict=True)]
        new = [[""] * len(row) for row in rows]
        trained = np.flatnonzero(self._trained[numbers]).tolist()
        rewritten = self._augmentation.rewrite(
            [rows[at] for at in trained], [int(numbers[at]) for at in trained], self._variant
        )
        for at, row in zip(trained, rewritten, strict=True):
            new[at] = row
        return new


def make_variants(
    config: AugmentationConfig,
    seed: int,
    examples: Examples,
    rows: np.ndarray,
    *,
    clean: Clean | None = None,
    clean_as: str | None = None,
) -> list[RewrittenTexts]:
    """The training texts in all their variants; none if no augmentation is asked for.

    Args:
        seed: of the run.
        examples: whose texts.
        rows: the training rows.
        clean: what else is done to texts before they are tokenised; the variants are clean already.
        clean_as: a hash of what `clean` does.

    Raises:
        SFTError: SFT201, SFT241 for a table that cannot be read, SFT243 if no training text has a paraphrase.
    """
    if not config.active:
        return []
    augmentation = Augmentation(config, seed, clean, clean_as)
    if augmentation.paraphrases:
        _check_paraphrases(augmentation.paraphrases, examples, rows)
    return [RewrittenTexts(examples, rows, augmentation, variant) for variant in range(config.variants)]


def _check_paraphrases(table: TextTable, examples: Examples, rows: np.ndarray) -> None:
    for begin in range(0, len(rows), 1000):
        some = rows[begin : begin + 1000]
        for texts in (examples.texts(some), examples.pairs(some) or []):
            if any(comparable(text) in table.entries for text in texts):
                return
    raise SFTError("SFT243", file=table.name, entries=f"{len(table.entries):,}")


# --- what is done to words ---


def _with_synonyms(words: Sequence[str], table: TextTable, share: float, random: np.random.Generator) -> list[str]:
    new = []
    for word in words:
        others = table.entries.get(comparable(word), ())
        new.append(
            _in_case_of(word, others[random.integers(len(others))]) if others and random.random() < share else word
        )
    return new


def _in_case_of(word: str, other: str) -> str:
    """The other word, with capitals where the word has them."""
    if len(word) > 1 and word.isupper():
        return other.upper()
    return other[:1].upper() + other[1:] if word[:1].isupper() else other


def _swapped(words: Sequence[str], share: float, random: np.random.Generator) -> list[str]:
    words, at = list(words), 0
    while at < len(words) - 1:
        if random.random() < share:
            words[at], words[at + 1] = words[at + 1], words[at]
            at += 1
        at += 1
    return words


def _thinned(
    gaps: Sequence[str], words: Sequence[str], share: float, random: np.random.Generator
) -> tuple[list[str], list[str]]:
    """Leaves words out, with one of the spaces around them; one word at least stays."""
    kept = random.random(len(words)) >= share
    if len(words) and not kept.any():
        kept[random.integers(len(words))] = True
    new_gaps, new_words = [gaps[0]], []
    for word, gap, keep in zip(words, gaps[1:], kept, strict=True):
        if keep:
            new_words.append(word)
            new_gaps.append(gap)
        else:
            before = new_gaps[-1]
            new_gaps[-1] = before + (gap.lstrip(" ") if before[-1:] in ("", " ") else gap)
    return new_gaps, new_words


def _mistyped(word: str, random: np.random.Generator) -> str:
    """The word with one typing error; as it is, if it has no letter of an English keyboard."""
    places = [at for at, letter in enumerate(word) if letter.lower() in _NEIGHBOURS]
    if not places:
        return word
    at = places[random.integers(len(places))]
    kind = random.integers(4)
    if kind == 0:
        near = _NEIGHBOURS[word[at].lower()]
        letter = near[random.integers(len(near))]
        return word[:at] + (letter.upper() if word[at].isupper() else letter) + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at] + word[at:]
    if kind == 2 and len(word) > 1:
        return word[:at] + word[at + 1 :]
    return word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]
