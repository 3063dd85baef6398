"""Errors 7xx: serving."""

from __future__ import annotations

MESSAGES: dict[str, str] = {
    "SFT701": "--models {path}: {problem}. Give a folder such as saved_models, which holds NAME/VERSION.",
    "SFT702": "{file}: {problem}.",
    "SFT703": "{file}: cannot be used ({problem}).",
    "SFT704": "--{flag} {port}: cannot listen on {host} ({problem}). Choose another port, or 0 for a free one.",
    "SFT705": "no model can be served: {problems}.",
    "SFT706": "--admin_token_file {file}: a token in it is in --token_file too, so every user of the models could also "
    "replace them. Write another token.",
}
