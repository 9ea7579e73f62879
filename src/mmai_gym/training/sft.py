"""Supervised fine-tuning of one stage with `transformers.Trainer`.

Trainer brings the loop, the precision, the optimizer state and its restoring. What it does not bring is here:
batches planned under a token budget instead of a fixed number of rows, a loss that is logged per supervised
token and validated per task, saved states that survive a kill, and silence, since progress goes through a
callback.

Rows are padded on the right and no attention mask is passed. An LFM is causal in both its parts: attention and
the short convolution look back only, so a real token never sees the padding behind it, and the padding's own
outputs are masked from the loss. One row per document also keeps the convolution from reading across a
document's border, which packing would allow.
"""

from __future__ import annotations

import dataclasses
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from mmai_gym.contracts import GymError, Progress
from mmai_gym.training import resume
from mmai_gym.training.batches import BatchPlan
from mmai_gym.training.corpus import Corpus
from mmai_gym.training.feed import Batch, Collator, PlannedBatches, Rows, validation_loss
from mmai_gym.training.log import TrainingLog
from mmai_gym.training.lora import ADAPTER_WEIGHTS, load_adapter_weights
from mmai_gym.training.recipe import Recipe, Stage


@dataclass(frozen=True, slots=True)
class StageJob:
    """One stage of a run, ready to train. `first_step` and `run_steps` place its steps within the whole run."""

    recipe: Recipe
    stage: Stage
    train: Corpus
    valid: Corpus
    plan: BatchPlan
    folder: Path
    pad: int
    first_step: int
    first_token: int
    run_steps: int


@dataclass(slots=True)
class Meter:
    """What must outlive a stop for the log to go on as if there had been none."""

    wall_seconds: float = 0.0
    window_loss: float = 0.0
    """Summed loss of the supervised tokens since the last log line, in nats."""
    window_supervised: int = 0


def train_stage(
    model: PreTrainedModel, job: StageJob, log: TrainingLog, meter: Meter, progress: Progress
) -> Meter:
    """Train `model` in place through a stage, from its last saved state if there is one.

    Where the stage was finished before, its weights are loaded and nothing is trained. Float32 on a CPU; bfloat16
    autocast on an NVIDIA GPU that has it; one process, one device.

    Returns:
        The meter at the end of the stage.

    Raises:
        KeyboardInterrupt: an interrupt arrived (Ctrl-C or SIGTERM); the state was saved first.
        GymError: the loss is not a finite number.
    """
    state = resume.latest(job.folder)
    if state is not None:
        meter = Meter(**resume.meter_of(state))  # type: ignore[arg-type]
        if resume.step_of(state) == len(job.plan):
            _load_weights(model, state)
            return meter
    log.rewind(job.first_step + (resume.step_of(state) if state else 0))
    use_cache = model.config.use_cache
    trainer = _StageTrainer(model, job, log, meter, progress)
    try:
        with _interrupts_wait(trainer.monitor):
            trainer.train(resume_from_checkpoint=str(state) if state else None)
    finally:
        model.config.use_cache = use_cache
    if trainer.monitor.interrupted:
        raise KeyboardInterrupt(
            f"saved after step {trainer.state.global_step} of stage {job.stage.name!r}; "
            "run the same command again to go on"
        )
    return trainer.meter


class _StageTrainer(Trainer):
    """Trainer over planned batches, with sealed states."""

    def __init__(
        self, model: PreTrainedModel, job: StageJob, log: TrainingLog, meter: Meter, progress: Progress
    ) -> None:
        self.meter = meter
        self._supervised = np.diff(job.plan.cumulative(job.train.supervised))
        self._plan = job.plan
        self.monitor = _Monitor(self, job, log, progress)
        super().__init__(
            model=model,
            args=_arguments(job),
            data_collator=Collator(job.train, job.pad),
            train_dataset=Rows(job.train),
            callbacks=[self.monitor],
        )
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self) -> DataLoader:
        loader = DataLoader(
            self.train_dataset,
            batch_sampler=PlannedBatches(self._plan),
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )
        return self.accelerator.prepare(loader)

    def training_step(self, model: PreTrainedModel, inputs: Batch, num_items_in_batch: Any = None) -> torch.Tensor:
        loss = super().training_step(model, inputs, num_items_in_batch)
        supervised = int(self._supervised[self.state.global_step])
        # Kept on the device: reading it at every step would make the host wait for a GPU.
        self.meter.window_loss = self.meter.window_loss + loss.double() * supervised
        self.meter.window_supervised += supervised
        return loss

    def _save_checkpoint(self, model: PreTrainedModel, trial: None) -> None:
        super()._save_checkpoint(model, trial)
        state = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        # Trainer pickles its arguments beside the weights. Nothing reads them, and nothing shall be unpickled.
        (state / "training_args.bin").unlink(missing_ok=True)
        self.meter.window_loss = float(self.meter.window_loss)
        self.monitor.tick()
        resume.seal(state, dataclasses.asdict(self.meter))


def _arguments(job: StageJob) -> TrainingArguments:
    optimizer, steps = job.recipe.optimizer, len(job.plan)
    gpu = torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(job.folder),
        max_steps=steps,
        per_device_train_batch_size=1,
        seed=job.recipe.seed,
        learning_rate=optimizer.learning_rate,
        weight_decay=optimizer.weight_decay,
        adam_beta2=optimizer.beta2,
        max_grad_norm=optimizer.clip,
        optim="adamw_torch_fused",
        lr_scheduler_type="warmup_stable_decay",
        warmup_steps=math.floor(optimizer.warmup * steps),
        lr_scheduler_kwargs={
            "num_decay_steps": math.floor(optimizer.decay * steps),
            "decay_type": optimizer.decay_shape,
        },
        bf16=gpu and torch.cuda.is_bf16_supported(),
        use_cpu=not gpu,
        dataloader_pin_memory=gpu,
        # The monitor decides when to log, validate and save.
        logging_strategy="no",
        eval_strategy="no",
        save_strategy="no",
        save_total_limit=2,
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
        log_level="error",
    )
    if gpu:
        # With several GPUs in one process Trainer would split every batch by rows among them.
        arguments._n_gpu = 1
    return arguments


class _Monitor(TrainerCallback):
    """After each step: log, validate, save and report, as the recipe's schedule says."""

    def __init__(self, trainer: _StageTrainer, job: StageJob, log: TrainingLog, progress: Progress) -> None:
        self.interrupted = False
        self._trainer = trainer
        self._job = job
        self._log = log
        self._progress = progress
        self._tokens = job.first_token + job.plan.cumulative(job.train.lengths)
        self._supervised = job.plan.cumulative(job.train.supervised)
        self._clock = self._saved = self._window_clock = self._began = 0.0
        self._began_at = self._window_at = 0
        self._rate = 0.0

    def tick(self) -> None:
        """Add the time since the last call to the meter."""
        now = time.perf_counter()
        self._trainer.meter.wall_seconds += now - self._clock
        self._clock = now

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._clock = self._saved = self._window_clock = self._began = time.perf_counter()
        self._began_at = self._window_at = state.global_step
        self._progress(
            self._job.first_step + state.global_step, self._job.run_steps, f"stage {self._job.stage.name}"
        )

    def on_optimizer_step(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._rate = self._trainer.lr_scheduler.get_last_lr()[0]

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        step, schedule = state.global_step, self._job.recipe.schedule
        last = step == len(self._job.plan)
        if last or step % schedule.log_steps == 0:
            self._write_line(step)
        if len(self._job.valid) and (last or step % schedule.validate_steps == 0):
            self._validate(step)
        overdue = time.perf_counter() - self._saved >= 60 * schedule.checkpoint_minutes
        if last or overdue or self.interrupted:
            control.should_save = True
            self._saved = time.perf_counter()
        if self.interrupted:
            control.should_training_stop = True

    def _write_line(self, step: int) -> None:
        meter, job = self._trainer.meter, self._job
        loss = float(meter.window_loss) / meter.window_supervised
        if not math.isfinite(loss):
            raise GymError(
                f"the training loss is {loss} at step {step} of stage {job.stage.name!r}; lower "
                "optimizer.learning_rate or optimizer.clip in the recipe and train into a fresh folder"
            )
        self.tick()
        seconds = max(1e-9, self._clock - self._window_clock)
        speed = float(self._tokens[step] - self._tokens[self._window_at]) / seconds
        self._log.append(
            stage=job.stage.name,
            step=job.first_step + step,
            loss=loss,
            learning_rate=self._rate,
            tokens=int(self._tokens[step]),
            tokens_per_second=round(speed, 1),
            supervised_per_second=round(
                float(self._supervised[step] - self._supervised[self._window_at]) / seconds, 1
            ),
            wall_seconds=round(meter.wall_seconds, 3),
        )
        meter.window_loss, meter.window_supervised = 0.0, 0
        self._window_clock, self._window_at = self._clock, step
        left = (job.run_steps - job.first_step - step) * (self._clock - self._began) / (step - self._began_at)
        self._progress(
            job.first_step + step, job.run_steps, f"loss {loss:.2f} · {speed:,.0f} tok/s · {_duration(left)} left"
        )

    def _validate(self, step: int) -> None:
        job = self._job
        by_task, overall = validation_loss(self._trainer.model, job.valid, job.recipe.batch.tokens, job.pad)
        self._log.append(
            stage=job.stage.name, step=job.first_step + step, validation_loss=overall, validation_by_task=by_task
        )


@contextmanager
def _interrupts_wait(monitor: _Monitor) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM wait until the step is done and saved; a second one stops at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def wait(number: int, frame: FrameType | None) -> None:
        if monitor.interrupted:
            raise KeyboardInterrupt("stopped at once; the last saved state is kept")
        monitor.interrupted = True

    before = {number: signal.signal(number, wait) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _load_weights(model: PreTrainedModel, state: Path) -> None:
    """Tied weights are stored once, so the head may be missing from the file."""
    if (state / ADAPTER_WEIGHTS).is_file():
        load_adapter_weights(model, state)
        return
    model.load_state_dict(load_file(state / "model.safetensors"), strict=False)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
