"""Retention of a language model: its perplexity on a text of the user's, before and after fine-tuning.

Imports no TensorFlow, and scipy only where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sftkeras.errors import SFTError
from sftkeras.evaluation.contract import Predict, Predictions
from sftkeras.evaluation.statistics.bootstrap import interval, resample
from sftkeras.evaluation.statistics.metrics import Metric, Tally
from sftkeras.evaluation.statistics.token_losses import TokenLosses, perplexity_of, token_figures

TEXT_OUTPUTS = ("text_loss", "text_tokens", "text_hits")
"""Outputs of a model for a plain text, a window of its tokens a row."""

RETENTION_PERPLEXITY = Metric(
    "Perplexity on the retention text", "what the model still knows of other text", False, False
)
MOST_CHARACTERS = 80_000  # of the text, from its beginning: about 20,000 tokens of English, a minute on two cores
_RESAMPLES, _SEED = 1000, 17


def check_retention_text(path: str | None) -> None:
    """Makes sure that there is text in the file that the settings name, if they name one.

    Raises:
        SFTError: SFT621.
    """
    if path is None:
        return
    try:
        text = _beginning(Path(path).expanduser())
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SFTError("SFT621", path=path, problem=problem) from error
    if not text.strip():
        raise SFTError("SFT621", path=path, problem="it has no text")


def read_retention_text(settings: Mapping[str, Any]) -> str | None:
    """Read the beginning of the file that the settings name; None if they name none, or it is gone since training."""
    path = Path(settings.get("retention_text") or "").expanduser()
    return _beginning(path) if path.is_file() else None


def _beginning(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.read(MOST_CHARACTERS)


def retention_predictions(settings: Mapping[str, Any], predict: Predict) -> Predictions:
    """Let a model read the text, if there is one: `TEXT_OUTPUTS`."""
    text = read_retention_text(settings)
    return predict([text], None, TEXT_OUTPUTS, lambda rows: None) if text else {}


def retained_losses(predictions: Predictions) -> TokenLosses | None:
    """Return the losses among the predictions of a model that has read the text; None if it has not."""
    if not predictions.keys() >= set(TEXT_OUTPUTS):
        return None
    return TokenLosses.of(predictions, TEXT_OUTPUTS)


def retention_facts(
    settings: Mapping[str, Any], before: TokenLosses | None, after: TokenLosses | None
) -> dict[str, Any] | None:
    """Compare the losses of the windows of the text before and after fine-tuning.

    Returns:
        `text`, `tokens`, the perplexity `after`, and where the untuned model has read the text too, `before`, and
        `ratio` of both with its paired `interval`; None without a text.
    """
    if after is None:
        return None
    facts: dict[str, Any] = {
        "text": Path(settings["retention_text"]).name,
        "tokens": int(after.tokens.sum()),
        "before": None,
        "after": perplexity_of(after),
        "ratio": None,
        "interval": None,
    }
    if before is not None:
        from scipy.sparse import csr_array

        tallies = [Tally(csr_array(one.facts), token_figures) for one in (before, after)]
        drawn = [figures["perplexity"] for figures in resample(tallies, _RESAMPLES, _SEED)]
        facts["before"] = perplexity_of(before)
        facts |= {"ratio": facts["after"] / facts["before"], "interval": interval(drawn[1] / drawn[0])}
    return facts
