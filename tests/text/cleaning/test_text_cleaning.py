"""Cleaning does what its settings say and no more, and knows where each character of the result came from."""

from __future__ import annotations

import html
import json
import random
import unicodedata
from functools import cache

import pytest
import tensorflow as tf
from every_tokenizer import odd_texts
from hypothesis import given, settings
from hypothesis import strategies as st

from sftkeras.exporting.op_gate import server_needs
from sftkeras.text import Cleaning, make_cleaning, make_features
from sftkeras.text.cleaning.personal_data import PATTERNS

ALL = {"markup": True, "unicode": "nfkc", "mask": list(PATTERNS), "spaces": True}


def origins(cleaning: Cleaning, texts: list[str]) -> list[tuple[str, list[str]]]:
    """Each cleaned text, and the raw characters that each of its characters stands for."""
    cleaned, origin = cleaning.with_origin(tf.constant(texts, tf.string))
    found = []
    spans = (origin.starts.to_list(), origin.ends.to_list())
    for raw, text, starts, ends in zip(texts, cleaned.numpy(), *spans, strict=True):
        decoded = text.decode()
        assert len(starts) == len(ends) == len(decoded) + 1
        assert starts[-1] == ends[-1] == len(raw)
        assert starts == sorted(starts)
        assert ends == sorted(ends)
        found.append((decoded, [raw[start:end] for start, end in zip(starts[:-1], ends[:-1], strict=True)]))
    return found


@cache
def made(settings: str) -> Cleaning:
    return Cleaning(**json.loads(settings))


def clean(text: str, **wanted: object) -> str:
    return made(json.dumps(wanted)).clean([text])[0]


def test_nothing_asked_for_is_no_cleaning() -> None:
    assert make_cleaning() is None
    assert make_cleaning(markup=False, unicode=None, mask=[], spaces=False) is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("a <b>bold</b> wo<i>rd</i>", "a bold word"),
        ('one<br />two<p class="x>y">three</p>', "one two three "),
        ("x<!-- <b> --> y<script>var a = '<b>';</script>z", "x yz".replace("yz", "y z")),
        ("5 < 6 and 7 > 3, a<b, List<String>, <email>", "5 < 6 and 7 > 3, a<b, List<String>, <email>"),
        ("&lt;b&gt; &amp;amp; &#39;&#x1F600;&hellip;", "<b> &amp; '😀…"),
        ("&foo; AT&T &amp &#; &", "&foo; AT&T &amp &#; &"),
        ("&#0;&#xD800;&#9999999;", "\ufffd\ufffd\ufffd"),
        ("<a href='x'>link</a>", "link"),
    ],
)
def test_markup(raw: str, expected: str) -> None:
    assert clean(raw, markup=True) == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(sorted(html.entities.name2codepoint)), max_size=8))
def test_entities_are_those_of_html(names: list[str]) -> None:
    text = " ".join(f"&{name};" for name in names)
    assert clean(text, markup=True) == html.unescape(text)


@pytest.mark.parametrize("form", ["nfc", "nfkc"])
def test_unicode_forms_are_those_of_the_standard(form: str) -> None:
    texts = list(odd_texts(1000))
    # A NUL, at which operations end, becomes U+FFFD.
    expected = [unicodedata.normalize(form.upper(), text.replace("\0", "\ufffd")) for text in texts]
    assert Cleaning(unicode=form).clean(texts) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "caught", "left"),
    [
        ("email", ["zhang.san+x@mail.example.com", "A_b%1@x-y.io"], ["@name", "a@b", "me at x.com"]),
        (
            "phone",
            ["+86 138 0013 8000", "13800138000", "138-0013-8000", "010-62345678", "(555) 123-4567", "+1-555-123-4567"],
            ["2026-11-22", "12:30", "1,234,567.89", "12345678", "3.14159265"],
        ),
        (
            "id_number",
            ["110101199003078515", "11010119900307851X", "GB82WEST12345698765432", "DE89 3704 0044 0532 0130 00"],
            ["110101199013078515", "12345", "123456789012345678"],
        ),
        ("url", ["https://a.example/b?c=d#e", "www.example.com/x"], ["example.com", "and/or", "http:"]),
        (
            "card",
            ["4111 1111 1111 1111", "4111-1111-1111-1111", "378282246310005", "6222021234567890123"],
            ["1234 5678 9012 3456", "4111 1111", "2026"],
        ),
    ],
)
def test_personal_data_is_told_by_its_shape(kind: str, caught: list[str], left: list[str]) -> None:
    assert [clean(text, mask=[kind]) for text in caught] == [f"<{kind}>"] * len(caught)
    assert [clean(f"请联系{text}。", mask=[kind]) for text in caught] == [f"请联系<{kind}>。"] * len(caught)
    assert [clean(f"see {text}, or", mask=[kind]) for text in caught] == [f"see <{kind}>, or"] * len(caught)
    assert [clean(text, mask=[kind]) for text in left] == left


def test_only_what_is_asked_for_is_masked() -> None:
    text = "a@b.com 13800138000"
    assert clean(text, mask=["phone"]) == "a@b.com <phone>"
    assert clean(text, mask=["phone", "email"]) == "<email> <phone>"


def test_white_space_becomes_single_spaces() -> None:
    assert clean("\n a\u00a0\u3000b\t\nc \r\n", spaces=True) == "a b c"
    assert clean(" \u2003 ", spaces=True) == ""


def test_full_width_and_traditional_characters_stay_unless_asked_for() -> None:
    text = "ＡＢＣ１２３　這部電影很好看　这部电影 ｶﾞ"
    assert clean(text, markup=True, mask=list(PATTERNS), unicode="nfc") == text
    assert clean(text, unicode="nfkc") == "ABC123 這部電影很好看 这部电影 ガ"


@pytest.mark.parametrize(
    "wanted",
    [{name: ALL[name]} for name in ALL] + [{"unicode": "nfc"}, ALL],
    ids=["markup", "nfkc", "mask", "spaces", "nfc", "all"],
)
def test_each_character_comes_from_what_it_stands_for(wanted: dict) -> None:
    dice = random.Random(5)
    extra = ["a@b.com", "13800138000", "https://x.y/z", "&lt;", "&#39;", "<br/>", "<i>", " \n ", "㎏"]
    texts = ["".join((dice.choice(extra), text, dice.choice(extra))) for text in odd_texts(600)]
    cleaning = Cleaning(**wanted)
    found = origins(cleaning, texts)
    assert [text for text, _ in found] == cleaning.clean(texts)
    pieces = sorted({(letter, raw) for text, raws in found for letter, raw in zip(text, raws, strict=True)})
    alone = cleaning.clean([raw for _, raw in pieces])
    for (letter, raw), again in zip(pieces, alone, strict=True):
        assert raw, letter
        assert letter in again or (letter == " " and not raw.strip(" \u200b")) or letter == " ", (letter, raw, again)


def test_offsets_are_of_the_raw_text() -> None:
    from every_tokenizer import TOKENIZERS

    tokenizer = Cleaning(**ALL).before(TOKENIZERS["WordPiece uncased"]())  # type: ignore[arg-type]
    text = "  <b>Caf&eacute;</b>\n ｆｉｌｍ a@b.com  the"
    tokens, starts, ends = (ragged.to_list()[0] for ragged in tokenizer.with_offsets(tf.constant([text])))
    spans = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    assert spans[0] == "Caf&eacute;"
    assert "".join(spans[1:5]) == "ｆｉｌｍ"
    assert spans[5:-1] == ["a@b.com"] * (len(tokens) - 6)
    assert spans[-1] == "the"


def test_the_graph_cleans_as_eager_calls_and_any_bytes() -> None:
    cleaning = Cleaning(**ALL)  # type: ignore[arg-type]
    texts = tf.constant([*map(str.encode, odd_texts(200)), b"\xff\xfe a", b"\xe4\xb8", b""])
    in_graph = tf.function(cleaning, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    assert in_graph(texts).numpy().tolist() == cleaning(texts).numpy().tolist()
    assert cleaning(tf.constant([], tf.string)).shape == (0,)


def test_the_oldest_server_can_load_the_graph() -> None:
    from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

    texts = tf.TensorSpec([None], tf.string)
    cleaning = Cleaning(**ALL)  # type: ignore[arg-type]
    function = tf.function(lambda it: cleaning.with_origin(it)[1].starts.values, input_signature=[texts])
    graph = MetaGraphDef(graph_def=function.get_concrete_function().graph.as_graph_def())
    assert server_needs(graph).minimum == "2.18.0"


def test_settings_build_the_same_cleaning_and_fingerprints_tell_them_apart() -> None:
    variants = [Cleaning(**{name: value}) for name, value in ALL.items()]  # type: ignore[arg-type]
    variants += [Cleaning(unicode="nfc"), Cleaning(mask=["email"]), Cleaning(**ALL)]  # type: ignore[arg-type]
    assert len({variant.fingerprint for variant in variants}) == len(variants)
    for variant in variants:
        again = make_cleaning(**variant.settings())
        assert again is not None
        assert again.fingerprint == variant.fingerprint


def test_features_are_those_of_the_cleaned_texts() -> None:
    from every_tokenizer import TOKENIZERS

    tokenizer = TOKENIZERS["WordPiece uncased"]()
    cleaning = Cleaning(markup=True, mask=["email"])
    raw, cleaned = tf.constant(["<b>good</b> film a@b.com", "the film"]), tf.constant(["good film <email>", "the film"])
    plain = make_features(tokenizer, max_length=16, pairs=True)
    cleaning_too = make_features(tokenizer, max_length=16, pairs=True, cleaning=cleaning)
    for name, tensor in plain(cleaned, cleaned[::-1]).items():
        assert tensor.numpy().tolist() == cleaning_too(raw, raw[::-1])[name].numpy().tolist()
    assert plain.fingerprint != cleaning_too.fingerprint
    texts = make_features(None, max_length=16, pairs=False, cleaning=cleaning)
    assert texts(raw)["text"].numpy().tolist() == cleaned.numpy().tolist()
