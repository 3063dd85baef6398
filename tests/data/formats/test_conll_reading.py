"""Files of a word a line: comments are left out and no word is, the dialects of several corpora, and their schemes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sftkeras.config import DataConfig
from sftkeras.data import DataError, load_file, quick_check
from sftkeras.data.formats import text_files
from sftkeras.data.labels.answers.kind import ANSWERS
from sftkeras.data.labels.classes.kind import ONE_LABEL
from sftkeras.data.labels.numbers.kind import NUMBERS
from sftkeras.data.labels.spans.kind import ENTITIES
from sftkeras.errors import SFTError

Put = Callable[[str, str | bytes], str]

UD = """# global.columns = ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC
# sent_id = 1
# text = We don't like a b c d e #
1\tWe\twe\tPRON\tPRP\t_\t4\tnsubj\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\t_\t4\taux\t_\t_
3\tn't\tnot\tPART\tRB\t_\t4\tadvmod\t_\t_
4\tlike\tlike\tVERB\tVB\t_\t0\troot\t_\t_
4.1\tlike\tlike\tVERB\tVB\t_\t_\t_\t_\t_
5\t#\t#\tSYM\tNN\t_\t4\tobj\t_\tSpaceAfter=No
6\tx\tx\t_\t_\t_\t4\tobj\t_\t_
"""


def read(
    path: str, labels: tuple[str, ...] = ("LOC", "PER"), **settings: Any
) -> list[tuple[str, list[tuple[str, str]]]]:
    quick_check(DataConfig(train=path, **settings), ENTITIES)
    data = load_file(path, DataConfig(**settings), ENTITIES, labels)
    rows = []
    for text, spans in zip(data.examples.texts(np.arange(len(data.examples))), data.examples.labels, strict=True):
        rows.append((text, [(text[start:end], data.label_names[label]) for start, end, label in spans.tolist()]))
    return rows


COMMENTS = {
    "key and value": "# sent_id = 7\n# text = Ann sat O\n",
    "key=value": "# sent_id=7\n",
    "key: value": "# sent_id: 7\n# note: a b\n",
    "no space": "#id=7\n#text = Ann\n",
    "as many words as columns": "# newdoc\n# a.b = c\n",
    "an id and more": "# id 0f10-77\tdomain=en\n",
    "documents": "#begin document (nw/a); part 000\n",
    "free": "# Annotated by hand in the year 2020, twice.\n#\n##\n",
}


@pytest.mark.parametrize("columns", ["{word} {tag}", "{word}\t{tag}", "{word} _ _ {tag}", "{word}\tNNP\t{tag}"])
@pytest.mark.parametrize("comment", COMMENTS)
def test_comments_are_no_words(put: Put, comment: str, columns: str) -> None:
    def words(*pairs: tuple[str, str]) -> str:
        return "".join(columns.format(word=word, tag=tag) + "\n" for word, tag in pairs)

    first = words(("Ann", "B-PER"), ("sat", "O"))
    second = words(("#", "O"), ("#Rome", "B-LOC"), ("#1", "O"))
    path = put("a.conll", f"{COMMENTS[comment]}{first}\n{COMMENTS[comment]}{second}#end document\n\n")
    assert read(path) == [("Ann sat", [("Ann", "PER")]), ("# #Rome #1", [("#Rome", "LOC")])]


def test_a_file_may_begin_with_a_hash_that_is_a_word(put: Put) -> None:
    path = put("a.bio", "# O\n#Rome B-LOC\nAnn B-PER\n")
    assert read(path) == [("# #Rome Ann", [("#Rome", "LOC"), ("Ann", "PER")])]
    assert read(put("b.bio", "# O\n#Rome B-LOC\n")) == [("# #Rome", [("#Rome", "LOC")])]


def test_a_wrong_tag_after_a_comment_is_named_by_its_own_line(put: Put) -> None:
    with pytest.raises(DataError, match=r"SFT250 .*a.conll line 4: I-PER after B-LOC"):
        read(put("a.conll", "# sent_id = 1\nsat B-LOC\n# a note of someone\nAnn I-PER\n"))


# --- Universal Dependencies ---


@pytest.mark.parametrize(
    ("settings", "tags"),
    [
        ({}, {"We": "PRON", "do": "AUX", "n't": "PART", "like": "VERB", "#": "SYM"}),
        ({"label": "XPOS"}, {"We": "PRP", "do": "VBP", "n't": "RB", "like": "VB", "#": "NN"}),
        ({"label": "7"}, {"We": "nsubj", "do": "aux", "n't": "advmod", "like": "root", "#": "obj", "x": "obj"}),
    ],
)
@pytest.mark.parametrize("name", ["a.conllu", "a.conll", "a.txt"])
def test_the_words_of_a_treebank_have_the_tags_of_a_column(
    put: Put, name: str, settings: dict[str, str], tags: dict[str, str]
) -> None:
    labels = tuple(sorted(set(tags.values())))
    assert read(put(name, UD), labels, **settings) == [("We do n't like # x", list(tags.items()))]


def test_other_words_of_a_treebank_can_be_learned(put: Put) -> None:
    ((text, _),) = read(put("a.conllu", UD), ("PRON", "AUX", "PART", "VERB", "SYM"), text="lemma")
    assert text == "we do not like # x"


def test_a_column_that_a_treebank_has_not_is_named_with_those_it_has(put: Put) -> None:
    with pytest.raises(SFTError, match=r"SFT204 .*no column \"ner\" .*ID, FORM, LEMMA, UPOS"):
        quick_check(DataConfig(train=put("a.conllu", UD), label="ner"), ENTITIES)


# --- schemes ---


@pytest.mark.parametrize("middle", ["M", "I"])
@pytest.mark.parametrize("single", ["S", "W", "U"])
def test_chinese_names_may_have_a_middle(put: Put, middle: str, single: str) -> None:
    path = put("a.txt", f"王 B-PER\n小 {middle}-PER\n明 E-PER\n在 O\n沪 {single}-LOC\n")
    assert read(path) == [("王小明在沪", [("王小明", "PER"), ("沪", "LOC")])]


@pytest.fixture
def one_sentence_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "BLOCK_ROWS", 1)
    monkeypatch.setattr(text_files, "_CHECK_EVERY", 1)


@pytest.mark.usefixtures("one_sentence_a_block")
@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("O|B-PER I-PER", [[], [("b b", "PER")]]),
        ("O|I-PER I-PER|O", [[], [("b b", "PER")], []]),
        ("O|S-PER|B-LOC E-LOC", [[], [("b", "PER")], [("c c", "LOC")]]),
        ("PER|O", [[("a", "PER")], []]),
    ],
)
def test_a_scheme_that_shows_late_is_that_of_the_whole_file(put: Put, tags: str, found: list[Any]) -> None:
    sentences = [
        "".join(f"{word} {tag}\n" for tag in some.split()) for word, some in zip("abc", tags.split("|"), strict=False)
    ]
    assert [spans for _, spans in read(put("a.conll", "\n".join(sentences)))] == found


@pytest.mark.usefixtures("one_sentence_a_block")
def test_a_later_b_shows_that_i_does_not_begin(put: Put) -> None:
    path = put("a.conll", "Ann I-PER\n\nBob I-PER\nRome B-PER\n")
    with pytest.raises(DataError, match=r"SFT250 .*line 1: I-PER after the beginning .*--data.tag_scheme"):
        read(path)
    assert read(path, tag_scheme="iob1")[1] == ("Bob Rome", [("Bob", "PER"), ("Rome", "PER")])


# --- other tasks ---


@pytest.mark.parametrize("name", ["a.conll", "a.bio", "a.iob", "a.conllu", "a.txt"])
@pytest.mark.parametrize("kind", [ONE_LABEL, NUMBERS, ANSWERS])
def test_a_file_of_words_names_the_task_that_reads_it(put: Put, name: str, kind: Any) -> None:
    config = DataConfig(train=put(name, "Ann B-PER\n"), pair="context" if kind is ANSWERS else None)
    with pytest.raises(SFTError, match=rf"SFT269 .*--data.train .*{name}.*words with their tags.*--task.kind tagging"):
        quick_check(config, kind)
