"""The predictions of a language model: losses of texts, and continuations of a few. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sftkeras.evaluation.contract import Predictions
from sftkeras.evaluation.evaluated import evenly_spread
from sftkeras.tasks.causal_lm.rows import text_rows
from sftkeras.tasks.contract import ExportedFunctions
from sftkeras.tasks.exported_model import ExportedModel
from sftkeras.tasks.language_model import TokenRows
from sftkeras.tasks.next_token_evaluation import SAMPLES
from sftkeras.tasks.writing import WritingPredictor

_BEGINNING = 32  # tokens of a text that are read before it is continued, at most; of a short one, half
_NEW_TOKENS = 48


class TextsPredictor(WritingPredictor):
    """Predicts as `sftkeras.evaluation.contract.Predict` says, for rows that are plain texts."""

    def written(self, texts: Sequence[str], progress: Callable[[float], object]) -> Predictions:
        """`beginning` and `continuation` of some texts, [rows] str; "" of the others."""
        rows = evenly_spread(np.arange(len(texts)), SAMPLES)
        prompts = [self._beginning(texts[row]) for row in rows]
        beginning, continuation = np.full((2, len(texts)), "", object)
        beginning[rows], continuation[rows] = self.model.decoded(prompts), self.model.write(prompts, _NEW_TOKENS)[0]
        return {"beginning": beginning, "continuation": continuation}

    def _beginning(self, text: str) -> np.ndarray:
        tokens = self.model.rows([text]).token_ids[0]
        return tokens[: max(1, min(_BEGINNING, len(tokens) // 2))]


def exported_predictor(version: ExportedFunctions, batch_size: int) -> TextsPredictor:
    """Return the predictor of an exported version."""
    facts, most = version.facts, version.max_length
    assert facts is not None
    assert most is not None

    def rows_of(texts: Sequence[str], tokenise: Callable[[Sequence[str]], TokenRows]) -> TokenRows:
        prompts = (str(text) for text in version.run("prompt", {"text": list(texts)})["text"])
        tokens = tokenise([prompt.removeprefix(facts["begin"]) for prompt in prompts]).token_ids
        return text_rows(tokens, begin=facts["begin_id"], end=facts["end_ids"][0], most=most)

    return TextsPredictor(ExportedModel(version, rows_of), batch_size)
