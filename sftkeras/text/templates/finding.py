"""The chat template of a backbone's folder, or one by name or path, with the special tokens of the vocabulary there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sftkeras.errors import SFTError, did_you_mean
from sftkeras.text.templates.chat_template import ChatTemplate
from sftkeras.text.templates.named import NAMED

AUTO = "auto"

_OF_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


def find_template(
    choice: str, folder: Path, extra_tokens: Iterable[str] = (), flag: str = "--task.template"
) -> ChatTemplate:
    """Finds a chat template.

    Args:
        choice: auto for that of the folder, a name, or the path of a Jinja file.
        folder: of the backbone, in Hugging Face's form.
        extra_tokens: tokens that training adds to the vocabulary.
        flag: the setting, for messages.

    Raises:
        SFTError: SFT390 for a file that is no template, SFT393 if the folder has none, SFT394 if the vocabulary lacks
            tokens of a named one, SFT395 for a name or path that there is not.
    """
    settings = _json(folder / "tokenizer_config.json")
    named = _named_tokens(folder, settings)
    added = dict(_added_tokens(folder, settings))
    special = {*added, *named.values(), *extra_tokens}
    in_texts = [token for token, is_special in added.items() if not is_special]
    if choice == AUTO:
        source, name = _template_of(folder, settings)
        return ChatTemplate(source, name, special, named, in_texts)
    if choice in NAMED:
        template = NAMED[choice]
        needed = [name for name in ("bos_token", "eos_token") if name in template.source and name not in named]
        if missing := [*(token for token in template.tokens if token not in special), *needed]:
            raise SFTError("SFT394", flag=flag, template=choice, tokens=", ".join(missing))
        return ChatTemplate(template.source, choice, special, named, in_texts)
    path = Path(choice).expanduser()
    if not path.is_file():
        suggestion = did_you_mean(choice, [AUTO, *NAMED])
        raise SFTError("SFT395", flag=flag, template=choice, known=", ".join(NAMED), suggestion=suggestion)
    return ChatTemplate(path.read_text(encoding="utf-8"), str(path), special, named, in_texts)


def _template_of(folder: Path, settings: Mapping[str, Any]) -> tuple[str, str]:
    """The template of a folder and what messages call it: a file before the one in tokenizer_config.json.

    Of several the one that is named `default`; those beside it are for tools or documents.
    """
    for path in (folder / "chat_template.jinja", folder / "chat_templates" / "default.jinja"):
        if path.is_file():
            return path.read_text(encoding="utf-8"), str(path)
    for file, kept in (
        ("tokenizer_config.json", settings),
        ("chat_template.json", _json(folder / "chat_template.json")),
    ):
        template = kept.get("chat_template")
        if isinstance(template, list):
            template = {one.get("name"): one.get("template") for one in template if isinstance(one, dict)}
        if isinstance(template, dict):
            template = template.get("default") or next(iter(template.values()), None)
        if isinstance(template, str) and template.strip():
            return template, str(folder / file)
    raise SFTError("SFT393", folder=folder, known=", ".join(NAMED))


def _named_tokens(folder: Path, settings: Mapping[str, Any]) -> dict[str, str]:
    """The tokens that templates know by what they are for, such as `bos_token`."""
    found = {}
    for kept in (_json(folder / "special_tokens_map.json"), settings):
        for name in _OF_TOKENS:
            value = kept.get(name)
            value = value.get("content") if isinstance(value, dict) else value
            if isinstance(value, str):
                found[name] = value
    return found


def _added_tokens(folder: Path, settings: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """The strings that the tokenizer takes for one token wherever they stand, and whether each is a special one."""
    decoder = settings.get("added_tokens_decoder")
    if not isinstance(decoder, dict) or not decoder:
        added = _json(folder / "tokenizer.json").get("added_tokens") or []
        decoder = dict(enumerate(added))
    for token in decoder.values():
        if isinstance(token, dict) and isinstance(token.get("content"), str):
            yield token["content"], bool(token.get("special", True))


def _json(path: Path) -> dict[str, Any]:
    """Content of a file; nothing if it is not there, or holds no object."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SFTError("SFT354", path=path, problem=error) from None
    return found if isinstance(found, dict) else {}
