"""Figures of others under a family's measured ones: apart, each with its setting, its source and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence

from mmai_gym.bench import FamilySummary, PublishedFigure
from mmai_gym.contracts import Estimate
from mmai_gym.report.glossary import metric_name
from mmai_gym.report.intervals import decimals, number
from mmai_gym.report.markup import Markup, element, join
from mmai_gym.report.material import Chapter


def comparable_figures(chapter: Chapter, task: str, metric: str) -> list[PublishedFigure]:
    """Those that may stand on one axis with the measured figures of a task."""
    return [f for f in chapter.table.published if (f.task, f.metric) == (task, metric) and f.comparable]


def as_estimate(figure: PublishedFigure, like: Estimate) -> Estimate:
    """The figure for drawing: its spread, where it has one, as the ends of the bar."""
    spread = figure.spread or 0.0
    low, high = figure.value - spread, figure.value + spread
    method = figure.spread_of or "as published"
    return Estimate(figure.value, low, high, 0, method, like.unit, like.higher_is_better)


def value_text(figure: PublishedFigure, places: int) -> Markup:
    """`0.887 ± 0.006`, the exact value in the `value` attribute and the source in the tooltip."""
    about = f"{figure.source}; read in: {figure.read_in}; {figure.certainty}"
    value = element("data", number(figure.value, places), value=repr(figure.value), title=about)
    if figure.spread is None:
        return value
    return join([value, element("span", f"± {number(figure.spread, places)}", class_="interval")], between=" ")


def published_details(chapter: Chapter, family: FamilySummary) -> Markup | None:
    """All published figures of a family, folded away: those of another setting are never drawn beside measured ones."""
    names = {contest.task for contest in family.contests}
    figures = [figure for figure in chapter.table.published if figure.task in names]
    averages = [entry for entry in chapter.table.averages if entry[1].family == family.family]
    if not figures and not averages:
        return None
    lines = [_line(figure) for figure in figures]
    for model, average in averages:
        for metric, figure in average.figures.items():
            cells = (average.over, metric_name(metric), model.name, _plain(figure.value), "no single task")
            about = (f"{model.source} ({model.read_in})", figure.certainty or model.certainty, model.note)
            lines.append(element("tr", *[element("td", cell) for cell in (*cells, *about)]))
    titles = ("Task", "Metric", "Model", "Value", "Setting differs in", "Source (read in)", "How sure", "Note")
    head = element("thead", element("tr", *[element("th", title, scope="col") for title in titles]))
    table = element("table", head, element("tbody", *lines), class_="plain small published")
    apart = sum(not figure.comparable for figure in figures)
    said = f"Published by others, not measured here ({len(lines)} figures, {apart} of them in another setting)"
    return element("details", element("summary", said), element("div", table, class_="scroll"))


def _line(figure: PublishedFigure) -> Markup:
    places = decimals_of([figure])
    cells: tuple[Markup | str, ...] = (
        figure.task,
        metric_name(figure.metric),
        figure.model,
        value_text(figure, places),
        "; ".join(figure.differs) or "nothing",
        f"{figure.source} ({figure.read_in})",
        figure.certainty,
        figure.note,
    )
    return element("tr", *[element("td", cell) for cell in cells], class_=None if figure.comparable else "apart")


def decimals_of(figures: Sequence[PublishedFigure]) -> int:
    """As many as a published figure is written with, three at most."""
    written = [f"{figure.value:.3f}".rstrip("0").partition(".")[2] for figure in figures]
    spreads = [Estimate(f.value, f.value - f.spread, f.value + f.spread, 0, "") for f in figures if f.spread]
    return max(
        [len(text) for text in written] + [min(3, decimals(spreads))] if spreads else [len(t) for t in written]
    )


def _plain(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")
