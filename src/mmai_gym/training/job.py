"""One stage of a run, ready to train, and what must outlive a stop of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmai_gym.training.batches import BatchPlan
from mmai_gym.training.corpus import Corpus
from mmai_gym.training.ranks import Ranks
from mmai_gym.training.recipe import Recipe, Stage
from mmai_gym.training.starting import StartingPoint


@dataclass(frozen=True, slots=True)
class StageJob:
    """One stage of a run. `first_step` and `run_steps` place its steps within the whole run."""

    recipe: Recipe
    stage: Stage
    train: Corpus
    valid: Corpus
    plan: BatchPlan
    folder: Path
    start: StartingPoint
    first_step: int
    first_token: int
    run_steps: int
    ranks: Ranks
    compiled: bool
    """Whether torch.compile makes the layers."""

    @property
    def pad(self) -> int:
        """What fills the places behind a row, which nothing reads."""
        tokenizer = self.start.tokenizer
        return int(tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id)

    @property
    def bfloat16(self) -> bool:
        """Whether matrix products are computed in bfloat16 here."""
        import torch

        from mmai_gym.training.throughput import native_bfloat16

        wanted = self.recipe.precision
        return (wanted == "bfloat16" or (wanted == "auto" and torch.cuda.is_available())) and native_bfloat16()


@dataclass(slots=True)
class Meter:
    """What must outlive a stop for the log to go on as if there had been none."""

    wall_seconds: float = 0.0
    window_loss: float = 0.0
    """Summed loss of the supervised tokens since the last log line, in nats: this process's share of it."""
    window_supervised: int = 0
    """Supervised tokens since then, of all processes."""
