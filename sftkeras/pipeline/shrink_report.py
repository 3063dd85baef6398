"""The costs and gains of a smaller model: sizes, times and figures beside those of the run that it was made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sftkeras.comparison import Comparison, compare
from sftkeras.comparison.pages import HTML
from sftkeras.config import EvaluateConfig, ReportConfig
from sftkeras.console import say, waiting
from sftkeras.evaluation.evaluated import evenly_spread
from sftkeras.evaluation.statistics.resampled import read_resampled
from sftkeras.exporting.contract import read_contract
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.pipeline.evaluating import evaluate_version
from sftkeras.processor import processor
from sftkeras.runs import RunFolder

if TYPE_CHECKING:
    from sftkeras.data import LabelledData
    from sftkeras.runs.restoring import RestoredRun

BATCHES = (1, 32)  # texts in a request that is timed
SECONDS = 5.0  # for all turns of a size of requests
_FEWEST = 3  # turns

Inputs = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Times:
    """Time of a request, in milliseconds.

    Attributes:
        elapsed: by the clock, the median.
        processor: of all cores together, the mean.
    """

    elapsed: float
    processor: float


def sizes_of(restored: RestoredRun) -> dict[str, int]:
    """Return the sizes of a model: its parameters, and what can be left out of it."""
    from sftkeras.backbones.dense.held_kernels import count_parameters
    from sftkeras.backbones.narrower import width_of

    backbone = restored.backbone
    assert backbone.token_embedding is not None  # of all that can be made smaller
    width = width_of(backbone)
    return {
        "parameters": count_parameters(restored.model.network),
        "tokens": int(backbone.token_embedding.input_dim),
        "attention heads": sum(width.heads),
        "feed-forward units": width.units * len(width.groups),
    }


def compare_sizes(
    run: RunFolder, new: RunFolder, data: LabelledData, sizes: Mapping[str, Mapping[str, int]], left_out: dict[str, Any]
) -> Comparison:
    """Measures both exports, and writes the comparison into the folder of the smaller run.

    Args:
        run: as it was trained, with its report or with rows to be evaluated on anew.
        new: the smaller one, with its report.
        data: their rows.
        sizes: of "before" and "after", as `sizes_of` gives them.
        left_out: the settings by which it was made smaller.
    """
    versions = [run.last_export(), new.last_export()]
    with waiting("Timing both models in turns"):
        times = time_in_turns(versions, data)
    compared = compare([_report_of(run, new, data), new.folder])
    facts = {
        **{name: (sizes["before"].get(name), sizes["after"].get(name)) for name in sizes["before"]},
        "MB of exported weights": tuple(_megabytes(version) for version in versions),
        **dict(_facts_of(times)),
        "processor": (f"{processor()}, {date.today().isoformat()}",) * 2,
    }
    settings = {name: (None, value) for name, value in left_out.items()}
    compared = replace(compared, facts=facts, settings=settings, histories=((), ()))
    compared.save(new.folder)
    say("", compared, "", f"Comparison  {new.folder / HTML}")
    return compared


def time_in_turns(versions: Sequence[Path], data: LabelledData) -> dict[int, list[Times]]:
    """Times requests of some exported versions, a request of each after the other, so that all see the same machine.

    Returns:
        For each of `BATCHES`, the times of each version.
    """
    inputs = _inputs(versions[0], data)
    processes = [PredictionProcess() for _ in versions]
    try:
        for process, version in zip(processes, versions, strict=True):
            process.load(version)
        return {size: _timed(processes, partial(inputs, size)) for size in BATCHES}
    finally:
        for process in processes:
            process.close()


def _timed(processes: Sequence[PredictionProcess], inputs: Callable[[int], Inputs]) -> list[Times]:
    """The times of each process, for the inputs of each turn; the first turn, which is slower, is not counted."""
    elapsed: list[list[float]] = [[] for _ in processes]
    for process in processes:
        process.run("serving_default", inputs(0))
    began, turn, busy = time.perf_counter(), 0, [process.processor_seconds for process in processes]
    while turn < _FEWEST or time.perf_counter() - began < SECONDS:
        turn += 1
        for taken, process in zip(elapsed, processes, strict=True):
            start = time.perf_counter()
            process.run("serving_default", inputs(turn))
            taken.append(time.perf_counter() - start)
    spent = [process.processor_seconds - before for process, before in zip(processes, busy, strict=True)]
    return [
        Times(1000 * float(np.median(taken)), 1000 * used / turn) for taken, used in zip(elapsed, spent, strict=True)
    ]


def _inputs(version: Path, data: LabelledData) -> Callable[[int, int], Inputs]:
    """Gives the inputs of so many texts in a turn: rows of the test part; of a model that generates, its own sample."""
    contract = read_contract(version)
    rows = evenly_spread(data.splits["test"], max(BATCHES))
    sample: Inputs = contract["sample"]["request"]["inputs"]
    if "text" in sample and "generate" not in contract["signatures"]:
        pairs = data.examples.pairs(rows) if "pair" in sample else None
        sample = {"text": data.examples.texts(rows), **({} if pairs is None else {"pair": pairs})}

    def inputs(size: int, turn: int) -> Inputs:
        return {
            name: [texts[(turn * size + place) % len(texts)] for place in range(size)] for name, texts in sample.items()
        }

    return inputs


def _facts_of(times: Mapping[int, Sequence[Times]]) -> Iterator[tuple[str, tuple[float, ...]]]:
    for size, taken in times.items():
        what = f"{size} text{'s' * (size > 1)} at once"
        yield f"ms for {what}", tuple(one.elapsed for one in taken)
        yield f"ms of processor time for {what}", tuple(one.processor for one in taken)


def _report_of(run: RunFolder, new: RunFolder, data: LabelledData) -> Path:
    """The folder of a report of the run before, with what pairs it; made anew if its own has not."""
    if read_resampled(run.folder) is not None and (run.folder / "report.json").exists():
        return run.folder
    folder = new.folder / "before"
    report = EvaluateConfig(output=str(folder), report=ReportConfig(baselines=False))
    evaluate_version(run.last_export(), report, run, data)
    return folder


def _megabytes(version: Path) -> float:
    return sum(file.stat().st_size for file in (version / "variables").iterdir()) / 1e6
