"""Contract of a task's evaluation, which a report needs. Optional parts have defaults, so a task gives only its own.

A task's `spec.evaluation(settings)` gives an `Evaluation`. To report figures of its own, a task subclasses it in its
folder, or that of a task whose predictions are alike:

- `metrics` names each figure, with its meaning and direction; `headline` is the one at the top of the report;
- `outputs` names the predictions that are evaluated, and `evaluated` puts them beside the truth;
- `tally` gives facts of each row that are summed, and how the figures follow from the sums: the value and its
  confidence interval come from this one definition. `scores` adds what is no function of sums;
- `baselines`, `mistakes` and `figures` add simple models, wrong predictions and pictures;
- `own_parts` adds parts to `report.json`, and `terminal_parts` shows some in the terminal;
- `template` names a template beside the task's file, which extends the common one and changes the blocks it wants to.
  Without one the page has the metrics, a table of the labels, confusion and calibration where there are any, the
  pictures, and the mistakes.

Imports no TensorFlow, and scikit-learn, scipy and matplotlib only where they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sftkeras.evaluation.baselines import Baselines, ReadTexts
from sftkeras.evaluation.statistics.metrics import Metric, Scores, Tally, scores_of
from sftkeras.plurals import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

Report = dict[str, Any]
Pictures = dict[str, "Figure"]
Predictions = dict[str, np.ndarray]
Predict = Callable[[Sequence[str], Sequence[str] | None, Sequence[str], Callable[[float], object]], Predictions]
"""(texts, second texts, wanted outputs, progress) → named predictions, one row a text."""


class Evaluation:
    """Defines how the predictions of a task are evaluated, and what its report shows of it.

    Methods get what `evaluated` made, an `EvaluatedRows`; its class is the task's own.

    Attributes:
        task: `task` of `report.json`.
        label_kind: `label_kind` of `report.json`.
        headline: the figure at the top, a key of `metrics`.
        outputs: the named predictions of the model that are evaluated.
        metrics: every figure that `scores` may have, by name.
        texts_apart: whether both texts of a row are predicted by themselves: predictions are then [rows, 2, …].
        cards: figures shown as cards at the top of the page, where they are known and not the headline.
        shares_of_rows: figures that are shares of rows, such as accuracy: they have an exact interval at 0 and 1.
        calibration_error: the figure that stands with the picture of calibration.
        units: what support and confusion count.
        constant_baseline: the key of the baseline that predicts the same for every text: a model that is not better
            than it has learned nothing.
        untuned: what people call the model before it learns, where that is a baseline.
        descriptions: of pictures of its own: a caption, and a text for those who do not see them.
        template: the path, without its ending, of an HTML and a Markdown template of its own.
    """

    task: ClassVar[str]
    label_kind: ClassVar[str]
    headline: ClassVar[str]
    outputs: ClassVar[tuple[str, ...]]
    metrics: ClassVar[Mapping[str, Metric]]
    texts_apart: ClassVar[bool] = False
    cards: ClassVar[tuple[str, ...]] = ()
    shares_of_rows: ClassVar[tuple[str, ...]] = ()
    calibration_error: ClassVar[str] = "ece"
    units: ClassVar[str] = "texts"
    constant_baseline: ClassVar[str | None] = None
    untuned: ClassVar[str] = "the untuned encoder"
    descriptions: ClassVar[Mapping[str, tuple[str, str]]] = MappingProxyType({})
    template: ClassVar[Path | None] = None

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Takes the settings of a trained task; where only a report is shown, `{}` will do."""
        self.settings = settings

    def evaluated(
        self, rows: dict[str, Any], truth: Any, predictions: dict[str, np.ndarray], label_names: tuple[str, ...]
    ) -> Any:
        """Puts predictions beside the truth, and checks both.

        Args:
            rows: `texts`, `pairs` and `places` of `EvaluatedRows`.
            truth: what the data has of the rows.
            predictions: one array [rows, …] for each of `outputs`.
            label_names: the names of the labels, where there are such.

        Raises:
            SFTError: SFT601 to SFT605.
        """
        raise NotImplementedError

    def further_predictions(self, predict: Predict) -> dict[str, np.ndarray]:
        """Gives predictions for texts that are no rows of the data, by names of their own, for `evaluated`."""
        return {}

    def with_training(self, evaluated: Any, read_texts: ReadTexts, training_rows: int) -> Any:
        """Gives the evaluated rows with what the training rows say of them, such as what both share.

        Args:
            evaluated: the rows.
            read_texts: takes positions within the training rows ([n] int, ascending) to their texts and second texts.
            training_rows: how many there are.
        """
        return evaluated

    def tally(self, evaluated: Any) -> Tally:
        """Gives the additive facts of each row, and the figures of their sums."""
        raise NotImplementedError

    def scores(self, evaluated: Any) -> Scores:
        """Computes every figure: those of the tally, unless there are more."""
        return Scores(scores_of(self.tally(evaluated)))

    def baselines(self, read_texts: ReadTexts, train_truth: Any, evaluated: Any, seed: int) -> Baselines:
        """Fits simple models on the training rows and lets them predict the same rows.

        Args:
            read_texts: takes positions within the training rows ([n] int, ascending) to their texts and second texts.
            train_truth: what the data has of all training rows.
            evaluated: the rows to predict.
            seed: decides what is drawn.
        """
        return Baselines()

    def compared(self, evaluated: Any, baseline: Any) -> dict[str, Any]:
        """Gives further facts of the comparison with a baseline on the same rows, for its part of `report.json`."""
        return {}

    def mistakes(self, evaluated: Any, limit: int) -> list[dict[str, Any]]:
        """Gives at most `limit` wrong predictions, the worst first.

        The common template shows `truth`, `answer` and `probability` with `row_facts` of each.
        """
        return []

    def figures(self, evaluated: Any, report: Report) -> Pictures:
        """Draws pictures, by name. "confusion" and "reliability" have a place in the common template."""
        return {}

    def figures_for_browser(self, evaluated: Any, figures: Pictures) -> Pictures:
        """Draws those anew that gain by the fonts of a browser."""
        return figures

    def rows_behind(self, figure: str, evaluated: Any) -> int:
        """Says how many rows a figure of `shares_of_rows` is a share of."""
        return len(evaluated)

    def own_parts(self, evaluated: Any, baselines: Baselines) -> Report:
        """Gives parts of `report.json` that no other task has, by their keys."""
        return {}

    def evaluated_on(self, report: Report) -> str:
        """Says what the headline figure was computed on, to follow "on"."""
        return counted(report["examples"]["test"], "test text")

    def terminal_parts(self, report: Report) -> list[RenderableType]:
        """Gives what the terminal shows after the figures."""
        return []

    def curves(self, evaluated: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Gives truth [rows] bool and probability [rows] float32 by name, for TensorBoard's precision-recall curves."""
        return {}

    def view(self, report: Report) -> dict[str, Any]:
        """Gives what its own templates need besides the report."""
        return {}
