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

ADVERSARIAL = [
    "",
    " ",
    " \t\r\n\u00a0\u3000 ",
    "Straße STRASSE ẞ ﬁ ﬂ ŉ ǰ",
    "İstanbul ISTANBUL Iı iİ",
    "ΟΔΥΣΣΕΥΣ Σ ΣΑΣ. ὈΔΥΣΣΕΎΣ ς",
    "Café CAFÉ cafe\u0301 CAFE\u0301 a\u0323\u0302 \u0301",
    "Å Å Å Ǻ ﷺ Ậ ậ",
    "Й й Ё ё Ї",
    "한국어 텍스트 각\u11a8",
    "漢字とかな 中文字符，。！？ 㐀 𠀀 豈 ー・々〇",
    "👍🏽 👨‍👩‍👧‍👦 🇫🇷 ❤️ #️⃣",
    "a\u200bb a\u200db a\ufeffb a\u00adb a\u2060b a\u202eb",
    "a\x00b a\ufffdb a\x07b a\x7fb a\x0bb a\x0cb a\x85b",
    "a\u00a0b a\u2003b a\u2028b a\u2029b a\u3000b a\u1680b",
    "\ue000 \uffff \ufdd0 \U0010ffff",
    "a.b,c!d?e'f\"g`h^i$j+k|l~m<n=o>p",
    "— – … « » ‘ ’ “ ” ¡ ¿ § ¶ · ‽ ، ؟ ।",
    "$5 €5 ¥5 +1 −1 ©2024 ™ ° ²",
    "un##able ##ing # ## un",
    "unaffable UNAFFABLE unaffableing",
    "[CLS] [SEP] [PAD] [UNK] [MASK] [sep]",
    "नमस्ते สวัสดี שָׁלוֹם مَرْحَبًا ভাষা",
    *(letter * length for letter in "aЖé👍" for length in (99, 100, 101)),
    "a" * 100 + "." + "b" * 101,
    "\u0301".join("a" * 60) + "\u0301",  # 120 characters, 60 once the accents are gone
    "a" * 5000,
]

# Where the two differ, and why.
# - Hugging Face's tables are of Unicode 8, so it takes what is newer for a letter, such as U+061D, a punctuation mark
#   of 2021. Characters of Unicode 3.2 are compared one by one; of these, four have changed their class since.
RECLASSIFIED = {"\u166d", "\u1734", "\u1885", "\u1886"}
# - It leaves out ideographs of one rare block by a slip (0x2B920 for 0x2B820) that BERT's own tokenizer has not.


def known_difference(character: str) -> bool:
    newer = unicodedata.ucd_3_2_0.category(character) == "Cn"
    harmless = unicodedata.category(character) in ("So", "Sm", "Sc", "Sk", "Lo", "Nd", "No", "Nl", "Co")
    return (newer and not harmless) or character in RECLASSIFIED or 0x2B820 <= ord(character) <= 0x2B91F


COMPARED = [character for character in CHARACTERS if not known_difference(character)]

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
