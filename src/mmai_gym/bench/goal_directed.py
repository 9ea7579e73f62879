"""Goal-directed design under a budget of oracle calls, as in PMO (Gao et al., NeurIPS 2022).

A method proposes molecules and is told their scores, 10,000 of them in all; what counts is how good its ten best are,
averaged over the whole budget, so that a method that finds them early is worth more. A molecule that was asked about
before costs nothing. Of PMO's 23 tasks those are here whose oracle exists in the gym, so that their sum is not the
publication's.
"""

from __future__ import annotations

import contextlib
import json
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from mmai_gym.contracts import DataError, Estimate, InvalidMolecule, Progress, UsageError
from mmai_gym.models.baselines.genetic import evolve
from mmai_gym.molecules import canonical, parse
from mmai_gym.oracles import ORACLES
from mmai_gym.sources import molecule_lists, write_atomically

CALLS = 10_000
TOP = 10
EVERY = 100
"""Calls between two points of the curve."""
_START = 120
"""Molecules of ZINC250k that a search begins with (PMO's own number for its graph GA)."""

Score = Callable[[str], float]


@dataclass(frozen=True, slots=True)
class Goal:
    """What shall be maximised, in [0, 1]; `version` changes whenever a score may."""

    name: str
    source: str
    version: str
    score: Score


_COUNTS = rdFingerprintGenerator.GetMorganGenerator(radius=2)


def _rediscovery(smiles: str) -> Score:
    """Tanimoto similarity of ECFP4 counts to a drug (Brown et al. 2019, GuacaMol)."""
    target = _COUNTS.GetSparseCountFingerprint(Chem.MolFromSmiles(smiles))
    return lambda text: DataStructs.TanimotoSimilarity(target, _COUNTS.GetSparseCountFingerprint(parse(text)))


_DRUGS = {
    "celecoxib": "CC1=CC=C(C=C1)C1=CC(=NN1C1=CC=C(C=C1)S(N)(=O)=O)C(F)(F)F",
    "troglitazone": "Cc1c(C)c2OC(C)(COc3ccc(CC4SC(=O)NC4=O)cc3)CCc2c(C)c1O",
    "thiothixene": "CN(C)S(=O)(=O)c1ccc2Sc3ccccc3C(=CCCN4CCN(C)CC4)c2c1",
}


def goals() -> Mapping[str, Goal]:
    """The PMO tasks that can be asked here, by name; an oracle that is not installed takes its goal with it."""
    found = [
        Goal(name, oracle.source, oracle.version, oracle.one)
        for name in ("qed", "drd2")
        if (oracle := ORACLES.get(name)) is not None
    ]
    found += [
        Goal(f"{drug}-rediscovery", "Brown et al. 2019 (GuacaMol)", "1", _rediscovery(smiles))
        for drug, smiles in _DRUGS.items()
    ]
    return {goal.name: goal for goal in found}


class Spent(Exception):
    """The budget is used up; an optimizer need not catch it."""


class Budget:
    """A goal that may be asked `calls` times about molecules it has not seen; keeps what it answered, in order."""

    def __init__(self, goal: Goal, calls: int = CALLS) -> None:
        self.goal = goal
        self.calls = calls
        self.answers: dict[str, float] = {}

    def __call__(self, smiles: str) -> float:
        """The score of a molecule; 0 for text that is none, and for one without a value.

        Raises:
            Spent: the molecule is new and no call is left.
        """
        try:
            molecule = canonical(smiles)
        except InvalidMolecule:
            return 0.0
        if molecule not in self.answers:
            if len(self.answers) >= self.calls:
                raise Spent
            value = self.goal.score(molecule)
            self.answers[molecule] = 0.0 if math.isnan(value) else float(value)
        return self.answers[molecule]


class Optimizer(Protocol):
    """Whatever proposes molecules and learns from their scores."""

    name: str

    def run(self, score: Score, calls: int, seed: int) -> None:
        """Ask `score` until `Spent` is raised or nothing is left to propose."""


class GraphGA:
    """The graph genetic algorithm of the baselines, from random molecules of ZINC250k."""

    name = "graph-ga"

    def run(self, score: Score, calls: int, seed: int) -> None:
        rng = random.Random(seed)
        evolve(_drawn(rng, _START), score, calls, rng, population=_START)


class Screening:
    """ZINC250k in random order: what a search must beat."""

    name = "screening"

    def run(self, score: Score, calls: int, seed: int) -> None:
        for smiles in _drawn(random.Random(seed), 2 * calls):
            score(smiles)


OPTIMIZERS: Mapping[str, Optimizer] = {one.name: one for one in (GraphGA(), Screening())}


def _drawn(rng: random.Random, count: int) -> list[str]:
    molecules = molecule_lists.zinc()
    return [canonical(one.smiles) for one in rng.sample(molecules, min(count, len(molecules)))]


# --------------------------------------------------------------------------------------------------- scoring


def auc_top(scores: Sequence[float], calls: int = CALLS, top: int = TOP, every: int = EVERY) -> float:
    """Area under the curve of the mean of the best `top` scores, over a budget of `calls`; in the unit of the score.

    Trapezoids between points `every` calls apart, the first from 0. A search that ended early keeps its last value for the
    calls it left. With fewer than `top` scores their mean counts. NaN of no scores.
    """
    found = np.asarray(scores[:calls], dtype=np.float64)
    if not len(found):
        return math.nan
    places = [*range(every, len(found), every), len(found)]
    heights = [float(np.mean(np.sort(found[:place])[::-1][:top])) for place in places]
    area = float(np.trapezoid([0.0, *heights], [0, *places]))
    return (area + (calls - len(found)) * heights[-1]) / calls


@dataclass(frozen=True, slots=True)
class Search:
    """One run: the scores in the order of the calls, and the best molecules."""

    goal: str
    version: str
    optimizer: str
    seed: int
    calls: int
    scores: tuple[float, ...]
    best: tuple[tuple[str, float], ...]
    seconds: float

    @property
    def auc(self) -> float:
        """The metric of PMO."""
        return auc_top(self.scores, self.calls)


def search(goal: Goal, optimizer: Optimizer, seed: int, calls: int = CALLS) -> Search:
    """Run an optimizer on a goal until the budget is spent."""
    budget, started = Budget(goal, calls), time.perf_counter()
    with contextlib.suppress(Spent):
        optimizer.run(budget, calls, seed)
    best = sorted(budget.answers.items(), key=lambda entry: -entry[1])[:TOP]
    scores = tuple(round(value, 6) for value in budget.answers.values())
    seconds = round(time.perf_counter() - started, 3)
    return Search(goal.name, goal.version, optimizer.name, seed, calls, scores, tuple(best), seconds)


# --------------------------------------------------------------------------------------------------- the file


def run(
    optimizers: Sequence[str],
    names: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    calls: int = CALLS,
    progress: Progress | None = None,
) -> Path:
    """Run every optimizer on every goal with every seed; one line of `out` per search, written when it is done.

    A search that the file holds already is not repeated; a last line cut short by a kill is taken off.

    Raises:
        UsageError: an optimizer or a goal does not exist.
        DataError: `out` is another kind of file.
    """
    known = goals()
    for kind, given, there in (("goal", names, known), ("optimizer", optimizers, OPTIMIZERS)):
        if missing := [name for name in given if name not in there]:
            raise UsageError(f"no {kind} is called {', '.join(missing)}; there are: {', '.join(there)}")
    held = read(out) if out.exists() else []
    done = {(one.goal, one.version, one.optimizer, one.seed, one.calls) for one in held}
    jobs = [(o, n, s) for o in optimizers for n in names for s in seeds]
    write_atomically(out, "".join(map(_line, held)).encode())
    for position, (optimizer, name, seed) in enumerate(jobs):
        if progress is not None:
            progress(position, len(jobs), f"goal-directed · {optimizer} · {name}")
        if (name, known[name].version, optimizer, seed, calls) not in done:
            found = search(known[name], OPTIMIZERS[optimizer], seed, calls)
            with out.open("a", encoding="utf-8") as stream:
                stream.write(_line(found))
    return out


def _line(found: Search) -> str:
    return json.dumps(asdict(found)) + "\n"


def read(path: Path) -> list[Search]:
    """The searches of a file; a last line cut short by a kill is left out.

    Raises:
        DataError: a line before the last is no search.
    """
    found: list[Search] = []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if not line.endswith("\n"):
            break
        try:
            data = json.loads(line)
            best = tuple((str(smiles), float(value)) for smiles, value in data["best"])
            found.append(Search(**{**data, "scores": tuple(data["scores"]), "best": best}))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}, line {number}: no search of a goal-directed run ({error})") from None
    return found


def estimate(searches: Sequence[Search]) -> tuple[Estimate, float]:
    """The mean AUC over seeds with Student's 95 % interval, and the standard deviation; both NaN of one seed."""
    from scipy.stats import t

    values = np.array([one.auc for one in searches])
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return Estimate(mean, math.nan, math.nan, n, "one search; no interval"), math.nan
    spread = float(np.std(values, ddof=1))
    half = float(t.ppf(0.975, n - 1)) * spread / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n, f"mean of {n} seeds, Student's t 95 %"), spread


def render(searches: Sequence[Search]) -> str:
    """One line per goal and optimizer, and the sum of the means, as plain text."""
    groups: dict[tuple[str, str], list[Search]] = {}
    for one in searches:
        groups.setdefault((one.optimizer, one.goal), []).append(one)
    lines, sums = [], dict.fromkeys((optimizer for optimizer, _ in groups), 0.0)
    for (optimizer, goal), found in groups.items():
        mean, spread = estimate(found)
        sums[optimizer] += mean.value
        lines.append(
            f"{goal:24} {optimizer:12} AUC of the best {TOP}: {mean.value:.3f} +- {spread:.3f} "
            f"({mean.low:.3f}..{mean.high:.3f}), {mean.n} seeds, {found[0].calls} calls"
        )
    count = len({goal for _, goal in groups})
    lines += [
        f"{'sum':24} {optimizer:12} {value:.3f} over {count} of PMO's 23 tasks"
        for optimizer, value in sums.items()
    ]
    return "\n".join(lines)
