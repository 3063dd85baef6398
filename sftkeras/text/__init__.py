"""Raw strings to token numbers inside the graph, the same in training and in serving."""

from sftkeras.text.features import TextFeatures
from sftkeras.text.word_piece import WordPiece

__all__ = ["TextFeatures", "WordPiece"]
