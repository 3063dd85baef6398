"""A toy vocabulary in which nearly every character of everyday text is a piece, so that differences show as numbers."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from sftkeras.text import WordPiece

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["the", "movie", "un", "##aff", "##able", "##ing", "istanbul", "Straße", "strasse", "cafe", "café", "straße"]
# The Basic Multilingual Plane and emoji, with one in eight of the many Chinese and Korean characters; no surrogates.
_MANY = [*range(0x3400, 0x9FFF), *range(0xA000, 0xD7A4)]
CODES = [
    *(code for code in range(1, 0x10000) if not 0x3400 <= code < 0x9FFF and not 0xA000 <= code < 0xE000),
    *_MANY[::8],
    *range(0xA640, 0xAC00),
    *range(0x1F000, 0x1FB00),
    *range(0x20000, 0x2A6E0, 64),
    *range(0x2F800, 0x2FA20),
]
CHARACTERS = sorted({chr(code) for code in CODES})

# (lowercase, strip_accents): uncased and cased BERT, and the two mixtures that tokenizer_config.json can ask for.
CASES = [(True, None), (True, False), (False, None), (False, True)]

Tokenise = Callable[[list[str]], list[list[int]]]
Both = tuple[WordPiece, Tokenise]


def toy_vocabulary() -> list[str]:
    forms = {
        part
        for character in CHARACTERS
        for form in (character, character.lower(), unicodedata.normalize("NFD", character))
        for part in (*form, *form.lower())
    }
    forms -= {"\n", "\r", "\x85", "\u2028", "\u2029", "\uffff"}
    pieces = [*SPECIALS, *WORDS, *sorted(forms), *(f"##{form}" for form in sorted(forms))]
    return list(dict.fromkeys(pieces))


def both_tokenizers(vocabulary: list[str], lowercase: bool, strip_accents: bool | None) -> Both:
    """Our tokenizer and Hugging Face's, of one vocabulary and with the same rules."""
    ours = WordPiece(vocabulary, lowercase=lowercase, strip_accents=strip_accents)
    numbers = {piece: number for number, piece in enumerate(vocabulary)}
    reference = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]", max_input_chars_per_word=100))
    reference.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)
    reference.pre_tokenizer = pre_tokenizers.BertPreTokenizer()

    def tokenise(texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in reference.encode_batch(texts, add_special_tokens=False)]

    return ours, tokenise
