"""Bookkeeping of the cache's pages; the keys and values themselves stand in the session.

A page holds so many consecutive tokens of a sequence. A full page is known by its tokens and by all before them, so
that sequences with a common beginning share it; it is kept when nobody holds it, until its place is needed (Kwon et
al., 2023, arXiv:2309.06180).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

_ROOT = 0  # the beginning of every sequence

Key = tuple[int, tuple[int, ...]]
"""Key of a full page: the page before it, as a number, and its tokens."""


@dataclass(eq=False)
class Page:
    """A page that is held or kept.

    Attributes:
        number: its place in the cache.
        holders: sequences that hold it.
        key: of a full page that may be shared; None while it is written.
        prefix: the number that stands for all tokens up to its end; 0 while it is written.
    """

    number: int
    holders: int = 1
    key: Key | None = None
    prefix: int = 0


class Pages:
    """The pages of a cache.

    Args:
        count: how many there are.
        size: tokens of a page.

    Attributes:
        count: see above.
        size: see above.
    """

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size
        self._unused = list(range(count - 1, -1, -1))
        self._known: dict[Key, Page] = {}
        self._kept: OrderedDict[Page, None] = OrderedDict()  # nobody holds them; the first is given away first
        self._prefixes = _ROOT

    @property
    def free(self) -> int:
        """Number that could be taken."""
        return len(self._unused) + len(self._kept)

    @property
    def held(self) -> int:
        """Number that sequences hold."""
        return self.count - self.free

    def take(self, count: int) -> list[Page] | None:
        """Return so many pages to write to; None, and nothing has changed, if there are not so many."""
        if count > self.free:
            return None
        return [Page(self._number()) for _ in range(count)]

    def find(self, pages: list[Page], tokens: Sequence[int]) -> None:
        """Adds to the full pages with which a sequence begins those that are known to follow, and holds them.

        The last token is never among them: it must be read, since the next one follows from it.

        Args:
            pages: of the sequence, all full.
            tokens: of the sequence.
        """
        while (len(pages) + 1) * self.size < len(tokens):
            page = self._known.get(self.key(pages, tokens))
            if page is None:
                return
            page.holders += 1
            self._kept.pop(page, None)
            pages.append(page)

    def key(self, before: Sequence[Page], tokens: Sequence[int]) -> Key:
        """Return the key of the page after the full pages `before` of the sequence `tokens`."""
        begin = len(before) * self.size
        return before[-1].prefix if before else _ROOT, tuple(tokens[begin : begin + self.size])

    def fill(self, pages: Sequence[Page], tokens: Sequence[int]) -> None:
        """Notes that the pages of a sequence hold these tokens now: those that are full can be shared."""
        for place, page in enumerate(pages[: len(tokens) // self.size]):
            if page.key is not None:
                continue
            page.key = self.key(pages[:place], tokens)
            known = self._known.setdefault(page.key, page)
            if known is page:
                self._prefixes += 1
                page.prefix = self._prefixes
            page.prefix = known.prefix  # what follows may be shared whichever of two equal pages is before it

    def release(self, pages: Sequence[Page]) -> None:
        """Takes pages back from a sequence; what can be shared is kept as long as there is room."""
        for page in reversed(pages):  # so that the end of a sequence is given away before its beginning
            page.holders -= 1
            if page.holders:
                continue
            if page.key is not None and self._known.get(page.key) is page:
                self._kept[page] = None
            else:
                self._unused.append(page.number)

    def _number(self) -> int:
        if self._unused:
            return self._unused.pop()
        page, _ = self._kept.popitem(last=False)
        assert page.key is not None
        del self._known[page.key]
        return page.number
