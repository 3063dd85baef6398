from __future__ import annotations

from sftkeras.evaluation.statistics.shared_ngrams import LENGTH, sharing_ngrams

RUN = " ".join(f"word{number}" for number in range(LENGTH))


def test_a_text_that_shares_thirteen_words_in_a_row_is_found():
    texts = [f"It is: {RUN}, they said.", RUN.replace("word12", "other"), f"{RUN} once more"]
    assert sharing_ngrams(texts, ["nothing", f"before {RUN.upper()} and after"]).tolist() == [True, False, True]


def test_a_short_text_is_found_only_if_it_equals_a_whole_other():
    assert sharing_ngrams(["Yes, please.", "Yes", "No"], ["yes please", "yes it is", "?"]).tolist() == [
        True,
        False,
        False,
    ]


def test_a_text_without_words_shares_nothing():
    assert sharing_ngrams(["", "?!"], ["", "?!"]).tolist() == [False, False]


def test_characters_of_chinese_are_words():
    run = "三十天内可以免费退货电子产品除外"
    assert sharing_ngrams([f"您好，{run}。", run[:12]], [f"我们{run}"]).tolist() == [True, False]
