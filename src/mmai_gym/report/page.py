"""The page: everything about one run in one file that needs nothing else.

No script, no font, no image is loaded from anywhere, so the file can be mailed, archived and opened in ten years.
A content-security policy in the page says so to the browser as well: even if an escape were forgotten, nothing
would run or leave.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from string import Template

from mmai_gym import __version__
from mmai_gym.contracts import UsageError
from mmai_gym.report.answers import answers_section
from mmai_gym.report.audit import audit_section
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
    folder = None if run_folder is None else Path(run_folder)
    return _replace(Path(out), render(chapters, read_training(folder), folder))


def render(chapters: Sequence[Chapter], training: Training, run_folder: Path | None = None) -> str:
    """The page as text; deterministic in its arguments and in the audit that lies in the run folder."""
    pencil = Pencil()
    several = len(chapters) > 1
    results = [_results(chapter, several) for chapter in chapters]
    answers = [_answers(chapter, pencil, several) for chapter in chapters]
    provenance = [_provenance(chapter, training, several) for chapter in chapters]
    audits = [_audit(chapter, run_folder, several) for chapter in chapters]
    curve = training_section(training)
    notes = [element("p", f"Molecules are shown as text only: {note}", class_="note") for note in pencil.notes]
    title = _title(chapters)
    body = [
        *notes,
        *results,
        element("h2", "Training", id="training") if curve else None,
        curve,
        *answers,
        *audits,
        element("h2", "What the metrics mean", id="metrics"),
        glossary_section(chapters),
        *provenance,
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


def _title(chapters: Sequence[Chapter]) -> str:
    models = list(dict.fromkeys(chapter.table.model for chapter in chapters))
    suites = list(dict.fromkeys(chapter.table.suite for chapter in chapters))
    return f"{', '.join(models)} on the {' and '.join(suites)} {'suite' if len(suites) == 1 else 'suites'}"


def _heading(chapter: Chapter, words: str, section: str, several: bool) -> Markup:
    """A chapter's heading; it names the record where the page is about several."""
    name = f" ({chapter.table.suite}: {chapter.table.model})" if several else ""
    return element("h2", words + name, id=f"{chapter.key}-{section}")


def _results(chapter: Chapter, several: bool) -> Markup:
    how_to_read = (
        "Bars are 95 % intervals; all models of a task share its axis. The dotted line is the best trivial "
        "baseline. A number is bold and green where its interval lies clear of every other measured model’s. Open "
        "circles are published figures of the same setting, with their own spread; those of another setting are listed "
        "below the table and not drawn."
    )
    return join(
        [
            _heading(chapter, "In words", "words", several),
            *[element("p", f"Record: {fault}", class_="note") for fault in chapter.table.faults],
            verdict_list(chapter),
            _heading(chapter, "Results", "results", several),
            element("p", how_to_read, class_="muted small"),
            results_tables(chapter),
        ],
        between="\n",
    )


def _answers(chapter: Chapter, pencil: Pencil, several: bool) -> Markup:
    return join(
        [
            _heading(chapter, "Predictions", "plots", several),
            answer_plots(chapter),
            _heading(chapter, "Right and wrong answers", "answers", several),
            answers_section(chapter, pencil),
        ],
        between="\n",
    )


def _audit(chapter: Chapter, run_folder: Path | None, several: bool) -> Markup:
    heading = _heading(chapter, "What training may have known", "audit", several)
    return join([heading, audit_section(chapter, run_folder)], between="\n")


def _provenance(chapter: Chapter, training: Training, several: bool) -> Markup:
    heading = _heading(chapter, "Provenance", "provenance", several)
    return join([heading, provenance_section(chapter, training)], between="\n")


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
    def links(name: str, section: str) -> list[tuple[str, str]]:
        several = len(chapters) > 1
        return [(f"{name} {i}" if several else name, f"#{c.key}-{section}") for i, c in enumerate(chapters, 1)]

    found = [
        *links("Results", "results"),
        *([("Training", "#training")] if trained else []),
        *links("Predictions", "plots"),
        *links("Answers", "answers"),
        *links("Audit", "audit"),
        ("Metrics", "#metrics"),
        *links("Provenance", "provenance"),
    ]
    return element("nav", *[element("a", name, href=at) for name, at in found])


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
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(html, encoding="utf-8", newline="\n")
        partial.replace(out)
    except OSError as error:
        raise UsageError(f"cannot write the report to {out}: {error.strerror}; choose another path") from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    return out
