"""tokenizer.json: each part of it is followed, or refused by its name. Imports no TensorFlow.

The file is a list of steps that Hugging Face's `tokenizers` runs: normalizer, pre-tokenizer, model, post-processor.
What the vocabulary in it becomes is in `vocabularies`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from sftkeras.errors import SFTError

WHOLE = "tokenizer.json"

Part = Mapping[str, Any] | None

# The settings of each model that change tokens, with the values that are followed.
_MODELS: dict[str, dict[str, tuple[Any, ...]]] = {
    "WordPiece": {
        "unk_token": ("[UNK]",),
        "continuing_subword_prefix": ("##",),
        "max_input_chars_per_word": (100,),
    },
    "Unigram": {"byte_fallback": (False,)},
    "BPE": {
        "dropout": (None,),
        "continuing_subword_prefix": (None, ""),
        "end_of_word_suffix": (None, ""),
        "byte_fallback": (False,),
        "ignore_merges": (False,),
    },
}
# BertNormalizer is these steps; an absent setting means that they are taken, but for accents.
_BERT_STEPS = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
_WORD_NORMALIZERS = ("BertNormalizer", "Lowercase", "NFD", "NFKD", "StripAccents", "Sequence", "null")
_WORD_SPLITTERS = ("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "Punctuation", "Digits", "Sequence")
# ALBERT's rewriting, in its order; each pair of quotes and of accents comes whole or not at all.
_QUOTES = (("Replace", "``"), ("Replace", "''"))
_ACCENTS = (("NFKD",), ("StripAccents",))
_LOWER = (("Lowercase",),)
_MODELS_OWN = ("Precompiled",)
_SPACES = ("Replace", " {2,}")
_HARMLESS = (("Strip",), _SPACES)  # spaces that the model drops as well


@dataclass(frozen=True)
class PieceRules:
    """Return how a text is changed before a SentencePiece model of ALBERT's kind splits it."""

    lowercase: bool
    strip_accents: bool


@dataclass(frozen=True)
class Frame:
    """The special tokens around texts.

    Attributes:
        start: before the first text.
        end: behind each.
        between: how many of these stand between the texts of a pair.
        segments: whether the second text of a pair has a number of its own.
    """

    start: str
    end: str
    between: int
    segments: bool

    def single(self) -> list[tuple[str, int]]:
        """The tokens of a text, with the number of the segment: "A" stands for its own."""
        return [(self.start, 0), ("A", 0), (self.end, 0)]

    def pair(self) -> list[tuple[str, int]]:
        """The tokens of a pair."""
        second = int(self.segments)
        return [*self.single(), *[(self.end, 0)] * (self.between - 1), ("B", second), (self.end, second)]


BERT_FRAME = Frame("[CLS]", "[SEP]", between=1, segments=True)
ROBERTA_FRAME = Frame("<s>", "</s>", between=2, segments=False)


def check_model(whole: Mapping[str, Any], folder: Path) -> None:
    """Checks the settings of the model.

    Raises:
        SFTError: SFT355 for a setting that is not followed, or another kind of model.
    """
    model = whole.get("model") or {}
    kind = model.get("type")
    if kind not in _MODELS:
        refuse(folder, "model", kind, _MODELS)
    for key, known in _MODELS[kind].items():
        if (value := model.get(key, known[0])) not in known:
            refuse(folder, f"model.{key}", value, known)


def check_frame(whole: Mapping[str, Any], frame: Frame, folder: Path) -> None:
    """Checks that the post-processor puts those special tokens around texts that are put there here.

    A file without one leaves them to the class of the tokenizer, which puts them there.

    Raises:
        SFTError: SFT355 if they are others.
    """
    processors = [it for it in flat(whole.get("post_processor"), "processors") if it.get("type") != "ByteLevel"]
    for processor in processors:
        if _frame_of(processor) != (frame.single(), frame.pair()):
            shown = f"{' '.join(token for token, _ in frame.single())}, {' '.join(token for token, _ in frame.pair())}"
            refuse(folder, "post_processor", shown_step(processor), [shown])


def word_steps(whole: Mapping[str, Any], folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return how a WordPiece tokenizer rewrites texts, and how it splits them, as `sftkeras.text.WordRules` names it.

    Raises:
        SFTError: SFT355 for a step that is not followed.
    """
    rewriting = [step for it in flat(whole.get("normalizer"), "normalizers") for step in _rewriting(it, folder)]
    splitters = flat(whole.get("pre_tokenizer"), "pretokenizers")
    splitting = [_splitting(it, folder) for it in splitters]
    if not splitting:
        refuse(folder, "pre_tokenizer", None, _WORD_SPLITTERS)
    return tuple(rewriting), tuple(splitting)


def json_of_steps(rewriting: Sequence[str], splitting: Sequence[str]) -> dict[str, Any]:
    """Return the normalizer and pre_tokenizer that `word_steps` reads so."""

    def normalizer(step: str) -> dict[str, Any]:
        if step in _BERT_STEPS:
            return {"type": "BertNormalizer", **dict.fromkeys(_BERT_STEPS, False), step: True}
        return {"type": step}

    def splitter(step: str) -> dict[str, Any]:
        if step in ("Digits", "individual_digits"):
            return {"type": "Digits", "individual_digits": step != "Digits"}
        return {"type": step, **({"behavior": "Isolated"} if step == "Punctuation" else {})}

    return {
        "normalizer": {"type": "Sequence", "normalizers": [normalizer(step) for step in rewriting]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [splitter(step) for step in splitting]},
    }


def word_pieces_json(numbers: Mapping[str, int], steps: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tokenizer.json of word pieces with BERT's special tokens; `steps` is of `json_of_steps`."""

    def template(pieces: list[tuple[str, int]]) -> list[dict[str, Any]]:
        kinds = (("Sequence" if name in "AB" else "SpecialToken", name, segment) for name, segment in pieces)
        return [{kind: {"id": name, "type_id": segment}} for kind, name, segment in kinds]

    around = {name: {"id": name, "ids": [numbers[name]], "tokens": [name]} for name in ("[CLS]", "[SEP]")}
    processor = {
        "type": "TemplateProcessing",
        "single": template(BERT_FRAME.single()),
        "pair": template(BERT_FRAME.pair()),
    }
    rules = {key: values[0] for key, values in _MODELS["WordPiece"].items()}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        **steps,
        "post_processor": {**processor, "special_tokens": around},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", **rules, "vocab": dict(numbers)},
    }


def check_pieces(whole: Mapping[str, Any], folder: Path) -> None:
    """Checks that XLM-RoBERTa's or DeBERTa-v3's model is given texts as they are.

    Raises:
        SFTError: SFT355 for a step that is not followed.
    """
    if other := _piece_normalizers(whole, folder):
        refuse(folder, "normalizer", _name_of(other[0]), ["Precompiled", "Strip", 'Replace " {2,}"'])


def piece_rules(whole: Mapping[str, Any], folder: Path) -> PieceRules:
    """Return what ALBERT's tokenizer does to a text before its model.

    Raises:
        SFTError: SFT355 for a step that is not followed.
    """
    steps = tuple(_piece_normalizers(whole, folder))
    for accents in (_ACCENTS, ()):
        for lower in (_LOWER, ()):
            if steps == (*_QUOTES, *accents, *lower):
                return PieceRules(lowercase=bool(lower), strip_accents=bool(accents))
    known = "Sequence of Replace ``, Replace '', NFKD with StripAccents or neither, Lowercase or not, Precompiled"
    refuse(folder, "normalizer", " ".join(map(_name_of, steps)) or None, [known])


def byte_level_prefix(whole: Mapping[str, Any], folder: Path) -> bool:
    """Return whether a byte-level tokenizer puts a space before a text.

    Raises:
        SFTError: SFT355 if it is no byte-level tokenizer of RoBERTa's kind.
    """
    for normalizer in flat(whole.get("normalizer"), "normalizers"):
        refuse(folder, "normalizer", shown_step(normalizer), ["null"])
    splitters = flat(whole.get("pre_tokenizer"), "pretokenizers")
    if len(splitters) != 1 or splitters[0].get("type") != "ByteLevel" or not splitters[0].get("use_regex", True):
        shown = " ".join(map(shown_step, splitters)) or None
        refuse(folder, "pre_tokenizer", shown, ["ByteLevel with use_regex true"])
    return bool(splitters[0].get("add_prefix_space", False))


def _rewriting(normalizer: Mapping[str, Any], folder: Path) -> Iterator[str]:
    match kind := normalizer.get("type"):
        case "BertNormalizer":
            asked = {step: normalizer.get(step, default) for step, default in _BERT_STEPS.items()}
            if asked["strip_accents"] is None:
                asked["strip_accents"] = asked["lowercase"]
            yield from ("Lowercase" if step == "lowercase" else step for step, wanted in asked.items() if wanted)
        case "Lowercase" | "NFD" | "NFKD" | "StripAccents":
            yield kind
        case _:
            refuse(folder, "normalizer", shown_step(normalizer), _WORD_NORMALIZERS)


def _splitting(splitter: Mapping[str, Any], folder: Path) -> str:
    match kind := splitter.get("type"):
        case "BertPreTokenizer" | "Whitespace" | "WhitespaceSplit":
            return kind
        case "Punctuation" if splitter.get("behavior", "Isolated") == "Isolated":
            return kind
        case "Digits":
            return "individual_digits" if splitter.get("individual_digits") else kind
    refuse(folder, "pre_tokenizer", shown_step(splitter), _WORD_SPLITTERS)


def _piece_normalizers(whole: Mapping[str, Any], folder: Path) -> list[tuple[str, ...]]:
    """Checks how a SentencePiece tokenizer splits words; returns what rewrites texts before the model's own rules."""
    splitters = flat(whole.get("pre_tokenizer"), "pretokenizers")
    spaces = splitters[-1] if splitters else {}
    prefixed = spaces.get("prepend_scheme", "always" if spaces.get("add_prefix_space", True) else "never") == "always"
    is_known = spaces.get("type") == "Metaspace" and spaces.get("replacement") == "▁" and spaces.get("split", True)
    before = [it.get("type") for it in splitters[:-1]]
    if not (is_known and prefixed and before in ([], ["WhitespaceSplit"])):
        shown = " ".join(map(shown_step, splitters)) or None
        refuse(folder, "pre_tokenizer", shown, ['Metaspace "▁" that is always prepended, after WhitespaceSplit or not'])
    steps = [_step(it) for it in flat(whole.get("normalizer"), "normalizers")]
    if _MODELS_OWN not in steps:
        known = "Precompiled, or in place of tokenizer.json the .model file of the original"
        refuse(folder, "normalizer", " ".join(map(_name_of, steps)) or None, [known])
    if not before and _SPACES not in steps:  # several spaces in a row would be tokens
        spaces_apart = ['Metaspace after WhitespaceSplit, or with the normalizer Replace " {2,}"']
        refuse(folder, "pre_tokenizer", "Metaspace", spaces_apart)
    return [step for step in steps if step not in (*_HARMLESS, _MODELS_OWN)]


def _step(normalizer: Mapping[str, Any]) -> tuple[str, ...]:
    """A normalizer with the settings that distinguish it from others of its type."""
    kind = str(normalizer.get("type"))
    if kind != "Replace":
        return (kind,)
    pattern = normalizer.get("pattern") or {}
    found = (kind, str(next(iter(pattern.values()), "")))
    replacement = '"' if found in _QUOTES else " "
    return found if normalizer.get("content") == replacement else (*found, str(normalizer.get("content")))


def _frame_of(processor: Mapping[str, Any]) -> tuple[list[tuple[str, int]], list[tuple[str, int]]] | None:
    """The tokens that a post-processor puts around a text and a pair; None if it is of another kind."""
    try:
        match processor["type"]:
            case "TemplateProcessing":
                return _template(processor["single"]), _template(processor["pair"])
            case "BertProcessing":
                frame = Frame(processor["cls"][0], processor["sep"][0], between=1, segments=True)
                return frame.single(), frame.pair()
            case "RobertaProcessing":
                frame = Frame(processor["cls"][0], processor["sep"][0], between=2, segments=False)
                return frame.single(), frame.pair()
    except (AttributeError, IndexError, KeyError, TypeError):
        return None
    return None


def _template(pieces: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    found = [next(iter(piece.values())) for piece in pieces]
    return [(piece["id"], piece["type_id"]) for piece in found]


def flat(part: Part, key: str) -> list[Mapping[str, Any]]:
    """The steps of a part: of a sequence those in it."""
    if not part:
        return []
    if part.get("type") != "Sequence":
        return [part]
    return [step for inner in part.get(key) or () for step in flat(inner, key)]


def _name_of(step: tuple[str, ...]) -> str:
    return " ".join(step)


def shown_step(part: Mapping[str, Any]) -> str:
    """A step in a message: its type, and its settings if they are short."""
    settings = {key: value for key, value in part.items() if key != "type"}
    text = json.dumps(settings, ensure_ascii=False)
    return f"{part.get('type')}{' ' + text if settings and len(text) < 80 else ''}"


def refuse(folder: Path, key: str, value: Any, known: Any) -> NoReturn:
    """Refuses a setting of tokenizer.json: SFT355 with what it is and what it may be."""
    shown = value if isinstance(value, str) else json.dumps(value)
    listed = ", ".join("null" if it is None else str(it) for it in known)
    raise SFTError("SFT355", folder=folder / WHOLE, key=key, value=shown, known=listed)
