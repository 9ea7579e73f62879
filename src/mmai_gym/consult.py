"""One question of one's own to a trained model: properties of a molecule, better ones, how to make it, or any task's.

A model is asked as it was taught (`tasks.prototypes`) and as often as its inference recipe says; no data set is needed.
What comes back are plain values, for a terminal, for JSON or for a page: the answer, and how sure the model is.
"""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from mmai_gym import tasks
from mmai_gym.bench.round_trip import ANSWERS, round_trip
from mmai_gym.contracts import (
    AnswerForm,
    Choice,
    DataError,
    Example,
    InvalidMolecule,
    MissingExtra,
    Number,
    Prediction,
    UsageError,
    answer_form,
)
from mmai_gym.lineage import below
from mmai_gym.models import InferenceRecipe, LFMModel, Materials, default_model, load_model
from mmai_gym.molecules import canonical_set, strip_maps
from mmai_gym.tasks.answers import extract_answer
from mmai_gym.tasks.prototypes import Prototype, filled, inputs_of, smiles_of
from mmai_gym.tasks.reactions import reranking_score, reranking_terms

_ASKED = "asked"
"""The id of an example that comes from no data set; with the molecule it decides what is drawn."""


class Consultant:
    """A model of the gym, with what it was taught.

    Args:
        spec: as `load_model` takes it; the checkpoint that ships with the gym by default.

    Raises:
        UsageError: there is no such model, or it is none that the gym has trained.
        CheckpointError: it cannot be loaded.
    """

    def __init__(self, spec: str | None = None) -> None:
        model = load_model(spec or default_model())
        if not isinstance(model, LFMModel) or not model.questions:
            raise UsageError(
                f"{model.name} does not say what it was taught: its card has no questions; give a run of `mmai-gym train`"
            )
        self.model = model
        self.questions: Mapping[str, Prototype] = model.questions
        self.inference = InferenceRecipe.read(model.folder)

    # ------------------------------------------------------------------------------------------------- questions

    def ask(self, task: str, inputs: Mapping[str, str], n: int = 1, seed: int = 0) -> dict[str, Any]:
        """What the model answers to the question of a task about these inputs.

        Returns:
            `task`, `inputs`, `answers` (best first, each with `answer` and where known `logprob`), and for a class
            `probabilities`, for a number `value`, `unit`, and `low` and `high` where validation gave an interval.

        Raises:
            UsageError: the model was not taught that task, or an input is missing.
            InvalidMolecule: a molecule cannot be read.
        """
        return self._asked(self._task(task), [inputs], n, seed)[0]

    def predict(self, smiles: Sequence[str], prefixes: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Every class and number that the model can tell of one molecule, or those below some prefixes; for each molecule.

        Raises: as `ask`; UsageError where nothing it was taught has such a prefix.
        """
        names = [
            name
            for name, found in self.questions.items()
            if inputs_of(found) == ["smiles"] and isinstance(_form(found), Choice | Number)
        ]
        if prefixes:
            unknown = [prefix for prefix in prefixes if not any(below(name, prefix) for name in names)]
            if unknown:
                raise UsageError(self._untaught(unknown[0]))
            names = [name for prefix in prefixes for name in names if below(name, prefix)]
        return [
            found
            for name in dict.fromkeys(names)
            for found in self._asked(name, [{"smiles": text} for text in smiles], 1, 0)
        ]

    def retro(self, smiles: str, n: int = 10) -> dict[str, Any]:
        """Sets of reactants that may give the product in one step, best first, as `ask` returns them. Those that hold the
        product itself are left out.

        Each says in `round_trip` whether the product is made again from them by the model that reads reactions forwards: the
        one that the inference recipe names, or this one if it was taught that as well. Where that model knows what its
        training reactions start from (`models.Materials`), each says in `new_reactants` how many of its molecules no such
        reaction starts from, and they come in the order of `tasks.reactions.reranking_score`; `rank` is the model's own.

        Raises: as `ask`; UsageError where the model that the recipe names is not here.
        """
        found = self._asked(self._only("retrosynthesis"), [{"smiles": smiles}], n, 0)[0]
        wanted = canonical_set(found["inputs"]["smiles"])
        rows = [row for row in _readable(found["answers"]) if wanted not in row["answer"].split(".")]
        forward = self._forward._below("forward")
        if forward and rows:
            asked = [{"smiles": row["answer"]} for row in rows]
            _, made = self._forward._predicted(forward[0], asked, ANSWERS, 0)
            for row, prediction in zip(rows, made, strict=True):
                row |= round_trip(wanted, prediction)
                row["round_trip"] = bool(row["round_trip"])
            known = Materials.read(self._forward.model.folder)
            if known is not None:
                for row in rows:
                    row["new_reactants"] = sum(molecule not in known for molecule in row["answer"].split("."))
                rows.sort(key=_reranked, reverse=True)
        return found | {"answers": rows}

    def optimize(self, smiles: str, goal: str, n: int = 20) -> dict[str, Any]:
        """Molecules like this one that are better by a goal, as `ask` returns them, successes first.

        Each has the `reason` and `components` of its verdict (gain, similarity, values before and after) where the goal's
        oracles are installed. The order of the model's own answers is in `rank`, counted from 1.

        Raises: as `ask`; UsageError where the model knows no such goal.
        """
        name = self._goal(goal)
        found = self._asked(name, [{"smiles": smiles}], n, 0)[0]
        example = Example(_ASKED, name, "test", found["inputs"], None)
        rows = _readable(found["answers"])
        for row in rows:
            row |= _judged(example, row["answer"])
        found["answers"] = sorted(rows, key=lambda row: (row.get("reason") != "correct", row["rank"]))
        return found

    def goals(self) -> list[str]:
        """Names of the goals it was taught to optimize."""
        return [name.removeprefix("optimization/") for name in self._below("optimization")]

    def taught(self, prefix: str = "") -> list[str]:
        """Names of the tasks below a prefix that it was taught, those of earlier rounds first; all with ''.

        Raises:
            UsageError: there is none.
        """
        found = self._below(prefix) if prefix else list(self.questions)
        if not found:
            raise UsageError(self._untaught(prefix))
        return found

    # ------------------------------------------------------------------------------------------------- within

    @functools.cached_property
    def _forward(self) -> Consultant:
        """Who is asked what a reaction gives."""
        name = self.inference.forward
        beside = self.model.folder.parent / name
        return Consultant(str(beside) if beside.is_dir() else name) if name else self

    def _asked(self, task: str, inputs: Sequence[Mapping[str, str]], n: int, seed: int) -> list[dict[str, Any]]:
        return [self._told(*both) for both in zip(*self._predicted(task, inputs, n, seed), strict=True)]

    def _predicted(
        self, task: str, inputs: Sequence[Mapping[str, str]], n: int, seed: int
    ) -> tuple[list[Example], list[Prediction]]:
        needed, molecules = inputs_of(self.questions[task]), smiles_of(self.questions[task])
        examples = [Example(_ASKED, task, "test", _checked(task, needed, molecules, one), None) for one in inputs]
        if self.model.names_proteins and any("<|protein|>" in self.model.opening(example) for example in examples):
            raise UsageError(
                f"{self.model.name} knows the proteins of its training pairs by name, and this sequence is none of them; "
                "it has read no sequences, so nothing it would answer is a prediction"
            )
        model = self.inference.asked(self.model, task)
        return examples, model.predict(examples, n, seed)

    def _told(self, example: Example, prediction: Prediction) -> dict[str, Any]:
        prediction = self.inference.calibrated(prediction, example.task)
        answers = [
            {"rank": rank, "answer": extract_answer(one.text), "logprob": one.logprob}
            for rank, one in enumerate(prediction.completions, start=1)
        ]
        told: dict[str, Any] = {"task": example.task, "inputs": dict(example.inputs), "answers": answers}
        form = _form(self.questions[example.task])
        if prediction.probabilities:
            told["probabilities"] = dict(prediction.probabilities)
            told["calibrated"] = example.task in self.inference.temperatures
        if isinstance(form, Number) and prediction.value is not None:
            told |= {"value": prediction.value, "unit": form.unit}
            half = self.inference.half_interval(prediction, example.task)
            if half is not None:
                least, most = _possible(form)
                told |= {"low": max(least, prediction.value - half), "high": min(most, prediction.value + half)}
        return told

    def _task(self, name: str) -> str:
        if name in self.questions:
            return name
        close = difflib.get_close_matches(name, self.questions, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise UsageError(f"{self.model.name} was not taught {name!r}{hint}; it knows: {', '.join(self.questions)}")

    def _below(self, prefix: str) -> list[str]:
        return [name for name in self.questions if below(name, prefix)]

    def _only(self, prefix: str) -> str:
        """The first task below a prefix; measured data come before the embedded set."""
        found = self._below(prefix)
        if not found:
            raise UsageError(self._untaught(prefix))
        return min(found, key=lambda name: name.endswith("/embedded"))

    def _untaught(self, prefix: str) -> str:
        return f"{self.model.name} was taught nothing below {prefix!r}; it knows: {', '.join(self.questions)}"

    def _goal(self, goal: str) -> str:
        names = [f"optimization/{one}" for one in self.goals()]
        fitting = [name for name in names if name.endswith(f"/{goal}")]
        if len(fitting) != 1:
            raise UsageError(
                f"{self.model.name} knows {'no' if not fitting else 'more than one'} goal {goal!r}; "
                f"there are: {', '.join(self.goals()) or 'none'}"
            )
        return fitting[0]


def _possible(form: Number) -> tuple[float, float]:
    """Between what no measured value can lie: nothing is below zero where no training label is, or above 100 %."""
    return 0.0 if form.grid[0] >= 0.0 else -math.inf, 100.0 if form.unit.startswith("%") else math.inf


def _form(found: Prototype) -> AnswerForm:
    return answer_form(filled(found, dict.fromkeys(inputs_of(found), "")))


def _checked(
    task: str, needed: Sequence[str], molecules: Sequence[str], inputs: Mapping[str, str]
) -> dict[str, str]:
    """The inputs, molecules as the gym writes them."""
    missing = [name for name in needed if not inputs.get(name)]
    if missing:
        raise UsageError(f"{task} needs {', '.join(f'{name}=VALUE' for name in missing)}")
    strange = [name for name in inputs if name not in needed]
    if strange:
        raise UsageError(f"{task} has no input {strange[0]!r}; it needs: {', '.join(needed)}")
    return {name: strip_maps(inputs[name]) if name in molecules else inputs[name] for name in needed}


def _readable(answers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that can be read, canonical, each once, in their order."""
    found: dict[str, dict[str, Any]] = {}
    for row in answers:
        try:
            text = canonical_set(row["answer"] or "")
        except InvalidMolecule:
            continue
        found.setdefault(text, row | {"answer": text})
    return list(found.values())


def _reranked(row: Mapping[str, Any]) -> float:
    return reranking_score(reranking_terms(row["rank"] - 1, row["logprob"], row))


def _judged(example: Example, answer: str) -> dict[str, Any]:
    """What the task's verdict tells; nothing where an oracle or its data are not installed."""
    try:
        verdict = tasks.get(example.task).verify(example, f"<answer>{answer}</answer>")
    except (MissingExtra, DataError):
        return {}
    components = {name: value for name, value in verdict.components.items() if math.isfinite(value)}
    return {"reason": verdict.reason.value, "components": components, "detail": verdict.detail}
