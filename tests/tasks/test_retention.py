"""The text that shows what a language model has lost: found, read in part, and compared before and after."""

from __future__ import annotations

import numpy as np
import pytest

from sftkeras.errors import SFTError
from sftkeras.evaluation.statistics.token_losses import TokenLosses
from sftkeras.tasks.retention import MOST_CHARACTERS, check_retention_text, read_retention_text, retention_facts


def test_the_beginning_of_the_file_is_read(tmp_path):
    file = tmp_path / "book.txt"
    file.write_text("é" * (MOST_CHARACTERS + 5), encoding="utf-8")
    check_retention_text(str(file))
    assert read_retention_text({"retention_text": str(file)}) == "é" * MOST_CHARACTERS


def test_a_file_that_is_gone_since_training_is_left_out(tmp_path):
    assert read_retention_text({"retention_text": str(tmp_path / "gone.txt")}) is None
    assert read_retention_text({"retention_text": None}) is None
    assert read_retention_text({}) is None
    assert retention_facts({}, None, None) is None


@pytest.mark.parametrize("content", [None, b" \n", b"\xff\xfe\x00caf\xe9"], ids=["missing", "empty", "encoding"])
def test_a_file_that_cannot_be_used_is_refused_before_training(tmp_path, content):
    file = tmp_path / "book.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SFTError, match=r"SFT621 .*book\.txt"):
        check_retention_text(str(file))


def test_before_and_after_are_paired_window_by_window():
    random = np.random.default_rng(0)
    losses, tokens = random.uniform(100, 300, 40), np.full(40, 100)
    before, after = (TokenLosses(part, tokens, tokens) for part in (losses, losses + 10))
    facts = retention_facts({"retention_text": "a/book.txt"}, before, after)
    # Windows differ by a factor of seven, but each lost exactly as much.
    assert facts["ratio"] == pytest.approx(np.exp(0.1))
    assert facts["interval"] == pytest.approx((np.exp(0.1), np.exp(0.1)))
    assert facts["tokens"] == 4000
    assert retention_facts({"retention_text": "a/book.txt"}, None, after)["before"] is None
