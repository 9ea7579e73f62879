"""Supervised fine-tuning of one stage with `transformers.Trainer`.

Trainer brings the loop, the precision, the optimizer state and its restoring, and over accelerate the work of several
processes. What it does not bring is here: steps planned under a token budget instead of a fixed number of rows, summed
up from as many passes as memory asks for; a loss that is logged per supervised token; saved states that survive a kill;
and silence, since progress goes through a callback.

Grouped rows are padded on the right and no attention mask is passed. An LFM is causal in both its parts: attention and
the short convolution look back only, so a real token never sees the padding behind it, and the padding's own outputs
are masked from the loss. Packed rows carry `segments`, by which `lfm.network` keeps their documents apart.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainingArguments

from mmai_gym.contracts import Progress
from mmai_gym.lfm.network import Steps
from mmai_gym.lfm.tokenizer import FIRST_BIN_ID
from mmai_gym.tasks.rendering import BIN_TOKENS
from mmai_gym.training import resume
from mmai_gym.training.allocator import keep_freed_memory
from mmai_gym.training.compiled import compile_layers
from mmai_gym.training.feed import Batch, StepFeed, predicted
from mmai_gym.training.job import Meter, StageJob
from mmai_gym.training.log import TrainingLog
from mmai_gym.training.lora import ADAPTER_WEIGHTS, load_adapter_weights
from mmai_gym.training.monitor import Monitor, interrupts_wait


def train_stage(
    model: PreTrainedModel, job: StageJob, log: TrainingLog, meter: Meter, progress: Progress
) -> tuple[PreTrainedModel, Meter]:
    """Train through a stage, from its last saved state if there is one.

    Where the stage was finished before, its weights are loaded and nothing is trained. The precision is the
    recipe's, by autocast; one device per process.

    Returns:
        The model and the meter at the end of the stage. The model is `model`, trained in place, except where its
        weights were sharded: then it is a whole copy.

    Raises:
        KeyboardInterrupt: an interrupt arrived (Ctrl-C or SIGTERM); the state was saved first.
        GymError: the loss is not a finite number, or another process stopped.
        SystemExit: as KeyboardInterrupt, in a process that is not the main one (code 0).
    """
    with job.ranks.together():
        if job.ranks.main:
            resume.remove_unsealed(job.folder)
    state = resume.latest(job.folder)
    if state is not None:
        meter = Meter(**resume.meter_of(state))  # type: ignore[arg-type]
        if not job.ranks.main:
            meter.window_loss = 0.0  # the main process goes on with the sum of all
        if resume.step_of(state) == len(job.plan):
            _load_weights(model, state)
            return model, meter
    log.rewind(job.first_step + (resume.step_of(state) if state else 0))
    keep_freed_memory()
    use_cache = model.config.use_cache
    trainer = _StageTrainer(model, job, log, meter, progress, resume.step_of(state) if state else 0)
    try:
        with interrupts_wait(trainer.monitor, job.ranks.count):
            trainer.train(resume_from_checkpoint=str(state) if state else None)
    finally:
        model.config.use_cache = use_cache
    if trainer.monitor.interrupted:
        if not job.ranks.main:
            # A launcher ends all processes as soon as one of them fails. The main one has to say what was saved first.
            raise SystemExit(0)
        raise KeyboardInterrupt(
            f"saved after step {trainer.state.global_step} of stage {job.stage.name!r}; "
            "run the same command again to go on"
        )
    if trainer.is_fsdp_enabled:
        model = job.start.model()
        _load_weights(model, Path(trainer.args.output_dir) / f"checkpoint-{trainer.state.global_step}")
    return model, meter


class _StageTrainer(Trainer):
    """Trainer over planned steps, with sealed states."""

    def __init__(
        self,
        model: PreTrainedModel,
        job: StageJob,
        log: TrainingLog,
        meter: Meter,
        progress: Progress,
        start: int,
    ) -> None:
        self._job = job
        self._supervised = np.diff(job.plan.cumulative(job.train.supervised))
        self._predicted = np.diff(job.plan.cumulative(predicted(job.train)))
        smoothing = job.recipe.smoothing
        self._learned_as = {"steps": Steps(FIRST_BIN_ID, len(BIN_TOKENS), smoothing)} if smoothing else {}
        self.monitor = Monitor(model, job, meter, log, progress)
        feed = StepFeed(
            job.train,
            job.plan,
            job.pad,
            start=start,
            tokens=job.recipe.batch.micro_tokens,
            rank=job.ranks.index,
            ranks=job.ranks.count,
            pin=torch.cuda.is_available(),
        )
        if job.compiled:
            compile_layers(model, one_shape=job.plan.width > 0)
        super().__init__(model=model, args=_arguments(job), train_dataset=feed, callbacks=[self.monitor])
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self) -> StepFeed:
        """Not through accelerate, which would deal out whole steps to the processes: the feed knows its share."""
        return self.train_dataset

    def get_batch_samples(
        self, epoch_iterator: Iterator[list[Batch]], num_batches: int, device: torch.device
    ) -> tuple[list[list[Batch]], None]:
        """One step, as the list of its passes; it is normalised by the whole step's tokens, which the plan knows."""
        return [next(epoch_iterator)], None

    def training_step(
        self, model: torch.nn.Module, inputs: list[Batch], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """The gradient of a step's mean loss per supervised token, summed up over its passes and processes."""
        model.train()
        step, ranks = self.state.global_step, self._job.ranks.count
        divisor = max(1, int(self._predicted[step]))
        total = torch.zeros((), device=self.args.device)
        for number, batch in enumerate(inputs, 1):
            on_device = {name: part.to(self.args.device, non_blocking=True) for name, part in batch.items()}
            # Gradients are exchanged once a step. The exchange takes their mean, hence the factor.
            alone = nullcontext() if number == len(inputs) else self.accelerator.no_sync(model)
            with alone:
                with self.compute_loss_context_manager():
                    loss = model(**on_device, num_items_in_batch=divisor, **self._learned_as).loss
                self.accelerator.backward(loss * ranks)
            total += loss.detach()
        meter, supervised = self.monitor.meter, int(self._supervised[step])
        # Kept on the device: reading it at every step would make the host wait for a GPU.
        meter.window_loss = meter.window_loss + total.double() * supervised
        meter.window_supervised += supervised
        return total

    def floating_point_ops(self, inputs: Any) -> int:
        """Trainer's own estimate knows neither packing nor supervision; the monitor counts."""
        return 0

    def _save_checkpoint(self, model: PreTrainedModel, trial: None) -> None:
        ranks, meter = self._job.ranks, self.monitor.meter
        super()._save_checkpoint(model, trial)
        state = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        meter.window_loss = float(meter.window_loss)
        self.monitor.tick()
        kept = dataclasses.asdict(meter) | {"window_loss": ranks.sum(meter.window_loss)}
        with ranks.together():
            if ranks.main:
                # Trainer pickles its arguments beside the weights. Nothing reads them, and nothing shall be unpickled.
                (state / "training_args.bin").unlink(missing_ok=True)
                resume.seal(state, kept)


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
        bf16=job.bfloat16,
        use_cpu=not gpu,
        ddp_find_unused_parameters=False,
        # The feed starts at the step to go on with.
        ignore_data_skip=True,
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


def _load_weights(model: PreTrainedModel, state: Path) -> None:
    """Tied weights are stored once, so the head may be missing from the file."""
    if (state / ADAPTER_WEIGHTS).is_file():
        load_adapter_weights(model, state)
        return
    model.load_state_dict(load_file(state / "model.safetensors"), strict=False)
