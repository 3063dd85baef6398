"""Finds Chinese words by jieba's dictionary: outside of the graph, for training texts."""

from __future__ import annotations

import logging
import re

import numpy as np

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")


def inside_words(texts: list[str]) -> np.ndarray:
    """For all characters of the texts, one after another, whether each continues a Chinese word: [characters] bool."""
    import jieba

    jieba.setLogLevel(logging.WARNING)
    inside = np.zeros(sum(map(len, texts)), bool)
    begin = 0
    for text in texts:
        if _HAN.search(text):
            for word, start, end in jieba.tokenize(text):
                if _HAN.match(word):
                    inside[begin + start + 1 : begin + end] = True
        begin += len(text)
    return inside


def rules() -> str:
    """Return the name and version of the dictionary."""
    from importlib.metadata import version

    return f"jieba {version('jieba')}"
