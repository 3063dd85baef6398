"""Raw strings to token numbers inside the graph, the same in training and in serving.

Names load on first use, so that chat templates render where there is no TensorFlow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sftkeras.text.cleaning.steps import Cleaning, make_cleaning
    from sftkeras.text.features.conversations import ConversationFeatures, marked_tokens
    from sftkeras.text.features.features import Features
    from sftkeras.text.features.module_preprocessor import ModulePreprocessor
    from sftkeras.text.features.packing import Layout
    from sftkeras.text.features.raw_text import RawTextFeatures
    from sftkeras.text.features.single_rows import (
        AnyTokenizer,
        TextFeatures,
        make_features,
        window_features,
        with_places,
    )
    from sftkeras.text.features.window_features import WindowFeatures
    from sftkeras.text.tokenizers.byte_pair import BytePair
    from sftkeras.text.tokenizers.character_pair import CharacterPair
    from sftkeras.text.tokenizers.decoder_tokens import DecoderTokens
    from sftkeras.text.tokenizers.detokenizer import Detokenizer, TextStream
    from sftkeras.text.tokenizers.marked import MarkedTokenizer
    from sftkeras.text.tokenizers.sentence_piece import SentencePiece
    from sftkeras.text.tokenizers.special_strings import (
        SpecialStrings,
        is_usable,
        with_special_strings,
        without_special_strings,
    )
    from sftkeras.text.tokenizers.tokenizer import Tokenizer
    from sftkeras.text.tokenizers.unigram import Unigram
    from sftkeras.text.tokenizers.word_piece import WordPiece
    from sftkeras.text.tokenizers.word_rules import WordRules

_HOMES = {
    "AnyTokenizer": "features.single_rows",
    "BytePair": "tokenizers.byte_pair",
    "CharacterPair": "tokenizers.character_pair",
    "Cleaning": "cleaning.steps",
    "ConversationFeatures": "features.conversations",
    "DecoderTokens": "tokenizers.decoder_tokens",
    "Detokenizer": "tokenizers.detokenizer",
    "Features": "features.features",
    "Layout": "features.packing",
    "MarkedTokenizer": "tokenizers.marked",
    "ModulePreprocessor": "features.module_preprocessor",
    "RawTextFeatures": "features.raw_text",
    "SentencePiece": "tokenizers.sentence_piece",
    "SpecialStrings": "tokenizers.special_strings",
    "TextFeatures": "features.single_rows",
    "TextStream": "tokenizers.detokenizer",
    "Tokenizer": "tokenizers.tokenizer",
    "Unigram": "tokenizers.unigram",
    "WindowFeatures": "features.window_features",
    "WordPiece": "tokenizers.word_piece",
    "WordRules": "tokenizers.word_rules",
    "is_usable": "tokenizers.special_strings",
    "make_cleaning": "cleaning.steps",
    "make_features": "features.single_rows",
    "marked_tokens": "features.conversations",
    "window_features": "features.single_rows",
    "with_places": "features.single_rows",
    "with_special_strings": "tokenizers.special_strings",
    "without_special_strings": "tokenizers.special_strings",
}

__all__ = [
    "AnyTokenizer",
    "BytePair",
    "CharacterPair",
    "Cleaning",
    "ConversationFeatures",
    "DecoderTokens",
    "Detokenizer",
    "Features",
    "Layout",
    "MarkedTokenizer",
    "ModulePreprocessor",
    "RawTextFeatures",
    "SentencePiece",
    "SpecialStrings",
    "TextFeatures",
    "TextStream",
    "Tokenizer",
    "Unigram",
    "WindowFeatures",
    "WordPiece",
    "WordRules",
    "is_usable",
    "make_cleaning",
    "make_features",
    "marked_tokens",
    "window_features",
    "with_places",
    "with_special_strings",
    "without_special_strings",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
