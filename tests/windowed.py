"""Features with short windows over a vocabulary of single characters, for the tests of words and of tagging."""

from __future__ import annotations

from sftkeras import runtime

runtime.start_tensorflow()

import tensorflow as tf  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from sftkeras.text import WindowFeatures, WordPiece  # noqa: E402

MAX_LENGTH = 16
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ALPHABET = "aBcЖé1 9.-,@#_<>&;北京カなกा한ع👍\u0301\u200d\u200b\u202e\u00a0\ufeff'’"
_PIECES = [letter for letter in dict.fromkeys(ALPHABET + "bdefghijklmnopqrstuvwxyz") if letter.strip()]

FEATURES = WindowFeatures(
    WordPiece([*SPECIALS, *_PIECES, *(f"##{letter}" for letter in _PIECES)], lowercase=False), max_length=MAX_LENGTH
)
ENCODE = tf.function(FEATURES.__call__, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)

LETTERS = st.sampled_from(list(ALPHABET))
