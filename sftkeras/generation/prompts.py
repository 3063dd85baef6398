"""A compiled chat template as ops: roles and contents of conversations to marked prompts."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from sftkeras.text.marks import MARKS, special
from sftkeras.text.templates.compiled import COMPILED_ROLES, START, TRUSTED, WHITE_SPACE, CompiledTemplate

_SPACE_AT_ENDS = f"^[{WHITE_SPACE}]+|[{WHITE_SPACE}]+$"


def ordinary_texts(texts: tf.Tensor) -> tf.Tensor:
    """Return texts of users, of any shape, as marked text, as `marks.ordinary` does."""
    return tf.strings.regex_replace(texts, f"[{''.join(MARKS)}]", "\ufffd")


def divided_texts(texts: tf.Tensor, strings: Sequence[str]) -> tf.Tensor:
    """Return texts in which a mark of nothing divides each of some strings, as `SpecialTokens.divided` does.

    Args:
        texts: of any shape.
        strings: longer ones before shorter ones.
    """
    # One expression for all strings, since they may overlap, with a pair of groups for each first character: groups
    # that found nothing write nothing. A rewriting has nine groups, so strings of further characters go apart.
    firsts = list(dict.fromkeys(string[0] for string in strings))
    for begin in range(0, len(firsts), 4):
        several = firsts[begin : begin + 4]
        rests = ("|".join(re.escape(one[1:]) for one in strings if one[0] == first) for first in several)
        pattern = "|".join(f"({re.escape(first)})({rest})" for first, rest in zip(several, rests, strict=True))
        groups = ["".join(rf"\{2 * number + part}" for number in range(len(several))) for part in (1, 2)]
        texts = tf.strings.regex_replace(texts, pattern, special("").join(groups))
    return texts


class CompiledPrompts:
    """Renders conversations by a compiled template.

    Args:
        template: what stands around contents.
    """

    def __init__(self, template: CompiledTemplate) -> None:
        names = (START, *COMPILED_ROLES)
        keys = [(one, role, last) for one in names for role in COMPILED_ROLES for last in (False, True)]
        self._before = np.array([template.before.get(key, "").encode() for key in keys], object)
        self._taken = np.array([key in template.before for key in keys])
        generation = (template.generation.get(role, "") for role in COMPILED_ROLES)
        self._generation = np.array([piece.encode() for piece in generation], object)
        self._asked = np.array([role in template.generation for role in COMPILED_ROLES])
        self._stripped = np.array([role in template.stripped for role in COMPILED_ROLES])
        self._trusted = np.array([role in TRUSTED for role in COMPILED_ROLES])
        self._found_in_texts = template.found_in_texts.strings

    def __call__(self, roles: tf.Tensor, contents: tf.Tensor) -> tf.Tensor:
        """Render conversations.

        Args:
            roles: [batch, turns] string, "" behind a conversation's last.
            contents: of the same shape.

        Returns:
            Marked prompts, [batch] string.

        Raises:
            tf.errors.InvalidArgumentError: where it runs, for roles that the template does not take in their order.
        """
        equal = roles[:, :, tf.newaxis] == tf.constant(COMPILED_ROLES)
        numbers = tf.where(tf.reduce_any(equal, -1), tf.argmax(tf.cast(equal, tf.int32), -1, tf.int32), -1)
        there = roles != ""
        after = tf.pad(there, [[0, 0], [0, 1]])[:, 1:]
        previous = tf.pad(numbers, [[0, 0], [1, 0]], constant_values=-1)[:, : tf.shape(numbers)[1]]
        keys = ((previous + 1) * len(COMPILED_ROLES) + tf.maximum(numbers, 0)) * 2 + tf.cast(~after, tf.int32)
        last = tf.reduce_max(tf.where(there & ~after, numbers, -1), 1)
        taken = ~there | ((numbers >= 0) & tf.gather(self._taken, keys))
        asked = (last >= 0) & tf.gather(self._asked, tf.maximum(last, 0))
        fits = tf.debugging.Assert(
            tf.reduce_all(taken) & tf.reduce_all(asked) & tf.reduce_all(there | ~after),
            ["The model's chat template takes no conversation with these roles in this order."],
        )
        with tf.control_dependencies([fits] if fits is not None else []):
            texts = ordinary_texts(tf.identity(contents))
        trusted = tf.gather(self._trusted, tf.maximum(numbers, 0))
        texts = tf.where(trusted, texts, divided_texts(texts, self._found_in_texts))
        bare = tf.strings.regex_replace(texts, _SPACE_AT_ENDS, "")
        texts = tf.where(tf.gather(self._stripped, tf.maximum(numbers, 0)), bare, texts)
        parts = tf.where(there, tf.strings.join([tf.gather(self._before, keys), texts]), "")
        return tf.strings.join([tf.strings.reduce_join(parts, 1), tf.gather(self._generation, tf.maximum(last, 0))])
