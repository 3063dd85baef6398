"""Continuous batching: many streams of generated text share the runs of one loaded version.

`requests` is what protocols see; how tokens are made stands behind it.
"""

from sftkeras.serving.generation.requests import Generating, GenerationRequest, Piece, Token, TopToken

__all__ = ["Generating", "GenerationRequest", "Piece", "Token", "TopToken"]
