"""ALBERT's tokenizer gives what Hugging Face's gives, token for token, and gives it everywhere alike."""

from __future__ import annotations

import re
import sys
import unicodedata
from itertools import pairwise
from pathlib import Path

import forked
import pytest
import tensorflow as tf
import tensorflow_text as tf_text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]
from tiny_sentence_pieces import hugging_face_tokenizer, tiny_sentence_pieces
from toy_tokenizers import ADVERSARIAL, COMPARED, Tokenise

from sftkeras.errors import SFTError
from sftkeras.text import SentencePiece

TEXTS = [
    *(text for text in ADVERSARIAL if "[CLS]" not in text),  # Hugging Face lets a text smuggle one in
    "The film, the FILM: the 9,99 film of 1,000 and 2,500, 19, 29,x 9,",
    "``quoted'' ''not`` ` ' ``` '''",
    "a\u2581b \u2581the film\u2581",
    "日本 日本語 日x語 本日",
    "film\tfilm\nfilm\rfilm\x0bfilm\x0cfilm\x85film\u1680film",
    "the" * 300,
    "½ ﬁlm ① Ⅷ ㎏ ﷺ ´ ¨ ˝ film´s",
    '(the) [film] {plot} - "-" ... .. . £5 –',
]
# Where the two differ: these characters have changed their class, or are newer than Hugging Face's tables.
RECLASSIFIED = {"\u1cf2", "\u1cf3", "\U0001f16c"}
ALIKE = [character for character in COMPARED if character not in RECLASSIFIED]

Both = tuple[SentencePiece, Tokenise]


@pytest.fixture(scope="module", params=[(True, True), (True, False), (False, True), (False, False)], ids=str)
def both(request: pytest.FixtureRequest) -> Both:
    lowercase, strip_accents = request.param
    ours = SentencePiece(tiny_sentence_pieces(), lowercase=lowercase, strip_accents=strip_accents)
    reference = hugging_face_tokenizer(tiny_sentence_pieces(), lowercase, strip_accents)
    return ours, lambda texts: [it.ids for it in reference.encode_batch(texts, add_special_tokens=False)]


@pytest.fixture(scope="module")
def albert() -> SentencePiece:
    return SentencePiece(tiny_sentence_pieces())


def ids(tokenizer: SentencePiece, texts: list[str]) -> list[list[int]]:
    return tokenizer(tf.constant(texts, tf.string)).to_list()


@pytest.mark.parametrize("text", TEXTS, ids=[f"{number}" for number in range(len(TEXTS))])
def test_odd_texts_give_the_same_tokens(both: Both, text: str) -> None:
    ours, reference = both
    assert ids(ours, [text]) == reference([text])


def test_every_character_gives_the_same_tokens_inside_a_word(both: Both) -> None:
    ours, reference = both
    texts = [f"a{character}b" for character in ALIKE]
    assert len(texts) > 25_000
    pairs = zip(ids(ours, texts), reference(texts), strict=True)
    assert [hex(ord(texts[number][1])) for number, (mine, theirs) in enumerate(pairs) if mine != theirs] == []


ANY_TEXT = st.text(st.sampled_from(ALIKE) | st.sampled_from(" .,aAéÉßİΣσς\u0301\u200d字9,'`the"), max_size=30)


def loses_a_mark(text: str) -> bool:
    """Whether Hugging Face drops a mark of a text: one after a character that the model rewrites, such as "½"."""
    return any(
        unicodedata.category(mark).startswith("M") and unicodedata.normalize("NFKC", letter) != letter
        for letter, mark in pairwise(text)
    )


# Hypothesis also draws strings that stand in the code, and Hugging Face lets a text smuggle in a special token.
ORDINARY_TEXT = ANY_TEXT.filter(
    lambda text: not re.search(r"\[(CLS|SEP|MASK)\]|<(pad|unk)>", text) and not loses_a_mark(text)
)


@pytest.mark.parametrize("text", ["\u3251\u0300", "a½\u0301b", "ﬁ\u0301lm", "①\u0301"])
def test_a_mark_after_a_rewritten_character_is_kept_as_the_models_own_library_keeps_it(text: str) -> None:
    ours = SentencePiece(tiny_sentence_pieces(), lowercase=False, strip_accents=False)
    library = SentencePieceProcessor(model_proto=tiny_sentence_pieces())
    assert loses_a_mark(text)
    assert ids(ours, [text]) == [library.Encode(text)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ORDINARY_TEXT, max_size=20))
def test_texts_of_any_characters_give_the_same_tokens_or_equally_good_ones(both: Both, texts: list[str]) -> None:
    ours, reference = both
    for text, mine, theirs in zip(texts, ids(ours, texts), reference(texts), strict=True):
        assert mine == theirs or is_tie(mine, theirs), text


def is_tie(mine: list[int], theirs: list[int]) -> bool:
    """Whether rounding decides between two ways to split a text: "000" and "00", or "00" and "000"."""
    pieces = ModelProto.FromString(tiny_sentence_pieces()).pieces
    words = ["".join(pieces[number].piece for number in row) for row in (mine, theirs)]
    scores = [sum(pieces[number].score for number in row) for row in (mine, theirs)]
    return words[0] == words[1] and abs(scores[0] - scores[1]) < 1e-5


def test_a_tie_is_told_from_a_difference() -> None:
    numbers = {it.piece: number for number, it in enumerate(ModelProto.FromString(tiny_sentence_pieces()).pieces)}
    whole, first, second = (numbers[piece] for piece in ("or", "o", "r"))
    assert not is_tie([first, second], [second, first])  # another text
    assert is_tie([whole, first, second], [first, second, whole])
    assert not is_tie([whole], [first, second])


def test_the_pieces_of_a_word_do_not_depend_on_the_text_before(albert: SentencePiece) -> None:
    words = ["unaffable", "istanbul", "strasse", "boring"]
    (alone,) = ids(albert, [" ".join(words)])
    (last,) = ids(albert, ["the plot of a film and " * 2000 + " ".join(words)])
    assert last[-len(alone) :] == alone


def test_the_comma_of_a_number_is_a_piece_of_its_own(albert: SentencePiece) -> None:
    assert any(piece[-1:] == "," and piece[-2:-1].isdigit() for piece in albert.vocabulary), "the model is too tame"
    assert all(piece == "," for piece in albert.pieces(ids(albert, ["9, 15, 1,000"])[0]) if "," in piece)


def test_special_tokens_have_the_numbers_of_the_model(albert: SentencePiece) -> None:
    assert (albert.pad_id, albert.cls_id, albert.sep_id) == (0, 2, 3)
    assert albert.size == len(ModelProto.FromString(tiny_sentence_pieces()).pieces)


@pytest.mark.parametrize("missing", ["<pad>", "<unk>", "[CLS]", "[SEP]"])
def test_a_model_without_a_special_token_is_refused(missing: str) -> None:
    model = ModelProto.FromString(tiny_sentence_pieces())
    next(piece for piece in model.pieces if piece.piece == missing).piece = "renamed"
    with pytest.raises(SFTError, match="SFT352") as raised:
        SentencePiece(model.SerializeToString())
    assert missing in str(raised.value)


def test_the_fingerprint_tells_every_rule(albert: SentencePiece) -> None:
    model = tiny_sentence_pieces()
    other = ModelProto.FromString(model)
    other.pieces[-1].score -= 1
    variants = [
        albert,
        SentencePiece(model, lowercase=False),
        SentencePiece(model, strip_accents=False),
        SentencePiece(model, rules="tensorflow_text"),
        SentencePiece(other.SerializeToString()),
    ]
    assert len({variant.fingerprint for variant in variants}) == len(variants)
    assert SentencePiece(model).fingerprint == albert.fingerprint


@pytest.mark.parametrize(("lowercase", "strip_accents"), [(True, True), (False, False)])
def test_the_other_rules_are_those_of_public_preprocessors(lowercase: bool, strip_accents: bool) -> None:
    ours = SentencePiece(
        tiny_sentence_pieces(), lowercase=lowercase, strip_accents=strip_accents, rules="tensorflow_text"
    )
    texts = tf.constant(TEXTS)
    if strip_accents:
        texts = tf.strings.regex_replace(tf_text.normalize_utf8(texts, "NFD"), r"\p{Mn}", "")
    if lowercase:
        texts = tf_text.case_fold_utf8(texts)
    stock = tf_text.SentencepieceTokenizer(tiny_sentence_pieces(), out_type=tf.int32)
    assert ours(tf.constant(TEXTS)).to_list() == stock.tokenize(texts).to_list()


@pytest.mark.processes
def test_two_models_keep_apart_in_one_saved_model_and_in_another_process(albert: SentencePiece, tmp_path: Path) -> None:
    shifted = ModelProto.FromString(tiny_sentence_pieces())
    for piece in [shifted.pieces.pop() for _ in range(100)]:
        shifted.pieces.insert(5, piece)
    other = SentencePiece(shifted.SerializeToString())
    module = tf.Module()
    texts = tf.TensorSpec([None], tf.string)
    module.both = tf.function(lambda it: (albert(it).flat_values, other(it).flat_values), input_signature=[texts])
    tf.saved_model.save(module, str(tmp_path))  # nothing is tracked: the models are in the graph
    program = tmp_path / "program.py"
    program.write_text("""
import sys; import tensorflow as tf, tensorflow_text
print([it.numpy().tolist() for it in tf.saved_model.load(sys.argv[1]).both(tf.constant(["the good film"]))])
""")
    done = forked.run([sys.executable, str(program), str(tmp_path)])
    expected = [ids(albert, ["the good film"])[0], ids(other, ["the good film"])[0]]
    assert expected[0] != expected[1]
    assert done.stdout.strip() == str(expected)
