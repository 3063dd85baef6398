"""Rules for texts before pieces are looked for, as tokenizer_config.json and tokenizer.json give them together.

What tokenizer.json says counts. Where tokenizer_config.json says otherwise, Hugging Face's own libraries follow now the
one and now the other, so it is unknown which the encoder was trained with: such folders are refused. Imports no
TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sftkeras.backbones.hugging_face.added_tokens import SETTINGS, Normalizing, token_name
from sftkeras.backbones.hugging_face.config import read_json
from sftkeras.backbones.hugging_face.tokenizer_json import (
    BERT_FRAME,
    ROBERTA_FRAME,
    byte_level_prefix,
    check_frame,
    check_pieces,
    piece_rules,
    word_steps,
)
from sftkeras.backbones.hugging_face.vocabularies import AlbertModel, BytePairs, UnigramModel, Vocabulary
from sftkeras.errors import SFTError

SPECIALS = "special_tokens_map.json"
RULES, COMMAS = "sftkeras_rules", "sftkeras_commas_apart"  # our own keys, which other readers leave alone

Whose = Literal["hugging_face", "tensorflow_text"]
Steps = tuple[tuple[str, ...], tuple[str, ...]]

_WHOSE = ("hugging_face", "tensorflow_text")
# Classes that take everything from tokenizer.json, whatever else is written beside it.
_OF_WHOLE = ("PreTrained", "TokenizersBackend")
# Classes that split texts as one of the tokenizers here does.
_CLASSES = ("Bert", "DistilBert", "Electra", "Roberta", "XLMRoberta", "Albert", "DebertaV2")
_AS_BERT = ("MobileBert", "ConvBert", "SqueezeBert", "DPRContextEncoder", "DPRQuestionEncoder")
_JAPANESE = ("word_tokenizer_type", "subword_tokenizer_type")  # the settings of transformers' Japanese tokenizers
_BERT_NAMES = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
_ALBERT_NAMES = {**_BERT_NAMES, "pad_token": "<pad>", "unk_token": "<unk>"}
_ROBERTA_NAMES = {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
_BERT_STEPS = ("handle_chinese_chars", "strip_accents", "Lowercase")


@dataclass(frozen=True)
class TokenizerRules:
    """Rules for texts; a tokenizer takes those that concern it.

    Attributes:
        whose: whose rules its tokenizer follows otherwise.
        lowercase: whether texts are lowered.
        strip_accents: whether accents are dropped; None where they are if texts are lowered.
        split_cjk: whether each CJK ideograph is a word of its own.
        add_prefix_space: whether a space is put before a text.
        commas_apart: see `sftkeras.text.SentencePiece`.
        steps: what a tokenizer of words that is not BERT's does; see `sftkeras.text.WordRules`.
        normalizing: what becomes of added tokens that are to be found in rewritten texts.
    """

    whose: Whose = "hugging_face"
    lowercase: bool = True
    strip_accents: bool | None = None
    split_cjk: bool = True
    add_prefix_space: bool = False
    commas_apart: bool = True
    steps: Steps | None = None
    normalizing: Normalizing = "refused"


def read_settings(folder: Path) -> dict[str, Any]:
    """Reads tokenizer_config.json, and what config.json and special_tokens_map.json say of the tokenizer besides.

    Raises:
        SFTError: SFT354 if a file is damaged.
    """

    def content(name: str) -> dict[str, Any]:
        return read_json(folder / name) if (folder / name).exists() else {}

    settings = {**content(SPECIALS), **content(SETTINGS)}
    if settings.get("tokenizer_class") is None and (named := content("config.json").get("tokenizer_class")):
        settings["tokenizer_class"] = named
    return settings


def read_rules(
    vocabulary: Vocabulary, settings: Mapping[str, Any], whole: Mapping[str, Any], folder: Path
) -> TokenizerRules:
    """Return the rules of a tokenizer with this vocabulary.

    Args:
        vocabulary: its pieces.
        settings: what tokenizer_config.json says.
        whole: what tokenizer.json says; empty if there is none.
        folder: of the files, for messages.

    Raises:
        SFTError: SFT355 for a rule that is not followed, SFT360 where the two files disagree.
    """
    _check_class(settings, folder, has_whole=bool(whole))
    if (whose := settings.get(RULES, _WHOSE[0])) not in _WHOSE:
        raise SFTError("SFT355", folder=folder, key=RULES, value=whose, known=", ".join(_WHOSE))
    asked = {} if _class_of(settings) in _OF_WHOLE and whole else settings
    match vocabulary:
        case UnigramModel():
            is_fairseq = vocabulary.rules == "xlm_roberta"
            _check_names(settings, _ROBERTA_NAMES if is_fairseq else _BERT_NAMES, folder)
            _check_values(settings, {"do_lower_case": False, "split_by_punct": False}, folder)
            if whole:
                check_frame(whole, ROBERTA_FRAME if is_fairseq else BERT_FRAME, folder)
                check_pieces(whole, folder)
            _check_values(asked, {"add_prefix_space": True}, folder)
            return TokenizerRules()
        case BytePairs():
            _check_names(settings, _ROBERTA_NAMES, folder)
            return _byte_pair_rules(asked, whole, folder)
        case AlbertModel():
            _check_names(settings, _ALBERT_NAMES, folder)
            return _albert_rules(vocabulary, asked, whole, folder, whose)
    _check_names(settings, _BERT_NAMES, folder)
    return _word_rules(asked, whole, folder, whose)


def _word_rules(settings: Mapping[str, Any], whole: Mapping[str, Any], folder: Path, whose: Whose) -> TokenizerRules:
    normalizing: Normalizing = "followed" if whose == "hugging_face" else "refused"
    if not whole:
        return TokenizerRules(
            whose,
            lowercase=settings.get("do_lower_case", True),
            strip_accents=settings.get("strip_accents"),
            split_cjk=settings.get("tokenize_chinese_chars", True),
            normalizing=normalizing,
        )
    check_frame(whole, BERT_FRAME, folder)
    rewriting, splitting = word_steps(whole, folder)
    lowercase = "Lowercase" in rewriting
    strip_accents = "strip_accents" in rewriting or "StripAccents" in rewriting
    split_cjk = "handle_chinese_chars" in rewriting
    done = {"do_lower_case": lowercase, "strip_accents": strip_accents, "tokenize_chinese_chars": split_cjk}
    _check_agreement(settings, done, folder)
    taken = tuple(step for step in _BERT_STEPS if step in rewriting)
    is_bert = rewriting == ("clean_text", *taken) and splitting == ("BertPreTokenizer",)
    steps = None if is_bert else (rewriting, splitting)
    return TokenizerRules("hugging_face", lowercase, strip_accents, split_cjk, steps=steps, normalizing="followed")


def _byte_pair_rules(settings: Mapping[str, Any], whole: Mapping[str, Any], folder: Path) -> TokenizerRules:
    if not whole:
        return TokenizerRules(add_prefix_space=settings.get("add_prefix_space", False), normalizing="the same")
    check_frame(whole, ROBERTA_FRAME, folder)
    prefix = byte_level_prefix(whole, folder)
    _check_agreement(settings, {"add_prefix_space": prefix}, folder)
    return TokenizerRules(add_prefix_space=prefix, normalizing="the same")


def _albert_rules(
    model: AlbertModel, settings: Mapping[str, Any], whole: Mapping[str, Any], folder: Path, whose: Whose
) -> TokenizerRules:
    _check_values(settings, {"remove_space": True, "add_prefix_space": True}, folder)
    commas_apart = model.commas_apart and settings.get(COMMAS, True)
    if not whole:
        return TokenizerRules(
            whose,
            lowercase=settings.get("do_lower_case", True),
            strip_accents=not settings.get("keep_accents", False),
            commas_apart=commas_apart,
        )
    check_frame(whole, BERT_FRAME, folder)
    found = piece_rules(whole, folder)
    _check_agreement(settings, {"do_lower_case": found.lowercase, "keep_accents": not found.strip_accents}, folder)
    return TokenizerRules(lowercase=found.lowercase, strip_accents=found.strip_accents, commas_apart=commas_apart)


def _class_of(settings: Mapping[str, Any]) -> str:
    """The tokenizer's class, by the name that its variants share; "" if none is named."""
    return str(settings.get("tokenizer_class") or "").removesuffix("Fast").removesuffix("Tokenizer")


def _check_class(settings: Mapping[str, Any], folder: Path, *, has_whole: bool) -> None:
    """Refuses classes that split texts in another way, unless tokenizer.json says in which."""
    known = ", ".join(f"{name}Tokenizer" for name in _CLASSES)
    for key in _JAPANESE:
        if settings.get(key):
            raise SFTError("SFT355", folder=folder, key=key, value=settings[key], known=known)
    name = _class_of(settings)
    if "Japanese" in name or (not has_whole and name not in ("", *_CLASSES, *_AS_BERT, *_OF_WHOLE)):
        raise SFTError("SFT355", folder=folder, key="tokenizer_class", value=settings["tokenizer_class"], known=known)


def _check_names(settings: Mapping[str, Any], names: Mapping[str, str], folder: Path) -> None:
    """Checks the names of the special tokens that stand around texts."""
    _check_values({key: token_name(settings[key]) for key in names if settings.get(key)}, names, folder)


def _check_values(settings: Mapping[str, Any], known: Mapping[str, Any], folder: Path) -> None:
    """Checks settings that may have one value, if they are there at all."""
    for key, value in known.items():
        if settings.get(key) is not None and settings[key] != value:
            shown = str(value).lower() if isinstance(value, bool) else value
            raise SFTError("SFT355", folder=folder, key=key, value=settings[key], known=shown)


def _check_agreement(settings: Mapping[str, Any], done: Mapping[str, bool], folder: Path) -> None:
    for key, value in done.items():
        if settings.get(key) is not None and bool(settings[key]) != value:
            raise SFTError("SFT360", folder=folder, key=key, value=str(settings[key]).lower(), other=str(value).lower())
