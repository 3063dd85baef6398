"""Puts figures into words, the same on the pages and in the terminal. Takes the dict of `report.json`.

Where figures are named, `evaluation` or its `Metric` says how they are shown. A report from disk gets it by
`spec_of(report["task"]).evaluation({})`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from sftkeras.errors import SFTError
from sftkeras.plurals import counted

if TYPE_CHECKING:
    from sftkeras.evaluation.contract import Evaluation
    from sftkeras.evaluation.statistics.metrics import Metric

ABSENT = "–"


def figure(value: float | None, metric: Metric) -> str:
    """`84.2%` for a share, `0.412` for another figure, a dash for None."""
    return percent(value) if metric.share else number(value)


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
    """A title as it stands within a sentence: `micro F1`, `ROUGE-L`."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def between(ends: list[float] | None, metric: Metric) -> str:
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


def gain(value: float, metric: Metric) -> str:
    """`6.4 points` for a share, `0.21` for another figure; without a sign."""
    return f"{100 * abs(value):.1f} points" if metric.share else number(abs(value))


def signed(ends: list[float] | None, metric: Metric) -> str:
    """`+4.1 to +8.8`, in points for a share."""
    if ends is None:
        return ABSENT
    return " to ".join(_signed(end, share=metric.share).replace("-", "−") for end in ends)


def _signed(value: float, *, share: bool) -> str:
    if not share:
        return f"{value:+.3g}"
    # An end that only rounding makes zero must not look like one: what an interval says is where its ends are.
    return f"{100 * value:+.1f}" if abs(value) >= 0.0005 or not value else f"{100 * value:+.1g}"


def sampled(baseline: dict[str, Any], report: dict[str, Any]) -> str:
    """Suffix to the name of a baseline that learned from a part of the training texts; nothing for others."""
    rows = baseline["training_rows"]
    return f" (from {rows:,} sampled texts)" if 0 < rows < report["examples"].get("train", 0) else ""


class Verdict(NamedTuple):
    """Comparison of the model with a baseline: `outcome` is "better", "worse", or "unsure" if the difference may be
    noise, and so where nothing was resampled."""

    sentence: str
    outcome: str


def verdicts(report: dict[str, Any], evaluation: Evaluation) -> list[Verdict]:
    """Compares with each baseline, the strongest baseline first; before them, whether nothing was learned."""
    metric = evaluation.metrics[report["headline"]["metric"]]
    known = [one for one in report["baselines"].values() if one["gain"] is not None]
    compared = [_verdict(one, metric) for one in sorted(known, key=lambda one: one["gain"])]
    hopeless = nothing_learned(report, evaluation)
    return [*([Verdict(hopeless, "worse")] if hopeless else ()), *compared]


def nothing_learned(report: dict[str, Any], evaluation: Evaluation) -> str | None:
    """Returns a coded warning if the model is not measurably better than one prediction for every text."""
    alike = report["baselines"].get(evaluation.constant_baseline)
    if not alike or alike["gain"] is None or (alike["gain"] > 0 and alike["more_than_noise"] is not False):
        return None
    name = report["headline"]["metric"]
    metric = evaluation.metrics[name]
    figures = {"ours": report["headline"]["value"], "theirs": alike["metrics"][name]}
    shown = {whose: figure(value, metric) for whose, value in figures.items()}
    rows = f"{report['examples']['test']:,}"
    return str(SFTError("SFT461", name=alike["name"], metric=metric.title, rows=rows, **shown))


def _verdict(baseline: dict[str, Any], metric: Metric) -> Verdict:
    difference, sure = baseline["gain"], baseline["more_than_noise"]
    direction = "better" if difference >= 0 else "worse"
    sentence = f"{gain(difference, metric)} {direction} than {baseline['name']}"
    if sure is None:
        return Verdict(f"{sentence}, without an interval.", "unsure")
    ends = signed(baseline["gain_interval"], metric)
    if not difference:
        return Verdict(f"Exactly as good as {baseline['name']} (95% interval {ends}).", "unsure")
    if sure:
        return Verdict(f"{sentence} (95% interval {ends}: more than noise).", direction)
    return Verdict(f"Not clearly {sentence} (95% interval {ends} holds zero: this may be noise).", "unsure")


def forgetting(report: dict[str, Any], evaluation: Evaluation) -> list[Verdict]:
    """Say how much was forgotten of the test part of each earlier run; nothing where there was none."""
    metric = evaluation.metrics[report["headline"]["metric"]]
    parts = [part for part in report.get("before_and_after", ()) if part["earlier"] and part["gain"] is not None]
    return [_forgetting(part, report["headline"]["metric"], metric) for part in parts]


def _forgetting(part: dict[str, Any], name: str, metric: Metric) -> Verdict:
    before, after = (figure(part[when]["metrics"][name], metric) for when in ("before", "after"))
    ends = f", 95% interval {signed(part['gain_interval'], metric)}" if part["gain_interval"] else ""
    size = f"{gain(part['gain'], metric)} {'worse' if part['gain'] < 0 else 'better'}{ends}"
    where = f"on {counted(part['rows'], 'test text')} of {part['run']}: {metric.title} {before} before, {after} after"
    if part["more_than_noise"] is None:
        return Verdict(f"Without an interval, {where} ({size}).", "unsure")
    if not part["more_than_noise"]:
        return Verdict(f"Nothing was measurably forgotten {where} ({size}).", "unsure")
    return Verdict(f"{'Improved' if part['gain'] > 0 else 'Forgotten'} {where} ({size}).", outcome(part))


def outcome(baseline: dict[str, Any]) -> str:
    """Returns the outcome of a baseline's comparison, as `Verdict` has it; "unsure" too where there is no gain."""
    if not baseline["more_than_noise"]:
        return "unsure"
    return "better" if baseline["gain"] >= 0 else "worse"


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


# What the stages of a command are, in the order in which they come.
STAGES = {
    "start": "start of the program",
    "data": "data (reading, checking)",
    "setup": "setup (TensorFlow, weights, tokens)",
    "train": "training (its parts are below)",
    "tune": "tuning on the validation part",
    "export": "export (writing, proving)",
    "judge": "predictions for the test part",
    "baselines": "baselines",
    "report": "figures and pictures of the report",
}
# A part of the run is named for its idle cores if it is this share of the run, and keeps less than so many cores busy.
_LONG_PART, _BUSY = 0.03, 0.8


def stages(seconds: dict[str, float]) -> list[tuple[str, float]]:
    """Return the time of each stage in words, and their sum if there are several."""
    known = [(words, seconds[stage]) for stage, words in STAGES.items() if seconds.get(stage)]
    known += [(stage, took) for stage, took in seconds.items() if stage not in STAGES]
    return [*known, ("all together", sum(took for _, took in known))] if len(known) > 1 else known


class TimelinePart(NamedTuple):
    """A part of a run on its timeline; `begin` and `share` are shares of the whole run."""

    title: str
    begin: float
    share: float
    seconds: float
    cores: float
    idle: bool


def timeline(report: dict[str, Any]) -> list[TimelinePart]:
    """Return the parts of a run in their order, and what is between them as "other"; nothing for older reports."""
    if not (whole := report.get("timeline")):
        return []
    total, cores, parts = whole["seconds"], whole["cores"], []
    for one in whole["parts"]:
        share = one["seconds"] / total
        idle = share >= _LONG_PART and one["cores"] < _BUSY * cores
        title = STAGES.get(one["name"], one["name"])
        parts.append(TimelinePart(title, one["begin"] / total, share, one["seconds"], one["cores"], idle))
    rest = max(1 - sum(part.share for part in parts), 0.0)
    return [*parts, TimelinePart("other (between these parts)", 0.0, rest, rest * total, 0.0, False)]


def timeline_summary(report: dict[str, Any]) -> str:
    """Say how busy the cores were, and in which long parts some were idle."""
    parts, cores = timeline(report), report["timeline"]["cores"]
    busy = sum(part.seconds * part.cores for part in parts) / (report["timeline"]["seconds"] * cores)
    idle = [f"{part.title.partition(' (')[0]} ({number(part.cores, 2)} of {cores})" for part in parts if part.idle]
    named = f" Cores were idle in: {', '.join(idle)}." if idle else " No long part left cores idle."
    return (
        f"This run took {duration(report['timeline']['seconds'])}, in which its cores were {percent(busy)} busy.{named}"
    )


# What the parts of the training's time are, in the order in which they are shown.
TIME_PARTS = {
    "start": ("Start", "steps that also trace the graph, such as the first of a process"),
    "input": ("Input", "waiting for batches"),
    "compute": ("Compute", "forward and backward pass, and the update"),
    "all_reduce": ("All-reduce", "adding up the gradients of all devices, once this one's own is there"),
    "checkpoint": ("Checkpoint", "what saving states and the best weights takes from the loop"),
    "validation": ("Validation", "evaluating the validation texts after each epoch"),
    "other": ("Other", "logs, what is done between steps, and what ends the training"),
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
