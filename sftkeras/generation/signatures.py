"""Signatures of a generating model's export: its functions by name, with named tensors.

Prompts are marked text (see `sftkeras.text.marks`), so that special tokens come from a template alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import tensorflow as tf

from sftkeras.generation.options import Options, option_defaults, option_specs
from sftkeras.generation.paging import PagedDecoder, paged_inputs, read_pages
from sftkeras.generation.prompts import CompiledPrompts
from sftkeras.generation.scoring import score
from sftkeras.generation.writing import NO_TOKEN, ReadingDecoder, Vocabulary, Writer, lengths_of
from sftkeras.text.marks import LEARNED, LEARNED_END
from sftkeras.text.tokenizers.rows import with_first, with_last

Tensors = dict[str, tf.Tensor]
Tokenise = Callable[[tf.Tensor], tuple[tf.RaggedTensor, tf.RaggedTensor]]


class Signature(NamedTuple):
    """One function of an export.

    Attributes:
        function: named tensors to named tensors.
        inputs: what it takes.
        defaults: of inputs that a request may leave out.
    """

    function: Callable[..., Tensors]
    inputs: Mapping[str, tf.TensorSpec]
    defaults: Mapping[str, Any] = {}


class GeneratingDecoder(ReadingDecoder, PagedDecoder, Protocol):
    """Interface of a decoder that is exported."""


class GeneratingModel:
    """A decoder with its tokenizer, and what can be asked of them.

    Args:
        decoder: reads tokens.
        vocabulary: of the decoder.
        tokenise: marked texts [batch] string to token ids, and 1 for those that are learned, both ragged int32.
        prompt: what a user gives, [batch] string, as a marked prompt.
        max_new_tokens: of a request that does not say.
        chat: makes marked prompts of conversations; without it there is no signature for these.

    Attributes:
        defaults: the options of a request that names none.
    """

    def __init__(
        self,
        decoder: GeneratingDecoder,
        vocabulary: Vocabulary,
        tokenise: Tokenise,
        prompt: Callable[[tf.Tensor], tf.Tensor],
        max_new_tokens: int,
        chat: CompiledPrompts | None = None,
    ) -> None:
        self._chat = chat
        self._decoder, self._vocabulary, self._tokenise, self._prompt = decoder, vocabulary, tokenise, prompt
        self._writer = Writer(decoder, vocabulary)
        self.defaults = option_defaults(max_new_tokens)
        # Functions, so that the graph holds each once however many signatures call it.
        tokens = tf.TensorSpec([None, None], tf.int32)
        self._generate = tf.function(self._written, input_signature=[tokens, option_specs()], autograph=False)
        self._score = tf.function(self._scored, input_signature=[tokens, tokens], autograph=False)

    def signatures(self) -> dict[str, Signature]:
        """All signatures by their names."""
        text = {"text": _strings("text")}
        options, one, several = option_specs(), tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, None], tf.int32)
        cache = {"positions": one, "cache": tf.TensorSpec(self._decoder.cache_shape, tf.float32)}
        turns = {name: tf.TensorSpec([None, None], tf.string) for name in ("roles", "contents")}
        chat = {"chat": Signature(self.chat, turns | options, self.defaults)} if self._chat else {}
        return {
            **chat,
            "serving_default": Signature(self.serve, text),
            "prompt": Signature(self.prompt, text),
            "generate": Signature(self.generate, text | options, self.defaults),
            "generate_tokens": Signature(self.generate_tokens, {"token_ids": several} | options, self.defaults),
            "score": Signature(self.score, {"prompt": _strings("prompt"), **text}),
            "score_tokens": Signature(self.score_tokens, {"token_ids": several, "scored": several}),
            "tokenize": Signature(self.tokenize, text),
            "vocabulary": Signature(self.vocabulary, {}),
            "prefill": Signature(self.prefill, text | {"cache_length": tf.TensorSpec([], tf.int32)}),
            "extend": Signature(self.extend, {"token_ids": several} | cache),
            "step": Signature(self.step, {"token_ids": one} | cache),
            "read_pages": Signature(self.read_pages, paged_inputs(self._decoder)),
        }

    def serve(self, text: tf.Tensor) -> Tensors:
        """Generate with the default options after what users give."""
        options = {name: tf.constant(self.defaults[name], spec.dtype) for name, spec in option_specs().items()}
        found = self.generate(self._prompt(text), **options)
        return {name: found[name] for name in ("text", "ended", "prompt_tokens", "new_tokens")}

    def prompt(self, text: tf.Tensor) -> Tensors:
        """Return what users give as marked prompts."""
        return {"text": self._prompt(text)}

    def generate(self, text: tf.Tensor, **options: tf.Tensor) -> Tensors:
        """Generate after marked texts."""
        return self._generate(self._prompt_tokens(text), options)

    def chat(self, roles: tf.Tensor, contents: tf.Tensor, **options: tf.Tensor) -> Tensors:
        """Generate the next answer of conversations: roles and contents [batch, turns], "" behind their last."""
        assert self._chat is not None
        return self.generate(self._chat(roles, contents), **options)

    def generate_tokens(self, token_ids: tf.Tensor, **options: tf.Tensor) -> Tensors:
        """Generate after tokens, `NO_TOKEN` behind those of short rows."""
        return self._generate(token_ids, options)

    def score(self, prompt: tf.Tensor, text: tf.Tensor) -> Tensors:
        """Score marked texts after marked prompts; a prompt without tokens is what texts begin with."""
        tokens, scored = self._tokenise(tf.strings.join([prompt, LEARNED, text, LEARNED_END]))
        # Nothing would predict the first token of a row.
        at_begin = tf.reduce_any(scored[:, :1].to_tensor(shape=[None, 1]) > 0, 1)
        tokens = with_first(tokens, tf.fill(tf.shape(at_begin), self._vocabulary.empty_id), at_begin)
        scored = with_first(scored, tf.zeros_like(at_begin, tf.int32), at_begin)
        return self._score(tokens.to_tensor(NO_TOKEN), scored.to_tensor())

    def score_tokens(self, token_ids: tf.Tensor, scored: tf.Tensor) -> Tensors:
        """Score those tokens for which `scored` is 1, but the first of each row; `NO_TOKEN` behind short ones."""
        return self._score(token_ids, scored)

    def tokenize(self, text: tf.Tensor) -> Tensors:
        """Tokenise marked prompts: their tokens, and 1 for those that are marked as learned."""
        tokens, learned = self._not_empty(text)
        return {"token_ids": tokens.to_tensor(NO_TOKEN), "learned": learned.to_tensor()}

    def vocabulary(self) -> Tensors:
        """Return the bytes of all tokens."""
        return {"texts": self._writer.texts()}

    def prefill(self, text: tf.Tensor, cache_length: tf.Tensor) -> Tensors:
        """Read marked prompts into a new cache."""
        tokens = self._prompt_tokens(text)
        lengths = lengths_of(tokens)
        fits = tf.debugging.assert_less_equal(lengths, cache_length, "A prompt has more tokens than cache_length.")
        bounded = tf.debugging.assert_less_equal(
            cache_length, self._decoder.positions, "cache_length is more than the model reads."
        )
        with tf.control_dependencies([fits, bounded]):
            logits, cache = self._writer.prefill(tokens, tf.identity(cache_length))
        return {"logits": logits, "prompt_tokens": lengths, "cache": cache}

    def extend(self, token_ids: tf.Tensor, positions: tf.Tensor, cache: tf.Tensor) -> Tensors:
        """Read tokens, `NO_TOKEN` behind those of short rows, into a cache, in place."""
        with tf.control_dependencies(_fit(positions + lengths_of(token_ids), cache)):
            logits, cache = self._writer.read(token_ids, positions, tf.identity(cache))
        return {"logits": logits, "cache": cache}

    def step(self, token_ids: tf.Tensor, positions: tf.Tensor, cache: tf.Tensor) -> Tensors:
        """Read one token a row into a cache, in place."""
        with tf.control_dependencies(_fit(positions + 1, cache)):
            cache = tf.identity(cache)
        vectors, cache = self._decoder.read(token_ids[:, tf.newaxis], positions[:, tf.newaxis], cache)
        return {"logits": self._writer.logits(vectors[:, 0]), "cache": cache}

    def read_pages(self, **inputs: tf.Tensor) -> Tensors:
        """Read tokens of several texts into their pages, in place, and draw the next ones."""
        return read_pages(self._decoder, self._vocabulary.size, **inputs)

    def _written(self, token_ids: tf.Tensor, options: Tensors) -> Tensors:
        return self._writer(token_ids, Options.for_rows(options, tf.shape(token_ids)[0]))._asdict()

    def _scored(self, token_ids: tf.Tensor, scored: tf.Tensor) -> Tensors:
        return score(self._decoder, token_ids, scored > 0, self._vocabulary.size)._asdict()

    def _prompt_tokens(self, text: tf.Tensor) -> tf.Tensor:
        """The tokens of marked prompts, one at least each, [batch, longest] int32."""
        return self._not_empty(text)[0].to_tensor(NO_TOKEN)

    def _not_empty(self, text: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """The tokens of marked prompts, of empty ones the one that stands for none; and which are learned."""
        tokens, learned = self._tokenise(text)
        is_empty = tokens.row_lengths() < 1
        tokens = with_last(tokens, tf.fill(tf.shape(is_empty), self._vocabulary.empty_id), is_empty)
        return tokens, with_last(learned, tf.zeros_like(is_empty, tf.int32), is_empty)


def _fit(ends: tf.Tensor, cache: tf.Tensor) -> list[tf.Operation]:
    """Check that the cache of a request has a row for each of `ends` [batch], and so many places. What is written into
    an empty one ends the process: InplaceUpdate of TensorFlow 2.21 divides by the number of rows."""
    rows, places = tf.shape(cache)[2], tf.shape(cache)[4]
    return [
        tf.debugging.assert_equal(tf.size(ends), rows, "The cache has not as many rows as positions."),
        tf.debugging.assert_less_equal(ends, places, "The cache has too few places."),
    ]


def _strings(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None], tf.string, name)
