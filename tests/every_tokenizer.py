"""Every tokenizer of the package with every kind of rule, for the contract that all keep. A new one adds a line."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

from tiny_sentence_pieces import tiny_sentence_pieces
from tiny_unigram import tiny_model
from toy_tokenizers import COMPARED, toy_vocabulary

from sftkeras.text import Cleaning, SentencePiece, Tokenizer, Unigram, WordPiece


def _word_piece(**rules: object) -> Callable[[], Tokenizer]:
    return lambda: WordPiece(toy_vocabulary(), **rules)  # type: ignore[arg-type]


def _sentence_piece(**rules: object) -> Callable[[], Tokenizer]:
    return lambda: SentencePiece(tiny_sentence_pieces(), **rules)  # type: ignore[arg-type]


_MAKE: dict[str, Callable[[], Tokenizer]] = {
    "WordPiece uncased": _word_piece(lowercase=True),
    "WordPiece uncased, accents": _word_piece(lowercase=True, strip_accents=False),
    "WordPiece cased": _word_piece(lowercase=False),
    "WordPiece uncased, tensorflow_text": _word_piece(lowercase=True, rules="tensorflow_text"),
    "WordPiece cased, tensorflow_text": _word_piece(lowercase=False, rules="tensorflow_text"),
    "SentencePiece uncased": _sentence_piece(),
    "SentencePiece cased": _sentence_piece(lowercase=False, strip_accents=False),
    "SentencePiece uncased, tensorflow_text": _sentence_piece(rules="tensorflow_text"),
    "SentencePiece cased, tensorflow_text": _sentence_piece(
        lowercase=False, strip_accents=False, rules="tensorflow_text"
    ),
    "Unigram of XLM-RoBERTa": lambda: Unigram(tiny_model("xlm_roberta"), rules="xlm_roberta"),
    "Unigram of DeBERTa": lambda: Unigram(tiny_model("deberta"), rules="deberta"),
    "Unigram, ideographs apart": lambda: Unigram(tiny_model("xlm_roberta"), rules="xlm_roberta", ideographs_apart=True),
    "cleaned WordPiece": lambda: Cleaning(markup=True, unicode="nfkc", spaces=True).before(
        TOKENIZERS["WordPiece uncased"]()
    ),
}
# Each is made once, and so are the functions that it traces.
TOKENIZERS = {name: cache(make) for name, make in _MAKE.items()}

_PIECES = (
    *("the", "film", "good", "unaffable", " ", "  ", ".", "1,000", "x" * 101, "``", "''", "'", "\t", "\n"),
    *("café", "cafe\u0301", "İ", "Σ", "ς", "ß", "ﬁ", "½", "Å", "A\u030a", "\u0301", "\u0323", "\u302e"),
    *("👩‍👩‍👧", "👍🏽", "🇫🇷", "❤️", "\U0001d4d0", "\u200b", "\u200d", "\u202e", "\ufeff", "\x00", "\x07", "\ufffd"),
    *("这部", "电影", "好看", "字" * 3, "日本語", "한국어", "각\u11a8", "\u1112\u1161\u11ab", "ｆｕｌｌ", "ｶﾞ"),
    *("שָׁלוֹם", "مَرْحَبًا", "नमस्ते", "<b>", "</b>", "&amp;", "\u00a0", "\u3000", "\u2581"),
)


@cache
def odd_texts(count: int = 5000) -> tuple[str, ...]:
    """Texts of accents, combining marks, emoji, Chinese, markup, zero-width and right-to-left characters, and so on."""
    dice = random.Random(17)

    def piece() -> str:
        return dice.choice(_PIECES) if dice.random() < 0.8 else dice.choice(COMPARED)

    return tuple("".join(piece() for _ in range(dice.randrange(12))) for _ in range(count))
