"""Raw strings to token numbers inside the graph, the same in training and in serving."""

from sftkeras.text.features import Features, TextFeatures, make_features
from sftkeras.text.module_preprocessor import ModulePreprocessor
from sftkeras.text.raw_text import RawTextFeatures
from sftkeras.text.sentence_piece import SentencePiece
from sftkeras.text.tokenizer import Tokenizer
from sftkeras.text.word_piece import WordPiece

__all__ = [
    "Features",
    "ModulePreprocessor",
    "RawTextFeatures",
    "SentencePiece",
    "TextFeatures",
    "Tokenizer",
    "WordPiece",
    "make_features",
]
