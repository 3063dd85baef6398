"""A tiny byte-level vocabulary as RoBERTa has one, and the tokenizer Hugging Face's library makes of it."""

from __future__ import annotations

import json
from functools import cache

from tiny_sentence_pieces import SENTENCES
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


@cache
def tokenizer_json() -> str:
    """The contents of a tokenizer.json, trained on a few made-up sentences."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=380,
        special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # Runs of a letter and of spaces, so that some merges overlap themselves.
    tokenizer.train_from_iterator([*SENTENCES * 5, "aaaa aaaa aaa", "      x", "I'll they're he's"] * 5, trainer)
    return tokenizer.to_str()


def tiny_byte_pairs() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The contents of vocab.json and merges.txt."""
    model = json.loads(tokenizer_json())["model"]
    return model["vocab"], [(left, right) for left, right in model["merges"]]


def hugging_face_tokenizer(*, add_prefix_space: bool = False) -> Tokenizer:
    """Hugging Face's tokenizer, which takes no special token out of a text."""
    tokenizer = Tokenizer.from_str(json.dumps({**json.loads(tokenizer_json()), "added_tokens": []}))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    return tokenizer
