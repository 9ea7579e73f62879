"""Plots, drawn by matplotlib and inlined as SVG that follows the page's light or dark colours.

matplotlib is asked for stand-in colours that occur nowhere else; `inline_svg` swaps each for a colour variable of
the page. Text stays text (searchable, in the page's own font), and neither a date nor a random id enters the file,
so the same record gives the same bytes.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mmai_gym import stats
from mmai_gym.extras import require
from mmai_gym.report.markup import Markup, inline_svg

INK, MUTED, LINE, ACCENT, SECOND, SHEET = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
_PAGE_COLOURS = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    ACCENT: "var(--accent)",
    SECOND: "var(--second)",
    SHEET: "var(--page)",
}
_PRINTED = {
    INK: "#1c2329",
    MUTED: "#5a6670",
    LINE: "#dbe1e6",
    ACCENT: "#0b6f73",
    SECOND: "#b4570c",
    SHEET: "#ffffff",
}
"""On paper, and on pages that are not ours."""
_WIDE = (7.6, 3.4)
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mmai-gym",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # ships inside matplotlib; the page replaces it by its own
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "text.parse_math": False,  # a `$` in a stranger's task name is a dollar sign
}
MAX_POINTS = 300
"""Points a parity plot draws; beyond it the file grows and the eye gains nothing."""


def plot(draw: Callable[[Any], None], size: tuple[float, float], prefix: str, label: str) -> Markup:
    """One plot as inline SVG. `draw` receives the matplotlib Axes; `size` is in inches.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    return inline_svg(_svg(draw, size), prefix, label, _PAGE_COLOURS)


def _svg(draw: Callable[[Any], None], size: tuple[float, float], paper: str = "none") -> str:
    require("matplotlib", extra="bench")
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        # A bare Figure: pyplot would keep it alive and pick a backend for the whole process.
        figure = Figure(figsize=size, layout="constrained", facecolor=paper)
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


Points = Sequence[tuple[float, float]]


def training_curve(train: Points, valid: Points, stages: Sequence[tuple[float, str]], prefix: str) -> Markup:
    """Loss and validation loss, each a list of (tokens, nats); `stages` are the tokens at which each begins."""
    draw = _training(train, valid, stages)
    return plot(draw, _WIDE, prefix, "Training and validation loss during training")


def training_picture(train: Points, valid: Points, stages: Sequence[tuple[float, str]]) -> str:
    """The same as an SVG file of its own, on white."""
    drawn = _svg(_training(train, valid, stages), _WIDE, SHEET)
    for stand_in, colour in _PRINTED.items():
        drawn = drawn.replace(stand_in, colour)
    return drawn


def _training(train: Points, valid: Points, stages: Sequence[tuple[float, str]]) -> Callable[[Any], None]:
    def draw(axes: Any) -> None:
        if train:
            x, loss = np.array(train).T
            axes.plot(x, loss, color=ACCENT, lw=1.0, alpha=0.35 if len(x) > 30 else 1.0)
            if len(x) > 30:
                axes.plot(x, _running_median(loss, len(x) // 15), color=ACCENT, lw=1.8)
            axes.plot([], [], color=ACCENT, lw=1.8, label="training loss")
        if valid:
            x, loss = np.array(valid).T
            axes.plot(x, loss, color=SECOND, lw=1.6, marker="o", ms=4, label="validation loss")
        for at, name in stages:
            axes.axvline(at, color=MUTED, lw=0.8, ls=":")
            axes.annotate(
                name, (at, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 3), textcoords="offset points",
                va="bottom", ha="left", fontsize=8, color=MUTED,
            )  # fmt: skip
        axes.set_xlabel("tokens seen")
        axes.set_ylabel("loss (nats per supervised token)")
        axes.set_ylim(*_loss_limits([*train, *valid]))
        axes.xaxis.set_major_formatter(_thousands)
        axes.legend(loc="upper right")

    return draw


def parity(measured: Sequence[float], predicted: Sequence[float], unit: str, prefix: str, label: str) -> Markup:
    """Predicted against true values with the identity line, both axes alike; at most `MAX_POINTS` points.

    The points drawn are evenly spaced in the order given, so that the same record draws the same points. A prediction
    outside `parity_frame` is a cross at the border.
    """
    chosen = np.linspace(0, len(measured) - 1, min(MAX_POINTS, len(measured))).astype(int)
    x, y = np.array(measured, dtype=float)[chosen], np.array(predicted, dtype=float)[chosen]
    low, high = parity_frame(measured, predicted)
    margin = 0.05 * (high - low) or 0.5
    inside = (y >= low) & (y <= high)

    def draw(axes: Any) -> None:
        limits = (low - margin, high + margin)
        axes.plot(limits, limits, color=MUTED, lw=0.9, ls="--")
        axes.plot(x[inside], y[inside], ls="", marker="o", ms=4, mfc=ACCENT, mec="none", alpha=0.5)
        axes.plot(x[~inside], y[~inside].clip(low, high), ls="", marker="x", ms=5, mec=SECOND)
        axes.set_xlim(*limits)
        axes.set_ylim(*limits)
        axes.set_aspect("equal")
        axes.locator_params(nbins=5)
        axes.set_xlabel(f"true value ({unit})" if unit else "true value")
        axes.set_ylabel(f"predicted value ({unit})" if unit else "predicted value")

    return plot(draw, (3.2, 3.1), prefix, label)


def parity_frame(measured: Sequence[float], predicted: Sequence[float]) -> tuple[float, float]:
    """The range a parity plot shows: that of the true values, widened to predictions up to half that range outside.

    One absurd prediction would otherwise press all others into a line.
    """
    low, high = min(measured), max(measured)
    reach = 0.5 * (high - low) or 0.5
    near = [y for y in predicted if low - reach <= y <= high + reach]
    return min([low, *near]), max([high, *near])


def reliability(confidence: Sequence[float], right: Sequence[bool], prefix: str, label: str) -> Markup:
    """How often the model is right where it says it is sure: bins of equal count, Wilson 95 % intervals.

    Equal-count bins (Nguyen and O'Connor, EMNLP 2015) keep every point's interval about as wide as its
    neighbours'.
    """
    sure, hits = np.array(confidence, dtype=float), np.array(right, dtype=bool)
    order = np.argsort(sure, kind="stable")
    bins = [b for b in np.array_split(order, max(1, min(8, len(order) // 15))) if len(b)]
    x = np.array([sure[b].mean() for b in bins])
    rates = [stats.proportion(hits[b]) for b in bins]

    def draw(axes: Any) -> None:
        axes.plot((0, 1), (0, 1), color=MUTED, lw=0.9, ls="--")
        axes.vlines(x, [r.low for r in rates], [r.high for r in rates], color=ACCENT, lw=1.4, alpha=0.6)
        axes.plot(x, [r.value for r in rates], color=ACCENT, lw=1.2, marker="o", ms=5)
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0, 1.02)
        axes.set_aspect("equal")
        axes.set_xlabel("the model's confidence")
        axes.set_ylabel("share right")

    return plot(draw, (3.2, 3.1), prefix, label)


def _running_median(values: np.ndarray, width: int) -> np.ndarray:
    """The median of a centred window of at least 3 points, shorter at the ends."""
    half = max(1, width // 2)
    return np.array([np.median(values[max(0, i - half) : i + half + 1]) for i in range(len(values))])


def _loss_limits(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """From zero to just above all but the first few losses: the untrained start would flatten the rest."""
    losses = np.array([loss for _, loss in points])
    return 0.0, 1.15 * float(np.quantile(losses, 0.98)) or 1.0


def _thousands(value: float, _: object = None) -> str:
    """Axis text such as 500k or 1.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}" if math.isfinite(value) else ""
