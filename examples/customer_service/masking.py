"""Personal data out of what is logged: addresses of mails, numbers that name somebody, and names that were found."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_ACCOUNT = re.compile(r"(?<![A-Za-z])[A-Z]{2}\d{2}( ?[A-Z0-9]{4}){2,7}( ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")  # IBAN
# Seven digits or more, with what people write between them: telephones, cards, personal numbers. Prices and years have
# fewer.
_NUMBER = re.compile(r"\+?\d([ ./()-]{0,2}\d){6,}[Xx]?")


def masked(text: str, names: Iterable[str] = ()) -> str:
    """Returns a text without addresses of mails, long numbers and some names.

    Args:
        text: what was said.
        names: people that a model has found in it.
    """
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, "[name]")
    text = _MAIL.sub("[mail]", text)
    return _NUMBER.sub("[number]", _ACCOUNT.sub("[account]", text))
