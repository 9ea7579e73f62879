"""The command line: `mmai-gym COMMAND`.

What a command found goes to stdout, everything else (progress, notes, errors) to stderr, so that `--json` can be piped.
Exit codes: 0 done, 1 the work failed, 2 bad usage. Every command imports its room when it runs, which keeps `--help`
quick and free of torch.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Container, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from mmai_gym import __version__
from mmai_gym.contracts import GymError, Progress, UsageError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)
data = typer.Typer(no_args_is_help=True, help="Public data sets: fetch, verify, audit, build a corpus.")
app.add_typer(data, name="data")

stderr = Console(stderr=True, highlight=False, soft_wrap=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


# --------------------------------------------------------------------------------------------------- plumbing


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress bar on a terminal; elsewhere a plain line at most every ten seconds, and at the end of each job."""
    if stderr.is_terminal:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Bar(*columns, console=stderr) as bar:
            rows: dict[str, Any] = {}

            def update(done: int, total: int, what: str) -> None:
                job = what.split(" · ", 1)[0]
                if job not in rows:
                    rows[job] = bar.add_task(what, total=total)
                bar.update(rows[job], completed=done, total=total, description=what)

            yield update
    else:
        last: dict[str, float] = {}

        def line(done: int, total: int, what: str) -> None:
            job = what.split(" · ", 1)[0]
            now = time.monotonic()
            if done >= total or now - last.get(job, 0.0) >= 10.0:
                last[job] = now
                print(f"{what}: {done}/{total}", file=sys.stderr, flush=True)

        yield line


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    json.dump(value, sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


def main() -> None:
    """The entry point: runs a command and turns every error of ours into one message and an exit code."""
    # Threads that spin while they wait slow training several times over when another process wants the cores; those that
    # sleep at once slow decoding, with its hundreds of small products a step. A spin of microseconds serves both.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    # A terminated run leaves by the same door as Ctrl-C: what was done is saved, workers are stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        # Not app(): Typer turns exit codes and Ctrl-C into return values there, and the message of the latter is lost.
        command = typer.main.get_command(app)
        with command.make_context("mmai-gym", sys.argv[1:]) as context:
            command.invoke(context)
    except GymError as error:
        stderr.print(f"error: {error}", markup=False)
        sys.exit(error.exit_code)
    except typer.Exit as leaving:
        if leaving.exit_code:
            sys.exit(leaving.exit_code)
    except (KeyboardInterrupt, typer.Abort) as stop:
        kept = str(stop) or "what was done is kept, the same command goes on from there"
        stderr.print(f"interrupted: {kept}", markup=False)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # click's usage errors
            stderr.print(f"error: {error.format_message()}; see `mmai-gym --help`", markup=False)
            sys.exit(error.exit_code)
        raise


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Teach a small Liquid Foundation Model the language of molecules, and prove what it learned."""
    if version:
        print(__version__)
        raise typer.Exit


# --------------------------------------------------------------------------------------------------- tasks


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
    examples = task.examples(_split(split))
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


def _split(text: str) -> Any:
    from mmai_gym.contracts import SPLITS

    if text not in SPLITS:
        raise UsageError(f"unknown split {text!r}; there are: {', '.join(SPLITS)}")
    return text


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
    by_id = {example.id: example for example in task.examples(_split(split))}
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


# --------------------------------------------------------------------------------------------------- data


@data.command("list")
def data_list(as_json: JsonOption = False) -> None:
    """The public data sets the gym knows, with size, licence and citation."""
    from mmai_gym import sources

    found = [sources.describe(name) for name in sources.list_datasets()]
    if as_json:
        print_json(found)
        return
    table = Table("data set", "files", "MB", "licence", "citation", box=None)
    for row in found:
        size = f"{int(row['bytes']) / 1e6:.1f}"
        table.add_row(*map(str, (row["name"], row["files"], size, row["licence"], row["citation"])))
    Console().print(table)


@data.command()
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Data sets from `mmai-gym data list`.")],
    force: Annotated[bool, typer.Option(help="Fetch again what the cache holds already.")] = False,
) -> None:
    """Bring data sets into the cache: from the mirror folder MMAI_GYM_MIRROR, or from the network."""
    from mmai_gym import sources

    with progress_bar() as progress:
        for name in names:
            folder = sources.fetch(name, force=force, progress=progress)
            if name == "uspto-50k":
                sources.uspto50k.derive_train(progress)
            stderr.print(f"{name}: ready in {folder}", markup=False)


@data.command("verify")
def data_verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Data sets; all by default.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check size and sha256 of every file of the data sets that the cache or the mirror holds."""
    from mmai_gym import sources

    reports = [report for name in names or sources.list_datasets() for report in sources.verify(name)]
    if as_json:
        print_json([report.as_dict() for report in reports])
    else:
        for report in reports:
            print(f"{'ok' if report.ok else 'BAD':4} {report.dataset}: {report.path} {report.detail}".rstrip())
    if not all(report.ok for report in reports):
        raise typer.Exit(1)


@data.command("map")
def data_map(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set of reactions: uspto-50k.")],
    split: Annotated[str, typer.Option(help="train or valid; both by default.")] = "",
    workers: Annotated[int, typer.Option(help="Processes; one per core by default.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Make the atom maps that training aligns reactants by. Stopped at any moment, the same command goes on."""
    from mmai_gym.sources import mapped

    if name != mapped.DATA_SET:
        raise UsageError(f"atom maps are made for {mapped.DATA_SET}, not for {name!r}")
    with progress_bar() as progress:
        found = [
            mapped.make(one, progress, workers or None) for one in ([_split(split)] if split else mapped.SPLITS)
        ]
    if as_json:
        print_json(found)
        return
    for row in found:
        failures = ", ".join(f"{count:,} {reason}" for reason, count in row["failures"].items()) or "none"
        print(
            f"{row['split']}: {row['usable']:,} of {row['reactions']:,} reactions can be aligned; too unsure: "
            f"{row['below_confidence']:,}; without a map: {failures}"
        )


@data.command()
def audit(
    tests: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TASKS...]",
            help="Tasks, by name or prefix, whose test sets to compare; everything by default.",
        ),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE",
            help="Compare with these tasks and molecule lists only, by name or prefix; may be given often.",
        ),
    ] = None,
    as_json: JsonOption = False,
    out: Annotated[Path, typer.Option(help="Store the findings in this file, as JSON.")] = Path(),
) -> None:
    """What training sources know of test sets: shared molecules and reactions, conflicts, neighbours, lineage."""
    from mmai_gym import audit as room

    with progress_bar() as progress:
        found = room.audit(tests or room.everything(), against or room.everything(), progress)
    if out != Path():
        found.write(out)
        stderr.print(f"findings: {out}", markup=False)
    if as_json:
        print_json(found.as_dict())
    else:
        Console().print(found.render())


@data.command()
def build(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or a TOML file.")],
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path(),
) -> None:
    """Write the tokenised corpora of a recipe, without training."""
    from mmai_gym import training

    loaded = training.load_recipe(recipe)
    folder = _run_folder(out, loaded.name)
    with progress_bar() as progress:
        for corpus in training.build_corpora(loaded, folder, progress):
            stderr.print(f"corpus: {corpus}", markup=False)


# --------------------------------------------------------------------------------------------------- train, bench


def _run_folder(out: Path, name: str) -> Path:
    return Path("runs") / name if out == Path() else out


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or a TOML file.")],
    out: Annotated[Path, typer.Option(help="Run folder; runs/RECIPE by default.")] = Path(),
    compiled: Annotated[bool, typer.Option("--compile", help="Use torch.compile; it pays on a GPU.")] = False,
) -> None:
    """Train a model by a recipe. Stopped at any moment, the same command goes on from the last checkpoint.

    On several GPUs: accelerate launch --multi_gpu -m mmai_gym train RECIPE.
    """
    from mmai_gym import training

    loaded = training.load_recipe(recipe)
    with progress_bar() as progress:
        checkpoint = training.train(loaded, _run_folder(out, loaded.name), progress, compiled=compiled)
    stderr.print(f"model: {checkpoint}", markup=False)


@app.command()
def bench(
    model: Annotated[
        str,
        typer.Argument(
            help="A run folder or name, a folder with a checkpoint or adapter, a hub id, openai:NAME@URL, or baseline:NAME."
        ),
    ],
    suite: Annotated[str, typer.Option(help="A shipped suite's name, or a TOML file.")] = "embedded",
    limit: Annotated[int, typer.Option(help="At most so many test examples per task; 0 for all.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the samples.")] = 0,
    ask: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="How it is asked, such as shots=4; more for endpoints. May be given often."
        ),
    ] = None,
    forward: Annotated[
        str,
        typer.Option(metavar="MODEL", help="Makes products of proposed reactants again, where the suite asks."),
    ] = "",
    out: Annotated[Path, typer.Option(help="Record file.")] = Path(),
    as_json: JsonOption = False,
) -> None:
    """Run a suite on a model and on the suite's baselines, into one record that can be resumed and re-scored."""
    from mmai_gym import bench as room
    from mmai_gym import models

    loaded = models.load_model(model, ask or ())
    judge = models.load_model(forward) if forward else None
    protocol = room.load_suite(suite)
    record = models.record_path(model, protocol.name) if out == Path() else out
    with progress_bar() as progress:
        room.run(loaded, protocol, record, limit=limit or None, seed=seed, progress=progress, forward=judge)
    _print_table(record, as_json)
    stderr.print(f"record: {record}", markup=False)


@app.command("goal-directed")
def goal_directed_command(
    optimizers: Annotated[
        list[str] | None, typer.Argument(metavar="[OPTIMIZER...]", help="graph-ga, screening; both by default.")
    ] = None,
    goal: Annotated[list[str] | None, typer.Option(help="One of PMO's tasks; all there are by default.")] = None,
    seeds: Annotated[int, typer.Option(help="Searches of each, with seeds from 0.")] = 5,
    calls: Annotated[int, typer.Option(help="Oracle calls of a search.")] = 10_000,
    out: Annotated[Path, typer.Option(help="File of the searches.")] = Path("runs/goal-directed.jsonl"),
) -> None:
    """Search for molecules under a budget of oracle calls (PMO, Gao et al. 2022). Stopped, the same command goes on."""
    from mmai_gym.bench import goal_directed as room

    with progress_bar() as progress:
        names = goal or list(room.goals())
        room.run(optimizers or list(room.OPTIMIZERS), names, range(seeds), out, calls, progress)
    print(room.render(room.read(out)))
    stderr.print(f"searches: {out}", markup=False)


@app.command()
def score(
    record: Annotated[Path, typer.Argument(help="A run record, .jsonl or .jsonl.gz.")],
    as_json: JsonOption = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
) -> None:
    """Compute the table of a record again, without any inference."""
    _print_table(record, as_json, markdown)


@app.command()
def judge(
    record: Annotated[Path, typer.Argument(help="A run record, .jsonl or .jsonl.gz.")],
    out: Annotated[Path, typer.Option(help="The new record, .jsonl.")],
    as_json: JsonOption = False,
) -> None:
    """Judge the answers of a record again, by the verifiers of this gym, into a new record; no inference."""
    from mmai_gym import bench as room

    with progress_bar() as progress:
        room.judge_again(record, out, progress=progress)
    _print_table(out, as_json)
    stderr.print(f"record: {out}", markup=False)


def _print_table(record: Path, as_json: bool = False, markdown: bool = False) -> None:
    from mmai_gym import bench as room

    if not record.is_file():
        raise UsageError(f"no record {record}; `mmai-gym bench MODEL` writes one and says where")
    table = room.table(record)
    if as_json:
        print_json(room.to_json(table))
    elif markdown:
        print(room.to_markdown(table))
    else:
        print(room.render_text(table))


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="RUN", help="A run folder or name, or a record file.")],
    second: Annotated[str, typer.Argument(metavar="RUN", help="Another, or the same for two of its models.")],
    first_model: Annotated[str, typer.Option(help="Whose answers; the model the run is about by default.")] = "",
    second_model: Annotated[str, typer.Option(help="The same for the second run, e.g. baseline:nearest.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Is one model better than another? Paired differences on the examples that both answered, adjusted over tasks."""
    from mmai_gym import bench as room
    from mmai_gym import models

    sides = ((first, first_model), (second, second_model))
    a, b = (room.contestant(models.find_records(run)[0], model) for run, model in sides)
    found = room.compare(a, b)
    if as_json:
        print_json([row.as_dict() for row in found])
    else:
        print(room.render_comparison(found))


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="A run folder or name, or a record file.")],
    out: Annotated[Path, typer.Option(help="HTML file; report.html beside the record by default.")] = Path(),
) -> None:
    """Write the report of a run: one self-contained HTML file."""
    from mmai_gym import models
    from mmai_gym import report as room

    records, folder = models.find_records(run)
    target = (folder or records[0].parent) / "report.html" if out == Path() else out
    room.write_report(records, folder, target)
    print(target.resolve())


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path("runs/demo"),
) -> None:
    """Train a nano LFM on the embedded set, benchmark it, and write a report; no network, under ten minutes."""
    from mmai_gym import bench as room
    from mmai_gym import models, training
    from mmai_gym import report as writer

    started = time.monotonic()
    with progress_bar() as progress:
        training.train(training.load_recipe("nano-embedded"), out, progress)
        suite = room.load_suite("embedded")
        record = models.record_path(str(out), suite.name)
        room.run(models.load_model(str(out)), suite, record, limit=400, seed=0, progress=progress)
    _print_table(record)
    target = writer.write_report([record], out, out / "report.html")
    print(f"\n{(time.monotonic() - started) / 60:.1f} minutes. Report: {target.resolve()}")


if __name__ == "__main__":
    main()
