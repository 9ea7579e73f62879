"""What training may have known of the test sets: what was kept out of the corpora, and what an audit found.

The findings are those of `mmai-gym data audit`, read from `audit.json` in the run folder; without them the page says how to
make them. Nothing is audited while a report is written.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmai_gym.contracts import DataError
from mmai_gym.report.markup import Markup, element, join
from mmai_gym.report.material import Chapter

FILE = "audit.json"
_TESTS_TOLD = 3
_TABLES = ("by_task", "reactions", "conflicts", "neighbours")


def read_findings(path: Path) -> Mapping[str, Any] | None:
    """The findings of an audit, None where there is no such file.

    Raises:
        DataError: the file holds something else.
    """
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if all(isinstance(found[name], list) for name in _TABLES):
            return dict(found)
    except (ValueError, KeyError, TypeError):
        pass
    raise DataError(f"{path} holds no findings of an audit; make them with: mmai-gym data audit --out {path}")


def audit_section(chapter: Chapter, run_folder: Path | None) -> Markup:
    """Exclusions out of the record, and the findings about the record's tasks."""
    config = chapter.table.header.config
    tasks = [contest.task for family in chapter.table.families for contest in family.contests]
    parts: list[Markup | None] = [_exclusions(config.get("exclusions", {}))]
    folder = run_folder or Path("runs") / chapter.table.model
    try:
        found = read_findings(folder / FILE)
    except DataError as error:
        return join([*parts, element("p", str(error), class_="note")])
    if found is None:
        command = shlex.join(["mmai-gym", "data", "audit", *_prefixes(tasks), "--out", str(folder / FILE)])
        return join(
            [
                *parts,
                element("p", "No audit of these test sets lies in the run folder. To make one and show it here:"),
                element("pre", command),
            ]
        )
    return join([*parts, _overlaps(found, tasks), _neighbours(found, tasks), _conflicts(found, tasks)])


def _prefixes(tasks: Sequence[str]) -> list[str]:
    return list(dict.fromkeys("/".join(task.split("/")[:2]) if task.count("/") > 1 else task for task in tasks))


def _exclusions(corpora: Mapping[str, Any]) -> Markup | None:
    if not corpora:
        return element(
            "p", "The record names no test set that was kept out of the model’s training data.", class_="note"
        )
    protections = [entry.get("protected") or {} for entry in corpora.values()]
    tests = {test for one in protections for test in one.get("tests", ())}
    rules = dict.fromkeys(rule for one in protections for rule in one.get("rules", ()))
    rows = [
        (corpus, task, f"{left['examples']:,}", _because(left["by_rule_and_test"]))
        for corpus, entry in corpora.items()
        for task, left in (entry.get("excluded") or {}).items()
    ]
    said = f"What {len(tests)} test sets ask about was kept out of the training corpora, by {', '.join(rules)}."
    total = sum(left["examples"] for entry in corpora.values() for left in (entry.get("excluded") or {}).values())
    titles = ("Corpus", "Task", "Examples", "Most of them for")
    table = _table("Left out, by corpus and task", titles, rows)
    return join(
        [
            element("p", said),
            element("details", element("summary", f"{total:,} training examples were left out"), table),
        ]
    )


def _because(by_rule_and_test: Mapping[str, Mapping[str, int]]) -> str:
    """The three tests that most of the examples were left out for; one example may be in the way of many."""
    counts: Counter[str] = Counter()
    for tests in by_rule_and_test.values():
        counts.update(tests)
    told = ", ".join(f"{test} ({count:,})" for test, count in counts.most_common(_TESTS_TOLD))
    more = len(counts) - _TESTS_TOLD
    return f"{told} and {more} more" if more > 0 else told


def _overlaps(found: Mapping[str, Any], tasks: Sequence[str]) -> Markup:
    """Test molecules that a task's own training part holds, and test reactions that any source makes."""
    rows = [
        (
            one["test"],
            f"{one['train_valid']:,} of {one['n_test']:,} test rows",
            "a molecule of its own training part",
        )
        for one in found["by_task"]
        if one["test"] == one["source"] and one["test"] in tasks
    ]
    rows += [
        (
            one["test"],
            f"{one['train_valid_contained']:,} of {one['n_test']:,} test rows",
            f"a reaction of {one['source']}",
        )
        for one in found["reactions"]
        if one["test"] in tasks
    ]
    return _table("Test rows that hold something known", ("Task", "How many", "Know"), rows)


def _neighbours(found: Mapping[str, Any], tasks: Sequence[str]) -> Markup:
    rows = [
        (one["task"], f"{one['low']:.2f}, {one['median']:.2f}, {one['high']:.2f}", f"{one['near']:.0%}")
        for one in found["neighbours"]
        if one["task"] in tasks
    ]
    titles = ("Task", "Quartiles of the similarity", "At 0.7 or more")
    return _table("Tanimoto similarity of test molecules to the nearest training molecule", titles, rows)


def _conflicts(found: Mapping[str, Any], tasks: Sequence[str]) -> Markup:
    rows = [
        (one["task"], f"{one['molecules']:,}", f"{one['across']:,}")
        for one in found["conflicts"]
        if one["task"] in tasks
    ]
    return _table("Molecules with different labels", ("Task", "Molecules", "Test against the rest"), rows)


def _table(title: str, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    if not rows:
        return element("p", f"{title}: none.", class_="small")
    head = element("thead", element("tr", *[element("th", name, scope="col") for name in titles]))
    body = element("tbody", *[element("tr", *[element("td", cell) for cell in row]) for row in rows])
    return join([element("h3", title), element("table", head, body, class_="plain small")])
