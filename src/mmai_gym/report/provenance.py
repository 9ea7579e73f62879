"""Where the numbers come from: what was run on what, with which versions, and the commands that do it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from mmai_gym.bench import list_suites
from mmai_gym.records import RunHeader
from mmai_gym.report.glossary import metric_meaning, metric_name
from mmai_gym.report.markup import Markup, element, join
from mmai_gym.report.material import Chapter, Training


def glossary_section(chapters: Sequence[Chapter]) -> Markup:
    """One line for each metric that occurs."""
    metrics = dict.fromkeys(row.metric for chapter in chapters for row in chapter.table.rows)
    entries = []
    for metric in metrics:
        meaning = metric_meaning(metric) or "A metric of its task's own; the task's file defines it."
        entries.append(join([element("dt", metric_name(metric)), element("dd", meaning)]))
    return element("dl", *entries, class_="glossary small")


def provenance_section(chapter: Chapter, training: Training) -> Markup:
    """The record's header in full, its checksum, and how to reproduce."""
    header = chapter.table.header
    tables = [
        ("Versions", header.libraries),
        ("Prompts", header.prompts),
        ("Seeds", header.seeds),
        ("Tasks and their versions", header.tasks),
        ("Checksums (sha256)", header.checksums),
    ]
    documents = [("Configuration of the benchmark", header.as_json()["config"]), ("Model card", training.card)]
    return join(
        [
            element("p", "To run it again, and to write this report from the record:"),
            element("pre", commands(chapter, training)),
            None
            if header.config["suite"] in list_suites()
            else element(
                "p",
                f"{header.config['suite']} is no suite of the gym, but that of a program or a file; "
                "what it asks stands in the configuration below.",
                class_="small",
            ),
            element(
                "p",
                join(
                    ["Record ", element("code", chapter.file), ", sha256 ", element("code", chapter.sha256), "."]
                ),
                class_="small",
            ),
            *[_details(title, values) for title, values in tables if values],
            *[_document(title, values) for title, values in documents if values],
        ]
    )


def commands(chapter: Chapter, training: Training) -> str:
    """The command lines that repeat the training (where its recipe is known), the benchmark and the report."""
    header = chapter.table.header
    lines = [bench_command(header)]
    if "answers_from" in header.config:
        lines.append(f"mmai-gym judge RECORD --out {shlex.quote(chapter.file.removesuffix('.gz'))}")
    lines += [
        shlex.join(["mmai-gym", "score", chapter.file]),
        shlex.join(["mmai-gym", "report", header.config["model"]]),
    ]
    if training.recipe:
        lines.insert(
            0, shlex.join(["mmai-gym", "train", training.recipe, "--out", f"runs/{header.config['model']}"])
        )
    return "\n".join(lines)


def bench_command(header: RunHeader) -> str:
    """The command line behind every number of a record."""
    config = header.config
    suite = str(config["suite"])
    words = ["mmai-gym", "bench", str(config["model"])]
    words += ["--suite", suite if suite in list_suites() else f"{suite}.toml"]
    if config.get("limit"):
        words += ["--limit", str(config["limit"])]
    if "bench" in header.seeds:
        words += ["--seed", str(header.seeds["bench"])]
    if "forward" in config:
        words += ["--forward", str(config["forward"])]
    return shlex.join(words)


def _details(title: str, values: Mapping[str, Any]) -> Markup:
    lines = [
        element("tr", element("th", str(key), scope="row"), element("td", element("code", str(value))))
        for key, value in values.items()
    ]
    table = element("div", element("table", *lines, class_="plain small"), class_="scroll")
    return element("details", element("summary", f"{title} ({len(values)})"), table)


def _document(title: str, values: Mapping[str, Any]) -> Markup:
    written = json.dumps(values, indent=2, ensure_ascii=False)
    return element("details", element("summary", title), element("pre", written))
