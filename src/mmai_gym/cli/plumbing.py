"""What every command shares: the app, where output goes, progress, the split and the run folder of an option, and `main`."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from mmai_gym import __version__
from mmai_gym.contracts import GymError, Progress, UsageError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)
data = typer.Typer(no_args_is_help=True, help="Public data sets: fetch, verify, audit, build a corpus.")
app.add_typer(data, name="data")

stderr = Console(stderr=True, highlight=False, soft_wrap=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


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


def a_split(text: str) -> Any:
    """The split that an option names. Raises UsageError where there is none of that name."""
    from mmai_gym.contracts import SPLITS

    if text not in SPLITS:
        raise UsageError(f"unknown split {text!r}; there are: {', '.join(SPLITS)}")
    return text


def run_folder(out: Path, name: str) -> Path:
    """Where a run called `name` goes, unless `--out` says otherwise."""
    return Path("runs") / name if out == Path() else out
