"""The processes of one training run: who leads, and what they agree on.

`accelerate launch` starts several, each with a share of every step. One of them, the main process, claims the folder,
builds the corpora and writes; the others wait for it. What goes wrong in one must stop all, or the rest would wait for
ever, so every wait is a vote.
"""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mmai_gym.contracts import GymError

PATIENCE = timedelta(hours=12)
"""How long a process waits for another: building a large corpus takes the main process hours."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among those of the run. Votes go through the processors, so that no GPU is waited for."""

    index: int = 0
    count: int = 1
    _group: Any = None

    @staticmethod
    def join() -> Ranks:
        """Meet the other processes, where a launcher has started some."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return Ranks()
        import torch
        from accelerate import PartialState

        state = PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)
        group = torch.distributed.new_group(backend="gloo", timeout=PATIENCE)
        atexit.register(part)
        return Ranks(state.process_index, state.num_processes, group)

    @property
    def main(self) -> bool:
        """Whether this process leads."""
        return self.index == 0

    def sum(self, value: float) -> float:
        """The sum of a number over all processes."""
        if self.count == 1:
            return value
        import torch

        total = torch.tensor(value, dtype=torch.float64)
        torch.distributed.all_reduce(total, group=self._group)
        return float(total)

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in one process at least."""
        return self.sum(float(flag)) > 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """Leave the block when all processes are through with it.

        Raises:
            GymError: another process failed in it.
        """
        failed = True
        try:
            yield
            failed = False
        finally:
            stopped = self.any(failed)
        if stopped:
            raise GymError("another process of this run stopped, and its message says why")


def part() -> None:
    """End this process's threads for talking to the others, which may not outlive the interpreter.

    One that lets go of its last tensor while the interpreter shuts down takes the process down with it (SIGABRT).
    """
    import torch

    gc.collect()  # a model in a cycle would keep its group alive
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
