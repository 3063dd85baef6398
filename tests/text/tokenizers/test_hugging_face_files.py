"""What a folder's tokenizer files say is followed to the letter, as Hugging Face's `tokenizers` does, or refused."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from backbones.tiny_folders import Checkpoint
from every_tokenizer import odd_texts
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tiny_byte_pairs import tokenizer_json as byte_pair_json
from tiny_sentence_pieces import tiny_sentence_pieces
from tiny_sentence_pieces import tokenizer_json as albert_json
from tiny_unigram import tiny_model
from tiny_unigram import tokenizer_json as unigram_json
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from toy_tokenizers import ADVERSARIAL, COMPARED, known_difference

from sftkeras.backbones import load_backbone
from sftkeras.backbones.hugging_face import load_tokenizer, write_folder, write_tokenizer
from sftkeras.errors import SFTError
from sftkeras.exporting.op_gate import server_needs
from sftkeras.text import WordPiece

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = ["".join(letter for letter in text if not known_difference(letter)) for text in (*ADVERSARIAL, *odd_texts(700))]


@cache
def vocabulary() -> dict[str, int]:
    """Word pieces of all that the texts have, in any form that a normalizer may give it."""
    forms = [normalizers.Lowercase(), normalizers.NFD(), normalizers.NFKD(), normalizers.BertNormalizer()]
    letters = {letter for text in TEXTS for letter in text}
    letters |= {part for letter in letters for form in forms for part in form.normalize_str(letter)}
    letters -= {" ", "\n", "\r", "\uffff", "\x00"}
    pieces = [*SPECIALS, "the", "film", "cafe", "##s", *sorted(letters), *(f"##{letter}" for letter in sorted(letters))]
    return {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}


def word_pieces(normalizer: Any, pre_tokenizer: Any = None) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocabulary(), unk_token="[UNK]", max_input_chars_per_word=100))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer or pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def bert(**settings: Any) -> Any:
    off = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    return normalizers.BertNormalizer(**off | settings)


Sequence, Splitters = normalizers.Sequence, pre_tokenizers.Sequence
WORDS: dict[str, Callable[[], Tokenizer]] = {
    "no normalizer": lambda: word_pieces(None),
    "Lowercase": lambda: word_pieces(normalizers.Lowercase()),
    "an empty sequence": lambda: word_pieces(Sequence([])),
    "a cased BERT": lambda: word_pieces(bert(clean_text=True, handle_chinese_chars=True)),
    "an uncased BERT": lambda: word_pieces(normalizers.BertNormalizer()),
    "BERT's accents alone": lambda: word_pieces(bert(strip_accents=True)),
    "lowered, not cleaned": lambda: word_pieces(bert(handle_chinese_chars=True, lowercase=True)),
    "NFD, Lowercase, StripAccents": lambda: word_pieces(
        Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()]), pre_tokenizers.Whitespace()
    ),
    "NFKD": lambda: word_pieces(normalizers.NFKD(), Splitters([pre_tokenizers.WhitespaceSplit()])),
    "Whitespace": lambda: word_pieces(None, pre_tokenizers.Whitespace()),
    "WhitespaceSplit, Punctuation": lambda: word_pieces(
        normalizers.Lowercase(), Splitters([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    ),
    "Whitespace, Digits": lambda: word_pieces(
        bert(clean_text=True), Splitters([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)])
    ),
    "BertPreTokenizer, Digits": lambda: word_pieces(
        normalizers.BertNormalizer(), Splitters([pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Digits()])
    ),
}


def saved(tokenizer: Tokenizer, folder: Path, **settings: Any) -> Path:
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    if settings:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def tokens(folder: Path, texts: list[str]) -> list[list[int]]:
    return load_tokenizer(folder)(tf.constant(texts)).to_list()


def theirs(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    return [it.ids for it in tokenizer.encode_batch(texts, add_special_tokens=False)]


def assert_same(ours: list[list[int]], right: list[list[int]], texts: list[str]) -> None:
    assert [text for text, mine, other in zip(texts, ours, right, strict=True) if mine != other] == []


@pytest.mark.parametrize("kind", WORDS)
def test_each_step_of_a_word_piece_tokenizer_is_followed(kind: str, tmp_path: Path) -> None:
    tokenizer = WORDS[kind]()
    # Beside it a file that other libraries take the vocabulary from; the JSON counts.
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIALS, "other"]))
    assert_same(tokens(saved(tokenizer, tmp_path), TEXTS), theirs(tokenizer, TEXTS), TEXTS)


@pytest.mark.parametrize("kind", ["Whitespace", "BertPreTokenizer", "Punctuation", "Digits", "WhitespaceSplit"])
def test_words_end_at_the_same_characters(kind: str, tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate([*SPECIALS, "a", "b"])}))
    tokenizer.pre_tokenizer = getattr(pre_tokenizers, kind)()
    texts = [f"a{letter}b" for letter in COMPARED]
    assert_same(tokens(saved(tokenizer, tmp_path), texts), theirs(tokenizer, texts), texts)


@pytest.mark.parametrize("kind", WORDS)
def test_such_a_tokenizer_is_written_and_read_again(kind: str, tmp_path: Path) -> None:
    tokenizer = WORDS[kind]()
    tokenizer.add_tokens(["Café"])
    ours = load_tokenizer(saved(tokenizer, tmp_path / "first"))
    (again := tmp_path / "again").mkdir()
    write_tokenizer(ours, again)
    assert load_tokenizer(again).fingerprint == ours.fingerprint
    if (again / "tokenizer.json").exists():  # where the other files cannot say it
        reference = Tokenizer.from_file(str(again / "tokenizer.json"))
        texts = [text for text in TEXTS if "caf" not in text.lower()]
        assert_same(tokens(again, texts), theirs(reference, texts), texts)


def test_texts_that_are_not_rewritten_are_placed_and_served(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(saved(WORDS["Whitespace, Digits"](), tmp_path))
    text = "The film: 1,02 é"
    _, starts, ends = (row.to_list()[0] for row in tokenizer.with_offsets(tf.constant([text])))
    assert [text[start:end] for start, end in zip(starts, ends, strict=True)][-6:] == [":", "1", ",", "0", "2", "é"]
    texts = tf.TensorSpec([None], tf.string)
    function = tf.function(tokenizer.with_offsets, input_signature=[texts], autograph=False).get_concrete_function()
    assert server_needs(MetaGraphDef(graph_def=function.graph.as_graph_def())).minimum == "2.18.0"


# --- tokens that were added ---

ADDED = ["[E1]", "Café", "東京", "foo-bar", "ＦＯＯ"]


def added_texts(count: int = 400) -> list[str]:
    dice = random.Random(7)
    between = [
        *ADDED,
        *(word.lower() for word in ADDED),
        "cafe",
        "東 京",
        "foo",
        " ",
        "  ",
        "film",
        ".",
        "京",
        "s",
        "É",
    ]
    return ["".join(dice.choice(between) for _ in range(dice.randrange(8))) for _ in range(count)]


@pytest.mark.parametrize("kind", ["no normalizer", "an uncased BERT", "a cased BERT", "NFD, Lowercase, StripAccents"])
@pytest.mark.parametrize("normalized", [True, False], ids=["in rewritten texts", "in raw texts"])
def test_tokens_that_only_tokenizer_json_adds_are_found(kind: str, normalized: bool, tmp_path: Path) -> None:
    tokenizer = WORDS[kind]()
    tokenizer.add_tokens([AddedToken(token, normalized=normalized) for token in ADDED])
    texts = added_texts()
    ours = load_tokenizer(saved(tokenizer, tmp_path))
    assert ours.size == tokenizer.get_vocab_size() == len(vocabulary()) + len(ADDED)
    assert_same(ours(tf.constant(texts)).to_list(), theirs(tokenizer, texts), texts)
    assert ours.pieces([ours.size - 1, 2]) == ["ＦＯＯ", "[CLS]"]  # type: ignore[arg-type]


def test_a_token_that_is_found_in_rewritten_text_spans_what_it_was_written_as(tmp_path: Path) -> None:
    tokenizer = WORDS["an uncased BERT"]()
    tokenizer.add_tokens(["Café", "東京"])
    ours = load_tokenizer(saved(tokenizer, tmp_path))
    text = "the CAFE\u0301s 東京."
    found, starts, ends = (row.to_list()[0] for row in ours.with_offsets(tf.constant([text])))
    spans = {number: text[start:end] for number, start, end in zip(found, starts, ends, strict=True)}
    assert [spans[number] for number in sorted(spans)[-2:]] == ["CAFE\u0301", "東京"]


def test_added_tokens_json_is_read_beside_any_vocabulary(tmp_path: Path) -> None:
    pieces = list(vocabulary())
    (tmp_path / "vocab.txt").write_text("\n".join(pieces) + "\n")
    (tmp_path / "added_tokens.json").write_text(json.dumps({"Café": len(pieces), "[E1]": len(pieces) + 1}))
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"additional_special_tokens": ["[E1]"]}))
    tokenizer = WORDS["an uncased BERT"]()
    tokenizer.add_tokens(["Café"])  # what is no special token is found in rewritten texts
    tokenizer.add_special_tokens(["[E1]"])
    assert_same(tokens(tmp_path, added_texts()), theirs(tokenizer, added_texts()), added_texts())


def test_a_token_of_the_vocabulary_that_is_listed_as_added_is_found_whole(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIALS, "[E1]", "film", "[", "]", "e", "##1"]) + "\n")
    texts = ["film [E1]", "[e1]"]
    assert tokens(tmp_path, texts) == [[6, 7, 9, 10, 8], [7, 9, 10, 8]]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"additional_special_tokens": ["[E1]"]}))
    assert tokens(tmp_path, texts) == [[6, 5], [7, 9, 10, 8]]


def test_a_byte_level_tokenizer_does_not_rewrite_so_every_added_token_is_found(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_str(byte_pair_json())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.add_tokens(["[E1]", "Café"])
    texts = [text for text in added_texts() if not any(special in text for special in ("<s>", "</s>"))]
    assert_same(tokens(saved(tokenizer, tmp_path), texts), theirs(tokenizer, texts), texts)


# --- SentencePiece ---


def test_tokenizer_json_says_whether_albert_lowers(tmp_path: Path) -> None:
    whole = json.loads(albert_json())
    keep = [it for it in whole["normalizer"]["normalizers"] if it["type"] not in ("Lowercase", "NFKD", "StripAccents")]
    whole["normalizer"]["normalizers"] = keep
    (tmp_path / "tokenizer.json").write_text(json.dumps(whole))
    (tmp_path / "spiece.model").write_bytes(tiny_sentence_pieces())
    texts = ["The Film é", "a 9, 19, b"]
    assert_same(tokens(tmp_path, texts), theirs(Tokenizer.from_str(json.dumps(whole)), texts), texts)


def test_scores_of_tokenizer_json_count_as_they_are(tmp_path: Path) -> None:
    """Transformers 5 writes ALBERT's pieces such as "9," with their own score, version 4 with less."""
    whole = json.loads(albert_json())
    pieces = whole["model"]["vocab"]
    whole["model"]["vocab"] = [[it, score + 100 * (it[-1:] == "," and it[-2:-1].isdigit())] for it, score in pieces]
    (tmp_path / "tokenizer.json").write_text(json.dumps(whole))
    (tmp_path / "spiece.model").write_bytes(tiny_sentence_pieces())
    texts = ["on 9, may", "at 2, 3"]
    right = theirs(Tokenizer.from_str(json.dumps(whole)), texts)
    assert right != theirs(Tokenizer.from_str(albert_json()), texts)
    assert_same(tokens(tmp_path, texts), right, texts)
    (again := tmp_path / "again").mkdir()
    write_tokenizer(load_tokenizer(tmp_path), again)
    assert_same(tokens(again, texts), right, texts)


@pytest.mark.parametrize("rules", ["xlm_roberta", "deberta"])
def test_the_very_model_that_tokenizer_json_was_made_of_is_taken(rules: str, tmp_path: Path) -> None:
    Checkpoint(tokenizer_of=rules).write_tokenizer(tmp_path)
    alone = load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text(unigram_json(rules))
    assert load_tokenizer(tmp_path).fingerprint == alone.fingerprint
    next(tmp_path.glob("*.model")).write_bytes(b"no model")
    texts = ["The film of 1,000", "  é  ½ "]
    assert tokens(tmp_path, texts) == alone(tf.constant(texts)).to_list()


# --- what is refused, by name ---


def changed(text: str, **parts: Any) -> dict[str, Any]:
    return json.loads(text) | parts


def unlike_bert(**parts: Any) -> dict[str, Any]:
    return changed(WORDS["an uncased BERT"]().to_str(), **parts)


def with_model(**settings: Any) -> dict[str, Any]:
    whole = unlike_bert()
    return whole | {"model": whole["model"] | settings}


def part(step: Any) -> dict[str, Any]:
    return json.loads(step.__getstate__())


WHOLE_CASES: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "NFC": (lambda: unlike_bert(normalizer={"type": "NFC"}), "normalizer.*NFC.*Lowercase, NFD"),
    "Replace": (lambda: unlike_bert(normalizer=part(normalizers.Replace("a", "b"))), "normalizer.*Replace"),
    "no pre-tokenizer": (lambda: unlike_bert(pre_tokenizer=None), 'pre_tokenizer "null".*BertPreTokenizer'),
    "Split": (lambda: unlike_bert(pre_tokenizer=part(pre_tokenizers.Split(Regex("x"), "isolated"))), "Split"),
    "Punctuation that is removed": (
        lambda: unlike_bert(pre_tokenizer={"type": "Punctuation", "behavior": "Removed"}),
        "Punctuation.*Removed",
    ),
    "Metaspace": (lambda: unlike_bert(pre_tokenizer=part(pre_tokenizers.Metaspace())), "Metaspace"),
    "another unknown": (lambda: with_model(unk_token="<unk>"), r"model.unk_token.*\[UNK\]"),
    "another prefix": (lambda: with_model(continuing_subword_prefix="@@"), "continuing_subword_prefix.*##"),
    "shorter words": (lambda: with_model(max_input_chars_per_word=20), "max_input_chars_per_word.*100"),
    "whole words": (lambda: with_model(type="WordLevel"), "model.*WordLevel.*WordPiece, Unigram, BPE"),
    "no [SEP]": (
        lambda: unlike_bert(
            post_processor=part(processors.TemplateProcessing("[CLS] $A", "[CLS] $A $B", special_tokens=[("[CLS]", 2)]))
        ),
        r"post_processor.*\[CLS\] A \[SEP\] B \[SEP\]",
    ),
    "byte pairs with end of word": (
        lambda: (whole := changed(byte_pair_json())) | {"model": whole["model"] | {"end_of_word_suffix": "</w>"}},
        "end_of_word_suffix",
    ),
    "byte pairs without GPT-2's pattern": (
        lambda: changed(byte_pair_json(), pre_tokenizer=part(pre_tokenizers.ByteLevel(use_regex=False))),
        "pre_tokenizer.*use_regex",
    ),
    "byte pairs of lower case": (
        lambda: changed(byte_pair_json(), normalizer={"type": "Lowercase"}),
        'normalizer "Lowercase".*null',
    ),
    "byte pairs in BERT's frame": (
        lambda: changed(byte_pair_json(), post_processor=part(processors.BertProcessing(("</s>", 2), ("<s>", 0)))),
        "post_processor.*<s> A </s> </s> B </s>",
    ),
    "pieces with byte fallback": (
        lambda: (whole := changed(unigram_json("deberta"))) | {"model": whole["model"] | {"byte_fallback": True}},
        "byte_fallback",
    ),
    "pieces of lower case": (
        lambda: changed(
            unigram_json("xlm_roberta"),
            normalizer={
                "type": "Sequence",
                "normalizers": [{"type": "Lowercase"}, changed(unigram_json("xlm_roberta"))["normalizer"]],
            },
        ),
        'normalizer "Lowercase"',
    ),
    "pieces in composed form alone": (
        lambda: changed(unigram_json("deberta"), normalizer={"type": "NFC"}),
        "normalizer.*NFC.*Precompiled",
    ),
    "pieces of several spaces": (
        lambda: changed(
            unigram_json("deberta"),
            normalizer=changed(unigram_json("deberta"))["normalizer"]["normalizers"][1],
        ),
        "pre_tokenizer.*WhitespaceSplit",
    ),
    "pieces with a space before the first word alone": (
        lambda: changed(
            unigram_json("deberta"), pre_tokenizer=part(pre_tokenizers.Metaspace("▁", prepend_scheme="first"))
        ),
        "pre_tokenizer.*first.*always",
    ),
}


@pytest.mark.parametrize("case", WHOLE_CASES)
def test_what_tokenizer_json_asks_for_and_is_not_followed_is_refused_by_its_name(case: str, tmp_path: Path) -> None:
    make, named = WHOLE_CASES[case]
    (tmp_path / "tokenizer.json").write_text(json.dumps(make()))
    # Not even if there are other files from which a tokenizer could be made.
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary()) + "\n")
    with pytest.raises(SFTError, match=f"SFT355.*tokenizer.json: .*{named}") as raised:
        load_tokenizer(tmp_path)
    assert "\n" not in str(raised.value)


SETTINGS_CASES: dict[str, tuple[dict[str, Any], str]] = {
    "mecab": (
        {"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab"},
        "word_tokenizer_type.*mecab",
    ),
    "sudachi": ({"word_tokenizer_type": "sudachi"}, "word_tokenizer_type.*sudachi"),
    "characters": ({"subword_tokenizer_type": "character"}, "subword_tokenizer_type.*character"),
    "Japanese": ({"tokenizer_class": "BertJapaneseTokenizer"}, "tokenizer_class.*BertJapaneseTokenizer.*BertTokenizer"),
    "PhoBERT": ({"tokenizer_class": "PhobertTokenizer"}, "tokenizer_class.*PhobertTokenizer"),
    "another name": ({"cls_token": "[BOS]"}, r"cls_token.*\[BOS\].*\[CLS\]"),
    "a name with rules": ({"unk_token": {"content": "<unk>"}}, r"unk_token.*<unk>.*\[UNK\]"),
}


@pytest.mark.parametrize("case", SETTINGS_CASES)
def test_settings_that_are_not_followed_are_refused_by_their_name(case: str, tmp_path: Path) -> None:
    settings, named = SETTINGS_CASES[case]
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIALS, "東", "##京"]) + "\n")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(SFTError, match=f"SFT355.*{named}"):
        load_tokenizer(tmp_path)


def test_a_class_that_only_config_json_names_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIALS, "東"]) + "\n")
    (tmp_path / "config.json").write_text(json.dumps({"tokenizer_class": "BertJapaneseTokenizer"}))
    with pytest.raises(SFTError, match=r"SFT355.*BertJapaneseTokenizer"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("key", ["do_lower_case", "strip_accents", "tokenize_chinese_chars"])
def test_two_files_that_disagree_are_refused(key: str, tmp_path: Path) -> None:
    settings = {key: False}
    folder = saved(WORDS["an uncased BERT"](), tmp_path, tokenizer_class="BertTokenizer", **settings)
    with pytest.raises(SFTError, match=f"SFT360.*{key} is true in the first and false in the second"):
        load_tokenizer(folder)
    # Of this class everything is in tokenizer.json.
    saved(WORDS["an uncased BERT"](), tmp_path, tokenizer_class="PreTrainedTokenizerFast", **settings)
    load_tokenizer(folder)


@pytest.mark.parametrize("rule", ["lstrip", "rstrip", "single_word"])
def test_the_advice_about_an_added_token_works(rule: str, tmp_path: Path) -> None:
    tokenizer = WORDS["a cased BERT"]()
    tokenizer.add_tokens([AddedToken("[E1]", normalized=False, **{rule: True})])
    with pytest.raises(SFTError, match=rf'SFT388.*"\[E1\]".*{rule} is true in tokenizer.json'):
        load_tokenizer(saved(tokenizer, tmp_path))
    plain = {"content": "[E1]", rule: False}
    saved(tokenizer, tmp_path, added_tokens_decoder={str(len(vocabulary())): plain})
    assert tokens(tmp_path, ["[E1]"]) == [[len(vocabulary())]]


def test_an_added_token_that_a_model_would_rewrite_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spm.model").write_bytes(tiny_model("deberta"))
    (tmp_path / "added_tokens.json").write_text(json.dumps({"Café": 144, "[MASK]": 143}))
    with pytest.raises(SFTError, match=r'SFT388.*"Café".*normalized is true in added_tokens.json'):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"added_tokens_decoder": {"144": {"content": "Café", "normalized": False}}})
    )
    assert tokens(tmp_path, ["Café"]) == [[144]]


def test_a_special_token_without_a_number_is_named(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(SPECIALS) + "\n")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"additional_special_tokens": ["[E9]"]}))
    with pytest.raises(SFTError, match=r"SFT354.*\[E9\].*number"):
        load_tokenizer(tmp_path)


def test_a_backbone_with_such_a_tokenizer_is_written_whole(tmp_path: Path) -> None:
    folder = Checkpoint().write(tmp_path / "source")
    pieces = {piece: number for number, piece in enumerate((folder / "vocab.txt").read_text().split("\n")[:-1])}
    tokenizer = Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_tokens(["Film"])
    backbone = load_backbone(saved(tokenizer, folder), max_length=8)
    write_folder(tmp_path / "again", backbone.model, backbone.tokenizer, has_pooler=True)  # type: ignore[arg-type]
    again = load_backbone(tmp_path / "again", max_length=8)
    texts = ["a good Film.", "bad films", "Films"]
    assert again.tokenizer(tf.constant(texts)).to_list() == theirs(tokenizer, texts)  # type: ignore[operator]
    assert not isinstance(again.tokenizer, WordPiece) or again.tokenizer.size == tokenizer.get_vocab_size()
