"""Commands about public data: bring it here, check it, audit it, build corpora of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from mmai_gym.cli.plumbing import JsonOption, a_split, data, print_json, progress_bar, run_folder, stderr
from mmai_gym.contracts import UsageError


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
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Data sets from `mmai-gym data list`.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All data sets there are.")] = False,
    force: Annotated[bool, typer.Option(help="Fetch again what the cache holds already.")] = False,
) -> None:
    """Bring data sets into the cache, from the mirror (MMAI_GYM_MIRROR) or the network, and derive what loading needs."""
    from mmai_gym import sources, tasks

    chosen = list(sources.list_datasets()) if every else names or []
    if not chosen:
        raise UsageError("name data sets from `mmai-gym data list`, or say --all")
    with progress_bar() as progress:
        for name in chosen:
            folder = sources.fetch(name, force=force, progress=progress)
            tasks.prepare(name, progress)
            stderr.print(f"{name}: ready in {folder}", markup=False)


@data.command("verify")
def data_verify(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Data sets; all by default.")] = None,
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
            mapped.make(one, progress, workers or None) for one in ([a_split(split)] if split else mapped.SPLITS)
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
            metavar="TASKS",
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
    folder = run_folder(out, loaded.name)
    with progress_bar() as progress:
        for corpus in training.build_corpora(loaded, folder, progress):
            stderr.print(f"corpus: {corpus}", markup=False)
