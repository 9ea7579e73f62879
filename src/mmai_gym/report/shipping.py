"""A trained checkpoint made ready for others: half the size, with its page, its curve and the way it is asked."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmai_gym import bench
from mmai_gym.contracts import MissingExtra, UsageError
from mmai_gym.lfm import checkpoint
from mmai_gym.lfm.checkpoint import IN_RUN
from mmai_gym.models import InferenceRecipe, Materials
from mmai_gym.records import file_sha256
from mmai_gym.report.figures import training_picture
from mmai_gym.report.material import LOG, read_curve
from mmai_gym.report.model_card import model_card

PAGE, CURVE = "README.md", "training.svg"
_PLAIN = InferenceRecipe()


@dataclass(frozen=True, slots=True)
class Shipped:
    """Where the checkpoint is, which records its page tells of, and which are about other weights."""

    folder: Path
    told: tuple[Path, ...]
    left_out: tuple[Path, ...]


def ship(run: Path, out: Path, records: Sequence[Path] = ()) -> Shipped:
    """Write the checkpoint of a run to `out`: weights in bfloat16, tokenizer, configuration, card, inference recipe, the
    training's log with its curve, and a page that says what it is.

    The same run gives the same weights byte by byte, so that it can be called again once there are records about them.

    Args:
        records: of benchmarks; those about other weights than the shipped ones are left out.

    Raises:
        CheckpointError: the run holds no checkpoint, or `out` is something else than a checkpoint.
        UsageError: `run` and `out` are the same checkpoint.
        DataError: a record cannot be read.
    """
    source = run / IN_RUN if (run / IN_RUN).is_dir() else run
    if source.resolve() == out.resolve():
        raise UsageError(f"{out} is the checkpoint to be shipped; choose another folder for the copy")
    card = checkpoint.read_card(source)
    fitted, known, before = InferenceRecipe.read(out), Materials.read(out), _weights(out)
    _halve(source, out, dict(card))
    weights = _weights(out)
    # What was fitted to the shipped weights since they were first written stays with them, and with no others.
    asked = fitted if fitted != _PLAIN and weights == before else InferenceRecipe.read(source)
    if asked != _PLAIN:
        asked.write(out)
    if known is None or weights != before:
        known = Materials.read(source)
    if known is not None:
        known.write(out)
    drawn = _curve(run, out)
    tables = {path: bench.table(path) for path in records}
    told = [path for path, table in tables.items() if weights.items() <= table.header.checksums.items()]
    page = model_card(out.name, card, asked, [tables[path] for path in told], CURVE if drawn else "", known)
    (out / PAGE).write_text(page, encoding="utf-8")
    return Shipped(out, tuple(told), tuple(path for path in records if path not in told))


def _weights(folder: Path) -> dict[str, str]:
    return {path.name: file_sha256(path) for path in sorted(folder.glob("*.safetensors"))}


def _halve(source: Path, out: Path, card: dict[str, Any]) -> None:
    import torch

    from mmai_gym.lfm.quiet import quiet

    with quiet():
        model, tokenizer = checkpoint.load(source)
        checkpoint.save(out, model.to(torch.bfloat16), tokenizer, card | {"weights": "bfloat16"})


def _curve(run: Path, out: Path) -> bool:
    """Copy the log and draw it; False where there is none, or nothing to draw with."""
    if not (run / LOG).is_file():
        return False
    shutil.copyfile(run / LOG, out / LOG)
    curve = read_curve(run)
    if curve is None:
        return False
    try:
        picture = training_picture(curve.loss, curve.validation, curve.stages)
    except MissingExtra:
        return False
    (out / CURVE).write_text(picture, encoding="utf-8")
    return True
