"""A finished run, for those who work with it: its report, its history, its model, and its exported version."""

from __future__ import annotations

import html
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sftkeras.api.settings import errors_in_keywords, evaluate_config
from sftkeras.config import ExportPrecision
from sftkeras.console import fresh_output
from sftkeras.runs import RunFolder
from sftkeras.runtime import left_as_it_was

if TYPE_CHECKING:
    import keras

    from sftkeras.prediction.predictor import Predictor


class Run:
    """A run that was trained.

    Args:
        folder: RUNS/NAME.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.folder = Path(folder)
        self._files = RunFolder(self.folder)
        self._predictor: Predictor | None = None

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    @classmethod
    def open(cls, folder: str | PathLike[str]) -> Self:
        """Open the folder of a run that was trained.

        Raises:
            SFTError: SFT109 if there is none, SFT113 if it has no weights yet.
        """
        return cls(RunFolder.open(Path(folder)).folder)

    @property
    def report(self) -> dict[str, Any]:
        """The report: `metrics`, `baselines`, `history` and all else that report.json has.

        Raises:
            SFTError: SFT124 if the run was stopped before its report.
        """
        return self._files.read_report()

    @property
    def history(self) -> list[dict[str, float]]:
        """A dictionary for each epoch: epoch, seconds, and each metric of training and validation."""
        return self.report["history"]

    @property
    def version(self) -> Path:
        """The folder of the version that was exported last.

        Raises:
            SFTError: SFT114 if there is none.
        """
        return self._files.last_export()

    @cached_property
    def model(self) -> keras.Model:
        """The trained network with its best weights, in float32: token ids and masks to logits."""
        from sftkeras import runtime

        runtime.start_tensorflow()
        from sftkeras.runs.restoring import restore_model

        with runtime.left_as_it_was():
            runtime.full_precision()
            return restore_model(RunFolder.open(self.folder)).network

    def export(
        self,
        folder: str | None = None,
        server: str | None = None,
        transformers: str | None = None,
        precision: ExportPrecision = "float32",
    ) -> Path:
        """Export the best weights as a new version, and return its folder. `fine_tune` has exported one already.

        Args:
            folder: where NAME/VERSION lands; None takes the folder of the run's settings.
            server: release of TensorFlow Serving that must be able to load it; None takes that of the run's settings.
            transformers: a Python that has transformers, with which a model that writes is compared; None takes that
                of the run's settings.
            precision: bfloat16 or int8 exports NAME-bfloat16 or NAME-int8, with rounded weights.

        Raises:
            SFTError: as `python -m sftkeras.export`.
        """
        from sftkeras.pipeline.export_run import export_run

        with _from_python():
            return export_run(RunFolder.open(self.folder), folder, server, transformers, precision).path

    def predict(self, texts: str | Iterable[str], pairs: str | Iterable[str] | None = None) -> list[dict[str, Any]]:
        """Predict texts by the exported version: a record for each, as `python -m sftkeras.predict` prints them.

        The first call starts a process, which takes some seconds, and later ones use it. It ends with this object.

        Args:
            texts: one text, or several.
            pairs: their second texts, for a model of pairs.

        Raises:
            SFTError: SFT114 if the run has exported no version, and as `python -m sftkeras.predict`.
        """
        from sftkeras.prediction.predictor import load

        with errors_in_keywords():
            version = self.version
            if self._predictor is None or self._predictor.name != str(version):  # or exported since
                self._predictor = load(version)
            return self._predictor.predict(texts, pairs)

    def evaluate(
        self, data: Any = None, *, output: str | PathLike[str] | None = None, **reading: Any
    ) -> dict[str, Any]:
        """Evaluate the exported version on labelled rows, and return the report.

        Args:
            data: a file, or rows in memory as `fine_tune` takes them; None takes the run's own test part.
            output: folder for report.json, report.md and report.html; None writes none.
            **reading: further settings of `python -m sftkeras.evaluate --help`, such as text="review".

        Raises:
            SFTError: as `python -m sftkeras.evaluate`.
        """
        from sftkeras.pipeline.evaluating import evaluate

        with _from_python(), tempfile.TemporaryDirectory() as scratch:
            config = evaluate_config(self.folder, data, output or scratch, reading)
            return evaluate(config)[1]

    def show(self) -> None:
        """Show the report with its pictures where there is a notebook; elsewhere, print where it is."""
        try:
            from IPython.display import display
        except ImportError:
            print(self.folder / "report.html")
        else:
            display(self)

    def _repr_html_(self) -> str:
        page = html.escape((self.folder / "report.html").read_text(encoding="utf-8"))
        return f'<iframe srcdoc="{page}" style="width: 100%; height: 40em; border: 0"></iframe>'


@contextmanager
def _from_python() -> Iterator[None]:
    with errors_in_keywords(), fresh_output(verbose=False), left_as_it_was():
        yield
