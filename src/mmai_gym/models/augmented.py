"""A model that is shown every question in several written forms, and whose answers are merged.

A model that reads SMILES answers each writing of a molecule a little differently; what many writings agree on is more often
right (Tetko et al., Nature Communications 11, 5575, 2020). It costs as many times the inference, so its row stands beside
that of the plain model and not in its place.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from mmai_gym import tasks
from mmai_gym.contracts import Completion, Example, InvalidMolecule, Model, Prediction
from mmai_gym.molecules import canonical_set
from mmai_gym.tasks.answers import extract_answer, wrap


class Augmented:
    """`model` with `copies` written forms of each question, the one given among them."""

    def __init__(self, model: Model, copies: int) -> None:
        self.model = model
        self.copies = copies
        self.name = f"{model.name} x{copies}"
        self.opening = getattr(model, "opening", None)

    def predict(self, examples: Sequence[Example], n: int, seed: int) -> list[Prediction]:
        """One Prediction per example, in order, with the `n` answers that the written forms agree on, see `merged`."""
        written = [
            form
            for example in examples
            for form in (example, *tasks.get(example.task).rewritten(example, self.copies - 1, seed))
        ]
        predictions = self.model.predict(written, n, seed)
        return [
            merged(example.id, predictions[i * self.copies : (i + 1) * self.copies], n)
            for i, example in enumerate(examples)
        ]


def merged(example_id: str, predictions: Sequence[Prediction], n: int) -> Prediction:
    """The answers of several predictions to one question, as one.

    Probabilities are averaged as logits, values as they are. Texts are merged by votes: an answer at rank r of a written
    form, counted from 0 among its distinct readable ones, gets 1 / (1 + r) of a vote (Zhong et al., Chemical Science 13,
    9023, 2022); of equal votes the one met first comes first, and what is handed out is canonical, with the logarithm of its
    share of the votes for a log-probability.
    """
    if all(prediction.probabilities for prediction in predictions):
        return _averaged_choice(example_id, predictions, n)
    if all(prediction.spread is not None for prediction in predictions):
        return _averaged_value(example_id, predictions)
    votes: dict[str, float] = defaultdict(float)
    for prediction in predictions:
        for rank, answer in enumerate(_distinct(prediction.completions)):
            votes[answer] += 1.0 / (1.0 + rank)
    best = sorted(votes, key=lambda answer: -votes[answer])[:n]
    told = (Completion(wrap(answer), math.log(votes[answer] / len(predictions))) for answer in best)
    return Prediction(example_id, tuple(told) or (Completion(""),))


def _averaged_choice(example_id: str, predictions: Sequence[Prediction], n: int) -> Prediction:
    tables = [prediction.probabilities or {} for prediction in predictions]
    options = list(tables[0])
    logits = np.log([[max(table[option], 1e-12) for option in options] for table in tables]).mean(axis=0)
    weights = np.exp(logits - logits.max())
    shares = dict(zip(options, (weights / weights.sum()).tolist(), strict=True))
    ranked = sorted(options, key=lambda option: -shares[option])[:n]
    return Prediction(
        example_id, tuple(Completion(wrap(option), float(np.log(shares[option]))) for option in ranked), shares
    )


def _averaged_value(example_id: str, predictions: Sequence[Prediction]) -> Prediction:
    """The mean, and the standard deviation of the mixture of all distributions."""
    values = np.array([prediction.value for prediction in predictions], dtype=np.float64)
    spreads = np.array([prediction.spread for prediction in predictions], dtype=np.float64)
    value, spread = float(values.mean()), float(np.sqrt((spreads**2).mean() + values.var()))
    return Prediction(example_id, (Completion(wrap(f"{value:.6g}")),), value=value, spread=spread)


def _distinct(completions: Sequence[Completion]) -> list[str]:
    """Canonical sets of the readable answers, each once, in the order of their ranks."""
    found: dict[str, None] = {}
    for completion in completions:
        try:
            found[canonical_set(extract_answer(completion.text) or "")] = None
        except InvalidMolecule:
            continue
    return list(found)
