"""A model that is shown every product in several written forms, and whose answers are merged by votes.

A model that reads SMILES answers each writing of a product a little differently; what many writings agree on is more often
right (Tetko et al., Nature Communications 11, 5575, 2020). It costs as many times the inference, so its row stands beside
that of the plain model and not in its place.
"""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from mmai_gym.contracts import Completion, Example, InvalidMolecule, Model, Prediction, item_seed
from mmai_gym.molecules import canonical_set, parse, rooted
from mmai_gym.tasks.answers import extract_answer, wrap


class Augmented:
    """`model` with `copies` written forms of each question's molecule, the one given among them."""

    def __init__(self, model: Model, copies: int) -> None:
        self.model = model
        self.copies = copies
        self.name = f"{model.name} x{copies}"

    def predict(self, examples: Sequence[Example], n: int, seed: int) -> list[Prediction]:
        """One Prediction per example, in order, with the `n` answers that got most votes.

        An answer at rank r of a written form, counted from 0 among its distinct readable ones, gets 1 / (1 + r) of a vote
        (Zhong et al., Chemical Science 13, 9023, 2022); of equal votes the one met first comes first. Answers are canonical.
        """
        written = [form for example in examples for form in self._forms(example, seed)]
        predictions = self.model.predict(written, n, seed)
        return [
            merged(example.id, predictions[i * self.copies : (i + 1) * self.copies], n)
            for i, example in enumerate(examples)
        ]

    def _forms(self, example: Example, seed: int) -> list[Example]:
        """The example as it is, then from atoms drawn without replacement: as training writes products (`root_aligned`)."""
        smiles = str(example.inputs["smiles"])
        atoms = list(range(parse(smiles).GetNumAtoms()))
        random.Random(item_seed(example.task, example.id, example.split, seed, 0)).shuffle(atoms)
        roots = itertools.islice(itertools.cycle(atoms), self.copies - 1)
        texts = [smiles, *(rooted(smiles, atom) for atom in roots)]
        return [replace(example, inputs={**example.inputs, "smiles": text}) for text in texts]


def merged(example_id: str, predictions: Sequence[Prediction], n: int) -> Prediction:
    """The answers of several predictions to one question, by votes."""
    votes: dict[str, float] = defaultdict(float)
    for prediction in predictions:
        for rank, answer in enumerate(_distinct(prediction.completions)):
            votes[answer] += 1.0 / (1.0 + rank)
    best = sorted(votes, key=lambda answer: -votes[answer])[:n]
    return Prediction(example_id, tuple(Completion(wrap(answer)) for answer in best) or (Completion(""),))


def _distinct(completions: Sequence[Completion]) -> list[str]:
    """Canonical sets of the readable answers, each once, in the order of their ranks."""
    found: dict[str, None] = {}
    for completion in completions:
        try:
            found[canonical_set(extract_answer(completion.text) or "")] = None
        except InvalidMolecule:
            continue
    return list(found)
