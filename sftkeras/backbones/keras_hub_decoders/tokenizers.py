"""The tokenizer of a KerasHub preset as the files of Hugging Face: tokenizer.json, and tokenizer_config.json beside it.

Texts are split as the model was trained, by the rule of its family. KerasHub has one pattern for all byte-level
tokenizers where it is called eagerly, that of Llama 3, and another in a graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftkeras.backbones.hugging_face.made_tokenizers import (
    GPT2,
    LLAMA3,
    QWEN2,
    MadeTokenizer,
    WordRule,
    added_token,
    byte_pair_tokenizer,
    framed,
)
from sftkeras.backbones.hugging_face.piece_models import PieceModel
from sftkeras.backbones.hugging_face.vocabularies import read_merges, read_numbers
from sftkeras.backbones.keras_hub_decoders.preset import Preset, read_object

TOKENIZER = "tokenizer.json"  # KerasHub's own file of that name
_ASSETS = Path("assets", "tokenizer")
PIECES, BYTE_PAIRS, MERGES = (_ASSETS / name for name in ("vocabulary.spm", "vocabulary.json", "merges.txt"))
# The settings of KerasHub's tokenizers that are read; others must be what a tokenizer without them does.
_READ = {"name", "trainable", "dtype", "proto", "vocabulary", "merges", "unsplittable_tokens", "sequence_length"}
_READ |= {"add_bos", "bos_token", "eos_token", "misc_special_tokens", "has_vision_tokens", "config_file"}


@dataclass(frozen=True)
class _Kind:
    """Facts about the tokenizer of a class.

    Attributes:
        rule: how texts are split before bytes are merged; None for the pieces of SentencePiece.
        ends: the tokens that end an answer, as far as the vocabulary has them; the first is the one of the class.
        begin: the token before texts; "" for none.
        pad: the token that pads; "" for the first end.
        takes_space_behind: whether special tokens take the space behind them.
    """

    rule: WordRule | None
    ends: tuple[str, ...]
    begin: str = ""
    pad: str = ""
    takes_space_behind: bool = False


_END_OF_TEXT, _IM_END = "<|endoftext|>", "<|im_end|>"
_GEMMA = _Kind(None, ("<eos>", "<end_of_turn>"), "<bos>", "<pad>")
_KINDS: Mapping[str, _Kind] = {
    "GPT2Tokenizer": _Kind(GPT2, (_END_OF_TEXT,)),
    "OPTTokenizer": _Kind(GPT2, ("</s>",), "</s>", "<pad>"),
    "LlamaTokenizer": _Kind(None, ("</s>",), "<s>"),
    "Llama3Tokenizer": _Kind(LLAMA3, ("<|end_of_text|>", "<|eot_id|>", "<|eom_id|>"), "<|begin_of_text|>"),
    "QwenTokenizer": _Kind(QWEN2, (_END_OF_TEXT, _IM_END), pad=_END_OF_TEXT),
    "Qwen3Tokenizer": _Kind(QWEN2, (_IM_END, _END_OF_TEXT), pad=_END_OF_TEXT),
    "MistralTokenizer": _Kind(None, ("</s>",), "<s>"),
    "GemmaTokenizer": _GEMMA,
    "Gemma3Tokenizer": _GEMMA,
    "Phi3Tokenizer": _Kind(None, (_END_OF_TEXT, "<|end|>", "<|assistant|>"), takes_space_behind=True),
    "SmolLM3Tokenizer": _Kind(LLAMA3, ("<|end_of_text|>", _IM_END)),
}
# Special tokens that are not written between bars.
_PLAIN = {"<s>", "</s>", "<pad>", "<unk>", "<mask>"}


def read_tokenizer(preset: Preset) -> MadeTokenizer:
    """Make the files of a tokenizer.

    Raises:
        SFTError: SFT354 if a file is damaged, SFT355 if its class or a setting is not known.
    """
    name, settings = read_object(preset.folder / TOKENIZER)
    kind = _KINDS.get(name)
    if kind is None:
        preset.refuse("the tokenizer", name, ", ".join(_KINDS))
    for key, value in settings.items():
        if key not in _READ and value not in (None, False):
            preset.refuse(f"the tokenizer's {key}", value, f"{name} without it")
    whole = _pieces(preset, kind) if kind.rule is None else _byte_pairs(preset, kind.rule, settings, kind)
    numbers = {**whole["model"]["vocab"], **{it["content"]: it["id"] for it in whole["added_tokens"]}}
    named = settings.get("eos_token")
    ends = [it for it in dict.fromkeys((*([named] if isinstance(named, str) else []), *kind.ends)) if it in numbers]
    begin = next((it for it in (settings.get("bos_token"), kind.begin) if it in numbers), None)
    if begin and kind.begin:
        whole["post_processor"] = framed(begin, numbers[begin])
    tokens = {"bos_token": begin, "eos_token": ends[0] if ends else None, "pad_token": kind.pad or None}
    tokens = {key: token for key, token in tokens.items() if token in numbers}
    generation: dict[str, Any] = {f"{key}_id": numbers[token] for key, token in tokens.items() if token is not None}
    if len(ends) > 1:
        generation["eos_token_id"] = [numbers[end] for end in ends]
    written = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": bool(begin and kind.begin),
        "clean_up_tokenization_spaces": False,
        **tokens,
        "added_tokens_decoder": {
            str(it["id"]): {key: value for key, value in it.items() if key != "id"} for it in whole["added_tokens"]
        },
    }
    return MadeTokenizer(whole, written, generation)


def _pieces(preset: Preset, kind: _Kind) -> dict[str, Any]:
    whole = PieceModel.read(preset.folder / PIECES).tokenizer(begin=None)
    if kind.takes_space_behind:  # its markers were added to the model as if they were parts of texts
        for token in whole["added_tokens"]:
            token |= {"special": True, "rstrip": token["content"] not in (*_PLAIN, kind.ends[0])}
    return whole


def _byte_pairs(preset: Preset, rule: WordRule, settings: Mapping[str, Any], kind: _Kind) -> dict[str, Any]:
    numbers = read_numbers(preset.folder / BYTE_PAIRS)
    merges = read_merges(preset.folder / MERGES)
    named = {*kind.ends, kind.begin, kind.pad}
    for key in ("unsplittable_tokens", "misc_special_tokens"):
        if isinstance(listed := settings.get(key), Sequence) and not isinstance(listed, str):
            named |= {*map(str, listed)}
    made = {left + right for left, right in merges}
    letters = {it for it in numbers if len(it) == 1}
    # What is written as a token, or in other letters than those of bytes: some are parts of texts, such as "<think>".
    unmade = {it for it in numbers if len(it) > 1 and it not in made}
    added = {it for it in unmade if it in named or it[0] + it[-1] == "<>" or not letters.issuperset(it)}
    whole = byte_pair_tokenizer({it: number for it, number in numbers.items() if it not in added}, merges, rule)
    in_order = sorted((number, it) for it, number in numbers.items() if it in added)
    whole["added_tokens"] = [
        added_token(number, it, special=it in _PLAIN or it.startswith("<|")) for number, it in in_order
    ]
    return whole
