"""Optimization without looking: one good molecule for every input, and the good molecule that is nearest to it.

A success rate with a lenient rule pays for a molecule that is good in itself, whatever the input was. What these two reach
belongs beside every optimizer. Both know 4,000 real molecules and may ask the oracles about them, once; they need no
training split.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import AnswerForm, InvalidMolecule, Property, Question, Structure
from mmai_gym.models.baselines.base import Baseline, Fitted, Reply, TrainingSet
from mmai_gym.models.baselines.features import molecules_of
from mmai_gym.molecules import Fingerprint, canonical, is_valid, morgan, tanimoto_to_all
from mmai_gym.oracles import ORACLES
from mmai_gym.sources import drd2, molecule_lists
from mmai_gym.sources.molecule_lists import ListedMolecule

OF_EACH = 2000
"""Molecules of ZINC250k, and as many actives of DRD2, without which no molecule would be good for that receptor."""
GOOD = 200
"""How many of them are good enough to be chosen by their similarity."""

Goals = tuple[tuple[str, Literal["up", "down"]], ...]


class _FromGoodMolecules(Baseline):
    most = 0

    def supports(self, form: AnswerForm) -> bool:
        return isinstance(form, Structure) and form.role == "molecule"

    def suits(self, question: Question) -> bool:
        """Besides the form, a question must show one molecule and ask to move properties that all have an oracle."""
        asked = goals_of(question)
        known = bool(asked) and all(name in ORACLES for name, _ in asked)
        return known and len(molecules_of(question)) == 1 and super().suits(question)


class GoodConstantBaseline(_FromGoodMolecules):
    """The same molecules, best first, for every input."""

    name = "baseline:good-constant"

    def fit(self, training: TrainingSet) -> Fitted:
        return _Constant()


class NearestGoodBaseline(_FromGoodMolecules):
    """The good molecules that are most similar to the input, most similar first."""

    name = "baseline:nearest-good"

    def fit(self, training: TrainingSet) -> Fitted:
        return _Nearest()


class _Constant:
    def reply(self, questions: Sequence[Question], n: int) -> list[Reply]:
        return [Reply(good_molecules(goals_of(question))[:n]) for question in questions]


class _Nearest:
    def reply(self, questions: Sequence[Question], n: int) -> list[Reply]:
        return [Reply(_nearest(molecules_of(question)[0], goals_of(question))[:n]) for question in questions]


def goals_of(question: Question) -> Goals:
    """The properties that a question asks to move, and where to."""
    return tuple(
        (span.name, span.goal) for span in question if isinstance(span, Property) and span.goal is not None
    )


def _nearest(smiles: str, goals: Goals) -> tuple[str, ...]:
    found = good_molecules(goals)[:GOOD]
    try:
        similarity = np.asarray(tanimoto_to_all(morgan(canonical(smiles)), _prints(found)))
    except InvalidMolecule:
        return ()
    return tuple(found[i] for i in np.argsort(-similarity, kind="stable"))


@functools.lru_cache(maxsize=64)
def _prints(smiles: tuple[str, ...]) -> list[Fingerprint]:
    return [morgan(text) for text in smiles]


@functools.lru_cache(maxsize=64)
def good_molecules(goals: Goals) -> tuple[str, ...]:
    """The library, best first: by the worst of a molecule's ranks among all, one rank for each goal, then by their sum."""
    library = _library()
    ranks = np.array([_ranks(ORACLES[name].predict(library), goal) for name, goal in goals])
    return tuple(library[i] for i in np.lexsort((-ranks.sum(axis=0), -ranks.min(axis=0))))


def _ranks(values: npt.NDArray[np.float64], goal: Literal["up", "down"]) -> npt.NDArray[np.intp]:
    """How many molecules each one is better than; one without a value than none."""
    wanted = np.where(np.isnan(values), -np.inf, values if goal == "up" else -values)
    return np.searchsorted(np.sort(wanted), wanted)


@functools.cache
def _library() -> tuple[str, ...]:
    drawn = [*_some(molecule_lists.zinc()), *_some(drd2.actives())]
    return tuple(dict.fromkeys(canonical(one.smiles) for one in drawn if is_valid(one.smiles)))


def _some(molecules: Sequence[ListedMolecule]) -> list[ListedMolecule]:
    """The ones whose ids hash lowest: the same whatever the order of the list."""
    return sorted(molecules, key=lambda one: hashlib.sha256(one.id.encode()).digest())[:OF_EACH]
