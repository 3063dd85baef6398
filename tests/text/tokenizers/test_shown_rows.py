"""Rows of a batch are shown as their tokens, and of a decoder's it is seen which are learned."""

from __future__ import annotations

import numpy as np

from sftkeras.text.tokenizers.tokenizer import show_row


class Letters:
    def pieces(self, numbers: np.ndarray) -> list[str]:
        return [chr(number) for number in numbers]


def row(text: str, **more: list[int]) -> dict[str, np.ndarray]:
    inputs = {"token_ids": [ord(letter) for letter in text], "padding_mask": [letter != "." for letter in text]}
    return {name: np.array([values], np.int32) for name, values in (inputs | more).items()}


def test_tokens_and_padding_are_shown() -> None:
    assert show_row(Letters(), row("abc.."), 0) == "a b c  (+ 2 padding)"


def test_runs_of_learned_tokens_are_between_marks() -> None:
    inputs = row("abcdef..", learned_positions=[0, 1, 4, 0, 0])
    inputs["segments"] = inputs.pop("padding_mask")
    assert show_row(Letters(), inputs, 0) == "a ▶ b c ◀ d e ▶ f ◀  (+ 2 padding)"
