"""The labels of conversations: none."""

from __future__ import annotations

from typing import ClassVar

from sftkeras.data.labels.reader import ZeroReader


class ConversationReader(ZeroReader):
    """Gives zeros. What is too long is found once it is tokenised, and loses whole turns."""

    texts_are_short: ClassVar[bool] = False
