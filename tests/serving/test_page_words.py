"""The page's words: each has its Chinese."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from sftkeras import serving, tasks

PAGE = Path(serving.__file__).parent / "page"
VIEWS = sorted(Path(tasks.__file__).parent.glob("*/page.js"))
SCRIPTS = [*sorted(PAGE.glob("*.js")), *VIEWS]
STRING = r'"((?:[^"\\\\]|\\\\.)*)"'
CHINESE_CHARACTER = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
# Names, which are the same in Chinese.
NAMES = {"Python", "Top p", "Top k", "Min p"}


class _Texts(HTMLParser):
    """Gathers what a document says, but for what is there without JavaScript alone."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._silent = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._silent += tag == "noscript"
        self.found |= {value for name, value in attributes if name == "aria-label" and value}

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag == "noscript"

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.add(data.strip())


def said_in(script: str) -> set[str]:
    """Words that a script says, where they stand as strings."""
    found = {word for pair in re.findall(rf"said\((?:[\w.]+ \? )?{STRING}(?: : {STRING})?", script) for word in pair}
    found |= {f"{{}} {noun}" for noun in re.findall(rf"count\([\w.() ]+, {STRING}\)", script)}
    return found | {word for pair in re.findall(rf"title: {STRING}, hint: {STRING}", script) for word in pair}


def test_every_word_of_the_page_has_its_chinese() -> None:
    document = _Texts()
    document.feed((PAGE / "index.html").read_text("utf-8"))
    words = document.found.union(*(said_in(script.read_text("utf-8")) for script in SCRIPTS)) - {""}
    assert {"Predict", "Stop", "Send", "{} token", "Temperature", "no entities", "the curl call"} <= words
    pairs = [pair for file in SCRIPTS for pair in re.findall(rf"{STRING}: {STRING}", file.read_text("utf-8"))]
    chinese = dict(pairs)
    assert sorted(words - chinese.keys()) == []
    assert [word for word in words - NAMES if not CHINESE_CHARACTER.search(chinese[word])] == []
    assert [word for word in words if word.count("{}") != chinese[word].count("{}")] == []
