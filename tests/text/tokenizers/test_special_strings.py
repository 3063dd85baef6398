"""Strings that are tokens of their own: found as they stand, placed exactly, and all else as without them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
import tiny_byte_pairs
import tiny_unigram
from every_tokenizer import TOKENIZERS, odd_texts
from tokenizers import AddedToken, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as HuggingFaceTokenizer
from toy_tokenizers import ADVERSARIAL

from sftkeras.exporting.op_gate import server_needs
from sftkeras.text import BytePair, Tokenizer, Unigram, WordPiece, with_special_strings, without_special_strings

STRINGS = (
    "[E1]",
    "[/E1]",
    "[E1",
    "<子>",
    "a.*b",
    "👍🏽",
)  # one begins as another does, some mean something to a pattern
PIECE = re.compile("|".join(map(re.escape, sorted(STRINGS, key=len, reverse=True))))


def with_strings(tokenizer: Tokenizer) -> Tokenizer:
    return with_special_strings(tokenizer, {string: tokenizer.size + n for n, string in enumerate(STRINGS)})


KINDS = ["WordPiece uncased", "WordPiece cased, tensorflow_text", "SentencePiece uncased", "Unigram of XLM-RoBERTa"]
KINDS += ["cleaned WordPiece", "BytePair", "BytePair, prefix space"]


@pytest.fixture(scope="module", params=KINDS)
def plain(request: pytest.FixtureRequest) -> Tokenizer:
    if request.param.startswith("BytePair"):
        return BytePair(*tiny_byte_pairs.tiny_byte_pairs(), add_prefix_space="prefix" in request.param)
    return TOKENIZERS[request.param]()


def marked_texts(count: int = 5000) -> list[str]:
    """Odd texts with strings put in anywhere, also into the middle of a character and its marks."""
    dice = random.Random(29)

    def marked(text: str) -> str:
        for _ in range(dice.randrange(5)):
            place = dice.randrange(len(text) + 1)
            text = text[:place] + dice.choice(STRINGS) + text[place:]
        return text

    return [marked(text) for text in (*ADVERSARIAL, *odd_texts(count - len(ADVERSARIAL)))]


Placed = list[tuple[int, int, int]]  # the tokens of a text, with start and end


def placed(tokenizer: Tokenizer, texts: list[str]) -> list[Placed]:
    found = [ragged.to_list() for ragged in tokenizer.with_offsets(tf.constant(texts, tf.string))]
    return [list(zip(*row, strict=True)) for row in zip(*found, strict=True)]


def expected(tokenizer: Tokenizer, texts: list[str]) -> list[Placed]:
    """What must come out: texts divided by Python, what is between the strings tokenised as texts of their own."""
    divided = []
    for number, text in enumerate(texts):
        place = 0
        for match in PIECE.finditer(text):
            divided += [(number, place, text[place : match.start()], None), (number, match.start(), "", match[0])]
            place = match.end()
        divided.append((number, place, text[place:], None))
    between = placed(tokenizer, [piece for _, _, piece, _ in divided])
    rows: list[Placed] = [[] for _ in texts]
    for (number, place, _, string), tokens in zip(divided, between, strict=True):
        if string is not None:
            rows[number].append((tokenizer.size + STRINGS.index(string), place, place + len(string)))
        rows[number] += [(token, start + place, end + place) for token, start, end in tokens]
    return rows


def test_tokens_and_places_are_those_of_the_parts(plain: Tokenizer) -> None:
    texts = marked_texts()
    tokenizer = with_strings(plain)
    found = placed(tokenizer, texts)
    for text, row, right in zip(texts, found, expected(plain, texts), strict=True):
        assert row == right, text
    assert tokenizer(tf.constant(texts)).to_list() == [[token for token, _, _ in row] for row in found]
    strings = [(token, text[start:end]) for text, row in zip(texts, found, strict=True) for token, start, end in row]
    assert {number - plain.size for number, _ in strings if number >= plain.size} == set(range(len(STRINGS)))
    assert all(STRINGS[number - plain.size] == there for number, there in strings if number >= plain.size)


def test_texts_without_them_are_tokenised_as_before(plain: Tokenizer) -> None:
    texts = [PIECE.sub(" ", text) for text in (*ADVERSARIAL, *odd_texts(500))]
    assert placed(with_strings(plain), texts) == placed(plain, texts)


def test_the_graph_gives_what_eager_calls_give(plain: Tokenizer) -> None:
    tokenizer, texts = with_strings(plain), marked_texts(200)
    in_graph = tf.function(tokenizer.with_offsets, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    for mine, theirs in zip(in_graph(tf.constant(texts)), tokenizer.with_offsets(tf.constant(texts)), strict=True):
        assert mine.dtype == tf.int32
        assert mine.to_list() == theirs.to_list()
    for none in ([], ["", ""]):
        assert all(ragged.to_list() == [[] for _ in none] for ragged in in_graph(tf.constant(none, tf.string)))


def test_the_oldest_server_can_load_the_graph() -> None:
    from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

    tokenizer = with_strings(TOKENIZERS["WordPiece uncased"]())
    texts = tf.TensorSpec([None], tf.string)
    function = tf.function(tokenizer.with_offsets, input_signature=[texts], autograph=False).get_concrete_function()
    assert server_needs(MetaGraphDef(graph_def=function.graph.as_graph_def())).minimum == "2.18.0"


def test_bytes_that_are_not_utf8_are_no_accident(plain: Tokenizer) -> None:
    broken = tf.constant([b"the \xff[E1]\xfe film", b"\xc3[E1]", b"[E1]\xe4\xb8"])
    tokens, starts, ends = with_strings(plain).with_offsets(broken)
    assert tokens.nrows() == 3
    assert tf.reduce_all(starts <= ends).numpy()
    assert [row.count(plain.size) for row in tokens.to_list()] == [1, 1, 1]


# --- Hugging Face's tokenizers, to which the same strings were added ---

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "film", "cafe", "good", "子"]
VOCABULARY += [*"abcdefghijklmnopqrstuvwxyz.,*[]/<>123", *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz123")]


def hugging_face_word_piece() -> HuggingFaceTokenizer:
    numbers = {piece: number for number, piece in enumerate(VOCABULARY)}
    tokenizer = HuggingFaceTokenizer(models.WordPiece(numbers, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


PAIRS: dict[str, tuple[Callable[[], Tokenizer], Callable[[], HuggingFaceTokenizer]]] = {
    "WordPiece": (lambda: WordPiece(VOCABULARY, lowercase=True), hugging_face_word_piece),
    "BytePair": (
        lambda: BytePair(*tiny_byte_pairs.tiny_byte_pairs()),
        tiny_byte_pairs.hugging_face_tokenizer,
    ),
    **{
        f"Unigram of {rules}": (
            lambda rules=rules: Unigram(tiny_unigram.tiny_model(rules), rules=rules),  # type: ignore[misc]
            lambda rules=rules: tiny_unigram.hugging_face_tokenizer(rules),  # type: ignore[misc]
        )
        for rules in ("xlm_roberta", "deberta")
    },
}


@pytest.mark.parametrize("kind", PAIRS)
def test_tokens_are_those_of_hugging_face_with_the_same_strings_added(kind: str) -> None:
    make, make_theirs = PAIRS[kind]
    ours, theirs = make(), make_theirs()
    theirs.add_special_tokens([AddedToken(string, normalized=False) for string in STRINGS])
    numbers = {string: theirs.token_to_id(string) for string in STRINGS}
    dice = random.Random(5)
    words = ["the", "Café", "films", "good", "is", ".", "子", "é", "[", "E1]", "a.b", "1,000"]
    # But for words that fit pieces in two orders, between which rounding decides: see `sentence_piece`.
    alone = zip(words, ours(tf.constant(words)).to_list(), theirs.encode_batch(words), strict=True)
    words = [word for word, mine, encoding in alone if mine == encoding.ids]
    assert len(words) > 8
    between = [*STRINGS, " ", "  "]
    texts = [
        "".join(dice.choice(between) + dice.choice(words) for _ in range(dice.randrange(9))) + dice.choice(between)
        for _ in range(1000)
    ]
    found = with_special_strings(ours, numbers)(tf.constant(texts)).to_list()
    assert found == [encoding.ids for encoding in theirs.encode_batch(texts, add_special_tokens=False)]


# --- what people and other code see ---


def test_numbers_are_shown_as_the_strings() -> None:
    plain = WordPiece(VOCABULARY, lowercase=True)
    tokenizer = with_special_strings(plain, {"[E1]": 90, "[MASK]": 4})
    assert plain.size < 85
    assert tokenizer.size == 91
    assert tokenizer.pieces(np.array([4, 5, 90, 85, 6])) == ["[MASK]", "the", "[E1]", "", "film"]
    assert tokenizer(tf.constant(["the [MASK] [E1] film"])).to_list() == [[5, 4, 90, 6]]
    assert (tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id) == (0, 2, 3)
    assert tokenizer.layout == plain.layout


def test_strings_that_come_later_join_the_earlier() -> None:
    plain = WordPiece(VOCABULARY, lowercase=True)
    both = with_special_strings(with_special_strings(plain, {"[E1": 90}), {"[E1]": 91})
    assert both(tf.constant(["[E1] [E1"])).to_list() == [[91, 90]]
    assert without_special_strings(both) is plain
    assert with_special_strings(plain, {}) is plain


def test_the_fingerprint_tells_strings_and_numbers_apart() -> None:
    plain = WordPiece(VOCABULARY, lowercase=True)
    made = [{}, {"[E1]": 90}, {"[E1]": 91}, {"[E2]": 90}]
    assert len({with_special_strings(plain, numbers).fingerprint for numbers in made}) == len(made)


@pytest.mark.parametrize("string", ["", " ", " [E1]", "[E1]\n", "a\x00b", "\u200b"])
def test_what_cannot_be_seen_is_no_token(string: str) -> None:
    with pytest.raises(ValueError, match="cannot be a token"):
        with_special_strings(WordPiece(VOCABULARY, lowercase=True), {string: 90})
