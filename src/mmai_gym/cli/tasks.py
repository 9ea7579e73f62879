"""Commands about tasks: what there is, one example laid open, answers judged."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Container, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from mmai_gym.cli.plumbing import JsonOption, a_split, app, print_json, stderr
from mmai_gym.contracts import UsageError


@app.command("tasks")
def tasks_command(
    as_json: JsonOption = False,
    prefix: Annotated[str, typer.Argument(help="Only tasks at or below this name.")] = "",
) -> None:
    """List the tasks, with the number of examples in each split."""
    from mmai_gym import tasks

    rows = [_task_row(tasks.get(name)) for name in (tasks.match(prefix) if prefix else tasks.names())]
    if as_json:
        print_json(rows)
        return
    table = Table("task", "category", "train", "valid", "test", box=None)
    for row in rows:
        counts = [str(row["splits"].get(split, "-")) for split in ("train", "valid", "test")]
        table.add_row(row["name"], row["category"], *counts)
    Console().print(table)
    missing = sorted({source for row in rows if not row["splits"] for source in row["sources"]})
    if missing:
        stderr.print(f"no sizes without the data; run: mmai-gym data fetch {' '.join(missing)}", markup=False)


def _task_row(task: Any) -> dict[str, Any]:
    from mmai_gym.contracts import DataError

    try:
        splits = task.sizes()
    except DataError:
        splits = {}
    return {
        "name": task.name,
        "family": task.family,
        "category": task.category,
        "version": task.version,
        "headline": task.headline,
        "sources": list(task.sources),
        "splits": splits,
    }


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="TASK", help="A name from `mmai-gym tasks`.")],
    index: Annotated[int, typer.Option(help="Which example.")] = 0,
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    draw: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw its molecules into this file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show one example: the question in both renderings, the gold answer and its verdict, the reasoning and its checks."""
    from mmai_gym import tasks
    from mmai_gym.sources import write_atomically
    from mmai_gym.tasks import showing

    task = tasks.get(name)
    examples = task.examples(a_split(split))
    if not 0 <= index < len(examples):
        raise UsageError(f"{name} has {len(examples)} {split} examples; --index {index} is outside")
    found = showing.shown(task, examples[index])
    if draw is not None:
        write_atomically(draw, showing.drawing(task, examples[index]).encode())
        stderr.print(f"drawing: {draw}", markup=False)
    if as_json:
        print_json(found)
        return
    print(
        f"{name}, {split} example {index} (id {found['id']})\n\n{found['chat']}\n\ncompact: {found['compact']}\n"
    )
    for step in found["reasoning"]:
        print(f"  [{'true' if step['true'] else 'FALSE'}] {step['text']}")
    if found["answer"] is None:
        print("answer: none is known; any molecule that meets the goal is right")
        return
    verdict = found["verdict"]
    print(f"answer: {found['answer']}")
    print(
        f"verdict: {verdict['reason']}, score {verdict['score']}"
        + (f" ({verdict['detail']})" if verdict["detail"] else "")
    )


@app.command()
def verify(
    name: Annotated[str, typer.Argument(metavar="TASK")],
    source: Annotated[
        Path, typer.Option("--input", help='JSON lines: {"id": ..., "completion": ...}; - for stdin.')
    ],
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
) -> None:
    """Judge completions from a file: one JSON verdict a line, in the order of the input, as they are reached.

    The input is read along with it, so it may be larger than memory; a line that cannot be read ends the work there.
    """
    from mmai_gym import tasks
    from mmai_gym.verify import Item, VerificationService

    task = tasks.get(name)
    by_id = {example.id: example for example in task.examples(a_split(split))}
    asked: deque[str] = deque()

    def items() -> Iterator[Item]:
        for id_, completion in _read_completions(source, by_id, split):
            asked.append(id_)
            yield name, by_id[id_], completion

    with VerificationService() as service:
        for verdict in service.stream(items()):
            line: dict[str, Any] = {
                "id": asked.popleft(),
                "score": verdict.score,
                "reason": verdict.reason.value,
                "answer": verdict.answer,
            }
            line |= {"components": dict(verdict.components), "detail": verdict.detail}
            print(json.dumps(line, ensure_ascii=False))


def _read_completions(source: Path, known: Container[str], split: str) -> Iterator[tuple[str, str]]:
    """(id, completion) of each line, as it is read."""
    if str(source) != "-" and not source.is_file():
        raise UsageError(f"no file {source}")
    with nullcontext(sys.stdin) if str(source) == "-" else source.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise UsageError(f"{source}, line {number}: not JSON ({error})") from None
            if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in ("id", "completion")):
                raise UsageError(f'{source}, line {number}: want {{"id": "...", "completion": "..."}}')
            if row["id"] not in known:
                raise UsageError(f"{source}, line {number}: no {split} example has the id {row['id']!r}")
            yield row["id"], row["completion"]
