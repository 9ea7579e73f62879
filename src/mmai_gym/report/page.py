"""The page: everything about one run in one file that needs nothing else.

No script, no font, no image is loaded from anywhere, so the file can be mailed, archived and opened in ten years.
A content-security policy in the page says so to the browser as well: even if an escape were forgotten, nothing
would run or leave.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from string import Template

from mmai_gym import __version__
from mmai_gym.contracts import UsageError
from mmai_gym.report.answers import answers_section
from mmai_gym.report.drawings import Pencil
from mmai_gym.report.markup import Markup, element, join, text
from mmai_gym.report.material import Chapter, Training, read_chapter, read_training
from mmai_gym.report.plots import answer_plots, training_section
from mmai_gym.report.provenance import glossary_section, provenance_section
from mmai_gym.report.tables import results_tables, validity_text, verdict_list


def write_report(
    records: str | Path | Sequence[str | Path], run_folder: str | Path | None, out: str | Path
) -> Path:
    """Write one self-contained HTML file about `records` (one or several run records); returns its path.

    Args:
        run_folder: holds the training log and the checkpoint, whose parameters are counted; None for neither.
        out: the HTML file; replaced as a whole, so that a reader never sees half a page.

    Raises:
        UsageError: no record is given, or `out` cannot be written.
        DataError: a record cannot be read, or the data it answers are not here.
    """
    paths = [Path(records)] if isinstance(records, str | Path) else [Path(record) for record in records]
    if not paths:
        raise UsageError("a report needs at least one run record; run `mmai-gym bench MODEL` first")
    chapters = [read_chapter(path, f"r{i + 1}") for i, path in enumerate(paths)]
    training = read_training(None if run_folder is None else Path(run_folder))
    return _replace(Path(out), render(chapters, training))


def render(chapters: Sequence[Chapter], training: Training) -> str:
    """The page as text; deterministic in its arguments."""
    pencil = Pencil()
    bodies = [_chapter(chapter, training, pencil, several=len(chapters) > 1) for chapter in chapters]
    curve = training_section(training)
    notes = [element("p", f"Molecules are shown as text only: {note}", class_="note") for note in pencil.notes]
    models = list(dict.fromkeys(chapter.table.model for chapter in chapters))
    suites = list(dict.fromkeys(chapter.table.suite for chapter in chapters))
    title = f"{', '.join(models)} on the {' and '.join(suites)} {'suite' if len(suites) == 1 else 'suites'}"
    body = [
        *notes,
        *bodies,
        element("h2", "Training", id="training") if curve else None,
        curve,
        element("h2", "What the metrics mean", id="metrics"),
        glossary_section(list(chapters)),
    ]
    return Template(_shipped("page.html")).substitute(
        title=text(f"{title}: MMAI Gym report"),
        heading=text(title),
        style=_shipped("page.css"),
        facts=join([_facts(chapters, training), _navigation(chapters, trained=bool(curve))]),
        body=join(body, between="\n"),
        footer=text(f"Written by mmai-gym {__version__} from the run record; no model was run for this page."),
    )


# --------------------------------------------------------------------------------------------------- parts


def _chapter(chapter: Chapter, training: Training, pencil: Pencil, *, several: bool) -> Markup:
    """One record: what it says in words, in numbers, in plots and in drawings, and where it comes from."""
    name = f" ({chapter.table.suite}: {chapter.table.model})" if several else ""
    key = chapter.key
    how_to_read = (
        "Bars are 95 % intervals; all models of a task share its axis. The dotted line is the best trivial "
        "baseline. A number is bold where its interval lies clear of every other model’s."
    )
    return join(
        [
            element("h2", f"In words{name}", id=f"{key}-words"),
            verdict_list(chapter),
            element("h2", f"Results{name}", id=f"{key}-results"),
            element("p", how_to_read, class_="muted small"),
            results_tables(chapter),
            element("h2", f"Predicted against true{name}", id=f"{key}-plots"),
            answer_plots(chapter),
            element("h2", f"Right and wrong answers{name}", id=f"{key}-answers"),
            answers_section(chapter, pencil),
            element("h2", f"Provenance{name}", id=f"{key}-provenance"),
            provenance_section(chapter, training),
        ],
        between="\n",
    )


def _facts(chapters: Sequence[Chapter], training: Training) -> Markup:
    first = chapters[0].table
    config = first.header.config
    facts: list[tuple[str, Markup | str]] = [
        ("Model", first.model),
        ("Suite", ", ".join(dict.fromkeys(chapter.table.suite for chapter in chapters))),
        ("Date", first.header.created.replace("T", " ").replace("+00:00", " UTC")),
        ("Examples per task", f"at most {config['limit']:,}" if config.get("limit") else "all"),
        ("Split", str(config.get("split", "test"))),
    ]
    if training.parameters is not None:
        facts.append(("Parameters", _magnitude(training.parameters)))
    if training.curve and training.curve.wall_seconds:
        facts.append(("Training time", _duration(training.curve.wall_seconds)))
    if spent := sum(chapter.seconds.get(chapter.table.model, 0.0) for chapter in chapters):
        facts.append(("Time to answer", _duration(spent)))
    if first.model in first.validity:
        facts.append(("Valid structures", validity_text(first.validity[first.model])))
    pairs = [element("div", element("dt", name), element("dd", value)) for name, value in facts]
    return element("dl", *pairs, class_="facts")


def _navigation(chapters: Sequence[Chapter], *, trained: bool) -> Markup:
    links: list[tuple[str, str]] = []
    for chapter in chapters:
        mark = f" {chapter.key[1:]}" if len(chapters) > 1 else ""
        for name, at in (
            ("Results", "results"),
            ("Plots", "plots"),
            ("Answers", "answers"),
            ("Provenance", "provenance"),
        ):
            links.append((name + mark, f"#{chapter.key}-{at}"))
    links += [("Training", "#training")] if trained else []
    links.append(("Metrics", "#metrics"))
    return element("nav", *[element("a", name, href=at) for name, at in links])


def _magnitude(count: int) -> str:
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {letter}"
    return str(count)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


# --------------------------------------------------------------------------------------------------- files


def _shipped(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _replace(out: Path, html: str) -> Path:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="\n", dir=out.parent, suffix=".part", delete=False
        ) as stream:
            stream.write(html)
        Path(stream.name).chmod(0o644)
        Path(stream.name).replace(out)
    except OSError as error:
        raise UsageError(f"cannot write the report to {out}: {error.strerror}; choose another path") from None
    return out
