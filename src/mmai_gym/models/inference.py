"""How a checkpoint is best asked, and how far its confidence can be trusted: `inference.json` beside the weights.

The number of written forms of each question is a choice, by prefix of task names. What is fitted is fitted on validation
examples, asked in just that way: for classes one temperature (Guo et al. 2017), which changes no ranking; for numbers
the factor by which the spread of the distribution has to be stretched for 90 % of the measured values to lie within
(split conformal prediction with the spread as scale; Lei et al. 2018).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mmai_gym import tasks
from mmai_gym.contracts import (
    CheckpointError,
    Choice,
    Example,
    Model,
    Number,
    Prediction,
    Progress,
    Task,
    answer_form,
)
from mmai_gym.lineage import below
from mmai_gym.models.augmented import Augmented

INFERENCE = "inference.json"
COVERAGE = 0.9
_LEAST = 30
"""Validation examples below which nothing is fitted."""
_TEMPERATURES = np.geomspace(0.2, 5.0, 129)


class InferenceRecipe(BaseModel):
    """How a checkpoint is asked; an empty one asks every question once and changes nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    copies: dict[str, int] = Field(default={})
    """Written forms of a question, by prefix of task names; the longest prefix holds."""
    temperatures: dict[str, float] = Field(default={})
    """By task: what logits of its classes are divided by."""
    stretches: dict[str, float] = Field(default={})
    """By task: half of the 90 % interval of a number, in spreads."""
    examples: dict[str, int] = Field(default={})
    """By task: the validation examples behind its figure."""
    forward: str = ""
    """The model that reads reactions forwards, for round trips: the name of a checkpoint beside this one, or what
    `load_model` takes; '' for the model itself."""

    @classmethod
    def read(cls, folder: Path) -> InferenceRecipe:
        """Of the checkpoint in `folder`; the empty one where there is none.

        Raises:
            CheckpointError: the file is damaged.
        """
        path = folder / INFERENCE
        if not path.is_file():
            return cls()
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError as error:
            raise CheckpointError(
                f"{path} is damaged ({error.errors()[0]['msg']}); make it again or delete it"
            ) from error

    def write(self, folder: Path) -> Path:
        """Store it beside the weights in `folder`."""
        partial = folder / f".{INFERENCE}.partial"
        partial.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        return partial.replace(folder / INFERENCE)

    def asked(self, model: Model, task: str) -> Model:
        """`model`, shown the questions of `task` in as many written forms as they should have."""
        fitting = [prefix for prefix in self.copies if below(task, prefix)]
        copies = self.copies[max(fitting, key=len)] if fitting else 1
        return Augmented(model, copies) if copies > 1 else model

    def calibrated(self, prediction: Prediction, task: str) -> Prediction:
        """The prediction with probabilities as sure as they were right on validation examples."""
        temperature = self.temperatures.get(task)
        if temperature is None or not prediction.probabilities:
            return prediction
        return replace(prediction, probabilities=_tempered(prediction.probabilities, temperature))

    def half_interval(self, prediction: Prediction, task: str) -> float | None:
        """Half of the interval that held 90 % of the measured values on validation; None where nothing was fitted."""
        stretch = self.stretches.get(task)
        return None if stretch is None or prediction.spread is None else stretch * prediction.spread


def calibrate(
    model: Model,
    names: Sequence[str],
    copies: Mapping[str, int],
    limit: int,
    progress: Progress,
    forward: str = "",
) -> InferenceRecipe:
    """Fit temperatures and intervals on at most `limit` validation examples of each task that asks for a class or a number.

    A task without enough of them, or whose answers the model does not give as a distribution, gets none. `copies` and
    `forward` are taken over as they are.

    Raises:
        DataError: the data of a task are missing.
    """
    recipe = InferenceRecipe(copies=dict(copies), forward=forward)
    temperatures: dict[str, float] = {}
    stretches: dict[str, float] = {}
    examples: dict[str, int] = {}
    for done, name in enumerate(names):
        progress(done, len(names), f"calibration · {name}")
        task = tasks.get(name)
        rows = _validation(task, limit)
        if len(rows) < _LEAST:
            continue
        predictions = recipe.asked(model, name).predict(rows, 1, 0)
        form = answer_form(task.question(rows[0]))
        if isinstance(form, Choice) and all(one.probabilities for one in predictions):
            answered = [(one.probabilities or {}, str(task.answer(row))) for row, one in _both(rows, predictions)]
            temperatures[name] = _temperature(answered)
        elif isinstance(form, Number) and all(one.spread for one in predictions):
            stretches[name] = _stretch([(one, float(row.gold)) for row, one in _both(rows, predictions)])
        else:
            continue
        examples[name] = len(rows)
    progress(len(names), len(names), "calibration")
    return recipe.model_copy(update={"temperatures": temperatures, "stretches": stretches, "examples": examples})


def _validation(task: Task, limit: int) -> list[Example]:
    """Evenly spread validation examples."""
    rows = task.examples("valid")
    return [rows[i] for i in range(0, len(rows), max(1, math.ceil(len(rows) / limit)))]


def _both(rows: Sequence[Example], predictions: Sequence[Prediction]) -> list[tuple[Example, Prediction]]:
    return list(zip(rows, predictions, strict=True))


def _tempered(probabilities: Mapping[str, float], temperature: float) -> dict[str, float]:
    logits = np.log(np.maximum(list(probabilities.values()), 1e-12)) / temperature
    weights = np.exp(logits - logits.max())
    return dict(zip(probabilities, (weights / weights.sum()).tolist(), strict=True))


def _temperature(answered: Sequence[tuple[Mapping[str, float], str]]) -> float:
    """Of those on a grid, the one under which the right options are likeliest."""
    likelihoods = [
        sum(math.log(max(_tempered(table, one)[right], 1e-12)) for table, right in answered)
        for one in _TEMPERATURES
    ]
    return float(_TEMPERATURES[int(np.argmax(likelihoods))])


def _stretch(answered: Sequence[tuple[Prediction, float]]) -> float:
    """The least factor for which COVERAGE of new values lie within, if they are like these."""
    ratios = sorted(abs(right - (one.value or 0.0)) / max(one.spread or 0.0, 1e-12) for one, right in answered)
    rank = min(len(ratios), math.ceil((len(ratios) + 1) * COVERAGE))
    return float(ratios[rank - 1])
