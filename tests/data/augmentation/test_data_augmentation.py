"""Augmentation rewrites training texts as a function of seed, row and variant, and leaves alone what is no word."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftkeras.config import AugmentationConfig, DataConfig
from sftkeras.data import BatchPlan, LabelledData, RawTexts, Variants, load_data, make_variants
from sftkeras.data.augmentation.changes import describe_augmentation, describe_cleaning
from sftkeras.data.augmentation.rewriting import Augmentation
from sftkeras.data.checks.first_look import quick_check
from sftkeras.data.labels.classes.kind import ONE_LABEL
from sftkeras.data.labels.spans.kind import ENTITIES
from sftkeras.errors import SFTError

Put = Callable[[str, str | bytes], str]
ALL_WORDS = {"swap": 0.3, "deletion": 0.3, "key_noise": 0.3}


def rewritten(text: str, variants: int = 20, **config: Any) -> set[str]:
    """What becomes of a text, in some variants."""
    augmentation = Augmentation(AugmentationConfig(rows=1.0, **config), seed=3)
    return {augmentation.rewrite([[text]], [0], variant)[0][0] for variant in range(variants)}


@pytest.fixture
def data(put_rows: Callable[..., str]) -> LabelledData:
    rows = [(f"the {word} film number {number}", "ab"[number % 2]) for number, word in enumerate(["good", "bad"] * 20)]
    return load_data(DataConfig(train=put_rows(rows)), ONE_LABEL, 5)


def test_nothing_asked_for_is_no_augmentation(data: LabelledData) -> None:
    assert make_variants(AugmentationConfig(), 1, data.examples, data.splits["train"]) == []


def test_a_rewriting_depends_on_seed_row_and_variant_alone(data: LabelledData) -> None:
    train = data.splits["train"]
    config = AugmentationConfig(variants=3, **ALL_WORDS)
    first, again = (make_variants(config, 7, data.examples, train) for _ in range(2))
    all_rows = [text for texts, _ in first[1].text_batches(7) for text in texts]
    assert first[1].texts(train) == [all_rows[row] for row in train]  # whatever stands in one batch
    assert first[1].texts(train[::-1]) == again[1].texts(train)[::-1]
    assert first[0].texts(train) != first[1].texts(train)
    assert make_variants(config, 8, data.examples, train)[0].texts(train) != first[0].texts(train)
    more = make_variants(AugmentationConfig(variants=4, **ALL_WORDS), 7, data.examples, train)
    assert [one.fingerprint for one in more[:3]] == [one.fingerprint for one in first]
    assert len({one.fingerprint for one in more}) == 4


def test_a_share_of_the_rows_changes(data: LabelledData) -> None:
    train = data.splits["train"]
    before = data.examples.texts(train)
    for share, least, most in ((0.25, 1, 16), (1.0, 30, 32)):
        config = AugmentationConfig(rows=share, swap=0.9)
        after = make_variants(config, 1, data.examples, train)[0].texts(train)
        assert least <= sum(one != other for one, other in zip(before, after, strict=True)) <= most


def test_only_training_rows_are_rewritten(data: LabelledData) -> None:
    variant = make_variants(AugmentationConfig(rows=1.0, swap=0.5), 1, data.examples, data.splits["train"])[0]
    assert set(variant.texts(data.splits["test"])) == {""}


def test_both_texts_of_a_pair_are_rewritten(put_rows: Callable[..., str]) -> None:
    rows = [(f"one two three {number}", f"four five six {number}", "ab"[number % 2]) for number in range(20)]
    config = DataConfig(train=put_rows(rows, header=("text", "other", "label")), pair="other")
    data = load_data(config, ONE_LABEL, 5)
    (texts, pairs), *_ = make_variants(AugmentationConfig(rows=1.0, swap=0.9), 1, data.examples, data.splits["train"])[
        0
    ].text_batches(100)
    for row in data.splits["train"]:
        assert sorted(texts[row].split()) == sorted(f"one two three {row}".split())
        assert pairs is not None
        assert sorted(pairs[row].split()) == sorted(f"four five six {row}".split())
        assert texts[row] != data.examples.texts([row])[0]


def test_synonyms_take_the_place_of_words_in_their_case(put: Put) -> None:
    table = put("synonyms.tsv", "good\tfine\tnice\n\nfilm\tmovie\n电影\t影片\n")
    assert rewritten("Good FILM, good.", synonym=0.999, synonyms=table) == {
        f"{first} MOVIE, {second}." for first in ("Fine", "Nice") for second in ("fine", "nice")
    }
    assert rewritten("这部电影很好看", synonym=0.999, synonyms=table) == {"这部影片很好看"}


def test_swapping_keeps_all_words_and_everything_between() -> None:
    found = rewritten("one, two; three four!", swap=0.5)
    assert len(found) > 2
    for text in found:
        assert sorted(re.findall(r"\w+", text)) == ["four", "one", "three", "two"]
        assert re.sub(r"\w+", "", text) == ",;  !".replace(";", "; ").replace(",", ", ").replace(";   !", ";  !")


def test_deletion_leaves_words_out_but_never_all() -> None:
    found = rewritten("one two three four", variants=60, deletion=0.9)
    assert all(text.split() for text in found)
    assert all(re.fullmatch(r"(one)? ?(two)? ?(three)? ?(four)?", text) and "  " not in text for text in found)
    assert len({len(text.split()) for text in found}) > 1
    assert rewritten("...", deletion=0.9) == {"..."}
    assert all(set(text) <= set("这部电影") and text for text in rewritten("这部电影", deletion=0.5))


def test_key_noise_is_one_typing_error_a_word() -> None:
    for text in rewritten("wonderful", variants=60, key_noise=0.999):
        assert abs(len(text) - len("wonderful")) <= 1
        assert text[:1] == "w" or text[1:2] in ("w", "o", "n")
    assert rewritten("这部 123 …", key_noise=0.999) == {"这部 123 …"}


@pytest.mark.parametrize("kept", ["<email>", "<b>", "a.b@c.example", "https://x.example/good?film=1"])
def test_tags_placeholders_and_addresses_are_left_alone(kept: str) -> None:
    found = rewritten(f"good {kept} film and more", variants=40, **ALL_WORDS)
    assert all(kept in text for text in found)
    assert len(found) > 5


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40), st.integers(0, 5))
def test_any_text_is_rewritten_without_accident(text: str, variant: int) -> None:
    augmentation = Augmentation(AugmentationConfig(rows=1.0, **ALL_WORDS), seed=1)
    (new,), *_ = augmentation.rewrite([[text]], [4], variant)
    assert bool(new.strip()) == bool(text.strip())
    nothing = Augmentation(AugmentationConfig(rows=1.0), seed=1)
    assert nothing.rewrite([[text]], [4], variant) == [[text]]


def test_paraphrases_are_found_by_the_raw_text_and_words_changed_in_the_clean_one(put: Put) -> None:
    table = put("back.tsv", "<b>Good</b> film\tFine film\t<i>Nice</i> movie\n")
    config = AugmentationConfig(rows=1.0, paraphrases=table)
    augmentation = Augmentation(config, 1, clean=lambda texts: [re.sub("<.*?>", "", text) for text in texts])
    found = {augmentation.rewrite([["<b>Good</b> film"]], [0], variant)[0][0] for variant in range(30)}
    assert found == {"Good film", "Fine film", "Nice movie"}


def test_a_plan_has_the_lengths_of_each_epochs_variant(data: LabelledData) -> None:
    train = data.splits["train"]
    texts = make_variants(AugmentationConfig(variants=3, deletion=0.6, rows=1.0), 7, data.examples, train)
    inputs = Variants([RawTexts(variant, "text") for variant in texts])
    plan = BatchPlan(inputs.lengths, train, 4, seed=1, multiple=1)
    for epoch in range(5):
        seen = []
        for step in range(plan.steps):
            rows, length = plan.batch(epoch, step)
            given = inputs.at(epoch).batch(rows, length)["text"].tolist()
            assert given == texts[epoch % 3].texts(rows)
            assert max(len(text.split()) for text in given) == length
            seen += rows.tolist()
        assert sorted(seen) == train.tolist()
    assert plan.batch(1, 0)[0].tolist() == BatchPlan(inputs.lengths, train, 4, seed=1).batch(1, 0)[0].tolist()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("good fine\n", "line 1: not two cells"),
        ("good\tfine\n\tnice\n", "line 2: not two cells"),
        (b"good\t\xff\n", "line 1: not valid UTF-8 .byte 0xFF"),
        ("\n\n", "no entry"),
    ],
)
def test_a_broken_table_is_named(put: Put, content: str | bytes, problem: str) -> None:
    with pytest.raises(SFTError, match=f"SFT241 .*table.tsv.*{problem}"):
        Augmentation(AugmentationConfig(synonym=0.1, synonyms=put("table.tsv", content)), 1)


def test_another_table_makes_it_another_run(put_rows: Callable[..., str], put: Put) -> None:
    file = put_rows([(f"text {number}", "ab"[number % 2]) for number in range(20)])

    def fingerprint(table: str) -> str:
        augmentation = AugmentationConfig(synonym=0.1, synonyms=put("table.tsv", table))
        return load_data(DataConfig(train=file, augmentation=augmentation), ONE_LABEL, 1).fingerprint

    assert fingerprint("a\tb\n") == fingerprint("a\tb\n") != fingerprint("a\tc\n")


def test_settings_that_do_not_fit_are_told_at_once(put_rows: Callable[..., str], put: Put) -> None:
    def check(label_kind: Any = ONE_LABEL, **augmentation: Any) -> None:
        config = DataConfig(train=put_rows([("a", "b")]), augmentation=AugmentationConfig(**augmentation))
        quick_check(config, label_kind)

    check(swap=0.1)
    for wrong, code in (
        ({"synonym": 0.1}, "SFT242 .*synonym has no effect without .*synonyms"),
        ({"synonyms": put("s.tsv", "a\tb\n")}, "SFT242 .*synonyms has no effect without .*synonym"),
        ({"paraphrases": "missing.tsv"}, "SFT201 .*--data.augmentation.paraphrases missing.tsv"),
        ({"paraphrases": put("p.csv", "a,b\n")}, "SFT241 .*p.csv: not a .tsv file"),
    ):
        with pytest.raises(SFTError, match=code):
            check(**wrong)
    with pytest.raises(SFTError, match="SFT240"):
        check(ENTITIES, swap=0.1)


def test_paraphrases_of_other_texts_are_refused(data: LabelledData, put: Put) -> None:
    config = AugmentationConfig(paraphrases=put("p.tsv", "no such text\tanother\n"))
    with pytest.raises(SFTError, match=r"SFT243 .*p\.tsv: not one of its 1 texts"):
        make_variants(config, 1, data.examples, data.splits["train"])


def test_the_data_check_shows_and_counts_changes(data: LabelledData) -> None:
    from rich.console import Console

    def printed(table: Any) -> str:
        console = Console(width=160, record=True, quiet=True)
        with console.capture() as capture:
            Console(width=160, file=console.file).print(table)
        return capture.get()

    train = data.splits["train"]
    variants = make_variants(AugmentationConfig(rows=1.0, swap=0.999), 1, data.examples, train)
    table = describe_augmentation(variants, data.examples, train)
    assert str(table.title) == f"Augmentation changes {len(train)} of {len(train)} training texts an epoch (100.0%)"
    assert table.row_count == 4
    cleaning = describe_cleaning(
        data.examples, lambda texts: {"markup": texts, "spaces": [text.replace("good", "g") for text in texts]}
    )
    assert str(cleaning.title) == "Cleaning changes 20 of 40 texts (50.0%)"
    assert cleaning.caption == "markup 0, spaces 20"
    assert next(iter(cleaning.columns[1].cells)).startswith("the g film")
