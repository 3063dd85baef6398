"""Raw strings to token numbers inside the graph, the same in training and in serving."""

from sftkeras.text.bi_encoder import BiEncoderFeatures
from sftkeras.text.byte_pair import BytePair
from sftkeras.text.cleaning import Cleaning, make_cleaning
from sftkeras.text.features import (
    AnyTokenizer,
    Features,
    TextFeatures,
    make_features,
    question_features,
    window_features,
)
from sftkeras.text.module_preprocessor import ModulePreprocessor
from sftkeras.text.packing import Layout
from sftkeras.text.question_features import QuestionFeatures
from sftkeras.text.raw_text import RawTextFeatures
from sftkeras.text.sentence_piece import SentencePiece
from sftkeras.text.special_strings import (
    SpecialStrings,
    is_usable,
    with_special_strings,
    without_special_strings,
)
from sftkeras.text.tokenizer import Tokenizer
from sftkeras.text.unigram import Unigram
from sftkeras.text.window_features import WindowFeatures
from sftkeras.text.word_piece import WordPiece
from sftkeras.text.word_rules import WordRules

__all__ = [
    "AnyTokenizer",
    "BiEncoderFeatures",
    "BytePair",
    "Cleaning",
    "Features",
    "Layout",
    "ModulePreprocessor",
    "QuestionFeatures",
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
    "question_features",
    "window_features",
    "with_special_strings",
    "without_special_strings",
]
