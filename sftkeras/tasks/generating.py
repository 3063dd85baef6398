"""A language model as its export offers it: the decoder with joined weights, its tokenizer, and functions over them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import tensorflow as tf

from sftkeras.backbones.decoders.decoder import Decoder
from sftkeras.backbones.decoders.joined import JoinedDecoder
from sftkeras.generation.prompts import CompiledPrompts
from sftkeras.generation.signatures import GeneratingModel, Signature
from sftkeras.generation.writing import Vocabulary
from sftkeras.tasks.network import TextModel
from sftkeras.text import Tokenizer
from sftkeras.text.marks import special
from sftkeras.text.templates.compiled import CompiledTemplate
from sftkeras.text.tokenizers.detokenizer import token_texts


class Generating(NamedTuple):
    """Functions of an export that generates.

    Attributes:
        signatures: by their names.
        weights: the variables that they read, each once, in a stable order.
        resources: what else they need, such as lookup tables.
        facts: what a server must know of them, as plain JSON.
        asked: what a user gives as a marked prompt, in Python: `serving_default` makes the same in the graph.
        marked: the text of a row of the data as a marked prompt.
    """

    signatures: Mapping[str, Signature]
    weights: Sequence[tf.Variable]
    resources: Sequence[Any]
    facts: Mapping[str, Any]
    asked: Callable[[str], str]
    marked: Callable[[str], str]


def generating(
    model: TextModel,
    *,
    prompt: Callable[[tf.Tensor], tf.Tensor],
    asked: Callable[[str], str],
    marked: Callable[[str], str],
    end_ids: Collection[int],
    max_new_tokens: int,
    strips_first_space: bool,
    template: CompiledTemplate | None = None,
    chat: Mapping[str, Any] | None = None,
) -> Generating:
    """Return the functions of a language model's export.

    Args:
        model: with the backbone that its network was made of.
        prompt: what a user gives, [batch] string, as a marked prompt.
        asked: the same of one text, in Python.
        marked: the text of a row of the data as a marked prompt.
        end_ids: tokens that end a text.
        max_new_tokens: of a request that does not say.
        strips_first_space: whether a text's first space is left out where the tokenizer writes one before every text.
        template: its chat template as a table; None if it has none, or one that is more.
        chat: facts of its chat template; None if it has none.
    """
    assert model.backbone is not None
    features = cast("Any", model.features)
    tokenizer: Tokenizer = features.tokenizer
    decoder = JoinedDecoder(cast("Decoder", model.backbone.model))
    begin = tokenizer.begin_id
    vocabulary = Vocabulary(
        texts=np.array(token_texts(tokenizer), object),
        end_ids=tuple(end_ids),
        empty_id=next(iter(end_ids)) if begin is None else begin,
        strips_first_space=strips_first_space and tokenizer.strips_first_space,
    )
    prompts = None if template is None else CompiledPrompts(template)
    functions = GeneratingModel(decoder, vocabulary, features.marked, prompt, max_new_tokens, prompts)
    facts = {
        "end_ids": list(vocabulary.end_ids),
        "begin": begin_mark(tokenizer),
        "begin_id": begin,
        "vocabulary": vocabulary.size,
        "positions": decoder.positions,
        "cache": list(decoder.cache_shape),
        "strips_first_space": vocabulary.strips_first_space,
        "defaults": {name: value[0] for name, value in functions.defaults.items() if name != "stop"},
        "chat": None if chat is None else {**chat, "compiled": template is not None},
    }
    return Generating(functions.signatures(), decoder.weights, list(tokenizer.resources), facts, asked, marked)


def begin_mark(tokenizer: Tokenizer) -> str:
    """Return the mark of the token that a text begins with; "" if there is none."""
    names = {number: string for string, number in tokenizer.special.items()}
    return "" if tokenizer.begin_id is None else special(names[tokenizer.begin_id])
