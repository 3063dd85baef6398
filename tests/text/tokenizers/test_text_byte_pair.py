"""RoBERTa's tokenizer gives what Hugging Face's gives, token for token, and gives it everywhere alike."""

from __future__ import annotations

import json
import random
import sys
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_byte_pairs import SPECIALS, hugging_face_tokenizer, tiny_byte_pairs
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from toy_tokenizers import ADVERSARIAL, COMPARED, Tokenise

from sftkeras.errors import SFTError
from sftkeras.text import BytePair, TextFeatures
from sftkeras.text.tokenizers.byte_pair import BYTES

TEXTS = [
    *ADVERSARIAL,
    "a  b   c    d",
    "  two before, two after  ",
    "\n\n a\n\n\nb \n c\t\t d\r\n",
    "\u00a0\u00a0x \u00a0x\u00a0 x \u3000\u3000字",
    "I'll they're he's we've I'm don't she'd",
    "'s 't 're 've 'm 'll 'd 'S 'RE 'x ''s '''ll",
    "a's\n's  's 's'sé 'retire 'llama'll 'l 'r 'v '",
    "word123word 12.5 ½ Ⅷ ٣٤ x²",
    "hello...world!!! ?! -- _a_ #x @y",
    "aaaa aaaaa aaaaaaa bbbbbbbb",
    "e\u0301 e\u0301\u0301 \u0301\u0301",
    "<s> </s> <pad> <mask> <|endoftext|>",
    "\x00 \x00\x00a",
]
Both = tuple[BytePair, Tokenise]


@pytest.fixture(scope="module", params=[False, True], ids=["as it is", "with a space before"])
def both(request: pytest.FixtureRequest) -> Both:
    reference = hugging_face_tokenizer(add_prefix_space=request.param)
    ours = BytePair(*tiny_byte_pairs(), add_prefix_space=request.param)
    return ours, lambda texts: [it.ids for it in reference.encode_batch(texts, add_special_tokens=False)]


@pytest.fixture(scope="module")
def tokenizer() -> BytePair:
    return BytePair(*tiny_byte_pairs())


def ids(tokenizer: BytePair, texts: list[str]) -> list[list[int]]:
    return tokenizer(tf.constant(texts, tf.string)).to_list()


@pytest.mark.parametrize("text", TEXTS, ids=[f"{number}" for number in range(len(TEXTS))])
def test_odd_texts_give_the_same_tokens(both: Both, text: str) -> None:
    ours, reference = both
    assert ids(ours, [text]) == reference([text])


def test_every_character_gives_the_same_tokens_among_others(both: Both) -> None:
    ours, reference = both
    texts = [f"a{character} {character}1{character}." for character in COMPARED]
    assert len(texts) > 25_000
    pairs = zip(ids(ours, texts), reference(texts), strict=True)
    assert [hex(ord(texts[number][1])) for number, (mine, theirs) in enumerate(pairs) if mine != theirs] == []


def test_random_mixtures_give_the_same_tokens(both: Both) -> None:
    ours, reference = both
    draw = random.Random(3)
    parts = [*"aabetrslmd'' \n\t .,1é字👍\u00a0\u0301", "  ", "'s", "'ll", "'re", "the ", " film", "\r\n", "aaaa"]
    texts = ["".join(draw.choices(parts, k=draw.randrange(24))) for _ in range(12_000)]
    pairs = zip(texts, ids(ours, texts), reference(texts), strict=True)
    assert [text for text, mine, theirs in pairs if mine != theirs] == []


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.sampled_from(COMPARED) | st.sampled_from(" \n'sthe1."), max_size=30), max_size=20))
def test_texts_of_any_characters_give_the_same_tokens(both: Both, texts: list[str]) -> None:
    ours, reference = both
    assert ids(ours, texts) == reference(texts)


def test_the_graph_gives_what_eager_calls_give(both: Both) -> None:
    ours, _ = both
    in_graph = tf.function(ours, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    assert in_graph(tf.constant(TEXTS)).to_list() == ids(ours, TEXTS)


def test_a_text_has_the_same_tokens_in_any_batch(tokenizer: BytePair) -> None:
    alone = [ids(tokenizer, [text])[0] for text in TEXTS]
    assert ids(tokenizer, [*TEXTS, *TEXTS[::-1]]) == [*alone, *alone[::-1]]


def test_other_merges_of_any_order_are_merged_alike() -> None:
    """Vocabularies trained on noise, where merges compete and overlap in every way."""
    draw = random.Random(5)
    words = ["".join(draw.choices("abc", k=draw.randrange(1, 30))) for _ in range(400)]
    reference = Tokenizer(models.BPE())
    reference.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=SPECIALS, initial_alphabet=list(BYTES), show_progress=False
    )
    reference.train_from_iterator(words[:200], trainer)
    model = json.loads(reference.to_str())["model"]
    ours = BytePair(model["vocab"], [tuple(merge) for merge in model["merges"]])
    assert ids(ours, words) == [it.ids for it in reference.encode_batch(words, add_special_tokens=False)]


def test_a_special_token_in_a_text_stays_text(tokenizer: BytePair) -> None:
    numbers = ids(tokenizer, ["<s> </s> <pad> x</s>y <mask> <unk>"])[0]
    assert not {tokenizer.numbers[special] for special in SPECIALS} & set(numbers)


def test_pairs_have_two_ends_between_them_and_no_segments(tokenizer: BytePair) -> None:
    features = TextFeatures(tokenizer, max_length=20, pairs=True)
    inputs = features(tf.constant(["a"]), tf.constant(["b"]))
    start, end = tokenizer.cls_id, tokenizer.sep_id
    (first,), (second,) = ids(tokenizer, ["a"])[0], ids(tokenizer, ["b"])[0]
    assert inputs["token_ids"].numpy().tolist() == [[start, first, end, end, second, end]]
    assert inputs["segment_ids"].numpy().tolist() == [[0] * 6]
    assert features.show({name: tensor.numpy() for name, tensor in inputs.items()}, 0).startswith("<s> a </s> </s> b")


def test_bytes_that_are_not_utf8_are_no_accident(tokenizer: BytePair) -> None:
    broken = tf.constant([b"the \xff\xfe film", b"\xc3", b"\xe4\xb8 x", b"\xff"])
    replaced = [text.decode("utf-8", "replace") for text in broken.numpy()]
    assert len(tokenizer(broken).to_list()) == len(replaced)  # and no exception: a server must answer any bytes
    assert ids(tokenizer, replaced[:1]) == tokenizer(broken).to_list()[:1]


def test_no_texts_give_no_tokens(tokenizer: BytePair) -> None:
    assert ids(tokenizer, []) == []
    assert [part.to_list() for part in tokenizer.with_offsets(tf.constant([], tf.string))] == [[], [], []]
    assert ids(tokenizer, ["", ""]) == [[], []]


@pytest.mark.parametrize("missing", ["<s>", "<pad>", "</s>", "Ġ", "é"])
def test_a_vocabulary_without_a_special_token_or_a_byte_is_refused(missing: str) -> None:
    numbers, merges = tiny_byte_pairs()
    with pytest.raises(SFTError, match="SFT352") as raised:
        BytePair({token: number for token, number in numbers.items() if token != missing}, merges)
    assert missing in str(raised.value)


NUMBERS, MERGES = tiny_byte_pairs()
FAULTS = {
    "of an unknown part": [*MERGES, ("a", "zzz")],
    "to an unknown token": [*MERGES, ("z", "z")],
    "twice": [*MERGES, MERGES[0]],
}


@pytest.mark.parametrize("seed", range(3))
def test_merges_of_what_is_only_made_later_are_merged_alike(seed: int) -> None:
    """In any order of a list, also where a merge makes what a more important one needs, as in Llama 3 and Gemma."""
    merges = MERGES[::-1] if seed == 0 else random.Random(seed).sample(MERGES, len(MERGES))
    reference = Tokenizer(models.BPE(NUMBERS, merges))
    reference.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    texts = [*TEXTS, *generated(1000)]
    assert ids(BytePair(NUMBERS, merges), texts) == [it.ids for it in reference.encode_batch(texts)]


@pytest.mark.parametrize("fault", FAULTS)
def test_merges_that_do_not_belong_to_the_vocabulary_are_refused(fault: str) -> None:
    with pytest.raises(SFTError, match="SFT380"):
        BytePair(NUMBERS, FAULTS[fault])


def test_the_fingerprint_tells_every_rule(tokenizer: BytePair) -> None:
    variants = [
        tokenizer,
        BytePair(NUMBERS, MERGES, add_prefix_space=True),
        BytePair(NUMBERS, MERGES[:-1]),
        BytePair(NUMBERS | {"<extra>": len(NUMBERS)}, MERGES),
    ]
    assert len({variant.fingerprint for variant in variants}) == len(variants)
    assert BytePair(NUMBERS, MERGES).fingerprint == tokenizer.fingerprint


def token_bytes(tokenizer: BytePair, number: int) -> bytes:
    return bytes(BYTES.index(letter) for letter in tokenizer.vocabulary[number])


def generated(count: int) -> list[str]:
    """Strings of every kind of difficulty for places in a text."""
    draw = random.Random(11)
    parts = [
        *"abtheé ö\u0301\u0308字日本👍🏽\u200d\u200b\u05e9\u05dc\u0645 \n\t\u00a0\u3000<b>'.,1",
        "  ",
        "the film",
        "👨‍👩‍👧",
    ]
    parts += [chr(draw.randrange(0x20, 0xD7FF)) for _ in range(100)]
    return ["".join(draw.choices(parts, k=draw.randrange(30))) for _ in range(count)]


def test_each_token_stands_where_its_characters_are(both: Both) -> None:
    """All bytes of a text come back from its tokens, and each span has the characters that its token's bytes are in."""
    ours, _ = both
    texts = generated(2500)
    tokens, starts, ends = (part.to_list() for part in ours.with_offsets(tf.constant(texts)))
    assert tokens == ids(ours, texts)
    for text, row, *spans in zip(texts, tokens, starts, ends, strict=True):
        prefix = " " if ours.add_prefix_space and text and text[0] != " " else ""
        pieces = [token_bytes(ours, number) for number in row]
        assert b"".join(pieces).decode() == prefix + text
        character = [place for place, it in enumerate(prefix + text) for _ in it.encode()]  # of each byte
        begin = 0
        for piece, start, end in zip(pieces, *spans, strict=True):
            first, last = character[begin], character[begin + len(piece) - 1]
            whole = (prefix + text)[first : last + 1]
            first += len(whole) - len(whole.lstrip()) - len(prefix)
            assert text[start:end] == whole.strip()
            assert (start == first) or not whole.strip()
            assert 0 <= start <= end <= len(text)
            begin += len(piece)


def test_spans_are_those_of_hugging_face_where_no_character_is_cut(tokenizer: BytePair) -> None:
    reference = hugging_face_tokenizer()
    texts = ["The good film's plot, and 12 more.", "  café  ", "a\n\nb", "naïve"]
    _, starts, ends = (part.to_list() for part in tokenizer.with_offsets(tf.constant(texts)))
    for text, *mine, theirs in zip(texts, starts, ends, reference.encode_batch(texts), strict=True):
        for start, end, (their_start, their_end) in zip(*mine, theirs.offsets, strict=True):
            assert text[start:end] == text[their_start:their_end].strip()


def test_the_classes_of_characters_are_those_of_this_python() -> None:
    """The table is of one version of Unicode; characters that are newer split words as punctuation does."""
    from sftkeras.text.tokenizers.characters import LETTER, NUMBER, kinds

    codes = np.arange(sys.maxunicode + 1, dtype=np.int32)
    classes = kinds(tf.constant(codes)).numpy()
    for code in codes[::97]:
        kind = {"L": LETTER, "N": NUMBER}.get(unicodedata.category(chr(code))[0])
        assert kind is None or classes[code] == kind
