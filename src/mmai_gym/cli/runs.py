"""Commands that make runs and read them: train, benchmark, score, judge, compare, report, and the demo."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from mmai_gym.cli.plumbing import JsonOption, app, print_json, progress_bar, run_folder, stderr
from mmai_gym.contracts import UsageError

Forward = Annotated[
    str,
    typer.Option(metavar="MODEL", help="Makes products of proposed reactants again, where the suite asks."),
]


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
        checkpoint = training.train(loaded, run_folder(out, loaded.name), progress, compiled=compiled)
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
    forward: Forward = "",
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
        list[str] | None, typer.Argument(metavar="OPTIMIZER", help="graph-ga, screening; both by default.")
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
    forward: Forward = "",
    as_json: JsonOption = False,
) -> None:
    """Judge the answers of a record again, by the verifiers of this gym, into a new record; the model is not asked again."""
    from mmai_gym import bench as room
    from mmai_gym import models

    maker = models.load_model(forward) if forward else None
    with progress_bar() as progress:
        room.judge_again(record, out, progress=progress, forward=maker)
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
def ship(
    run: Annotated[str, typer.Argument(help="A run folder or name.")],
    out: Annotated[Path, typer.Option(help="Folder; checkpoints/RUN by default.")] = Path(),
    record: Annotated[
        list[Path] | None,
        typer.Option(help="Records that its page tells of; those of the run by default. May be given often."),
    ] = None,
) -> None:
    """Make the checkpoint of a run ready for others: bfloat16 weights, a page with all results, the training curve.

    Records of other weights, such as those of the run before they were rounded, are left out of the page: benchmark the
    shipped folder, and ship again.
    """
    from mmai_gym import models
    from mmai_gym import report as room

    folder = models.run_folder_of(run)
    target = Path("checkpoints") / folder.name if out == Path() else out
    shipped = room.ship(folder, target, record or models.records_in(folder))
    for path in shipped.left_out:
        stderr.print(f"not on the page, since it is about other weights: {path}", markup=False)
    if not shipped.told:
        stderr.print(
            f"no record is about these weights yet; run: mmai-gym bench {target} --suite SUITE", markup=False
        )
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
