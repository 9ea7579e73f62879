"""Round trips: does a model of the forward reaction make the product again from the reactants that were proposed?

Exact match punishes a good route that is not the recorded one; a round trip (Schwaller et al., Chemical Science 11, 3316,
2020) accepts it, as far as the forward model can be trusted. Which model that was belongs to the number, and it must not
have been trained on the test reactions. What that model's own training reactions start from is told as well: reactants
that none of them uses are rarely what a chemist took.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from mmai_gym.contracts import Example, InvalidMolecule, Model, Prediction, Result
from mmai_gym.models import starting_materials
from mmai_gym.molecules import canonical_set
from mmai_gym.tasks.answers import extract_answer

ANSWERS = 5
"""Answers that the forward model is asked for: a product may be written in several ways."""


def with_round_trips(results: Sequence[Result], forward: Model, task: str, seed: int) -> list[Result]:
    """The results, each readable answer's verdict with three components more: `round_trip`, 1 where the first answer of
    `forward` is the product; `return_probability`, the probability of the product among its ANSWERS best answers; and
    `new_reactants`, how many molecules of the answer no training reaction of `task` starts from.

    Args:
        results: of one task whose question shows a product and whose answers are sets of reactants.
        task: the forward task, whose question `forward` is asked about each distinct set of reactants.
    """
    asked: dict[tuple[str, str], Example] = {}
    for result in results:
        product = canonical_set(str(result.example.inputs["smiles"]))
        for reactants in _readable(result):
            if reactants is not None and product not in reactants.split("."):
                id_, inputs = f"{reactants}>>{product}", {"smiles": reactants}
                asked.setdefault((product, reactants), Example(id_, task, result.example.split, inputs, product))
    predictions = forward.predict(list(asked.values()), ANSWERS, seed) if asked else []
    made = {key: round_trip(key[0], prediction) for key, prediction in zip(asked, predictions, strict=True)}
    known = starting_materials(task)
    return [_told(result, made, known) for result in results]


_COPY = {"round_trip": 0.0, "return_probability": 0.0}


def round_trip(product: str, prediction: Prediction) -> dict[str, float]:
    """What a forward model's answers to one proposal say: `round_trip` and `return_probability` of `with_round_trips`.

    Without log-probabilities, the first answer is all that is known.

    Args:
        product: the canonical SMILES that is wanted.
    """
    hits = [_canonical(c.text) == product for c in prediction.completions]
    first = float(hits[:1] == [True])
    logprobs = [c.logprob for c in prediction.completions]
    known = [math.exp(logprob) for logprob, hit in zip(logprobs, hits, strict=True) if hit and logprob is not None]
    return {"round_trip": first, "return_probability": first if None in logprobs else min(1.0, sum(known))}


def _told(result: Result, made: Mapping[tuple[str, str], dict[str, float]], known: frozenset[str]) -> Result:
    product = canonical_set(str(result.example.inputs["smiles"]))
    verdicts = []
    for verdict, reactants in zip(result.verdicts, _readable(result), strict=True):
        if reactants is not None:
            new = {"new_reactants": float(sum(molecule not in known for molecule in reactants.split(".")))}
            trip = made.get((product, reactants), _COPY)
            verdict = replace(verdict, components={**verdict.components, **trip, **new})
        verdicts.append(verdict)
    return replace(result, verdicts=tuple(verdicts))


def _readable(result: Result) -> list[str | None]:
    """The canonical set that each answer proposes; None where it could not be read or judged."""
    return [
        None if verdict.score is None else _canonical(c.text)
        for verdict, c in zip(result.verdicts, result.prediction.completions, strict=True)
    ]


def _canonical(text: str) -> str | None:
    try:
        return canonical_set(extract_answer(text) or "")
    except InvalidMolecule:
        return None
