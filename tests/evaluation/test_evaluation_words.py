from __future__ import annotations

import re

from sftkeras.evaluation.statistics.words import TOKEN_PATTERN, words


def test_words_and_single_characters_are_tokens():
    assert re.findall(TOKEN_PATTERN, "GPT模型 is 2x快!") == ["GPT", "模", "型", "is", "2x", "快"]


def test_words_are_compared_in_lower_case():
    assert words("Élan, GPT模型!") == ["élan", "gpt", "模", "型"]
