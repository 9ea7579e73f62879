"""Metrics of the multi-property protocols: the best of up to 20 candidates for each input (Dey, Hu and Ning 2025).

They are computed from what verdicts carry (values before and after, similarity), so that a stored table of values is
scored like a run of our own oracles. The protocol knows no similarity floor and calls no molecule a trick. Its numbers
are kept to the letter, under names that begin with `protocol_`, and the same with a floor, with the first answer only,
and with tricks excluded stand beside them: one constant molecule improves all properties of all 500 inputs of one set.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmai_gym import stats
from mmai_gym.contracts import Estimate, Reason, Result, Verdict
from mmai_gym.molecules import canonical, connectivity, morgan, tanimoto_to_all
from mmai_gym.tasks.multi_property_sets import Aim, OptimizationSet, Values
from mmai_gym.tasks.scoring import distinct_answers, structure_metrics
from mmai_gym.tasks.tricks import SIMILARITY_FLOOR, SIMILARITY_HIGH

CANDIDATES = 20
"""Answers per input that the protocols look at."""

_INPUT_ZERO = 0.1
"""What the protocol puts in the place of an input value of 0 when it reports a relative improvement."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A readable answer to one input. `fair`: the gym counts it as a success at the similarity floor."""

    answer: str
    before: Values
    after: Values
    similarity: float
    fair: bool


def components(before: Values, after: Values, similarity: float) -> dict[str, float]:
    """What a verdict must carry for its answer to be scored here."""
    return (
        {"similarity": similarity}
        | {f"before_{name}": value for name, value in before.items()}
        | {f"after_{name}": value for name, value in after.items()}
    )


def metrics(results: Sequence[Result], definition: OptimizationSet) -> dict[str, Estimate]:
    """All metrics of a set over the results of its task; `success` at the floor without tricks comes first.

    An input without any answer is a failure; one whose answers all lack a verdict is left out.
    """
    counted = [result for result in results if not result.verdicts or any(map(_decided, result.verdicts))]
    inputs = [str(result.example.inputs["smiles"]) for result in counted]
    clusters = molecule_clusters(inputs)
    found = [[_candidate(verdict, definition) for verdict in result.verdicts[:CANDIDATES]] for result in counted]
    rows = [[candidate for candidate in row if candidate is not None] for row in found]
    # Without a verdict on the first answer nothing is known about it: its input is left out of the best-of-1 rows.
    known = [i for i, result in enumerate(counted) if not result.verdicts or _decided(result.first)]
    first = [[candidate for candidate in found[i][:1] if candidate is not None] for i in known]
    every, alone = _Rates(rows, clusters), _Rates(first, _chosen(clusters, known))
    return (
        _gym_rates(every, alone)
        | _protocol_rates(every, alone, definition)
        | _protocol_bests([_best(row, definition) for row in rows], inputs, clusters, definition)
        | {"distinct": distinct_answers(results)}
        | structure_metrics(results)
    )


Rule = Callable[[Candidate], bool]


@dataclass(frozen=True, slots=True)
class _Rates:
    """The candidates of each input, and the label by which the inputs are resampled together."""

    rows: Sequence[Sequence[Candidate]]
    clusters: Sequence[str] | None

    def of(self, rule: Rule) -> Estimate:
        """Share of inputs with a candidate that fits the rule."""
        return stats.proportion(np.array([any(map(rule, row)) for row in self.rows], dtype=bool), self.clusters)


def _chosen(clusters: Sequence[str] | None, places: Sequence[int]) -> Sequence[str] | None:
    return None if clusters is None else [clusters[i] for i in places]


def molecule_clusters(smiles: Sequence[str]) -> list[str] | None:
    """A label per row by which stereoisomers are resampled together; None where no two rows share a connectivity."""
    labels = [connectivity(text) for text in smiles]
    return labels if len(set(labels)) < len(labels) else None


def _decided(verdict: Verdict) -> bool:
    return verdict.score is not None


def _candidate(verdict: Verdict, definition: OptimizationSet) -> Candidate | None:
    values = verdict.components
    if "similarity" not in values or verdict.answer is None:
        return None
    before, after = (
        {name: values[f"{when}_{name}"] for name in definition.oracles} for when in ("before", "after")
    )
    fair = verdict.reason is Reason.CORRECT
    return Candidate(verdict.answer, before, after, values["similarity"], fair)


def _gym_rates(every: _Rates, alone: _Rates) -> dict[str, Estimate]:
    def fair(candidate: Candidate) -> bool:
        return candidate.fair

    def high(candidate: Candidate) -> bool:
        return candidate.fair and candidate.similarity >= SIMILARITY_HIGH

    return {
        "success": every.of(fair),
        "success_at_0.6": every.of(high),
        "success_first": alone.of(fair),
        "success_first_at_0.6": alone.of(high),
    }


def _protocol_rates(every: _Rates, alone: _Rates, definition: OptimizationSet) -> dict[str, Estimate]:
    def above(floor: float) -> Rule:
        return lambda c: c.similarity >= floor and definition.progress(c.before, c.after) == 1.0

    return {
        "protocol_success": every.of(above(0.0)),
        "protocol_success_at_0.4": every.of(above(SIMILARITY_FLOOR)),
        "protocol_success_at_0.6": every.of(above(SIMILARITY_HIGH)),
        "protocol_success_first": alone.of(above(0.0)),
        "protocol_success_first_at_0.6": alone.of(above(SIMILARITY_HIGH)),
        **{
            f"protocol_success_{name}": every.of(functools.partial(_obeys, rule))
            for name, rule in definition.variants().items()
        },
        "valid_inputs": every.of(lambda candidate: True),
    }


def _obeys(rule: Callable[[Values, Values], bool], candidate: Candidate) -> bool:
    return rule(candidate.before, candidate.after)


# --------------------------------------------------------------------------------------------------- best candidates


def _best(row: Sequence[Candidate], definition: OptimizationSet) -> Candidate | None:
    """The success with the largest summed relative gain; of equal ones the last, as in the protocol's code."""
    successes = [candidate for candidate in row if definition.progress(candidate.before, candidate.after) == 1.0]
    return max(reversed(successes), key=lambda c: _summed_gain(c, definition.to_improve(c.before)), default=None)


def _summed_gain(candidate: Candidate, aims: Sequence[Aim]) -> float:
    total = 0.0
    for aim in aims:
        before, after = candidate.before[aim.oracle], candidate.after[aim.oracle]
        total += after if before == 0.0 else aim.gain(before, after) / abs(before)
    return total


def relative_improvement(before: Values, after: Values, aims: Sequence[Aim]) -> float:
    """Mean over the properties of |change| / |input|, by the protocol's rule for an input value of 0."""
    changes = [
        (after[aim.oracle] - _INPUT_ZERO) / _INPUT_ZERO
        if before[aim.oracle] == 0.0
        else abs(after[aim.oracle] - before[aim.oracle]) / abs(before[aim.oracle])
        for aim in aims
    ]
    return float(np.mean(changes))


def _protocol_bests(
    bests: Sequence[Candidate | None],
    inputs: Sequence[str],
    clusters: Sequence[str] | None,
    definition: OptimizationSet,
) -> dict[str, Estimate]:
    """Metrics over the best candidates of the inputs that have a success."""
    won = [candidate for candidate in bests if candidate is not None]
    labels = _chosen(clusters, [i for i, candidate in enumerate(bests) if candidate is not None])
    improvements = [relative_improvement(c.before, c.after, definition.to_improve(c.before)) for c in won]
    known = {canonical(source) for source in inputs}
    new = np.array([canonical(candidate.answer) not in known for candidate in won], dtype=bool)
    return {
        "protocol_similarity": stats.mean([candidate.similarity for candidate in won], labels),
        "relative_improvement": stats.mean(improvements, labels),
        "novelty": stats.proportion(new, labels),
        "diversity": diversity([candidate.answer for candidate in won]),
    }


def diversity(smiles: Sequence[str]) -> Estimate:
    """1 - mean pairwise Tanimoto similarity; in a resample a molecule is never paired with itself."""
    prints = [morgan(text) for text in smiles]
    similar = np.array([tanimoto_to_all(one, prints) for one in prints]).reshape(len(prints), len(prints))
    np.fill_diagonal(similar, 0.0)

    def mean_distance(drawn: npt.NDArray[np.intp]) -> float:
        times = np.bincount(drawn, minlength=len(prints)).astype(np.float64)
        pairs = float(times.sum() ** 2 - times @ times)
        return float(1.0 - times @ similar @ times / pairs) if pairs else math.nan

    return stats.bootstrap(mean_distance, np.arange(len(prints)), higher_is_better=True)
