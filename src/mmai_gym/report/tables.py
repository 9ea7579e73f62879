"""The verdict of each family in one sentence, and the table of results behind it.

A family's sentence is computed from separated intervals, never from which number is larger. In the table a number is
bold only where its interval lies clear of every other model's in that task; elsewhere nobody has won.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from mmai_gym.contracts import Estimate
from mmai_gym.report.intervals import Axis, decimals, estimate_text, interval_bar
from mmai_gym.report.markup import Markup, element, join
from mmai_gym.report.material import Material, Row, anchor

T = TypeVar("T")

_METRIC_NAMES = {
    "mae": "MAE",
    "rmse": "RMSE",
    "auroc": "AUROC",
    "auprc": "average precision",
    "pearson": "Pearson r",
    "spearman": "Spearman ρ",
}


def metric_name(metric: str) -> str:
    """A metric's name as the field writes it."""
    return _METRIC_NAMES.get(metric, metric.replace("_", " "))


def best_model(estimates: Mapping[str, Estimate]) -> str | None:
    """The model whose interval is separated from every other model's; None where no one is, or no one competes."""
    if len(estimates) < 2:
        return None
    for model, estimate in estimates.items():
        if all(estimate.separated_from(other) for name, other in estimates.items() if name != model):
            return model
    return None


def results_section(material: Material) -> Markup:
    """Per family a forest table of the headline metrics, all other metrics folded away below it."""
    return join(_family(material, family, rows) for family, rows in grouped(material.rows, "family").items())


def grouped(rows: Iterable[Row], by: str) -> dict[str, list[Row]]:
    """Rows by one of their fields, in order of first appearance."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(getattr(row, by), []).append(row)
    return groups


def _family(material: Material, family: str, rows: Sequence[Row]) -> Markup:
    headline = [row for row in rows if row.is_headline]
    others = [row for row in rows if not row.is_headline]
    widths = [element("col", class_=name) for name in ("model", "value", "bar", "undecided")]
    head = element(
        "tr",
        *[element("th", name, scope="col") for name in ("Model", "Value and 95 % interval", "", "Undecided")],
    )
    table = element(
        "table",
        element("colgroup", *widths),
        element("thead", head),
        *[_task(material, rows) for rows in grouped(headline, "task").values()],
        class_="forest",
    )
    return element(
        "section",
        element("h3", family.replace("-", " ")),
        table,
        _other_metrics(others) if others else None,
        id=anchor("family", family),
    )


def _task(material: Material, rows: Sequence[Row]) -> Markup:
    """One task: a heading row with the axis, then one row per model."""
    estimates = {row.model: row.estimate for row in rows}
    places, axis, best = decimals(estimates.values()), Axis.over(list(estimates.values())), best_model(estimates)
    first = rows[0]
    direction = "higher is better" if first.estimate.higher_is_better else "lower is better"
    described = f"{metric_name(first.metric)}{f' in {first.unit}' if first.unit else ''}, {direction}, n = {first.n:,}"
    heading = element(
        "tr",
        element(
            "th",
            element("span", first.task, class_="name"),
            element("span", described, class_="metric"),
            colspan=2,
            scope="rowgroup",
        ),
        element("th", axis.labels(places), class_="axis"),
        element("th"),
        class_="task",
    )
    trivial = material.trivial_of(first.task)
    reference = estimates[trivial].value if trivial in estimates else None
    lines = []
    for row in rows:
        value = estimate_text(row.estimate, places)
        if row.model == best:
            value = element("strong", value, class_="best")
        undecided = f"{row.undecided:,} of {row.n + row.undecided:,}" if row.undecided else None
        kinds = [
            "subject" if row.model == material.subject else "",
            "trivial" if row.model == trivial else "",
        ]
        lines.append(
            element(
                "tr",
                element("th", row.model, scope="row"),
                element("td", value, class_="value"),
                element("td", interval_bar(row.estimate, axis, reference), class_="bar"),
                element("td", undecided, class_="undecided warn" if undecided else "undecided none"),
                class_=" ".join(filter(None, kinds)) or None,
            )
        )
    return element("tbody", heading, *lines)


def _other_metrics(rows: Sequence[Row]) -> Markup:
    head = element("tr", *[element("th", name, scope="col") for name in ("Task", "Metric", "Model", "Value", "n")])
    lines: list[Markup] = []
    for task_rows in grouped(rows, "task").values():
        for metric, same in grouped(task_rows, "metric").items():
            places = decimals(row.estimate for row in same)
            for row in same:
                unit = f" ({row.unit})" if row.unit else ""
                cells = [row.task, metric_name(metric) + unit, row.model, estimate_text(row.estimate, places), f"{row.n:,}"]
                lines.append(element("tr", *[element("td", cell) for cell in cells]))
    table = element("table", element("thead", head), element("tbody", *lines), class_="plain")
    return element(
        "details",
        element("summary", f"All other metrics ({len(rows)})"),
        element("div", table, class_="scroll"),
    )
