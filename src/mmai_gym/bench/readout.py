"""The answer that a task's metric pays for, from the probabilities of a model."""

from __future__ import annotations

import math
from dataclasses import replace

from mmai_gym.contracts import Completion, Example, Prediction
from mmai_gym.tasks.answers import wrap
from mmai_gym.tasks.base import BaseTask


def read_out(task: BaseTask, example: Example, prediction: Prediction) -> Prediction:
    """The prediction with its options in the order in which the metric pays for them; its probabilities stay as they are.

    Balanced accuracy pays for a class in inverse proportion to how frequent it is, so that the best answer is the class
    whose probability lies furthest above its base rate and not the likeliest one (Elkan, IJCAI 2001). The rule is the
    same for every model that gives probabilities, and uses training answers only.
    """
    rates = task.base_rates(example)
    if rates is None or not prediction.probabilities:
        return prediction
    options = sorted(prediction.probabilities.items(), key=lambda option: -option[1] / rates[option[0]])
    completions = tuple(Completion(wrap(name), math.log(max(p, 1e-12))) for name, p in options)
    return replace(prediction, completions=completions[: len(prediction.completions)])
