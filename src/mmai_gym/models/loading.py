"""From what a user types to a Model, and to the files that belong to its run.

A run folder holds `checkpoint/`, the records of its benchmarks and its report. Models are named by the folder,
so that `runs/nano`, `nano` and `runs/nano/checkpoint` are the same model in every table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mmai_gym.contracts import CheckpointError, Model, UsageError
from mmai_gym.lfm.checkpoint import IN_RUN, RUNS
from mmai_gym.lfm.released import is_hub_id
from mmai_gym.models.baselines import BASELINES, baseline
from mmai_gym.models.endpoint import Asking, EndpointModel, is_endpoint

ADAPTER = "adapter"
DEFAULT = "flagship"
_SHIPPED = Path("checkpoints"), Path(__file__).parents[3] / "checkpoints"
"""Where checkpoints lie that come with the gym: here, or beside the sources that are installed in place."""
_BASELINE = "baseline:"


def load_model(spec: str, ask: Sequence[str] = ()) -> Model:
    """The model that `spec` names: `baseline:NAME`, a run folder, a run's name under ./runs, a folder with a checkpoint or a
    LoRA adapter, a hub id (OWNER/NAME, with @REVISION behind it to fix the commit), which is fetched unless it is in the
    cache, or `openai:NAME@URL`, an endpoint.

    torch is imported for a checkpoint only.

    Args:
        ask: settings KEY=VALUE of how it is asked: fields of `Asking` for an endpoint, `shots` for a model that reads
            sentences, none for others.

    Raises:
        UsageError: nothing has that name, or a setting is not one of the model's.
        CheckpointError: the folder holds no model, or one that cannot be loaded; or the hub does not give it.
        MissingExtra: the model needs a library that is not installed.
    """
    asking = _asking(ask)
    if is_endpoint(spec):
        return EndpointModel(spec, asking)
    if strange := sorted(asking.model_fields_set - {"shots"}):
        raise UsageError(f"{', '.join(strange)}: only endpoints (openai:NAME@URL) are asked so")
    if spec.startswith(_BASELINE):
        if asking.shots:
            raise UsageError("a baseline reads no examples in its prompt; leave out shots")
        return baseline(spec)
    from mmai_gym.models.lfm_model import LFMModel

    if _on_hub(spec):
        from mmai_gym.lfm import released

        return LFMModel(released.find(spec).folder, spec, shots=asking.shots)
    checkpoint, run = _checkpoint(_folder(spec))
    return LFMModel(checkpoint, run, shots=asking.shots)


def _asking(settings: Sequence[str]) -> Asking:
    """KEY=VALUE of each setting as one typed object; a value is JSON where it can be read as that, else text."""
    fields: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"{setting!r} is no setting; write KEY=VALUE, such as shots=4 or price=[0.15,0.6]")
        try:
            fields[key] = json.loads(value)
        except ValueError:
            fields[key] = value
    try:
        return Asking.model_validate(fields)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        known = ", ".join(Asking.model_fields)
        raise UsageError(f"{'; '.join(faults)}. There are: {known}") from None


def _on_hub(spec: str) -> bool:
    """Whether `spec` is a hub id; a folder of that name comes first, and runs/NAME is always meant as one."""
    if Path(spec).is_dir() or (RUNS / spec).is_dir() or spec.startswith(f"{RUNS}/"):
        return False
    return is_hub_id(spec)


def default_model() -> str:
    """The checkpoint that ships with the gym, for commands that are not told which.

    Raises:
        UsageError: none ships with this installation.
    """
    for folder in _SHIPPED:
        if (folder / DEFAULT / "config.json").is_file():
            return str(folder / DEFAULT)
    raise UsageError(
        f"no checkpoint {_SHIPPED[0] / DEFAULT} is here; give --model a run or a folder, such as runs/demo, which "
        "`mmai-gym demo` makes in minutes"
    )


def _folder(spec: str) -> Path:
    """The folder called `spec`: here, under ./runs, or among the checkpoints that ship with the gym."""
    for folder in (Path(spec), RUNS / spec, *(shipped / spec for shipped in _SHIPPED)):
        if folder.is_dir():
            return folder.resolve()
    raise UsageError(
        f"no model called {spec!r}: neither {spec} nor {RUNS / spec} is a folder. Give a run folder, a checkpoint folder, "
        f"a hub id such as LiquidAI/LFM2-350M, an endpoint openai:NAME@URL, or one of {', '.join(BASELINES)}"
    )


def _checkpoint(folder: Path) -> tuple[Path, str]:
    """The checkpoint in a folder and the name of its run.

    Raises:
        CheckpointError: there is none.
    """
    if (folder / IN_RUN).is_dir():
        return folder / IN_RUN, folder.name
    if (folder / "config.json").is_file():
        return folder, folder.parent.name if folder.name == IN_RUN else folder.name
    if (folder / "adapter_config.json").is_file():
        return folder, f"{folder.parent.name}/{ADAPTER}" if folder.name == ADAPTER else folder.name
    raise CheckpointError(
        f"{folder} holds no model: there is neither a {IN_RUN}/ folder nor a config.json in it. "
        "Train into it first (`mmai-gym train RECIPE`), or give the folder of a trained model"
    )


def record_path(spec: str, suite: str) -> Path:
    """Where the record of a suite belongs: in the model's run folder, or under ./runs by the model's name."""
    file = f"bench-{suite}.jsonl"
    if (named := _named_run(spec)) is not None:
        return named / file
    folder = _folder(spec)
    if (folder / IN_RUN).is_dir() or folder.name == ADAPTER:
        return folder / file
    return (folder.parent if folder.name == IN_RUN else RUNS / folder.name) / file


def _named_run(spec: str) -> Path | None:
    """The folder under ./runs for the records of a model that has no folder here; None for one that has."""
    if spec.startswith(_BASELINE):
        return RUNS / spec.replace(":", "-")
    if is_endpoint(spec):
        return RUNS / re.sub(r"[^\w.-]+", "-", spec)
    return RUNS / spec.replace("/", "--") if _on_hub(spec) else None


def find_records(run: str) -> tuple[list[Path], Path | None]:
    """The benchmark records that `run` names, and the run folder they lie in (None for a single record file).

    Raises:
        UsageError: `run` is neither a record file nor a run folder, or the folder holds no record yet.
    """
    if Path(run).is_file():
        path = Path(run)
        return [path], path.parent if (path.parent / IN_RUN).is_dir() else None
    if run.endswith((".jsonl", ".jsonl.gz")):
        raise UsageError(f"there is no record {Path(run).absolute()}; `mmai-gym bench` writes one")
    folder = _named_run(run) or run_folder_of(run)
    records = records_in(folder)
    if not records:
        raise UsageError(f"{folder} holds no benchmark record; run `mmai-gym bench {run}` first")
    return records, folder


def run_folder_of(run: str) -> Path:
    """The folder of a run that was trained here, by its name, its folder or that of its checkpoint.

    Raises:
        UsageError: there is none.
    """
    folder = _folder(run)
    return folder.parent if folder.name == IN_RUN else folder


def records_in(folder: Path) -> list[Path]:
    """The benchmark records in a run folder."""
    return sorted([*folder.glob("bench-*.jsonl"), *folder.glob("bench-*.jsonl.gz")])
