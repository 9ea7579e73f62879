"""MMAI Gym: teach a small Liquid Foundation Model the language of molecules, and prove what it learned.

import mmai_gym as gym
task = gym.make("retrosynthesis/embedded")
example = task.examples("test")[0]
task.verify(example, "<answer>CCO.CC(=O)O</answer>")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmai_gym.tasks import BaseTask

__version__ = "0.1.0"


def make(name: str) -> BaseTask:
    """The task called `name`; `mmai-gym tasks` lists all.

    Raises:
        UsageError: there is no such task; the message names the closest ones.
    """
    from mmai_gym import tasks  # lazily: a bare import of the gym loads no chemistry toolkit

    return tasks.get(name)


__all__ = ["__version__", "make"]
