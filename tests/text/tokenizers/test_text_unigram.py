"""The tokenizers of XLM-RoBERTa and DeBERTa-v3 give what Hugging Face's give, token for token, and everywhere alike."""

from __future__ import annotations

import random
import unicodedata
from functools import cache
from itertools import pairwise

import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]
from tiny_unigram import hugging_face_tokenizer, tiny_model
from toy_tokenizers import ADVERSARIAL, COMPARED, Tokenise

from sftkeras.errors import SFTError
from sftkeras.text import TextFeatures, Unigram

TEXTS = [
    *(text for text in ADVERSARIAL if "[CLS]" not in text),  # Hugging Face lets a text smuggle one in
    "The film, the FILM: the 9,99 film of 1,000 and 2,500, 19, 29,x 9,",
    "a\u2581b \u2581the film",  # at the end, the converter keeps what SentencePiece drops
    "日本 日本語 日x語 本日",
    "film\tfilm\nfilm\rfilm\x0bfilm\x0cfilm\x85film\u1680film",
    "the" * 300,
    "½ ﬁlm ① Ⅷ ㎏ ﷺ ´ ¨ ˝ film´s",
    "  the   good  film ",
]
AT_ENDS = ["\x850", "0\x85", " \x85the"]  # white space by Unicode, a character by the model
Both = tuple[Unigram, Tokenise]
SPECIALS = {"xlm_roberta": ("<unk>", "<s>", "</s>"), "deberta": ("[PAD]", "[CLS]", "[SEP]")}


@pytest.fixture(scope="module", params=["xlm_roberta", "deberta"])
def both(request: pytest.FixtureRequest) -> Both:
    ours, reference = Unigram(tiny_model(request.param), rules=request.param), hugging_face_tokenizer(request.param)
    return ours, lambda texts: [it.ids for it in reference.encode_batch(texts, add_special_tokens=False)]


def ids(tokenizer: Unigram, texts: list[str]) -> list[list[int]]:
    return tokenizer(tf.constant(texts, tf.string)).to_list()


def is_tie(tokenizer: Unigram, mine: list[int], theirs: list[int]) -> bool:
    """Whether rounding decides between two ways to split a text: "000" and "00", or "00" and "000"."""
    scores = {it.piece: it.score for it in ModelProto.FromString(tokenizer.model).pieces}
    pieces = [tokenizer.pieces(row) for row in (mine, theirs)]
    sums = [sum(scores[piece] for piece in row) for row in pieces]
    return "".join(pieces[0]) == "".join(pieces[1]) and abs(sums[0] - sums[1]) < 1e-4


def is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


def is_of_the_model(tokenizer: Unigram, text: str, mine: list[int]) -> bool:
    """Whether SentencePiece's own library, which Hugging Face's converter means to copy, is on our side.

    The converter loses the accent of a character that it rewrites, such as U+0301 after "ﬁ", "①" or a space of its own,
    or after another accent, keeps a space that the model makes of a character at the end, such as U+FEFF, and drops a
    character at the ends that is white space by Unicode and not by the model, such as U+0085.
    """
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model)
    pieces = [processor.IdToPiece(number) for number in processor.Encode(text)]
    unknown = processor.IdToPiece(processor.unk_id())
    theirs = [tokenizer.vocabulary.index(unknown) if it == unknown else tokenizer.vocabulary.index(it) for it in pieces]
    loses_accent = any(
        is_mark(accent) and (is_mark(letter) or processor.Normalize(letter).strip("▁") != letter)
        for letter, accent in pairwise(text)
    )
    keeps_space = processor.Normalize(text[-1:].strip()).strip("▁") == ""
    ends = text[: len(text) - len(text.lstrip())] + text[len(text.rstrip()) :]
    drops_letter = any(processor.Normalize(letter).strip("▁") for letter in ends)
    return bool(loses_accent or keeps_space or drops_letter) and (mine == theirs or is_tie(tokenizer, mine, theirs))


@pytest.mark.parametrize("text", TEXTS, ids=[f"{number}" for number in range(len(TEXTS))])
def test_odd_texts_give_the_same_tokens_or_equally_good_ones(both: Both, text: str) -> None:
    ours, reference = both
    (mine,), (theirs,) = ids(ours, [text]), reference([text])
    assert mine == theirs or is_tie(ours, mine, theirs)


@pytest.mark.parametrize("text", AT_ENDS)
def test_characters_at_the_ends_are_what_the_model_takes_them_for(both: Both, text: str) -> None:
    ours, _ = both
    assert is_of_the_model(ours, text, ids(ours, [text])[0])


def test_every_character_gives_the_same_tokens_inside_a_word(both: Both) -> None:
    ours, reference = both
    texts = [f"a{character}b" for character in COMPARED]
    assert len(texts) > 25_000
    pairs = zip(ids(ours, texts), reference(texts), strict=True)
    assert [hex(ord(texts[number][1])) for number, (mine, theirs) in enumerate(pairs) if mine != theirs] == []


def test_random_mixtures_give_the_same_tokens_or_equally_good_ones(both: Both) -> None:
    ours, reference = both
    draw = random.Random(3)
    parts = [*"the a film 1,000 9é日本語👍\u0301ﬁ½\n\t\u00a0\u200b\ufeff.-", "  ", "the ", " story", "unaffable", "字"]
    texts = ["".join(draw.choices(parts, k=draw.randrange(24))) for _ in range(10_000)]
    for text, mine, theirs in zip(texts, ids(ours, texts), reference(texts), strict=True):
        assert mine == theirs or is_tie(ours, mine, theirs) or is_of_the_model(ours, text, mine), text


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.sampled_from(COMPARED) | st.sampled_from(" .,aé\u0301字9the"), max_size=30), max_size=20))
def test_texts_of_any_characters_give_the_same_tokens_or_equally_good_ones(both: Both, texts: list[str]) -> None:
    ours, reference = both
    for text, mine, theirs in zip(texts, ids(ours, texts), reference(texts), strict=True):
        assert mine == theirs or is_tie(ours, mine, theirs) or is_of_the_model(ours, text, mine), text


def test_the_graph_gives_what_eager_calls_give(both: Both) -> None:
    ours, _ = both
    in_graph = tf.function(ours, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    assert in_graph(tf.constant(TEXTS)).to_list() == ids(ours, TEXTS)


def test_a_special_token_in_a_text_stays_text(both: Both) -> None:
    ours, _ = both
    numbers = ids(ours, ["<s> </s> <pad> <mask> [CLS] [SEP] [PAD] [MASK] x</s>y"])[0]
    specials = {"<s>", "<pad>", "</s>", "<mask>", "[CLS]", "[SEP]", "[PAD]", "[MASK]"}
    assert not specials & set(ours.pieces(numbers))


def test_special_tokens_have_the_numbers_of_the_checkpoints() -> None:
    xlm, deberta = (Unigram(tiny_model(rules), rules=rules) for rules in ("xlm_roberta", "deberta"))
    assert (xlm.cls_id, xlm.pad_id, xlm.sep_id) == (0, 1, 2)
    assert xlm.pieces([0, 1, 2, 3, xlm.size - 1]) == ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    assert (deberta.pad_id, deberta.cls_id, deberta.sep_id) == (0, 1, 2)
    assert deberta.pieces([0, 1, 2, 3, deberta.size - 1]) == ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    assert ids(xlm, ["a\U00012345"])[0][-1] == ids(deberta, ["a\U00012345"])[0][-1] == 3


def test_pairs_have_the_layout_of_their_kind(both: Both) -> None:
    ours, _ = both
    inputs = TextFeatures(ours, max_length=30, pairs=True)(tf.constant(["film"]), tf.constant(["plot"]))
    first, second = ids(ours, ["film", "plot"])
    ends = [ours.sep_id] * (2 if ours.rules == "xlm_roberta" else 1)
    assert inputs["token_ids"].numpy().tolist() == [[ours.cls_id, *first, *ends, *second, ours.sep_id]]
    of_second = len(second) + 1 if ours.rules == "deberta" else 0
    assert inputs["segment_ids"].numpy().sum() == of_second


def test_bytes_that_are_not_utf8_are_no_accident(both: Both) -> None:
    ours, _ = both
    broken = tf.constant([b"the \xff\xfe film", b"\xc3", b"\xe4\xb8", b"\x00"])
    assert len(ours(broken).to_list()) == 4  # and no exception: a server must answer any bytes
    assert [len(part.to_list()) for part in ours.with_offsets(broken)] == [4, 4, 4]
    assert [part.to_list() for part in ours.with_offsets(tf.constant([], tf.string))] == [[], [], []]


MISSING = [(rules, special) for rules, known in SPECIALS.items() for special in known]


@pytest.mark.parametrize(("rules", "missing"), MISSING)
def test_a_model_without_a_special_token_is_refused(rules: str, missing: str) -> None:
    model = ModelProto.FromString(tiny_model(rules))
    next(piece for piece in model.pieces if piece.piece == missing).piece = "renamed"
    with pytest.raises(SFTError, match="SFT352") as raised:
        Unigram(model.SerializeToString(), rules=rules)
    assert missing in str(raised.value)


def test_the_fingerprint_tells_model_and_rules() -> None:
    model = tiny_model("xlm_roberta")
    other = ModelProto.FromString(model)
    other.pieces[-1].score -= 1
    variants = [Unigram(it, rules="xlm_roberta") for it in (model, other.SerializeToString())]
    variants.append(Unigram(tiny_model("deberta"), rules="deberta"))
    assert len({variant.fingerprint for variant in variants}) == len(variants)
    assert Unigram(model, rules="xlm_roberta").fingerprint == variants[0].fingerprint


def test_each_token_stands_where_its_characters_are(both: Both) -> None:
    """What stands in the span becomes the token's letters when the model normalises it; so does what is left out."""
    ours, _ = both
    processor = sentencepiece.SentencePieceProcessor(model_proto=ours.model)

    @cache
    def normalised(text: str) -> str:
        return processor.Normalize(text).replace("▁", "")

    draw = random.Random(11)
    parts = [
        *"the a film 1,0é ö字日本👍\u200d\u200b\u05e9 \n\t\u00a0\u3000.<b>",
        "  ",
        "story",
        "unaffable",
        "👨\u200d👩",
        "ﬁ",
    ]
    texts = ["".join(draw.choices(parts, k=draw.randrange(30))) for _ in range(2500)]
    tokens, starts, ends = (part.to_list() for part in ours.with_offsets(tf.constant(texts)))
    assert tokens == ids(ours, texts)
    for text, row, *spans in zip(texts, tokens, starts, ends, strict=True):
        behind = 0
        for piece, start, end in zip(ours.pieces(row), *spans, strict=True):
            assert 0 <= start <= end <= len(text)
            span, letters = text[start:end], piece.replace("▁", "")
            assert span == span.strip()
            assert normalised(text[behind:start]) == ""  # nothing is lost between tokens
            if not letters:
                assert span == "" or normalised(span) == ""
            elif piece not in ("<unk>", "[UNK]"):
                assert letters in normalised(span)
                assert all(letters not in normalised(less) for less in (span[1:], span[:-1]))
            behind = max(behind, end)
        assert normalised(text[behind:]) == ""


def test_ideographs_apart_are_tokens_of_their_own_and_all_else_is_as_before(both: Both) -> None:
    tokenizer, _ = both
    apart = tokenizer.with_ideographs_apart()
    plain = ["the film", "ｆｕｌｌ, 1,000", "한국어 にほん", ""]
    assert ids(apart, plain) == ids(tokenizer, plain)
    text = "the日本x語。本 日本"
    tokens, starts, ends = (ragged.to_list()[0] for ragged in apart.with_offsets(tf.constant([text])))
    assert tokens == ids(apart, [text])[0]
    spans = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    assert [span for span in spans if set(span) & set("日本語")] == ["日", "本", "語", "本", "日", "本"]
    assert "".join(spans) == text.replace(" ", "")
    assert apart.fingerprint != tokenizer.fingerprint
