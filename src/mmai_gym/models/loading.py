"""From what a user types to a Model, and to the files that belong to its run.

A run folder holds `checkpoint/`, the records of its benchmarks and its report. Models are named by the folder,
so that `runs/nano`, `nano` and `runs/nano/checkpoint` are the same model in every table.
"""

from __future__ import annotations

from pathlib import Path

from mmai_gym.contracts import CheckpointError, Model, UsageError
from mmai_gym.lfm.released import is_hub_id
from mmai_gym.models.baselines import BASELINES, baseline

RUNS = Path("runs")
CHECKPOINT = "checkpoint"
_BASELINE = "baseline:"


def load_model(spec: str) -> Model:
    """The model that `spec` names: `baseline:NAME`, a run folder, a run's name under ./runs, a checkpoint folder, or
    a hub id (OWNER/NAME, with @REVISION behind it to fix the commit), which is fetched unless it is in the cache.

    torch is imported for a checkpoint only.

    Raises:
        UsageError: nothing has that name.
        CheckpointError: the folder holds no model, or one that cannot be loaded; or the hub does not give it.
        MissingExtra: the model needs a library that is not installed.
    """
    if spec.startswith(_BASELINE):
        return baseline(spec)
    from mmai_gym.models.lfm_model import LFMModel

    if _on_hub(spec):
        from mmai_gym.lfm import released

        return LFMModel(released.find(spec).folder, spec)
    checkpoint, run = _checkpoint(_folder(spec))
    return LFMModel(checkpoint, run)


def _on_hub(spec: str) -> bool:
    """Whether `spec` is a hub id; a folder of that name comes first, and runs/NAME is always meant as one."""
    if Path(spec).is_dir() or (RUNS / spec).is_dir() or spec.startswith(f"{RUNS}/"):
        return False
    return is_hub_id(spec)


def _folder(spec: str) -> Path:
    """The folder called `spec`, here or under ./runs."""
    for folder in (Path(spec), RUNS / spec):
        if folder.is_dir():
            return folder.resolve()
    raise UsageError(
        f"no model called {spec!r}: neither {spec} nor {RUNS / spec} is a folder. "
        f"Give a run folder, a checkpoint folder, a hub id such as LiquidAI/LFM2-350M, or one of {', '.join(BASELINES)}"
    )


def _checkpoint(folder: Path) -> tuple[Path, str]:
    """The checkpoint in a folder and the name of its run.

    Raises:
        CheckpointError: there is none.
    """
    if (folder / CHECKPOINT).is_dir():
        return folder / CHECKPOINT, folder.name
    if (folder / "config.json").is_file():
        return folder, folder.parent.name if folder.name == CHECKPOINT else folder.name
    raise CheckpointError(
        f"{folder} holds no model: there is neither a {CHECKPOINT}/ folder nor a config.json in it. "
        "Train into it first (`mmai-gym train RECIPE`), or give the folder of a trained model"
    )


def record_path(spec: str, suite: str) -> Path:
    """Where the record of a suite belongs: in the model's run folder, or under ./runs by the model's name."""
    file = f"bench-{suite}.jsonl"
    if spec.startswith(_BASELINE):
        return RUNS / spec.replace(":", "-") / file
    if _on_hub(spec):
        return RUNS / _hub_run(spec) / file
    folder = _folder(spec)
    if (folder / CHECKPOINT).is_dir():
        return folder / file
    return (folder.parent if folder.name == CHECKPOINT else RUNS / folder.name) / file


def _hub_run(spec: str) -> str:
    """The name of the folder under ./runs for the records of a hub model."""
    return spec.replace("/", "--")


def find_records(run: str) -> tuple[list[Path], Path | None]:
    """The benchmark records that `run` names, and the run folder they lie in (None for a single record file).

    Raises:
        UsageError: `run` is neither a record file nor a run folder, or the folder holds no record yet.
    """
    if Path(run).is_file():
        path = Path(run)
        return [path], path.parent if (path.parent / CHECKPOINT).is_dir() else None
    if run.startswith(_BASELINE):
        folder = RUNS / run.replace(":", "-")
    else:
        folder = RUNS / _hub_run(run) if _on_hub(run) else _folder(run)
    folder = folder.parent if folder.name == CHECKPOINT else folder
    records = sorted([*folder.glob("bench-*.jsonl"), *folder.glob("bench-*.jsonl.gz")])
    if not records:
        raise UsageError(f"{folder} holds no benchmark record; run `mmai-gym bench {run}` first")
    return records, folder
