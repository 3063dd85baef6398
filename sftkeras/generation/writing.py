"""The loop that writes texts token by token, as one graph: prompts in, texts out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from sftkeras.generation.options import Options
from sftkeras.generation.sampling import next_tokens
from sftkeras.generation.sizes import largest
from sftkeras.generation.stopping import NOWHERE, checked, first_place

NO_TOKEN = -1  # fills rows behind their last token


def lengths_of(tokens: tf.Tensor) -> tf.Tensor:
    """Return how many tokens rows [batch, length] int32 have, `NO_TOKEN` not counted; [batch] int32."""
    return tf.reduce_sum(tf.cast(tokens != NO_TOKEN, tf.int32), 1)


class ReadingDecoder(Protocol):
    """Interface of a decoder that writes; see `sftkeras.backbones.decoders.joined`."""

    positions: int

    @property
    def cache_shape(self) -> tuple[int | None, ...]:
        """Shape of the cache; None for rows and places."""
        ...

    def empty_cache(self, batch: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        """Return a cache of zeros for so many rows, each of so many tokens."""
        ...

    def read(self, token_ids: tf.Tensor, positions: tf.Tensor, cache: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Read tokens at positions, [batch, new] int32 both: vectors [batch, new, hidden], and the cache."""
        ...

    def logits(self, vectors: tf.Tensor) -> tf.Tensor:
        """Return the logits [..., vocabulary] float32 of the token after each vector."""
        ...


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Token facts that writing needs.

    Attributes:
        texts: the bytes of each, of special ones none.
        end_ids: those that end a text; they are not part of it.
        empty_id: stands for a prompt without any.
        strips_first_space: whether the space that a text begins with is none of the text's.
    """

    texts: np.ndarray
    end_ids: tuple[int, ...]
    empty_id: int
    strips_first_space: bool = False

    @property
    def size(self) -> int:
        """Number of tokens."""
        return len(self.texts)


class Written(NamedTuple):
    """Texts of a batch.

    Attributes:
        text: [batch] string, with U+FFFD for what is no UTF-8.
        token_ids: [batch, most] int32, `NO_TOKEN` behind a text's last.
        log_probabilities: of these tokens, whatever the options; [batch, most] float32, 0 behind.
        ended: whether each ended by itself or at a string of `stop`, not by a limit; [batch] bool.
        prompt_tokens: [batch] int32.
        new_tokens: [batch] int32.
    """

    text: tf.Tensor
    token_ids: tf.Tensor
    log_probabilities: tf.Tensor
    ended: tf.Tensor
    prompt_tokens: tf.Tensor
    new_tokens: tf.Tensor


class _State(NamedTuple):
    """The loop between two tokens.

    Attributes:
        number: of the token that is drawn next.
        logits: of that token, [batch, vocabulary].
        done: whether each text is, [batch] bool.
        ended: whether it ended by itself or at a string of `stop`.
        history: tokens of prompts and texts, [batch, places] int32, `NO_TOKEN` where there is none.
        tail: the end of each text, in which a string of `stop` may begin; [batch] string.
        surplus: bytes of each text from such a string on, [batch] int32.
        tokens: what each number drew, [batch] int32; before them a row of zeros.
        scores: their log-probabilities.
        cache: of the decoder.
    """

    number: tf.Tensor
    logits: tf.Tensor
    done: tf.Tensor
    ended: tf.Tensor
    history: tf.Tensor
    tail: tf.Tensor
    surplus: tf.Tensor
    tokens: Any
    scores: Any
    cache: tf.Tensor


class Writer:
    """Writes texts.

    Args:
        decoder: reads tokens and gives the logits of the next.
        vocabulary: of the decoder; a checkpoint may have rows to spare, which are no tokens.
    """

    def __init__(self, decoder: ReadingDecoder, vocabulary: Vocabulary) -> None:
        self._decoder, self._vocabulary = decoder, vocabulary
        # A function, so that the texts are in the graph once.
        tokens = tf.TensorSpec([None], tf.int32)
        self._text_of_each = tf.function(self._gathered, input_signature=[tokens], autograph=False)

    def prefill(self, prompts: tf.Tensor, places: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Read prompts into a new cache: see `read`."""
        cache = self._decoder.empty_cache(tf.shape(prompts)[0], places)
        return self.read(prompts, tf.zeros_like(lengths_of(prompts)), cache)

    def read(self, tokens: tf.Tensor, positions: tf.Tensor, cache: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Read tokens into a cache, in place.

        Args:
            tokens: [batch, new] int32, one at least each, `NO_TOKEN` behind.
            positions: how many tokens of each row are in the cache already, [batch] int32.
            cache: of the decoder.

        Returns:
            The logits of the token after the last of each row, [batch, vocabulary], and the cache.
        """
        last = lengths_of(tokens)[:, tf.newaxis] - 1
        length = tf.maximum(tf.shape(tokens)[1], 1)  # also of a batch without rows
        columns = tf.minimum(tf.range(length), last)  # a short row repeats its last token
        ids = tf.gather(tokens, columns, batch_dims=1)
        vectors, cache = self._decoder.read(ids, positions[:, tf.newaxis] + columns, cache)
        return self.logits(vectors[:, -1]), cache

    def logits(self, vectors: tf.Tensor) -> tf.Tensor:
        """Return the logits of tokens after vectors [rows, hidden], [rows, vocabulary] float32."""
        return self._decoder.logits(vectors)[:, : self._vocabulary.size]

    def __call__(self, prompts: tf.Tensor, options: Options) -> Written:
        """Write a text after each prompt.

        A prompt that the decoder cannot read, since it is too long, gets no text; other rows get theirs.

        Args:
            prompts: [batch, length] int32, one token at least each, `NO_TOKEN` behind.
            options: of each.

        Raises:
            tf.errors.InvalidArgumentError: where it runs, if `stop` is too long.
        """
        prompt_tokens = lengths_of(prompts)
        prompts = prompts[:, : self._decoder.positions]
        lengths = lengths_of(prompts)
        rooms = tf.clip_by_value(options.max_new_tokens, 0, self._decoder.positions - lengths)
        options = options._replace(stop=checked(options.stop))
        state = self._first(prompts, lengths, rooms)

        def going(*state: Any) -> tf.Tensor:
            return ~tf.reduce_all(_State(*state).done)

        def body(*state: Any) -> _State:
            return self._advanced(_State(*state), options, lengths, rooms)

        state = _State(*tf.while_loop(going, body, tuple(state), parallel_iterations=1))
        return self._written(state, prompt_tokens)

    def _first(self, prompts: tf.Tensor, lengths: tf.Tensor, rooms: tf.Tensor) -> _State:
        """The state after the prompts are read."""
        places = largest(lengths + rooms, 1)
        logits, cache = self.prefill(prompts, places)
        room = tf.maximum(places - tf.shape(prompts)[1], 0)
        history = tf.pad(prompts, [[0, 0], [0, room]], constant_values=NO_TOKEN)[:, :places]

        def array(dtype: tf.DType) -> tf.TensorArray:
            values = tf.TensorArray(dtype, size=0, dynamic_size=True, clear_after_read=False, element_shape=[None])
            return values.write(0, tf.zeros_like(rooms, dtype))  # an array without any cannot be stacked

        return _State(
            number=tf.constant(0),
            logits=logits,
            done=rooms < 1,
            ended=tf.zeros_like(rooms, tf.bool),
            history=history,
            tail=tf.fill(tf.shape(rooms), ""),
            surplus=tf.zeros_like(rooms),
            tokens=array(tf.int32),
            scores=array(tf.float32),
            cache=cache,
        )

    def _advanced(self, state: _State, options: Options, lengths: tf.Tensor, rooms: tf.Tensor) -> _State:
        """The state with one more token of each text that is not done."""
        number = tf.fill(tf.shape(rooms), state.number)
        token = next_tokens(state.logits, state.history, options, number)
        score = tf.gather(state.logits, token, batch_dims=1) - tf.reduce_logsumexp(state.logits, 1)
        at_end = tf.reduce_any(token[:, tf.newaxis] == tf.constant(self._vocabulary.end_ids, tf.int32), 1)
        written = ~state.done & ~at_end
        tail, surplus = self._stopped(state.tail, tf.where(written, token, NO_TOKEN), options.stop)
        surplus = tf.where(state.done, 0, surplus)
        ended = state.ended | (~state.done & (at_end | (surplus > 0)))
        done = state.done | ended | (state.number + 1 >= rooms)
        token = tf.where(written, token, NO_TOKEN)
        # A text that is done is read on for nothing: at a place of its own.
        place = tf.minimum(lengths + state.number, tf.shape(state.history)[1] - 1)
        rows = tf.stack([tf.range(tf.size(place)), place], 1)
        kept = tf.where(written, token, tf.gather(state.history, place, batch_dims=1))
        history = tf.ensure_shape(tf.tensor_scatter_nd_update(state.history, rows, kept), state.history.shape)

        def read() -> tuple[tf.Tensor, tf.Tensor]:
            ids = tf.maximum(token, 0)[:, tf.newaxis]
            vectors, cache = self._decoder.read(ids, place[:, tf.newaxis], state.cache)
            return self.logits(vectors[:, 0]), cache

        logits, cache = tf.cond(tf.reduce_all(done), lambda: (state.logits, state.cache), read)
        return _State(
            number=state.number + 1,
            logits=tf.ensure_shape(logits, state.logits.shape),
            done=done,
            ended=ended,
            history=history,
            tail=tail,
            surplus=state.surplus + surplus,
            tokens=state.tokens.write(state.number + 1, token),
            scores=state.scores.write(state.number + 1, tf.where(written, score, 0.0)),
            cache=tf.ensure_shape(cache, state.cache.shape),
        )

    def _stopped(self, tail: tf.Tensor, token: tf.Tensor, stop: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The ends of texts with one token more, and how many bytes of each stand from a string of `stop` on."""
        longest = largest(tf.strings.length(stop), 0)

        def found() -> tuple[tf.Tensor, tf.Tensor]:
            texts = tf.strings.join([tail, self._texts_of(token)])
            sizes = tf.strings.length(texts)
            place = first_place(texts, stop)
            begin = tf.maximum(sizes - (longest - 1), 0)
            return tf.strings.substr(texts, begin, sizes - begin), tf.where(place == NOWHERE, 0, sizes - place)

        return tf.cond(longest > 0, found, lambda: (tf.identity(tail), tf.zeros_like(token)))

    def texts(self) -> tf.Tensor:
        """Return the bytes of each token of the vocabulary, [vocabulary] string."""
        return self._text_of_each(tf.range(self._vocabulary.size))

    def _texts_of(self, token: tf.Tensor) -> tf.Tensor:
        """The bytes of tokens of any shape, of `NO_TOKEN` none."""
        return tf.reshape(self._text_of_each(tf.reshape(token, [-1])), tf.shape(token))

    def _gathered(self, token: tf.Tensor) -> tf.Tensor:
        texts = tf.constant(np.append(self._vocabulary.texts, b""), tf.string)
        return tf.gather(texts, tf.where(token < 0, self._vocabulary.size, token))

    def _written(self, state: _State, prompt_tokens: tf.Tensor) -> Written:
        tokens, scores = (tf.transpose(it.stack()[1:]) for it in (state.tokens, state.scores))
        new = tf.reduce_sum(tf.cast(tokens != NO_TOKEN, tf.int32), 1)
        texts = tf.strings.reduce_join(self._texts_of(tokens), 1)
        if self._vocabulary.strips_first_space:
            texts = tf.strings.regex_replace(texts, "^ ", "")
        sizes = tf.maximum(tf.strings.length(texts) - state.surplus, 0)
        texts = tf.strings.substr(texts, tf.zeros_like(sizes), sizes)
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")  # a character that was never completed
        return Written(texts, tokens, scores, state.ended, prompt_tokens, new)
