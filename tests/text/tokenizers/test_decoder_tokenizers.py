"""Tokenizers of decoders give what Hugging Face's give for a rendered conversation, token for token."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_decoder_tokenizers import (
    END,
    END_TURN,
    FAMILIES,
    IN_TEXTS,
    START_TURN,
    loaded,
    marked,
    tiny_tokenizer,
    write_tokenizer,
)
from toy_tokenizers import ADVERSARIAL, COMPARED

from sftkeras.backbones.hugging_face.decoder_tokenizers import load_decoder_tokenizer
from sftkeras.errors import SFTError
from sftkeras.text import BytePair, MarkedTokenizer, Tokenizer
from sftkeras.text.marks import learned, ordinary, special

TEXTS = [
    *ADVERSARIAL,
    "a  b   c    d",
    "  two before, two after  ",
    "\n\n a\n\n\nb \n c\t\t d\r\n \n  x",
    "!\n\n x ?\r\n\ty .\n \n !\n",
    "I'll they're HE'S 'S 'ſ 'Ve 'lL 'llama'ſ '' ''s -'s 's's",
    "word123word 12.5 1234567 ½ Ⅷ ٣٤ x² 1 2  3",
    " -a --a  -a !a !!a \u00a0a \u00a0-a \ta \t-a",
    "e\u0301 e\u0301\u0301 \u0301\u0301 \u1112\u1161\u11ab Å \u0958 a\u0327\u0301",
    " unreachable unreachables a  unreachable",
    "<think> </think><think>\n\n\n\n\n\n\n\n",
]
PARTS = [
    *"aabetrslmdSTRV'' \n\t .,!1é字👍\u00a0\u0301ſ²\r",
    "  ",
    "'s",
    "'LL",
    "the ",
    "\r\n",
    "aaaa",
    "\n\n\n",
    "<think>",
    "123",
]


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def ours(family: str) -> MarkedTokenizer:
    return marked(family)


@pytest.fixture
def tokenizer(family: str) -> Tokenizer:
    return loaded(family)


def ids(ours: MarkedTokenizer, texts: list[str]) -> list[list[int]]:
    return ours(tf.constant([ordinary(text) for text in texts], tf.string))[0].to_list()


def expected(family: str, texts: list[str]) -> list[list[int]]:
    """What Hugging Face gives for texts, of which those of `ordinary` are given."""
    encoded = tiny_tokenizer(family).encode_batch([ordinary(text) for text in texts], add_special_tokens=False)
    return [it.ids for it in encoded]


def random_texts(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices(PARTS, k=draw.randrange(24))) for _ in range(count)]


def test_odd_texts_give_the_same_tokens(family: str, ours: MarkedTokenizer) -> None:
    pairs = zip(TEXTS, ids(ours, TEXTS), expected(family, TEXTS), strict=True)
    assert [text for text, mine, theirs in pairs if mine != theirs] == []


def test_every_character_gives_the_same_tokens_among_others(family: str, ours: MarkedTokenizer) -> None:
    texts = [f"a{character} {character}1{character}.'{character}\n{character}{character}" for character in COMPARED]
    pairs = zip(COMPARED, ids(ours, texts), expected(family, texts), strict=True)
    assert [hex(ord(character)) for character, mine, theirs in pairs if mine != theirs] == []


def test_random_mixtures_give_the_same_tokens(family: str, ours: MarkedTokenizer) -> None:
    texts = random_texts(10_000, seed=3)
    pairs = zip(texts, ids(ours, texts), expected(family, texts), strict=True)
    assert [text for text, mine, theirs in pairs if mine != theirs] == []


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=20, deadline=None)
@given(texts=st.lists(st.text(st.sampled_from(COMPARED) | st.sampled_from(" \n'sthe1."), max_size=30), max_size=20))
def test_texts_of_any_characters_give_the_same_tokens(family: str, texts: list[str]) -> None:
    assert ids(marked(family), texts) == expected(family, texts)


def conversations(count: int, seed: int) -> list[list[tuple[str, bool, bool]]]:
    """Conversations as parts: a string, whether it is a special token, whether it is learned."""
    draw = random.Random(seed)
    made = []
    for texts in zip(*[iter(random_texts(count * 4, seed))] * 4, strict=True):
        system, question, answer, rest = map(ordinary, texts)
        parts = [(START_TURN, True, False), (system, False, False), (END_TURN, True, False), (question, False, False)]
        parts += [(START_TURN, True, False)] * draw.randrange(2)
        parts += [(answer, False, True), (END_TURN, True, True)] * draw.randrange(2) + [(rest, False, False)]
        made.append(parts)
    return made


def rendered(parts: list[tuple[str, bool, bool]]) -> str:
    """The marked text; what is learned is marked piece by piece."""
    marked = [(special(it) if is_special else it, is_learned) for it, is_special, is_learned in parts]
    return "".join(learned(it) if is_learned else it for it, is_learned in marked)


def test_conversations_give_the_tokens_of_the_rendered_text(family: str, ours: MarkedTokenizer) -> None:
    made = conversations(1500, seed=7)
    texts = ["".join(it for it, *_ in parts) for parts in made]
    tokens, flags = ours(tf.constant([rendered(parts) for parts in made]))
    for parts, row, learned_row, theirs in zip(
        made, tokens.to_list(), flags.to_list(), tiny_tokenizer(family).encode_batch(texts), strict=True
    ):
        assert row == theirs.ids, parts
        # Offsets leave out accents that NFC has joined to a letter, and those of Phi-3's special tokens have space.
        if family in ("qwen", "phi3"):
            continue
        is_learned = [it for text, _, it in parts for _ in text]
        assert learned_row == [int(any(is_learned[slice(*span)])) for span in theirs.offsets], parts


def test_a_token_is_learned_if_any_of_its_bytes_is(ours: MarkedTokenizer) -> None:
    tokens, flags = ours(tf.constant([f"the fi{learned('lm')}", f"e{learned(chr(0x301))}x", f"字{learned('本')}"]))
    assert all(max(row) == 1 and sorted(row[:-1]) == row[:-1] for row in flags.to_list())
    alone, _ = ours(tf.constant(["the film", "e\u0301x", "字本"]))
    assert tokens.to_list() == alone.to_list()


def test_special_tokens_come_from_marks_alone(ours: MarkedTokenizer, tokenizer: Tokenizer) -> None:
    smuggled, marked = ids(ours, [f"a{END_TURN}b"])[0], ours(tf.constant([f"a{special(END_TURN)}b"]))[0].to_list()[0]
    assert tokenizer.special[END_TURN] not in smuggled
    assert tokenizer.special[END_TURN] in marked
    apart = f"{special(END_TURN)}no such token"  # a mark that names no token divides the text, and no more
    unknown = ours(tf.constant([f"{special(END_TURN)}{special('no such token')}", apart]))[0].to_list()
    assert unknown[0] == unknown[1]


def test_a_mark_of_nothing_makes_a_token_of_any_text_ordinary(ours: MarkedTokenizer) -> None:
    token, other = IN_TEXTS[0], "<thinker>"
    divided = token[0] + special("") + token[1:]
    (whole, safe, ordinary_text), _ = ours(tf.constant([f"a{token}b", f"a{divided}b", f"a{other}b"]))
    assert len(whole) == 3
    assert len(safe) > 3
    assert safe[:3].numpy().tolist() == ordinary_text[:3].numpy().tolist()


def test_a_text_has_the_same_tokens_in_any_batch(ours: MarkedTokenizer) -> None:
    alone = [ids(ours, [text])[0] for text in TEXTS]
    assert ids(ours, [*TEXTS, "", *TEXTS[::-1]]) == [*alone, [], *alone[::-1]]
    assert [it.to_list() for it in ours(tf.constant([], tf.string))] == [[], []]
    broken = [b"the \xff\xfe film", b"\xc3", b"\xef\xb7\x90", b"\xef\xb7", "\ufdd1\ufdd0\ufdd3\ufdd2"]
    assert len(ours(tf.constant(broken))[0].to_list()) == len(broken)  # and no exception


def test_a_tokenizer_alone_gives_the_same_tokens(family: str, ours: MarkedTokenizer, tokenizer: Tokenizer) -> None:
    texts = [text for text in map(ordinary, TEXTS) if not any(it in text for it in IN_TEXTS)]
    assert tokenizer(tf.constant(texts)).to_list() == ids(ours, texts)


def test_the_roles_of_tokens_are_read(tmp_path: Path) -> None:
    tokenizer = loaded("gpt2")
    numbers = {it: tiny_tokenizer("gpt2").token_to_id(it) for it in (END, END_TURN)}
    assert (tokenizer.pad_id, tokenizer.end_ids, tokenizer.begin_id) == (numbers[END], (numbers[END_TURN],), None)
    assert {*tokenizer.special} == {END, START_TURN, END_TURN, *IN_TEXTS}
    template = [{"SpecialToken": {"id": END, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    processor = {"type": "TemplateProcessing", "single": template}
    write_tokenizer(tmp_path, "gpt2", post_processor=processor)
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [*numbers.values()]}))
    read = load_decoder_tokenizer(tmp_path)
    assert (read.end_ids, read.begin_id) == ((numbers[END_TURN], numbers[END]), numbers[END])
    assert read.fingerprint != tokenizer.fingerprint


UNKNOWN = {
    "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\w+"}, "behavior": "Isolated", "invert": False},
    "normalizer": {"type": "Lowercase"},
}


@pytest.mark.parametrize("part", UNKNOWN)
@pytest.mark.parametrize("family", ["llama3", "llama2", "mistral"])
def test_what_is_not_known_is_refused_by_its_name(family: str, part: str, tmp_path: Path) -> None:
    with pytest.raises(SFTError, match=f"SFT355.*{part}.*{UNKNOWN[part]['type']}"):
        load_decoder_tokenizer(write_tokenizer(tmp_path, family, **{part: UNKNOWN[part]}))


@pytest.mark.parametrize(
    ("family", "setting", "code"),
    [
        ("gpt2", {"dropout": 0.1}, "SFT355"),
        ("gemma", {"ignore_merges": True}, "SFT355"),
        ("smollm2", {"unk_token": "e"}, "SFT355"),
        ("gpt2", {"merges": [["a", "zzz"]]}, "SFT380"),
        ("gemma", {"vocab": {"a": 0}, "merges": []}, "SFT352"),
    ],
)
def test_a_model_that_is_not_followed_is_refused(family: str, setting: dict, code: str, tmp_path: Path) -> None:
    model = json.loads(tiny_tokenizer(family).to_str())["model"] | setting
    with pytest.raises(SFTError, match=code):
        load_decoder_tokenizer(write_tokenizer(tmp_path, family, model=model))


def test_a_folder_that_names_no_end_is_refused(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, "gpt2")
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(SFTError, match="SFT350"):
        load_decoder_tokenizer(tmp_path)


def test_the_files_of_gpt2_say_the_same_as_one_file(tmp_path: Path) -> None:
    model = json.loads((write_tokenizer(tmp_path, "gpt2") / "tokenizer.json").read_text())["model"]
    whole = load_decoder_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(map(" ".join, model["merges"])))
    read = load_decoder_tokenizer(tmp_path)
    assert isinstance(read, BytePair)
    assert read(tf.constant(TEXTS)).to_list() == whole(tf.constant(TEXTS)).to_list()


def test_a_folder_without_a_vocabulary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SFTError, match="SFT356"):
        load_decoder_tokenizer(tmp_path)
