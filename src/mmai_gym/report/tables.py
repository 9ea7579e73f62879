"""The verdict of each family in one sentence, and the table of results behind it.

A family's sentence is computed from separated intervals, never from which number is larger. In the table a number
is bold only where its interval lies clear of every other model's in that task; elsewhere nobody has won.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mmai_gym.bench import Contest, FamilySummary, PublishedFigure, Row
from mmai_gym.contracts import Estimate
from mmai_gym.report.glossary import metric_name
from mmai_gym.report.intervals import Axis, decimals, estimate_text, interval_bar, number
from mmai_gym.report.markup import Markup, element, join
from mmai_gym.report.material import Chapter
from mmai_gym.report.provenance import bench_command
from mmai_gym.report.published import (
    as_estimate,
    comparable_figures,
    decimals_of,
    published_details,
    value_text,
)

# --------------------------------------------------------------------------------------------------- sentences


def verdict_list(chapter: Chapter) -> Markup:
    """One line per family: beaten, level or below, and on how many tasks."""
    items = []
    for position, family in enumerate(chapter.table.families):
        standing, said = verdict(family)
        link = element("a", family.family, href=f"#{chapter.anchor(position)}")
        items.append(element("li", element("span", link), element("span", said), class_=standing))
    return element("ul", *items, class_="verdicts")


def verdict(family: FamilySummary) -> tuple[str, Markup]:
    """("beats" | "level" | "below" | "unknown", the sentence)."""
    total = len(family.contests)
    compared = [contest for contest in family.contests if contest.model and contest.trivial]
    if not compared:
        return "unknown", join(["No answers that could be compared with a trivial baseline."])
    worse = sum(_is_worse(contest) for contest in compared)
    better = f"clearly better on {family.n_separated} of {total} {_plural('task', total)}"
    also = f", clearly worse on {worse}" if worse else ""
    missing = f"; {total - len(compared)} not answered yet" if len(compared) < total else ""
    rest = f" ({better}{also}{missing})."
    if family.beaten:
        return "beats", join([element("b", "Beats the trivial baseline"), rest])
    if 2 * worse > total:
        return "below", join([element("b", "Falls below the trivial baseline"), rest])
    return "level", join([element("b", "Stays at the trivial baseline"), rest])


def _is_worse(contest: Contest) -> bool:
    return bool(contest.model and contest.trivial and contest.trivial.separated_from(contest.model))


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def best_model(estimates: Mapping[str, Estimate]) -> str | None:
    """The model whose interval is separated from every other model's; None where no one is, or no one competes."""
    if len(estimates) < 2:
        return None
    for model, estimate in estimates.items():
        if all(estimate.separated_from(other) for name, other in estimates.items() if name != model):
            return model
    return None


# --------------------------------------------------------------------------------------------------- tables


def results_tables(chapter: Chapter) -> Markup:
    """Per family a forest table of the headline metrics, all other metrics folded away below it."""
    return join(_family(chapter, i, family) for i, family in enumerate(chapter.table.families))


def _family(chapter: Chapter, position: int, family: FamilySummary) -> Markup:
    rows = [row for row in chapter.table.rows if row.family == family.family]
    titles = ("Model", "Value and 95 % interval", "")
    table = element(
        "table",
        element("colgroup", *[element("col", class_=name) for name in ("model", "value", "bar")]),
        element("thead", element("tr", *[element("th", title, scope="col") for title in titles])),
        *[_task(chapter, contest, rows) for contest in family.contests],
        class_="forest",
    )
    return element(
        "section",
        element("h3", family.family),
        element("p", " ".join(filter(None, (_protocol(family), family.note))), class_="muted small"),
        table,
        published_details(chapter, family),
        _other_metrics([row for row in rows if not row.is_headline]),
        element("p", "Made by ", element("code", bench_command(chapter.table.header)), class_="muted small"),
        id=chapter.anchor(position),
    )


def _protocol(family: FamilySummary) -> str:
    return f"Protocol: {family.protocol}." if family.protocol else ""


def _task(chapter: Chapter, contest: Contest, family_rows: Sequence[Row]) -> Markup:
    """One task: a heading row with the axis, then one row per model."""
    rows = [row for row in family_rows if row.is_headline and row.task == contest.task]
    estimates = {row.model: row.estimate for row in rows}
    published = comparable_figures(chapter, contest.task, contest.metric) if rows else []
    drawn = [*estimates.values(), *(as_estimate(figure, rows[0].estimate) for figure in published)]
    # Where the trivial baseline's value is undefined, 0 stands for it, and may lie far from the others.
    axis = Axis.over([*drawn, *filter(None, [contest.trivial])])
    places, best = decimals(estimates.values()), best_model(estimates)
    reference = contest.trivial.value if contest.trivial else None
    lines = [_line(chapter, contest, row, places, axis, best, reference) for row in rows]
    lines += [_published_line(figure, rows[0].estimate, axis, reference) for figure in published]
    name = element("span", contest.task, class_="name")
    about = element("span", _about(contest, rows), class_="metric")
    heading = element(
        "tr",
        element("th", name, about, colspan=2, scope="rowgroup"),
        element("th", axis.labels(places), class_="axis") if rows else element("th"),
        class_="task",
    )
    return element("tbody", heading, *lines)


def _line(
    chapter: Chapter,
    contest: Contest,
    row: Row,
    places: int,
    axis: Axis,
    best: str | None,
    reference: float | None,
) -> Markup:
    value = estimate_text(row.estimate, places)
    if row.runs > 1:
        value = join(
            [
                value,
                element("span", f"± {number(row.spread, places + 1)} over {row.runs} seeds", class_="interval"),
            ],
            " ",
        )
    if row.model == best:
        value = element("strong", value, class_="best")
    kinds = {"subject": row.model == chapter.table.model, "trivial": row.model == contest.trivial_name}
    undecided = f"{row.undecided:,} {_plural('completion', row.undecided)} without a verdict"
    return element(
        "tr",
        element("th", row.model, scope="row"),
        element("td", value, element("span", undecided, class_="warn") if row.undecided else None, class_="value"),
        element("td", interval_bar(row.estimate, axis, reference), class_="bar"),
        class_=" ".join(kind for kind, holds in kinds.items() if holds) or None,
    )


def _published_line(figure: PublishedFigure, like: Estimate, axis: Axis, reference: float | None) -> Markup:
    """A figure of the same setting, on the axis of the measured ones and marked as none of them."""
    return element(
        "tr",
        element(
            "th", figure.model, element("span", f" published, {figure.certainty}", class_="source"), scope="row"
        ),
        element("td", value_text(figure, decimals_of([figure])), class_="value"),
        element("td", interval_bar(as_estimate(figure, like), axis, reference), class_="bar"),
        class_="published",
    )


def _about(contest: Contest, rows: Sequence[Row]) -> str:
    if not rows:
        return f"{metric_name(contest.metric)}; no model has answered this task yet"
    first = rows[0]
    unit = f" in {first.unit}" if first.unit else ""
    direction = "higher is better" if first.estimate.higher_is_better else "lower is better"
    sizes = sorted({row.n for row in rows})
    n = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    return f"{metric_name(contest.metric)}{unit}, {direction}, n = {n}"


def _other_metrics(rows: Sequence[Row]) -> Markup | None:
    if not rows:
        return None
    lines: list[Markup] = []
    for task_rows in _grouped(rows, "task").values():
        for metric, same in _grouped(task_rows, "metric").items():
            places = decimals(row.estimate for row in same)
            unit = f" ({same[0].unit})" if same[0].unit else ""
            for row in same:
                value = estimate_text(row.estimate, places)
                cells = (row.task, metric_name(metric) + unit, row.model, value, f"{row.n:,}")
                lines.append(element("tr", *[element("td", cell) for cell in cells]))
    titles = ("Task", "Metric", "Model", "Value and 95 % interval", "n")
    head = element("thead", element("tr", *[element("th", title, scope="col") for title in titles]))
    table = element("table", head, element("tbody", *lines), class_="plain")
    summary = element("summary", f"All other metrics ({len(rows)} numbers)")
    return element("details", summary, element("div", table, class_="scroll"))


def validity_text(estimate: Estimate) -> Markup:
    """The share of readable structures in percent, with its interval."""
    low, value, high = (number(100 * x, 1) for x in (estimate.low, estimate.value, estimate.high))
    shown = element("data", f"{value} %", value=repr(estimate.value), title=f"{estimate.method}, n = {estimate.n}")
    return join([shown, element("span", f"[{low}, {high}]", class_="interval")], between=" ")


def _grouped(rows: Iterable[Row], by: str) -> dict[str, list[Row]]:
    """Rows by one of their fields, in order of first appearance."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(getattr(row, by), []).append(row)
    return groups
