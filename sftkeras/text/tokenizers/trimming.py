"""A tokenizer without the tokens that some texts never use, by which these texts are split as before.

Beside the tokens that the texts use, each kind of tokenizer needs some others to split them in the same way:

- word pieces: the longest piece that fits comes first, and the pieces that the texts use stay the longest that fit;
- byte and character pairs: also what the used tokens are merged from, so that each merge of the texts can still happen;
- the pieces of a SentencePiece model: the most probable split stays so among fewer pieces. The least probable piece
  stays too, since the score of unknown characters follows from it.

Bytes, special tokens and the single letters of the used tokens stay, so that other texts can be split as well, into
more tokens.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]

from sftkeras.text.tokenizers.byte_pair import BYTES, BytePair
from sftkeras.text.tokenizers.character_pair import BYTE_TOKENS, CharacterPair
from sftkeras.text.tokenizers.plain_pieces import without_marks
from sftkeras.text.tokenizers.sentence_piece import SentencePiece, is_number_and_comma
from sftkeras.text.tokenizers.special_strings import SpecialStrings, without_special_strings
from sftkeras.text.tokenizers.tokenizer import Tokenizer
from sftkeras.text.tokenizers.unigram import Unigram
from sftkeras.text.tokenizers.word_piece import WordPiece

# Tokens that a model may be used with though no text has them.
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<s>", "</s>", "<pad>", "<unk>", "<mask>")

Merge = tuple[str, str]


def tokens_to_keep(tokenizer: Tokenizer, used: Iterable[int]) -> np.ndarray:
    """Return the tokens without which the texts that use some tokens would be split otherwise, and those for all texts.

    Args:
        tokenizer: of an encoder or a decoder, without a cleaning before it.
        used: the numbers of the tokens that the texts use.

    Returns:
        Numbers of tokens, [kept] int32, ascending.
    """
    inner = without_special_strings(tokenizer)
    named = tokenizer.pieces(np.arange(tokenizer.size))
    numbers = {piece: number for number, piece in enumerate(named)}
    kept = {*used, *_special(tokenizer, numbers)}
    match inner:
        case BytePair() | CharacterPair():
            kept |= {inner.numbers[token] for token in (*BYTES, *BYTE_TOKENS) if token in inner.numbers}
            tokens = [named[number] for number in sorted(kept)]
            kept |= {inner.numbers[token] for token in _merged_from(tokens, inner.merges, inner.numbers)}
        case WordPiece() | SentencePiece() | Unigram():
            letters = {letter for number in kept for letter in without_marks(named[number])}
            kept |= {number for piece, number in numbers.items() if without_marks(piece) in letters}
            if not isinstance(inner, WordPiece):
                kept |= {numbers[piece] for piece in _needed_pieces(inner.model) if piece in numbers}
    return np.array(sorted(kept), np.int32)


def trimmed(tokenizer: Tokenizer, kept: np.ndarray) -> Tokenizer:
    """Return an encoder's tokenizer with some of its tokens alone, numbered anew in the same order.

    Args:
        tokenizer: without a cleaning before it.
        kept: numbers of tokens, [kept] int32, ascending; see `tokens_to_keep`.
    """
    new = {int(number): place for place, number in enumerate(kept)}
    match tokenizer:
        case SpecialStrings():
            return SpecialStrings(trimmed(tokenizer.tokenizer, kept), _renumbered(tokenizer.numbers, new))
        case WordPiece():
            return WordPiece(
                [piece for number, piece in enumerate(tokenizer.vocabulary) if number in new],
                lowercase=tokenizer.lowercase,
                strip_accents=tokenizer.strip_accents,
                split_cjk=tokenizer.split_cjk,
                rules=tokenizer.rules,
                added=_renumbered(tokenizer.added, new),
            )
        case BytePair():
            numbers = _renumbered(tokenizer.numbers, new)
            merges = kept_merges(tokenizer.merges, numbers)
            return BytePair(numbers, merges, add_prefix_space=tokenizer.add_prefix_space)
        case SentencePiece():
            return SentencePiece(
                _fewer_pieces(
                    tokenizer.model,
                    {tokenizer.vocabulary[number] for number in new if number < len(tokenizer.vocabulary)},
                ),
                lowercase=tokenizer.lowercase,
                strip_accents=tokenizer.strip_accents,
                rules=tokenizer.rules,
                commas_apart=tokenizer.commas_apart,
            )
        case Unigram():
            pieces = {tokenizer.vocabulary[number] for number in new if number < len(tokenizer.vocabulary)}
            model = _fewer_pieces(tokenizer.model, pieces)
            return Unigram(model, rules=tokenizer.rules, ideographs_apart=tokenizer.ideographs_apart)
    raise TypeError(f"{type(tokenizer).__name__} cannot be trimmed")


def kept_merges(merges: Iterable[Merge], tokens: Collection[str]) -> list[Merge]:
    """Return the merges whose parts and whose result are all among some tokens, in their order."""
    return [(left, right) for left, right in merges if left in tokens and right in tokens and left + right in tokens]


def _renumbered(numbers: Mapping[str, int], new: Mapping[int, int]) -> dict[str, int]:
    return {string: new[number] for string, number in numbers.items() if number in new}


def _special(tokenizer: Tokenizer, numbers: Mapping[str, int]) -> Iterator[int]:
    """Yields the tokens that stay whatever the texts are."""
    yield from (numbers[token] for token in _SPECIAL if token in numbers)
    if isinstance(tokenizer, SpecialStrings):
        yield from tokenizer.numbers.values()
    inner = without_special_strings(tokenizer)
    if isinstance(inner, WordPiece):
        yield from inner.added.values()
    if decoder := tokenizer.decoder:
        yield from (decoder.pad_id, *decoder.end_ids, *decoder.special.values(), *decoder.in_texts.values())
        yield from decoder.skipped
        yield from () if decoder.begin_id is None else (decoder.begin_id,)
    else:
        yield from (tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id)


def _merged_from(tokens: Sequence[str], merges: Sequence[Merge], known: Collection[str]) -> set[str]:
    """Return all tokens from which some tokens are merged, step by step, and the letters that they begin with.

    A token of a text is merged as if it stood alone: what is not merged across its ends does not change what is merged
    within them.
    """
    ranks = {merge: rank for rank, merge in enumerate(merges)}
    found: set[str] = set()
    for token in tokens:
        steps = list(_steps(token, ranks))
        if steps and steps[-1] == token:  # or else no merges make it, as they do not make special tokens
            found.update(steps, (letter for letter in token if letter in known))
    return found


def _steps(token: str, ranks: Mapping[Merge, int]) -> Iterator[str]:
    """Yields what becomes of the letters of a token: at each step the first pair of lowest rank is merged."""
    parts = list(token)
    while len(parts) > 1:
        rank, place = min((ranks.get(pair, len(ranks)), at) for at, pair in enumerate(itertools.pairwise(parts)))
        if rank == len(ranks):
            return
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
        yield parts[place]


def _needed_pieces(model: bytes) -> Iterator[str]:
    """Yields the pieces of a SentencePiece model that are no ordinary ones, and those that may be the least probable.

    Pieces such as "9," are, since ALBERT's tokenizer makes them so.
    """
    pieces = ModelProto.FromString(model).pieces
    yield from (it.piece for it in pieces if is_number_and_comma(it.piece))
    ordinary = [it for it in pieces if it.type == it.NORMAL]
    yield from (it.piece for it in pieces if it.type != it.NORMAL)
    yield from (it.piece for it in sorted(ordinary, key=lambda it: it.score)[:1])


def _fewer_pieces(model: bytes, kept: Collection[str]) -> bytes:
    proto: Any = ModelProto.FromString(model)
    pieces = [it for it in proto.pieces if it.piece in kept or it.type != it.NORMAL]
    del proto.pieces[:]
    proto.pieces.extend(pieces)
    return proto.SerializeToString(deterministic=True)
