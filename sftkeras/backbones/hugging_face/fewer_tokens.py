"""The small files of a decoder's folder for some of its tokens alone, numbered anew.

An encoder's tokenizer is written anew from what it is; a decoder keeps the files that it came with, whatever is in
them, so that only what names tokens is changed here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sftkeras.backbones.hugging_face.added_tokens import ADDED, SETTINGS, add_to_files
from sftkeras.backbones.hugging_face.config import read_json
from sftkeras.backbones.hugging_face.decoder_tokenizers import CONFIGS, write_whole
from sftkeras.backbones.hugging_face.piece_models import MODEL
from sftkeras.backbones.hugging_face.tokenizer_json import WHOLE
from sftkeras.backbones.hugging_face.vocabularies import (
    BYTE_PAIRS,
    MERGES,
    byte_pairs_of_json,
    read_byte_pairs,
    write_byte_pairs,
)
from sftkeras.text.tokenizers.trimming import kept_merges

Numbers = Mapping[int, int]  # of a token before → now

# Keys of configs that name tokens by their numbers, beside those that end in _token_id.
_LISTS = ("suppress_tokens", "begin_suppress_tokens")


def write_fewer_tokens(folder: Path, special: Mapping[str, int], kept: np.ndarray) -> None:
    """Changes the files of a folder so that they know some tokens alone.

    Args:
        folder: of a decoder; a vocabulary in several forms is left in one of them.
        special: the numbers of special tokens, which the files may not have yet.
        kept: numbers of tokens, [kept] int32, ascending: the n-th gets the number n.
    """
    new = {int(number): place for place, number in enumerate(kept)}
    write_whole(folder)
    add_to_files(folder, special)
    (folder / MODEL).unlink(missing_ok=True)
    if (folder / WHOLE).exists():
        for name in (BYTE_PAIRS, MERGES):  # which say the same
            (folder / name).unlink(missing_ok=True)
        _rewrite(folder / WHOLE, lambda whole: _whole(whole, new, folder / WHOLE))
    else:
        vocabulary = read_byte_pairs(folder)
        numbers = _renumbered(vocabulary.numbers, new)
        write_byte_pairs(numbers, kept_merges(vocabulary.merges, numbers), folder)
    _rewrite(folder / SETTINGS, lambda settings: _settings(settings, new))
    _rewrite(folder / ADDED, lambda added: _renumbered(added, new))
    for name in CONFIGS:
        _rewrite(folder / name, lambda config: _config(config, new))


def _rewrite(path: Path, change: Any) -> None:
    if path.exists():
        path.write_text(json.dumps(change(read_json(path)), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _whole(whole: dict[str, Any], new: Numbers, path: Path) -> dict[str, Any]:
    """tokenizer.json."""
    vocabulary = byte_pairs_of_json(whole, path)
    numbers = _renumbered(vocabulary.numbers, new)
    merges = [list(merge) for merge in kept_merges(vocabulary.merges, numbers)]
    added = [{**token, "id": new[token["id"]]} for token in whole.get("added_tokens") or () if token["id"] in new]
    return {
        **whole,
        "added_tokens": added,
        "post_processor": _processor(whole.get("post_processor"), new),
        "model": {**whole["model"], "vocab": numbers, "merges": merges},
    }


def _processor(processor: Any, new: Numbers) -> Any:
    """The step that puts special tokens around a text, or a sequence of such."""
    if not isinstance(processor, dict):
        return processor
    changed = dict(processor)
    if isinstance(processor.get("processors"), list):
        changed["processors"] = [_processor(one, new) for one in processor["processors"]]
    if isinstance(processor.get("special_tokens"), dict):
        changed["special_tokens"] = {
            name: {**token, "ids": [new[number] for number in token["ids"]]}
            for name, token in processor["special_tokens"].items()
            if all(number in new for number in token["ids"])
        }
    for key in ("cls", "sep"):
        if isinstance(processor.get(key), list):
            changed[key] = [processor[key][0], new[processor[key][1]]]
    return changed


def _settings(settings: dict[str, Any], new: Numbers) -> dict[str, Any]:
    """tokenizer_config.json."""
    listed = settings.get("added_tokens_decoder")
    if not listed:
        return settings
    kept = {str(new[int(number)]): token for number, token in listed.items() if int(number) in new}
    return {**settings, "added_tokens_decoder": kept}


def _config(config: dict[str, Any], new: Numbers) -> dict[str, Any]:
    """config.json or generation_config.json; what names a token that is not kept becomes null."""

    def renumbered(value: Any) -> Any:
        if isinstance(value, list):
            return [new[number] for number in value if number in new]
        return new.get(value) if isinstance(value, int) and value >= 0 else value

    named = {key: renumbered(value) for key, value in config.items() if key.endswith("_token_id") or key in _LISTS}
    return config | named | ({"vocab_size": len(new)} if "vocab_size" in config else {})


def _renumbered(numbers: Mapping[str, int], new: Numbers) -> dict[str, int]:
    return {token: new[number] for token, number in numbers.items() if number in new}
