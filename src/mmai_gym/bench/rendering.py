"""A table as text for a terminal, as Markdown for a page, and as JSON for other programs.

The text shows headlines only and is plain (no colour, ASCII frame), so that it reads the same on a terminal, in
a pipe and in a log. JSON and Markdown hold every metric.
"""

from __future__ import annotations

import io
import math
from dataclasses import asdict
from typing import Any

from mmai_gym.bench.published import PublishedFigure
from mmai_gym.bench.table import Contest, FamilySummary, Row, Table
from mmai_gym.contracts import Estimate

_MARK = "*"


def number(value: float) -> str:
    """Three significant digits, never an exponent for ordinary sizes; '-' for an undefined value."""
    if math.isnan(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def render_text(table: Table, width: int | None = None) -> str:
    """The headline table, `width` columns wide (the terminal's by default), and what it says of each family."""
    from rich.console import Console
    from rich.table import Table as Grid

    console = Console(file=io.StringIO(), width=width or _terminal_width(), color_system=None, highlight=False)
    grid = Grid(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    grid.add_column("task", overflow="fold")
    grid.add_column("metric", overflow="fold")
    for model in table.models:
        grid.add_column(_short(model), overflow="fold", justify="right")
    for summary in table.families:
        grid.add_row(summary.family)
        for contest in summary.contests:
            grid.add_row(*_line(table, summary.family, contest))
    console.print(grid)
    console.print()
    for line in statements(table):
        console.print(line, markup=False, soft_wrap=True)
    for summary in table.families:
        if grids := _published_grids(table, summary):
            console.print(f"\n{summary.family}: published by others, not measured here", markup=False)
            console.print(*grids, sep="\n")
    for line in _published_notes(table):
        console.print(line, markup=False, soft_wrap=True)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in lines)


_COLUMNS = 6


def _published_grids(table: Table, summary: FamilySummary) -> list[Any]:
    """Published headlines of a family: a line per task and a column per model, or the other way round where the tasks are
    fewer; as many grids as the models need."""
    from rich.table import Table as Grid

    headlines = {(contest.task, contest.metric) for contest in summary.contests}
    cells: dict[tuple[str, str], str] = {}
    for figure in table.published:
        if (figure.task, figure.metric) in headlines:
            cells[figure.task.removeprefix(f"{summary.family}/"), figure.model] = published_value(figure)
    lines, columns = (list(dict.fromkeys(names)) for names in zip(*cells, strict=True)) if cells else ([], [])
    if len(lines) < len(columns) / _COLUMNS:
        lines, columns = columns, lines
        cells = {(model, task): text for (task, model), text in cells.items()}
    grids = []
    for start in range(0, len(columns), _COLUMNS):
        part = columns[start : start + _COLUMNS]
        grid = Grid(box=None, padding=(0, 2, 0, 2), pad_edge=False)
        grid.add_column("", overflow="fold")
        for name in part:
            grid.add_column(name, overflow="fold", justify="right")
        for line in lines:
            if any((line, name) in cells for name in part):
                grid.add_row(line, *(cells.get((line, name), "") for name in part))
        grids.append(grid)
    return grids


_MARKS = {"primary": "", "second-hand": "'", "unverified": "?"}


def published_value(figure: PublishedFigure) -> str:
    """The value and a mark for how sure it is; in brackets where it may not be ranked with measured figures."""
    written = f"{number(figure.value)}{_MARKS[figure.certainty]}"
    return written if figure.comparable else f"({written})"


def _published_notes(table: Table) -> list[str]:
    if not table.published:
        return []
    notes = ["", "' second-hand; ? not seen in any source; spreads, sources and the setting of each: --markdown"]
    reasons: dict[tuple[str, ...], dict[str, None]] = {}
    for figure in table.published:
        if not figure.comparable:
            reasons.setdefault(figure.differs, {})[figure.model] = None
    if reasons:
        notes.append("in brackets: another setting than this suite's, not to be ranked with measured figures")
        notes += [f"  {', '.join(models)}: {'; '.join(differs)}" for differs, models in reasons.items()]
    return notes


def statements(table: Table) -> list[str]:
    """What the numbers say, one sentence a line."""
    found: list[str] = [f"record: {fault}" for fault in table.faults]
    contested = []
    for summary in table.families:
        rivals = ", ".join(sorted({c.trivial_name for c in summary.contests if c.trivial_name}))
        if not rivals:
            found.append(f"{summary.family}: no trivial baseline in this record to compare with")
            continue
        contested.append(summary.beaten)
        found.append(
            f"{summary.family}: {'beaten' if summary.beaten else 'NOT beaten'}; "
            f"{table.model} is better than {rivals} "
            f"with separated intervals on {summary.n_separated} of {len(summary.contests)} tasks"
        )
    if contested:
        found.append(f"families beaten: {sum(contested)} of {len(contested)}")
    if table.model in table.validity:
        valid = table.validity[table.model]
        found.append(
            f"valid structures: {100 * valid.value:.1f} % ({100 * valid.low:.1f} to {100 * valid.high:.1f}), "
            f"all completions of {valid.n} examples"
        )
    headlines = [row for row in table.rows if row.is_headline]
    if falling := sorted({row.metric for row in headlines if not row.estimate.higher_is_better}):
        found.append(f"{' and '.join(falling)}: lower is better; all others: higher is better")
    if contested:
        found.append(f"{_MARK} better than the best trivial baseline, 95 % intervals do not touch")
    if repeated := sorted({(row.model, row.runs) for row in headlines if row.runs > 1}):
        named = ", ".join(f"{_short(model)} ({runs})" for model, runs in repeated)
        found.append(f"+- standard deviation over seeds, of {named}; every other model is one run")
    found += [
        f"undecided: {row.undecided} completions of {row.model} on {row.task} got no verdict and are left out"
        for row in headlines
        if row.undecided
    ]
    return found


def to_markdown(table: Table) -> str:
    """Headlines, statements and all metrics, as Markdown."""
    config = table.header.config
    lines = [
        f"# Suite {table.suite}: {table.model}",
        "",
        f"Split {config['split']}, at most {config['limit'] or 'all'} examples per task, {table.header.created}.",
        "",
        "| family | task | metric | n | " + " | ".join(_short(model) for model in table.models) + " |",
        "|" + "---|" * (4 + len(table.models)),
    ]
    for summary in table.families:
        for contest in summary.contests:
            cells = [_cell(table.headline(contest.task, model), contest, table.model) for model in table.models]
            n = str(contest.model.n) if contest.model else "-"
            cells = [summary.family, contest.task, _metric(table, contest), n, *cells]
            lines.append("| " + " | ".join(cells) + " |")
    lines += ["", *(f"- {line}" for line in statements(table)), ""]
    lines += [f"- {summary.family}: {summary.note}" for summary in table.families if summary.note]
    lines += ["", "| task | model | metric | value | 95 % interval | unit | n | runs |", "|" + "---|" * 8]
    for row in table.rows:
        e = row.estimate
        value = number(e.value) if math.isnan(row.spread) else f"{number(e.value)} ± {number(row.spread)}"
        interval = f"{number(e.low)} to {number(e.high)}"
        lines.append(
            f"| {row.task} | {row.model} | {row.metric} | {value} | {interval} | {e.unit} | {e.n} | {row.runs} |"
        )
    return "\n".join([*lines, *_published_markdown(table)]) + "\n"


def _published_markdown(table: Table) -> list[str]:
    if not table.published:
        return []
    lines = ["", "## Published by others, not measured here", ""]
    lines += [
        "| task | model | metric | value | setting differs in | source | read in | certainty |",
        "|" + "---|" * 8,
    ]
    for figure in table.published:
        spread = "" if figure.spread is None else f" ± {number(figure.spread)}"
        cells = (figure.task, figure.model, figure.metric, f"{number(figure.value)}{spread}")
        about = ("; ".join(figure.differs) or "nothing", figure.source, figure.read_in, figure.certainty)
        lines.append(f"| {' | '.join((*cells, *about))} |")
    return lines


def to_json(table: Table) -> dict[str, Any]:
    """The table as one JSON-ready object; an undefined number is null."""
    return {
        "suite": table.suite,
        "model": table.model,
        "header": table.header.as_json(),
        "models": list(table.models),
        "rows": [
            {
                "family": row.family,
                "task": row.task,
                "metric": row.metric,
                "model": row.model,
                "headline": row.is_headline,
                "undecided": row.undecided,
                "runs": row.runs,
                "spread": None if math.isnan(row.spread) else row.spread,
                **estimate_as_json(row.estimate),
            }
            for row in table.rows
        ],
        "families": [
            {
                "family": summary.family,
                "beaten": summary.beaten,
                "separated": summary.n_separated,
                "tasks": [_contest_as_json(contest) for contest in summary.contests],
                "note": summary.note,
            }
            for summary in table.families
        ],
        "validity": {model: estimate_as_json(estimate) for model, estimate in table.validity.items()},
        "published": [{**asdict(figure), "comparable": figure.comparable} for figure in table.published],
        "published_averages": [
            {**model.model_dump(exclude={"figures", "averages"}), **average.model_dump()}
            for model, average in table.averages
        ],
        "faults": list(table.faults),
    }


def estimate_as_json(estimate: Estimate) -> dict[str, Any]:
    """An Estimate's fields; JSON has no NaN, so it becomes null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(estimate).items()
    }


def _contest_as_json(contest: Contest) -> dict[str, Any]:
    return {
        "task": contest.task,
        "metric": contest.metric,
        "model": estimate_as_json(contest.model) if contest.model else None,
        "trivial": estimate_as_json(contest.trivial) if contest.trivial else None,
        "trivial_name": contest.trivial_name,
        "separated": contest.separated,
    }


def _line(table: Table, family: str, contest: Contest) -> list[str]:
    cells = [_cell(table.headline(contest.task, model), contest, table.model) for model in table.models]
    name = contest.task.removeprefix(f"{family}/")
    return [f"  {name}", _metric(table, contest), *(cell.replace(" (", "\n(") for cell in cells)]


def _metric(table: Table, contest: Contest) -> str:
    unit = next((row.unit for row in table.rows if row.task == contest.task and row.metric == contest.metric), "")
    return f"{contest.metric} ({unit})" if unit else contest.metric


def _cell(row: Row | None, contest: Contest, model: str) -> str:
    if row is None:
        return "-"
    e = row.estimate
    if math.isnan(e.value):
        return "-"
    mark = _MARK if row.model == model and contest.separated else ""
    spread = "" if math.isnan(row.spread) else f"+-{number(row.spread)}"
    return f"{number(e.value)}{spread}{mark} ({number(e.low)}..{number(e.high)})"


def _short(model: str) -> str:
    return model.removeprefix("baseline:")


def _terminal_width() -> int:
    import shutil

    return max(60, shutil.get_terminal_size((120, 24)).columns)
