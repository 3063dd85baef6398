"""Raw strings to token numbers inside the graph, the same in training and in serving."""

from sftkeras.text.cleaning.steps import Cleaning, make_cleaning
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

__all__ = [
    "AnyTokenizer",
    "BytePair",
    "Cleaning",
    "Features",
    "Layout",
    "ModulePreprocessor",
    "RawTextFeatures",
    "SentencePiece",
    "SpecialStrings",
    "TextFeatures",
    "Tokenizer",
    "Unigram",
    "WindowFeatures",
    "WordPiece",
    "WordRules",
    "is_usable",
    "make_cleaning",
    "make_features",
    "window_features",
    "with_places",
    "with_special_strings",
    "without_special_strings",
]
