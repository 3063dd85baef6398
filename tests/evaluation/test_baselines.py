from __future__ import annotations

import re

from sftkeras.evaluation.baselines import TOKEN_PATTERN


def test_words_and_single_characters_are_tokens():
    assert re.findall(TOKEN_PATTERN, "GPT模型 is 2x快!") == ["GPT", "模", "型", "is", "2x", "快"]
