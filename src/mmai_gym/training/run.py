"""A training run: one folder, from the recipe to a checkpoint that any program can load.

    RUN/recipe.toml                  the recipe, with every default written out
    RUN/corpus/STAGE/{train,valid}   what each stage learns from
    RUN/stages/STAGE/checkpoint-N    what is needed to go on
    RUN/log.jsonl                    the training curve
    RUN/checkpoint/                  the result, in transformers' layout, with card.json
    RUN/base.json, RUN/adapter/      on trained weights: which it began with; the adapters alone

The same command starts a run, goes on with a stopped one, and does nothing for a finished one. A folder belongs
to one recipe: going on under another would give a model that no recipe describes.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmai_gym.contracts import Progress, UsageError
from mmai_gym.extras import require
from mmai_gym.records import library_versions
from mmai_gym.tasks.prototypes import prototype
from mmai_gym.tasks.rendering import template_hash
from mmai_gym.training.batches import BatchPlan, plan_stage
from mmai_gym.training.building import build, tokenizer_hash
from mmai_gym.training.corpus import Corpus
from mmai_gym.training.log import LOG, SilentLog, TrainingLog, read_log
from mmai_gym.training.ranks import Ranks
from mmai_gym.training.recipe import Recipe, Stage, parse_recipe
from mmai_gym.training.starting import StartingPoint, starting_point

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from mmai_gym.training.job import Meter, StageJob

RECIPE, CORPUS, STAGES = "recipe.toml", "corpus", "stages"


def train(recipe: Recipe, folder: str | Path, progress: Progress, *, compiled: bool = False) -> Path:
    """Train by `recipe` in the run folder `folder`, from wherever it stands, and return the checkpoint's folder.

    Under `accelerate launch` every process calls this: the main one claims the folder, builds the corpora and writes.

    Args:
        compiled: make the layers with torch.compile, which takes a minute and pays on a GPU.

    Raises:
        UsageError: the folder was made by another recipe, is used by another process, or the recipe names an
            unknown task, preset or base.
        CheckpointError: the released model that it starts from cannot be had, or is no chat model.
        DataError: a task's data is missing, or a corpus is damaged.
        MissingExtra: torch, transformers or accelerate is not installed.
        GymError: another process of the run failed.
        KeyboardInterrupt: an interrupt arrived; what was done is saved.
    """
    require("torch", "transformers", "accelerate", "safetensors", "tokenizers")
    from mmai_gym.lfm import checkpoint
    from mmai_gym.lfm.quiet import quiet

    folder, ranks = Path(folder), Ranks.join()
    result = folder / checkpoint.IN_RUN
    if not ranks.main:
        progress = _unseen
    with ExitStack() as held, quiet():
        done, start = False, None
        with ranks.together():
            if ranks.main:
                held.enter_context(_claimed(folder, recipe))
                done = (result / checkpoint.CARD).is_file()
                start = None if done else starting_point(recipe, folder)
        if ranks.any(done):
            progress(1, 1, f"{result} is trained already; delete {folder} to train it again")
            return result
        # The other processes find what the main one has fetched and noted.
        start = start or starting_point(recipe, folder)
        with ranks.together():
            model = start.model()
            if ranks.main:
                for stage in recipe.stages:
                    _build(recipe, stage, folder, start, progress)
        jobs = _jobs(recipe, folder, start, ranks, compiled)
        log = TrainingLog(folder / LOG) if ranks.main else SilentLog(folder / LOG)
        model, meter = _train_stages(model, jobs, log, progress)
        with ranks.together():
            if ranks.main:
                model, origin = start.finish(model)
                card = _card(recipe, folder, model, start.tokenizer, jobs, meter) | origin
                checkpoint.save(result, model.to("cpu"), start.tokenizer, card)
    return result


def _unseen(done: int, total: int, what: str) -> None:
    """The progress of a process that does not lead."""


def build_corpora(recipe: Recipe, folder: str | Path, progress: Progress) -> list[Path]:
    """Write the corpora of every stage into the run folder and return their folders. Raises as `train` does."""
    require("transformers", "tokenizers")
    folder = Path(folder)
    with _claimed(folder, recipe):
        start = starting_point(recipe, folder)
        pairs = [_build(recipe, stage, folder, start, progress) for stage in recipe.stages]
    return [corpus.folder for pair in pairs for corpus in pair]


# --------------------------------------------------------------------------------------------------- stages


def _build(
    recipe: Recipe, stage: Stage, folder: Path, start: StartingPoint, progress: Progress
) -> tuple[Corpus, Corpus]:
    return build(recipe, stage, folder / CORPUS / stage.name, start.tokenizer, progress, start.dialect)


def _jobs(recipe: Recipe, folder: Path, start: StartingPoint, ranks: Ranks, compiled: bool) -> list[StageJob]:
    """The stages of a run whose corpora are built."""
    from mmai_gym.training.job import StageJob

    batch = recipe.batch
    jobs: list[StageJob] = []
    steps = tokens = 0
    folders = [folder / CORPUS / stage.name for stage in recipe.stages]
    corpora = [(Corpus.open(one / "train"), Corpus.open(one / "valid")) for one in folders]
    plans = [
        plan_stage(
            train.lengths, batch.tokens, stage.epochs, recipe.seed, stage.name, batch.rows, batch.max_length
        )
        for stage, (train, _) in zip(recipe.stages, corpora, strict=True)
    ]
    for stage, (train, valid), plan in zip(recipe.stages, corpora, plans, strict=True):
        jobs.append(
            StageJob(
                recipe, stage, train, valid, plan, folder / STAGES / stage.name, start, first_step=steps,
                first_token=tokens, run_steps=sum(map(len, plans)), ranks=ranks, compiled=compiled,
            )
        )  # fmt: skip
        steps, tokens = steps + len(plan), tokens + _total(plan, train.lengths)
    return jobs


def _total(plan: BatchPlan, per_row: Any) -> int:
    return int(plan.cumulative(per_row)[-1])


def _train_stages(
    model: PreTrainedModel, jobs: list[StageJob], log: TrainingLog, progress: Progress
) -> tuple[PreTrainedModel, Meter]:
    from mmai_gym.training.job import Meter
    from mmai_gym.training.sft import train_stage

    meter = Meter()
    for job in jobs:
        model, meter = train_stage(model, job, log, meter, progress)
    return model, meter


def _card(
    recipe: Recipe,
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    jobs: list[StageJob],
    meter: Meter,
) -> dict[str, Any]:
    """Where the weights come from, for whoever finds them without the run folder."""
    log = read_log(folder / LOG)
    training = [line for line in log if "loss" in line]
    validation = [line for line in log if "validation_loss" in line]
    return {
        "recipe": recipe.model_dump(by_alias=True, mode="json"),
        "template": template_hash(),
        "tokenizer": tokenizer_hash(tokenizer),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "device": str(model.device),
        "processes": jobs[0].ranks.count,
        "precision": "bfloat16" if jobs[0].bfloat16 else "float32",
        "fill": [
            round(_total(job.plan, job.train.lengths) / job.plan.padded(job.train.lengths), 4) for job in jobs
        ],
        "steps": sum(len(job.plan) for job in jobs),
        "tokens": sum(_total(job.plan, job.train.lengths) for job in jobs),
        "supervised_tokens": sum(_total(job.plan, job.train.supervised) for job in jobs),
        "wall_seconds": round(meter.wall_seconds, 1),
        "loss": training[-1]["loss"] if training else None,
        "validation_loss": validation[-1]["validation_loss"] if validation else None,
        "validation_by_task": validation[-1]["validation_by_task"] if validation else {},
        "questions": {task.name: found for task in recipe.tasks() if (found := prototype(task)) is not None},
        "data": {
            f"{job.stage.name}/{corpus.manifest.split}": corpus.manifest.model_dump(mode="json")
            for job in jobs
            for corpus in (job.train, job.valid)
        },
        "libraries": library_versions(
            ["mmai-gym", "numpy", "rdkit", "torch", "transformers", "accelerate", "tokenizers"]
        ),
    }


# --------------------------------------------------------------------------------------------------- the folder


@contextmanager
def _claimed(folder: Path, recipe: Recipe) -> Iterator[None]:
    """Hold the run folder for this process and this recipe."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; give another --out for the run folder")
    folder.mkdir(parents=True, exist_ok=True)
    # The kernel drops this lock when the process ends, however it ends.
    with (folder / ".lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise UsageError(
                f"another process (pid {holder}) works in {folder}; wait for it, or give another --out"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        _check_recipe(folder, recipe)
        yield


def _check_recipe(folder: Path, recipe: Recipe) -> None:
    path = folder / RECIPE
    if not path.exists():
        partial = folder / f".{RECIPE}.partial"
        partial.write_text(recipe.to_toml(), encoding="utf-8")
        partial.replace(path)
        return
    differing = parse_recipe(path.read_text(encoding="utf-8"), str(path)).differences(recipe)
    if differing:
        raise UsageError(
            f"{folder} was made by another recipe ({'; '.join(differing)}); "
            "give another --out, or delete the folder"
        )
