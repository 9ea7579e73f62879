"""Numbers with their intervals, as text and as bars on an axis that all models of one task share.

Digits are a claim: a value is written to the second significant digit of its half-interval and no further, and all
models of a task get the same number of decimals, so that the eye compares like with like. The exact number stands
in the `value` attribute of each `<data>` element.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmai_gym.contracts import Estimate
from mmai_gym.report.markup import Markup, element, join

UNDEFINED = "undefined"
_MAX_DECIMALS = 4


def decimals(estimates: Iterable[Estimate]) -> int:
    """Decimals that show two significant digits of the narrowest half-interval; 3 where there is no interval."""
    halves = [(e.high - e.low) / 2 for e in estimates if math.isfinite(e.high - e.low) and e.high > e.low]
    if not halves:
        return 3
    return min(_MAX_DECIMALS, max(0, 1 - math.floor(math.log10(min(halves)))))


def number(value: float, places: int) -> str:
    """`value` with `places` decimals; a true minus sign; "undefined" for NaN."""
    if not math.isfinite(value):
        return UNDEFINED
    return f"{value:,.{places}f}".replace("-", "−")


def estimate_text(estimate: Estimate, places: int) -> Markup:
    """`0.82 [0.78, 0.86]`, the exact value in the `value` attribute and the method in the tooltip."""
    value = element(
        "data",
        number(estimate.value, places),
        value=repr(estimate.value),
        title=f"{estimate.method}, n = {estimate.n}",
    )
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return value
    low, high = number(estimate.low, places), number(estimate.high, places)
    return join([value, element("span", f"[{low}, {high}]", class_="interval")], between=" ")


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis from `low` to `high`, in the metric's unit."""

    low: float
    high: float

    @classmethod
    def over(cls, estimates: Sequence[Estimate]) -> Axis:
        """The axis that holds all values and intervals, with a margin; [0, 1] where none is finite."""
        ends = [x for e in estimates for x in (e.low, e.value, e.high) if math.isfinite(x)]
        if not ends:
            return cls(0.0, 1.0)
        low, high = min(ends), max(ends)
        margin = 0.04 * (high - low) or 0.05 * abs(high) or 0.5
        # A quantity that is never negative here keeps an axis that starts at zero or above.
        return cls(max(0.0, low - margin) if low >= 0 else low - margin, high + margin)

    def percent(self, value: float) -> str:
        """Where `value` lies, as a CSS percentage of the axis."""
        return f"{100 * (value - self.low) / (self.high - self.low):.2f}%"

    def labels(self, places: int) -> Markup:
        """The two ends of the axis, in one row above the bars."""
        ends = [element("span", number(end, places)) for end in (self.low, self.high)]
        return element("span", *ends)


def interval_bar(estimate: Estimate, axis: Axis, reference: float | None) -> Markup:
    """A point on a line, as in a forest plot; the dotted vertical marks `reference`, the trivial baseline's value.

    Positions are percentages, so that the bar is as wide as its table cell on any screen while the point stays
    round.
    """
    parts = [element("line", class_="track", x1="0%", x2="100%", y1="50%", y2="50%")]
    if reference is not None and math.isfinite(reference):
        x = axis.percent(reference)
        parts.append(element("line", class_="reference", x1=x, x2=x, y1="0%", y2="100%"))
    if math.isfinite(estimate.low) and math.isfinite(estimate.high):
        x1, x2 = axis.percent(estimate.low), axis.percent(estimate.high)
        parts.append(element("line", class_="span", x1=x1, x2=x2, y1="50%", y2="50%"))
    if math.isfinite(estimate.value):
        parts.append(element("circle", class_="point", cx=axis.percent(estimate.value), cy="50%", r="5"))
    label = f"{estimate.value:.4g}, interval {estimate.low:.4g} to {estimate.high:.4g}"
    return element("svg", *parts, class_="interval-bar", role="img", aria_label=label)
