"""Raw strings to token numbers inside the graph, the same in training and in serving."""

from sftkeras.text.byte_pair import BytePair
from sftkeras.text.cleaning import Cleaning, make_cleaning
from sftkeras.text.features import AnyTokenizer, Features, TextFeatures, make_features, window_features
from sftkeras.text.module_preprocessor import ModulePreprocessor
from sftkeras.text.packing import Layout
from sftkeras.text.raw_text import RawTextFeatures
from sftkeras.text.sentence_piece import SentencePiece
from sftkeras.text.tokenizer import Tokenizer
from sftkeras.text.unigram import Unigram
from sftkeras.text.window_features import WindowFeatures
from sftkeras.text.word_piece import WordPiece

__all__ = [
    "AnyTokenizer",
    "BytePair",
    "Cleaning",
    "Features",
    "Layout",
    "ModulePreprocessor",
    "RawTextFeatures",
    "SentencePiece",
    "TextFeatures",
    "Tokenizer",
    "Unigram",
    "WindowFeatures",
    "WordPiece",
    "make_cleaning",
    "make_features",
    "window_features",
]
