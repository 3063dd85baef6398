"""How figures are put into words, the same on the pages and in the terminal. Takes the dict of `report.json`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sftkeras.errors import SFTError
from sftkeras.evaluation.metrics import METRICS

ABSENT = "–"


def figure(value: float | None, metric: str) -> str:
    """`84.2%` for a share, `0.412` for another figure, a dash for None."""
    return percent(value) if METRICS[metric].share else number(value)


def percent(value: float | None) -> str:
    """`84.2%`, or a dash for None."""
    return ABSENT if value is None else f"{100 * value:.1f}%"


def number(value: Any, digits: int = 3) -> str:
    """`0.412`, `22,713,602`: significant digits, or all before the point if that is more; a dash for None."""
    if value is None:
        return ABSENT
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def chance(p: float) -> str:
    """A p-value."""
    return "< 0.0001" if p < 0.0001 else number(p)


def running(title: str) -> str:
    """A title as it stands within a sentence: `micro F1`."""
    return title[:1].lower() + title[1:]


def between(ends: list[float] | None, metric: str) -> str:
    """`81.6% to 86.5%`, or nothing for None."""
    return "" if ends is None else f"{figure(ends[0], metric)} to {figure(ends[1], metric)}"


def duration(seconds: float | None) -> str:
    """`0.42 s`, `12 s`, `3 min 20 s`, `1 h 5 min`."""
    if seconds is None:
        return ABSENT
    if seconds < 9.95:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def gain(value: float, metric: str) -> str:
    """`6.4 points` for a share, `0.21` for another figure; without a sign."""
    return f"{100 * abs(value):.1f} points" if METRICS[metric].share else number(abs(value))


def signed(ends: list[float] | None, metric: str) -> str:
    """`+4.1 to +8.8`, in points for a share."""
    if ends is None:
        return ABSENT
    factor, digits = (100, ".1f") if METRICS[metric].share else (1, ".3g")
    return " to ".join(f"{factor * end:+{digits}}".replace("-", "−") for end in ends)


def sampled(baseline: dict[str, Any], report: dict[str, Any]) -> str:
    """What to add to the name of a baseline that learned from a part of the training texts; nothing for others."""
    rows = baseline["training_rows"]
    return f" (from {rows:,} sampled texts)" if 0 < rows < report["examples"].get("train", 0) else ""


class Verdict(NamedTuple):
    """How the model compares with a baseline. `sure` is None where there was no resampling."""

    sentence: str
    better: bool
    sure: bool | None


def verdicts(report: dict[str, Any]) -> list[Verdict]:
    """One for each baseline, the strongest baseline first; before them, whether nothing was learned."""
    metric = report["headline"]["metric"]
    known = [one for one in report["baselines"].values() if one["gain"] is not None]
    compared = [_verdict(one, metric) for one in sorted(known, key=lambda one: one["gain"])]
    hopeless = nothing_learned(report)
    return [*([Verdict(hopeless, False, True)] if hopeless else ()), *compared]


def nothing_learned(report: dict[str, Any]) -> str | None:
    """Returns a coded warning if the model is not measurably better than answering every text alike."""
    alike = report["baselines"].get("majority") or report["baselines"].get("mean")
    if not alike or alike["gain"] is None or (alike["gain"] > 0 and alike["more_than_noise"] is not False):
        return None
    metric = report["headline"]["metric"]
    figures = {"ours": report["headline"]["value"], "theirs": alike["metrics"][metric]}
    shown = {whose: figure(value, metric) for whose, value in figures.items()}
    rows = f"{report['examples']['test']:,}"
    return str(SFTError("SFT461", name=alike["name"], metric=METRICS[metric].title, rows=rows, **shown))


def _verdict(baseline: dict[str, Any], metric: str) -> Verdict:
    better, sure = baseline["gain"] >= 0, baseline["more_than_noise"]
    sentence = f"{gain(baseline['gain'], metric)} {'better' if better else 'worse'} than {baseline['name']}"
    if sure is not None:
        noise = "more than noise" if sure else "this may be noise"
        sentence += f" (95% interval {signed(baseline['gain_interval'], metric)}: {noise})"
    return Verdict(sentence + ".", better, sure)


def weakest(report: dict[str, Any], limit: int) -> list[tuple[str, dict[str, Any]]]:
    """At most `limit` labels that occur, lowest F1 first."""
    known = [(name, row) for name, row in report["per_class"].items() if row["f1"] is not None]
    return sorted(known, key=lambda item: item[1]["f1"])[:limit]


def flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields `("training.batch_size", 32)` for each leaf of nested settings."""
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


# What the parts of the training's time are, in the order in which they are shown.
TIME_PARTS = {
    "start": ("Start", "steps that also trace the graph, such as the first of a process"),
    "input": ("Input", "waiting for batches"),
    "compute": ("Compute", "forward and backward pass, and the update"),
    "all_reduce": ("All-reduce", "adding up the gradients of all devices, once this one's own is there"),
    "checkpoint": ("Checkpoint", "what saving states and the best weights takes from the loop"),
    "validation": ("Validation", "judging the validation texts after each epoch"),
    "other": ("Other", "logs, best weights, and whatever else is done between steps"),
}


class Share(NamedTuple):
    """A part of the training's time."""

    title: str
    meaning: str
    seconds: float
    share: float


def shares(time: dict[str, float]) -> list[Share]:
    """The parts that took any time, in order."""
    total = sum(time.get(part, 0.0) for part in TIME_PARTS)
    return [
        Share(title, meaning, time[part], time[part] / total)
        for part, (title, meaning) in TIME_PARTS.items()
        if time.get(part)
    ]


def shorten(name: str, most: int = 30) -> str:
    """Cuts a name to `most` characters, on one line."""
    name = " ".join(name.split())
    return name if len(name) <= most else name[: most - 1] + "…"
