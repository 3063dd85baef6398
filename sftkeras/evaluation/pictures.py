"""Figures for reports and TensorBoard, and how they become PNG or SVG. Draws what it is given, computes no scores.

Figures are made without pyplot, so nothing here keeps state or opens a window. Colours are those of the light theme;
in an SVG they are CSS variables, so that one picture suits a light and a dark page.
"""

from __future__ import annotations

import html
import io
import math
import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from sftkeras.evaluation.statistics.confusion import most_confused

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#1d2430", "#667085", "#e4e7ec", "#ffffff"
BLUE, ORANGE = "#2f6fed", "#d9730d"
# Colours of lines that differ, also by people who see few colours (after Okabe and Ito).
LINES = (BLUE, ORANGE, "#0f9d76", "#b5479d", "#8a6d00", "#1f8fb3", "#c0392b", "#596275")
# The name of each colour as a CSS variable of the HTML report.
CSS_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper"} | {
    colour: f"line-{number}" for number, colour in enumerate(LINES)
}

MOST_CONFUSION_LABELS = 20
MOST_POINTS = 400  # of one line or cloud: more cannot be seen and make the SVG large
MOST_NAME_CHARACTERS = 22
INCHES_OF_A_LETTER = 0.09  # on average, at the font size below

# What each picture of a report shows: a caption, and a text for those who do not see it.
DESCRIPTIONS = {
    "comparison": ("Headline", "Bars of the headline figure of this model and of the baselines, with 95% intervals."),
    "confusion": (
        "Confusion matrix",
        "Matrix of true labels (rows) and predicted ones (columns), shaded by share of the row.",
    ),
    "reliability": (
        "Reliability",
        "Curve of the share that is right over the probability the model gives, beside the diagonal of perfect "
        "calibration; below it, the number of predictions in each bin.",
    ),
    "learning": ("Learning curves", "Training loss of each step, and training and validation values of each epoch."),
    "residuals": ("Errors", "Predictions over truth, one dot for each text, and a histogram of the errors."),
}

# Fonts with Chinese, Japanese or Korean letters, the most complete first.
CJK_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN",
    "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "PingFang SC", "Hiragino Sans GB", "Heiti SC", "Microsoft YaHei",
    "SimHei", "SimSun", "Arial Unicode MS", "Droid Sans Fallback",
)  # fmt: skip


# ---- figures


def confusion_figure(counts: np.ndarray, names: Sequence[str], limit: int = MOST_CONFUSION_LABELS) -> Figure:
    """Draws a confusion matrix: counts, shaded by the share of the true label.

    Args:
        counts: `[labels, labels]` int; a row is a true label, a column an answer.
        names: `[labels]`; replaced by numbers where no installed font has their letters.
        limit: with more labels than this, the most confused ones are drawn.
    """
    counts, names = np.asarray(counts), drawable(names)
    shown = most_confused(counts, limit)
    support = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shares = (counts / support)[np.ix_(shown, shown)]
    counts, labels = counts[np.ix_(shown, shown)], [short(names[number]) for number in shown]
    size = 2.6 + 0.42 * len(shown)
    figure, axes = new_axes(max(size, 4.2), max(size - 0.5, 3.6))
    axes.imshow(shares, cmap=_shades(), vmin=0, vmax=1, aspect="equal")
    cell = (max(size, 4.2) - 1.6) / len(shown)  # inches
    turned = max(map(_columns, labels)) * INCHES_OF_A_LETTER > cell
    turn: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if turned else {}
    axes.set_xticks(range(len(shown)), labels, parse_math=False, **turn)
    axes.set_yticks(range(len(shown)), labels, parse_math=False)
    axes.set_xlabel("prediction")
    axes.set_ylabel("truth")
    axes.tick_params(length=0)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for (row, column), count in np.ndenumerate(counts):
        if count or len(shown) <= 10:
            colour = PAPER if shares[row, column] > 0.55 else INK
            axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=9)
    return figure


def reliability_figure(curve: dict[str, Any], *, right: str = "share that is right") -> Figure:
    """Draws the bins of `calibration.reliability`: probability against what was right, and how many are in each bin."""
    figure, (axes, bars) = _stacked_axes(5.4, 4.2)
    filled = [number for number, count in enumerate(curve["count"]) if count]
    probability = [curve["probability"][number] for number in filled]
    share = [curve["right"][number] for number in filled]
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle="--", linewidth=1, label="perfect calibration")
    axes.plot(probability, share, color=BLUE, marker="o", markersize=4, label="this model")
    axes.set(ylim=(0, 1.03), ylabel=right)
    legend(axes)
    edges = np.asarray(curve["edges"])
    bars.bar(edges[:-1], curve["count"], width=np.diff(edges) * 0.92, align="edge", color=BLUE)
    bars.set(xlim=(0, 1.01), xlabel="probability the model gives", ylabel="count")
    return figure


def learning_figure(history: Sequence[dict[str, Any]], step_losses: Sequence[float] | None) -> Figure | None:
    """Draws the loss of each step and of each epoch, and the first metric that training and validation both have.

    Args:
        history: one dict an epoch, such as `{"epoch": 1, "loss": …, "val_loss": …, "accuracy": …, "val_accuracy": …}`.
        step_losses: the training loss of each step of all epochs.

    Returns:
        None if there is nothing to draw.
    """
    if not history and not step_losses:
        return None
    metric = _metric_of(history)
    figure, axes = side_by_side_axes(9.6 if metric else 5.4, 3.3, 2 if metric else 1)
    epochs = [row.get("epoch", number + 1) for number, row in enumerate(history)]
    if step_losses:
        # A step stands where it is within its epoch; the epoch's own value stands at the epoch's end.
        last = max(epochs, default=1)
        at, losses = np.arange(1, len(step_losses) + 1) / len(step_losses) * last, np.asarray(step_losses, float)
        kept = _every(len(losses))
        axes[0].plot(at[kept], losses[kept], color=GRID, linewidth=1, label="each step")
        axes[0].plot(at[kept], _smooth(losses)[kept], color=MUTED, linewidth=1.2, label="steps, smoothed")
    _epoch_lines(axes[0], history, epochs, "loss")
    axes[0].set(xlabel="epoch", ylabel="loss")
    if metric:
        _epoch_lines(axes[1], history, epochs, metric)
        axes[1].set(xlabel="epoch", ylabel=metric.replace("_", " "))
    for one in axes:
        _whole_epochs(one, epochs)
        legend(one)
    return figure


def comparison_figure(rows: Sequence[tuple[str, float, tuple[float, float] | None]], title: str) -> Figure:
    """Draws the headline figure of the model (first) and of the baselines as bars with their intervals.

    Args:
        rows: name, value, and low and high end of the interval.
        title: of the figure on the axis.
    """
    figure, axes = new_axes(7.2, 0.9 + 0.45 * len(rows))
    names = drawable([name for name, _, _ in rows])
    for number, (_, value, interval) in enumerate(rows):
        axes.barh(number, value, height=0.62, color=BLUE if number == 0 else GRID)
        if interval:
            axes.plot(interval, [number, number], color=INK, linewidth=1.4, marker="|", markersize=6)
    axes.set_yticks(range(len(rows)), names, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel(title)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    return figure


def residual_figure(truth: np.ndarray, predictions: np.ndarray) -> Figure:
    """Draws predictions over truth, and the distribution of the errors (`[rows]` float each)."""
    figure, (cloud, spread) = side_by_side_axes(9.6, 3.6, 2)
    rows = np.random.default_rng(0).permutation(len(truth))[: 4 * MOST_POINTS]
    ends = [float(min(truth.min(), predictions.min())), float(max(truth.max(), predictions.max()))]
    cloud.plot(ends, ends, color=MUTED, linestyle="--", linewidth=1)
    cloud.plot(truth[rows], predictions[rows], ".", color=BLUE, markersize=4, alpha=0.5)
    cloud.set(xlabel="truth", ylabel="prediction")
    spread.hist(np.asarray(predictions, float) - truth, bins=min(40, max(1, len(truth))), color=BLUE)
    spread.axvline(0, color=MUTED, linestyle="--", linewidth=1)
    spread.set(xlabel="error (prediction − truth)", ylabel="texts")
    return figure


# ---- from figure to bytes


def png(figure: Figure, dots_per_inch: int = 144) -> bytes:
    """Renders a figure as a PNG."""
    return _saved(figure, format="png", dpi=dots_per_inch)


def svg(figure: Figure, name: str, alt: str) -> str:
    """Renders a figure as an SVG element to stand inside an HTML page.

    Letters stay letters, set in the page's font; colours are CSS variables of the page (`CSS_VARIABLES`).

    Args:
        figure: what to draw.
        name: a word that is unique in the page; it keeps the element ids of pictures apart.
        alt: what the picture shows, for those who do not see it.
    """
    picture = _saved(figure, format="svg", metadata={"Date": None}).decode()
    picture = picture[picture.index("<svg") :]
    picture = re.sub(r"<metadata>.*?</metadata>", "", picture, flags=re.DOTALL)
    picture = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", picture)
    for colour, variable in CSS_VARIABLES.items():
        picture = re.sub(rf"\b(fill|stroke): {colour}", rf"\1: var(--{variable})", picture)
    # The page gives the size.
    head = f'<svg role="img" aria-label="{html.escape(alt)}"'
    return re.sub(r'<svg ([^>]*?)width="[^"]*" height="[^"]*"', lambda found: f"{head} {found[1]}", picture, count=1)


def drawable(names: Sequence[str]) -> list[str]:
    """Returns the names, or their numbers from 1 if no installed font has the letters of all of them."""
    letters = {ord(letter) for name in names for letter in name if not letter.isspace()}
    missing = letters - _letters_of(_fonts())
    return [str(number) for number in range(1, len(names) + 1)] if missing else list(names)


def short(name: str) -> str:
    """Cuts a name to what fits beside a picture, on one line."""
    name = " ".join(name.split())
    return name if len(name) <= MOST_NAME_CHARACTERS else name[: MOST_NAME_CHARACTERS - 1] + "…"


def _columns(name: str) -> int:
    """Letters of a name, Chinese and the like counted twice since they are twice as wide."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in name)


def _saved(figure: Figure, **options: Any) -> bytes:
    target = io.BytesIO()
    with style(), warnings.catch_warnings():
        # In an SVG the browser has the letters that fonts here lack.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(target, bbox_inches="tight", pad_inches=0.08, **options)
    return target.getvalue()


# ---- style


@contextmanager
def style() -> Iterator[None]:
    """Within it, what is drawn looks like the other pictures."""
    import matplotlib as mpl

    settings: dict[Any, Any] = {
        "font.family": _fonts(), "font.size": 9.5, "text.color": INK, "axes.labelcolor": MUTED, "axes.edgecolor": GRID,
        "axes.facecolor": "none", "figure.facecolor": PAPER, "savefig.facecolor": PAPER, "axes.spines.top": False,
        "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True, "grid.color": GRID,
        "grid.linewidth": 0.7, "xtick.color": GRID, "ytick.color": GRID, "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
        "lines.linewidth": 1.8, "lines.solid_capstyle": "round", "legend.frameon": False, "figure.autolayout": False,
        "svg.fonttype": "none", "svg.hashsalt": "sftkeras", "text.usetex": False,
    }  # fmt: skip
    with mpl.rc_context(settings):
        yield


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of so many inches with one field."""
    figure, axes = side_by_side_axes(width, height, 1)
    return figure, axes[0]


def side_by_side_axes(width: float, height: float, count: int) -> tuple[Figure, list[Axes]]:
    """A figure of so many inches with fields side by side."""
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, list(figure.subplots(1, count, squeeze=False)[0])


def _stacked_axes(width: float, height: float) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, list(figure.subplots(2, 1, sharex=True, height_ratios=[3, 1]))


def legend(axes: Axes, names: Sequence[str] | None = None) -> None:
    """Adds a legend, with these names in place of the lines' labels."""
    with style():
        shown = axes.legend()
    # Set afterwards: matplotlib leaves out lines whose label opens with "_", and reads "$" as a formula.
    for text, name in zip(shown.get_texts(), names or (), strict=bool(names)):
        text.set_parse_math(False)
        text.set_text(name)


def _shades() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("shades", [PAPER, BLUE])


def _fonts() -> list[str]:
    """Installed font families to draw with: the plain one, then one for Chinese, Japanese and Korean."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *[name for name in CJK_FONTS if name in installed][:1]]


def _letters_of(families: Sequence[str]) -> set[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return {
        letter for family in families for letter in get_font(findfont(FontProperties(family=[family]))).get_charmap()
    }


# ---- lines


def _epoch_lines(axes: Axes, history: Sequence[dict[str, Any]], epochs: Sequence[float], key: str) -> None:
    for name, label, colour in ((key, "training", BLUE), (f"val_{key}", "validation", ORANGE)):
        values = [np.nan if row.get(name) is None else float(row[name]) for row in history]
        if not np.isnan(values).all():
            axes.plot(epochs, values, color=colour, marker="o", markersize=4, label=label)


def _whole_epochs(axes: Axes, epochs: Sequence[float]) -> None:
    from matplotlib.ticker import MultipleLocator

    axes.xaxis.set_major_locator(MultipleLocator(max(1, math.ceil(len(epochs) / 10))))


def _metric_of(history: Sequence[dict[str, Any]]) -> str | None:
    keys = [key for row in history for key in row if f"val_{key}" in row and key != "loss"]
    return "accuracy" if "accuracy" in keys else next(iter(keys), None)


def _smooth(values: np.ndarray) -> np.ndarray:
    """Running mean over about a fiftieth of the values, fewer at the ends."""
    window = max(1, len(values) // 50)
    kernel = np.ones(window)
    return np.convolve(values, kernel, "same") / np.convolve(np.ones_like(values), kernel, "same")


def _every(count: int) -> np.ndarray:
    """Positions of at most `MOST_POINTS` values at equal steps, first and last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).astype(int))
