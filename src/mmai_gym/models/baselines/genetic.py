"""A graph genetic algorithm (Jensen, Chemical Science 10, 3567, 2019) that may call the oracle.

It learns nothing and knows nothing but the value of each molecule it tries: what a search with the same oracle reaches,
which a model that answers at once can be held against. Its rows are not those of a model that was asked once; the number of
oracle calls belongs to them.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mmai_gym.contracts import AnswerForm, InvalidMolecule, Property, Question, Structure
from mmai_gym.models.baselines.base import Baseline, Fitted, Reply, TrainingSet
from mmai_gym.models.baselines.features import molecules_of
from mmai_gym.molecules import canonical, crossover, mutated, parse, tanimoto
from mmai_gym.oracles import ORACLES
from mmai_gym.tasks.tricks import SIMILARITY_FLOOR, trick
from mmai_gym.workers import WorkerPool, cores

CALLS = 500
"""Most molecules that are tried for each question; the oracle is asked about those that the rules allow."""
POPULATION = 50
_MUTATION = 0.5
_SECONDS_PER_QUESTION = 600.0
_BARREN = 200
"""Children in a row that are no molecule or known already, after which a search ends."""

Score = Callable[[str], float | None]
"""The fitness of a molecule, more is better; None for one that may not live."""


def evolve(
    start: Sequence[str], score: Score, calls: int, rng: random.Random, population: int = POPULATION
) -> dict[str, float]:
    """Every molecule that was tried and may live, with its score, best first.

    A parent is drawn by its rank, the best of n parents n times as often as the worst; a child is a crossover of two, a
    mutation of one, or both. After as many children as there are parents, the fittest of all become the parents.

    Args:
        start: canonical SMILES of the first population; they are scored first.
        score: called at most `calls` times, once for each distinct molecule.
    """
    known = {smiles: score(smiles) for smiles in list(dict.fromkeys(start))[:calls]}
    parents = _fittest(known)[:population]
    barren = 0
    while parents and len(known) < calls and barren < _BARREN:
        child = _child(parents, rng)
        if child is None or child in known:
            barren += 1
            continue
        barren = 0
        known[child] = score(child)
        if len(known) % population == 0:
            parents = _fittest(known)[:population]
    return {smiles: known[smiles] or 0.0 for smiles in _fittest(known)}


def _fittest(known: Mapping[str, float | None]) -> list[str]:
    """Molecules that may live, best first; of equal ones the one found first."""
    scores = {smiles: score for smiles, score in known.items() if score is not None}
    return sorted(scores, key=lambda smiles: -scores[smiles])


def _child(parents: Sequence[str], rng: random.Random) -> str | None:
    ranks = range(len(parents), 0, -1)
    first, second = (parse(smiles) for smiles in rng.choices(parents, ranks, k=2))
    child = crossover(first, second, rng)
    if child is not None and rng.random() > _MUTATION:
        return child
    return mutated(first if child is None else parse(child), rng)


# --------------------------------------------------------------------------------------------------- the baseline


class GraphGABaseline(Baseline):
    """For each molecule that shall be improved, a search for the largest gain at a similarity of at least 0.4."""

    name = "baseline:graph-ga"
    most = 0
    seeded = True

    def supports(self, form: AnswerForm) -> bool:
        return isinstance(form, Structure) and form.role == "molecule"

    def suits(self, question: Question) -> bool:
        """Besides the form, a question must show one molecule and ask to move one property that has an oracle."""
        return len(molecules_of(question)) == 1 and len(_goals(question)) == 1 and super().suits(question)

    def fit(self, training: TrainingSet) -> Fitted:
        return _Search(training.seed)


@dataclass(frozen=True, slots=True)
class Problem:
    """One search: which molecule, which property (by its oracle's name) and where it shall move."""

    smiles: str
    oracle: str
    goal: Literal["up", "down"]
    seed: int


class _Search:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.pool = WorkerPool(improved, workers=cores(), seconds=_SECONDS_PER_QUESTION)

    def reply(self, questions: Sequence[Question], n: int) -> list[Reply]:
        problems = [self._problem(question) for question in questions]
        return [Reply(tuple((outcome.value or [])[:n])) for outcome in self.pool.map(problems)]

    def _problem(self, question: Question) -> Problem:
        (smiles,), ((oracle, goal),) = molecules_of(question), _goals(question)
        digest = hashlib.sha256(f"{self.seed} {oracle} {goal} {smiles}".encode()).digest()
        return Problem(smiles, oracle, goal, int.from_bytes(digest[:8], "big"))


def _goals(question: Question) -> list[tuple[str, Literal["up", "down"]]]:
    asked = (span for span in question if isinstance(span, Property))
    return [(span.name, span.goal) for span in asked if span.goal is not None and span.name in ORACLES]


def improved(problem: Problem) -> list[str]:
    """Molecules that are better, the best first; for a worker to compute."""
    try:
        source = canonical(problem.smiles)
    except InvalidMolecule:
        return []
    oracle, sign = ORACLES[problem.oracle], 1.0 if problem.goal == "up" else -1.0
    before = oracle.one(source)

    def gain(smiles: str) -> float | None:
        if trick(source, smiles) or tanimoto(source, smiles) < SIMILARITY_FLOOR:
            return None
        after = oracle.one(smiles)
        return None if math.isnan(after) else sign * (after - before)

    found = evolve([source], gain, CALLS, random.Random(problem.seed))
    return [smiles for smiles, value in found.items() if value > 0.0]
