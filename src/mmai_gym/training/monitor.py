"""What happens between the steps of a stage: log, validate, probe, save, stop.

With several processes all of them do this, since a validation or a saving of sharded weights needs all; only the main
process writes and shows. What depends on a clock or a signal is put to the vote.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState

from mmai_gym.contracts import GymError, Progress
from mmai_gym.training.compiled import uncompiled
from mmai_gym.training.feed import validation_loss
from mmai_gym.training.job import Meter, StageJob
from mmai_gym.training.log import TrainingLog
from mmai_gym.training.probe import Clock, exact_match
from mmai_gym.training.throughput import body_parameters, peak_flops, peak_memory, row_flops

_SECOND_SIGNAL = 3.0
"""Seconds within which a second signal to one of several processes is the same wish: a launcher passes on what the
terminal has sent to all of them already."""


class Monitor(TrainerCallback):
    """After each step of a stage: log, validate, probe, save and report, as the recipe's schedule says."""

    def __init__(
        self, model: torch.nn.Module, job: StageJob, meter: Meter, log: TrainingLog, progress: Progress
    ) -> None:
        self.asked_to_stop = False
        """Set by a signal, at any moment."""
        self.interrupted = False
        """Set at the end of a step, in all processes alike, where one of them was asked to stop."""
        self.meter = meter
        self._model = model
        self._job = job
        self._log = log
        self._progress = progress
        lengths, supervised = job.train.lengths, job.train.supervised
        self._tokens = job.first_token + job.plan.cumulative(lengths)
        self._supervised = job.plan.cumulative(supervised)
        flops = row_flops(model.config, body_parameters(model), lengths, supervised)
        self._flops = job.plan.cumulative(flops)
        self._clock = self._saved = self._window_clock = self._began = 0.0
        self._began_at = self._window_at = 0
        self._rate = 0.0
        self._probe_clock = Clock(job.recipe.schedule.probe_minutes)

    def tick(self) -> None:
        """Add the time since the last call to the meter."""
        now = time.perf_counter()
        self.meter.wall_seconds += now - self._clock
        self._clock = now

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._clock = self._saved = self._window_clock = self._began = time.perf_counter()
        self._began_at = self._window_at = state.global_step
        self._probe_clock = Clock(self._job.recipe.schedule.probe_minutes)
        self._progress(
            self._job.first_step + state.global_step, self._job.run_steps, f"stage {self._job.stage.name}"
        )

    def on_optimizer_step(
        self, args: Any, state: TrainerState, control: TrainerControl, lr_scheduler: Any = None, **_: Any
    ) -> None:
        self._rate = lr_scheduler.get_last_lr()[0]

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        step, schedule, ranks = state.global_step, self._job.recipe.schedule, self._job.ranks
        last = step == len(self._job.plan)
        if last or step % schedule.log_steps == 0:
            self._write_line(step)
        if len(self._job.valid) and (last or step % schedule.validate_steps == 0):
            with self._aside(), uncompiled(self._model):
                self._validate(step)
        if schedule.probe_minutes is not None and ranks.any(self._probe_clock.due(last)):
            with self._aside(), uncompiled(self._model):
                self._probe(step)
        self.interrupted = ranks.any(self.asked_to_stop)
        overdue = time.perf_counter() - self._saved >= 60 * schedule.checkpoint_minutes
        if last or self.interrupted or ranks.any(overdue):
            control.should_save = True
        if self.interrupted:
            control.should_training_stop = True

    def on_save(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._saved = time.perf_counter()

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Work that is no training: its time does not count against the speed."""
        began = time.perf_counter()
        yield
        self._window_clock += time.perf_counter() - began

    def _write_line(self, step: int) -> None:
        meter, job = self.meter, self._job
        loss = job.ranks.sum(float(meter.window_loss)) / meter.window_supervised
        if not math.isfinite(loss):
            raise GymError(
                f"the training loss is {loss} at step {step} of stage {job.stage.name!r}; lower "
                "optimizer.learning_rate or optimizer.clip in the recipe and train into a fresh folder"
            )
        self.tick()
        seconds = max(1e-9, self._clock - self._window_clock)
        tokens, supervised, flops = (
            float(column[step] - column[self._window_at]) / seconds
            for column in (self._tokens, self._supervised, self._flops)
        )
        peak = peak_flops(job.bfloat16)
        self._log.append(
            stage=job.stage.name,
            step=job.first_step + step,
            loss=loss,
            learning_rate=self._rate,
            tokens=int(self._tokens[step]),
            tokens_per_second=round(tokens, 1),
            supervised_per_second=round(supervised, 1),
            model_flops_utilisation=round(flops / (peak * job.ranks.count), 4) if peak else None,
            peak_memory_mb=round(peak_memory() / 1e6),
            wall_seconds=round(meter.wall_seconds, 3),
        )
        meter.window_loss, meter.window_supervised = 0.0, 0
        self._window_clock, self._window_at = time.perf_counter(), step
        left = (job.run_steps - job.first_step - step) * (self._clock - self._began) / (step - self._began_at)
        self._progress(
            job.first_step + step, job.run_steps, f"loss {loss:.2f} · {tokens:,.0f} tok/s · {_duration(left)} left"
        )

    def _validate(self, step: int) -> None:
        job = self._job
        tokens = job.recipe.batch.micro_tokens or job.recipe.batch.tokens
        by_task, overall = validation_loss(self._model, job.valid, tokens, job.pad)
        self._log.append(
            stage=job.stage.name, step=job.first_step + step, validation_loss=overall, validation_by_task=by_task
        )

    def _probe(self, step: int) -> None:
        job = self._job
        with self._probe_clock.probing() as taken:
            found = exact_match(self._model, job.start, job.recipe, job.stage)
        self._log.append(
            stage=job.stage.name,
            step=job.first_step + step,
            exact_match={name: row["exact"] for name, row in found.items()},
            exact_match_n={name: int(row["n"]) for name, row in found.items()},
            probe_seconds=round(taken["seconds"], 3),
        )


@contextmanager
def interrupts_wait(monitor: Monitor, ranks: int) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM wait until the step is done and saved; a second one stops at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    first = 0.0

    def wait(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if not monitor.asked_to_stop:
            monitor.asked_to_stop, first = True, time.monotonic()
        elif ranks == 1 or time.monotonic() - first > _SECOND_SIGNAL:
            raise KeyboardInterrupt("stopped at once; the last saved state is kept")

    before = {number: signal.signal(number, wait) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
