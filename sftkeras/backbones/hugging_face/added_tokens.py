"""The tokens that were added to a vocabulary, as tokenizer_config.json has them. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sftkeras.errors import SFTError

_DECODER = "added_tokens_decoder"
_IN_TEXTS = "sftkeras_tokens_in_texts"  # our own key, which other readers leave alone
# By which Hugging Face finds a token elsewhere than where it stands letter by letter.
_OTHER_RULES = ("lstrip", "rstrip", "single_word", "normalized")


def read_added(settings: Mapping[str, Any], size: int, path: Path) -> dict[str, int]:
    """Gives the number of each string that is a token wherever a text has it.

    The vocabulary's own special tokens are listed beside them. They stand around texts, and never come from one.

    Args:
        settings: what tokenizer_config.json says.
        size: how many tokens the vocabulary has.
        path: of the file, for messages.

    Raises:
        SFTError: SFT354 if they are not written as they should be, SFT388 if one is found by other rules.
    """
    told = settings.get(_IN_TEXTS)
    try:
        listed = {int(number): token for number, token in (settings.get(_DECODER) or {}).items()}
        added = {
            number: token
            for number, token in listed.items()
            if (number >= size if told is None else token["content"] in told)
        }
        for token in added.values():
            if rule := next((name for name in _OTHER_RULES if token.get(name)), None):
                raise SFTError("SFT388", folder=path.parent, token=token["content"], rule=rule)
        numbers = {token["content"]: number for number, token in added.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SFTError("SFT354", path=path, problem=f"its {_DECODER} is not as it should be") from error
    for string in numbers:
        if not isinstance(string, str) or not string.isprintable() or string != string.strip() or not string:
            raise SFTError("SFT354", path=path, problem=f"its {_DECODER} has {string!r}, which is no token")
    return numbers


def written_added(numbers: Mapping[str, int]) -> dict[str, Any]:
    """The settings that say so."""
    plain = {"special": True, **dict.fromkeys(_OTHER_RULES, False)}
    listed = sorted(numbers.items(), key=lambda entry: entry[1])
    return {
        _DECODER: {str(number): {"content": string, **plain} for string, number in listed},
        _IN_TEXTS: [string for string, _ in listed],
    }
