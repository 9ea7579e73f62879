"""Commands that ask a trained model about one's own molecules: ask, predict, optimize, retro; and calibrate, which makes its
confidence mean what it says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from mmai_gym.cli.plumbing import JsonOption, app, print_json, progress_bar, stderr
from mmai_gym.contracts import UsageError

if TYPE_CHECKING:
    from mmai_gym.consult import Consultant

Model = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="A run or a checkpoint folder; the checkpoint that ships with the gym by default.",
    ),
]
Draw = Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Draw the answers into this file.")]
Smiles = Annotated[str, typer.Argument(metavar="SMILES")]


@app.command()
def ask(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task that the model was taught.")],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE", help="What the question is about, such as smiles=CCO."),
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Answers at most.")] = 1,
    model: Model = "",
    as_json: JsonOption = False,
) -> None:
    """Ask a model the question of any task that it was taught."""
    found = _consultant(model).ask(task, _pairs(inputs or []), n)
    if as_json:
        print_json(found)
        return
    for row in found["answers"]:
        chance = (found.get("probabilities") or {}).get(row["answer"])
        print(f"{row['answer']}" + (f"  {chance:.1%}" if chance is not None else "") + _interval(found))


@app.command()
def predict(
    smiles: Annotated[list[str], typer.Argument(metavar="SMILES")],
    task: Annotated[
        list[str] | None, typer.Option(metavar="PREFIX", help="Tasks below it only; may be given often.")
    ] = None,
    model: Model = "",
    draw: Draw = None,
    as_json: JsonOption = False,
) -> None:
    """Properties of molecules: every class and number that the model was taught about one molecule."""
    found = _consultant(model).predict(smiles, task or ())
    if draw is not None:
        _drawn(draw, [row["inputs"]["smiles"] for row in found[: len(smiles)]])
    if as_json:
        print_json(found)
        return
    by_molecule: dict[str, list[dict[str, Any]]] = {}
    for row in found:
        by_molecule.setdefault(row["inputs"]["smiles"], []).append(row)
    for molecule, rows in by_molecule.items():
        print(molecule)
        table = _table("task", "answer", "how sure")
        for row in rows:
            table.add_row(row["task"], *_answer(row))
        Console().print(table)


@app.command()
def optimize(
    smiles: Smiles,
    goal: Annotated[str, typer.Option(help="What to improve, such as logp; left out, the goals are listed.")] = "",
    n: Annotated[int, typer.Option("-n", min=1, help="Answers that are drawn.")] = 20,
    model: Model = "",
    draw: Draw = None,
    as_json: JsonOption = False,
) -> None:
    """Molecules like this one that are better by a goal, and what a program makes of them."""
    consultant = _consultant(model)
    if not goal:
        print("\n".join(consultant.goals()) or "the model was taught no goal")
        return
    found = consultant.optimize(smiles, goal, n)
    if draw is not None:
        _drawn(draw, [found["inputs"]["smiles"], *(row["answer"] for row in found["answers"][:11])])
    if as_json:
        print_json(found)
        return
    table = _table("molecule", "verdict", "what changed")
    for row in found["answers"]:
        shown = ", ".join(f"{name} {value:.3g}" for name, value in row.get("components", {}).items())
        table.add_row(row["answer"], row.get("reason", "not judged"), shown or row.get("detail", ""))
    Console().print(table)


@app.command()
def retro(
    smiles: Smiles,
    n: Annotated[int, typer.Option("-n", min=1, help="Answers at most.")] = 10,
    model: Model = "",
    draw: Draw = None,
    as_json: JsonOption = False,
) -> None:
    """Reactants that may give this product in one step, best first."""
    from mmai_gym.molecules import reaction_svg

    found = _consultant(model).retro(smiles, n)
    if draw is not None and found["answers"]:
        _written(draw, reaction_svg(found["answers"][0]["answer"], found["inputs"]["smiles"]))
    if as_json:
        print_json(found)
        return
    known = any("new_reactants" in row for row in found["answers"])
    table = _table("rank", "reactants", "makes the product again", *(["new to it"] if known else []))
    for place, row in enumerate(found["answers"], start=1):
        again = {True: "yes", False: "no"}.get(row.get("round_trip"), "not asked")
        table.add_row(str(place), row["answer"], again, *([str(row["new_reactants"])] if known else []))
    Console().print(table)


@app.command("calibrate")
def calibrate_command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run or a checkpoint folder.")],
    copies: Annotated[
        list[str] | None,
        typer.Option(metavar="PREFIX=N", help="Show questions below it in N written forms; may be given often."),
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option(metavar="PREFIX", help="Tasks below it only; may be given often.")
    ] = None,
    forward: Annotated[
        str, typer.Option(metavar="MODEL", help="Asked whether reactants make the product again.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many validation examples of each task.")] = 500,
    as_json: JsonOption = False,
) -> None:
    """Fit a model's confidence on validation examples, and store how it is best asked beside its weights; for one that reads
    reactions forwards, also what its training reactions start from, by which `retro` re-ranks."""
    from mmai_gym.lineage import below
    from mmai_gym.models import Materials, calibrate, starting_materials

    forms = {}
    for name, value in _pairs(copies or []).items():
        if not value.isdigit() or int(value) < 1:
            raise UsageError(f"--copies {name}={value}: want a number of written forms, such as {name}=20")
        forms[name] = int(value)
    consultant = _consultant(model)
    names = [name for prefix in task or [""] for name in consultant.taught(prefix)]
    with progress_bar() as progress:
        found = calibrate(consultant.model, list(dict.fromkeys(names)), forms, limit, progress, forward)
    path = found.write(consultant.model.folder)
    forwards = [name for name in names if below(name, "forward")]
    if (
        forwards and not forward
    ):  # else the other model makes the round trips, and knows what its reactions start from
        Materials.of(smiles for name in forwards for smiles in starting_materials(name)).write(path.parent)
    if as_json:
        print_json(found.model_dump())
    stderr.print(f"inference recipe: {path}", markup=False)


def _consultant(model: str) -> Consultant:
    from mmai_gym.consult import Consultant

    return Consultant(model or None)


def _pairs(texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value:
            raise UsageError(f"{text!r}: want NAME=VALUE")
        found[name] = value
    return found


def _table(*columns: str) -> Table:
    """A table that folds long cells and cuts none."""
    table = Table(box=None)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _answer(row: dict[str, Any]) -> tuple[str, str]:
    """The answer and how sure it is, as two cells."""
    if "value" in row:
        return f"{row['value']:.3g} {row['unit']}".strip(), _interval(row).strip() or "not calibrated"
    answer = row["answers"][0]["answer"] or "none"
    chance = row.get("probabilities", {}).get(answer)
    return answer, "" if chance is None else f"{chance:.1%}" + ("" if row["calibrated"] else ", not calibrated")


def _interval(row: dict[str, Any]) -> str:
    return f"  90 % within {row['low']:.3g} to {row['high']:.3g}" if "low" in row else ""


def _drawn(path: Path, smiles: list[str]) -> None:
    from mmai_gym.molecules import grid_svg

    _written(path, grid_svg(smiles, ["asked", *(str(place) for place in range(1, len(smiles)))]))


def _written(path: Path, svg: str) -> None:
    from mmai_gym.sources import write_atomically

    write_atomically(path, svg.encode())
    stderr.print(f"drawing: {path}", markup=False)
