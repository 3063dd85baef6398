"""Tokens added to a pretrained model: rows of its embedding, and strings that its tokenizer knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count

import keras
import numpy as np

from sftkeras.backbones.backbone import Backbone
from sftkeras.backbones.decoders.decoder import Decoder
from sftkeras.errors import SFTError
from sftkeras.internals.keras import replace_table
from sftkeras.text import Tokenizer, is_usable, with_special_strings


def add_tokens(backbone: Backbone, tokens: Sequence[str]) -> Backbone:
    """The same backbone, for which each of these strings is a token of its own.

    An encoder's tokenizer finds them in texts. A decoder's knows them where a chat template writes them: what a user
    writes stays ordinary text.

    A string that the vocabulary has already keeps its number and its vector. The others get the numbers after the last,
    and begin as the mean of all tokens' vectors, near which a network trained without them takes them for any word
    (Hewitt, 2021, "Initializing new word embeddings for pretrained language models").

    Args:
        backbone: a decoder, or an encoder that was rebuilt, with its own tokenizer. Its embedding is changed in place.
        tokens: the strings; the order decides their numbers.

    Raises:
        SFTError: SFT382 if a string cannot be a token, SFT383 if the encoder's vocabulary cannot be changed.
    """
    tokenizer = backbone.tokenizer
    if not isinstance(tokenizer, Tokenizer) or backbone.token_embedding is None:
        raise SFTError("SFT383", tokens=", ".join(tokens))
    numbers = _numbers(tokenizer, tokens)
    _add_rows(backbone.model, tokenizer.size, 1 + max(numbers.values()))
    if tokenizer.decoder:
        return replace(backbone, tokenizer=tokenizer.with_special(numbers))
    return replace(backbone, tokenizer=with_special_strings(tokenizer, numbers))


def _numbers(tokenizer: Tokenizer, tokens: Sequence[str]) -> Mapping[str, int]:
    """The number of each string: that which it has, or the next."""
    known = {piece: number for number, piece in enumerate(tokenizer.pieces(np.arange(tokenizer.size)))}
    following = count(tokenizer.size)
    numbers: dict[str, int] = {}
    for token in dict.fromkeys(tokens):
        if not is_usable(token):
            raise SFTError("SFT382", token=token, problem="a token is something to be seen, without spaces around it")
        numbers[token] = known[token] if token in known else next(following)
        if not tokenizer.decoder and numbers[token] in (tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id):
            raise SFTError("SFT382", token=token, problem="this token stands around texts, and must not be in one")
    return numbers


def _add_rows(model: keras.Model, known: int, needed: int) -> None:
    """Gives the token embedding, and a decoder's head of its own, `needed` rows at least; see `_lengthen`."""
    rows = _lengthen(model.token_embedding, known, needed)
    if isinstance(model, Decoder):
        if not model.config.tied:
            _lengthen(model.output_layer, known, needed)
        model.set_vocabulary_size(rows)
    for size in ("vocabulary_size", "vocab_size"):
        if hasattr(model, size):
            setattr(model, size, rows)


def _lengthen(embedding: keras.layers.Embedding, known: int, needed: int) -> int:
    """Makes a table at least `needed` rows high; those after the first `known` become the mean of these.

    Returns:
        How many rows it has.
    """
    table = embedding.embeddings.numpy()
    mean = table[:known].mean(0, dtype=np.float64).astype(table.dtype)
    table = np.concatenate([table, np.tile(mean, (max(needed - len(table), 0), 1))])
    table[known:needed] = mean  # some checkpoints have rows to spare, which were never learned
    if len(table) == embedding.input_dim:
        embedding.embeddings.assign(table)
    else:
        replace_table(embedding, table)
    return len(table)
