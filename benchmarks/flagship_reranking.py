"""The numbers of re-ranking (`mmai_gym.tasks.reactions.reranked`), fitted to validation products of retrosynthesis.

A re-ranked answer's score is a sum of three terms, the first with weight 1. Their weights are those under which the right
answers among those of a product are likeliest in a conditional logit (McFadden 1974), divided by the first one. What a
choice of terms is worth is told by products that its weights were not fitted to: five folds, each re-ranked by the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from flagship_runs import CHECKPOINT, MAKER, RETRO, SHIPPED, TRUNK, suites_of, tell
from mmai_gym import bench, stats, tasks
from mmai_gym.contracts import Estimate, Result
from mmai_gym.models import load_model
from mmai_gym.records import RunRecord
from mmai_gym.tasks.reactions import RERANKING_WEIGHTS, RETURN_FLOOR, reranked, reranking_terms

TERMS = "log p(answer)", f"log(p(product | answer) + {RETURN_FLOOR:g})", "new reactants"
CHOICES = {"round trips": (0, 1), "new reactants": (0, 2), "both": (0, 1, 2)}
FOLDS = 5
PENALTY = 1e-3

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Asked:
    """One product: a row of TERMS for each of its answers, and which answers are right."""

    terms: Floats
    right: npt.NDArray[np.bool_]


def report(items: int) -> dict[str, object]:
    """What re-ranking is worth on at most `items` validation products, asked once and in 20 written forms."""
    suite = suites_of(TRUNK)[f"{TRUNK}-retrosynthesis"]
    (family,) = suite.families
    alone = family.model_copy(update={"limit": items})
    record = bench.run(
        load_model(str(CHECKPOINT)),
        suite.model_copy(update={"baselines": (), "families": (alone,)}),
        Path("runs", TRUNK, "bench-validation-retrosynthesis.jsonl"),
        split="valid",
        progress=tell,
        forward=load_model(str(SHIPPED / MAKER)),
    )
    found = RunRecord.read(record).results(tasks.get)
    return {
        "task": RETRO,
        "split": "valid",
        "terms": TERMS[1:],
        "shipped": by_term(RERANKING_WEIGHTS),
        "rows": [{"model": model, **worth(results)} for (model, _), results in found.items()],
    }


def worth(results: Sequence[Result]) -> dict[str, object]:
    """Top-1 as answered, and what each choice of terms gains, with its weights; percent, with intervals."""
    asked = [of(result) for result in results]
    again = [float(reranked(result).first.score == 1.0) for result in results]
    return {
        "products": len(asked),
        "top_1": told(stats.mean([float(one.right[0]) for one in asked])),
        "gained_as_shipped": told(
            stats.mean([now - float(one.right[0]) for now, one in zip(again, asked, strict=True)])
        ),
        "choices": {
            name: {
                "weights": by_term(fitted(asked, columns), columns),
                "gained_across_folds": told(stats.mean(list(changes(asked, columns)))),
            }
            for name, columns in CHOICES.items()
        },
    }


def by_term(weights: Iterable[float], columns: Sequence[int] = (0, 1, 2)) -> dict[str, float]:
    """The weights of the terms after the first, whose weight is 1, by what they weigh."""
    pairs = zip(columns, weights, strict=True)
    return {TERMS[column]: round(float(weight), 3) for column, weight in pairs if column}


def of(result: Result) -> Asked:
    """The terms of a result's answers."""
    pairs = enumerate(zip(result.prediction.completions, result.verdicts, strict=True))
    terms = [
        reranking_terms(rank, completion.logprob, verdict.components) for rank, (completion, verdict) in pairs
    ]
    return Asked(np.array(terms), np.array([verdict.score == 1.0 for verdict in result.verdicts]))


def fitted(asked: Sequence[Asked], columns: Sequence[int]) -> Floats:
    """The weights of the terms in `columns`, relative to the first of them."""
    solvable = [(one.terms[:, columns], one.right) for one in asked if one.right.any()]

    n = len(solvable)

    def loss(weights: Floats) -> tuple[float, Floats]:
        slope, total = np.zeros_like(weights), PENALTY * float(weights @ weights)
        for terms, right in solvable:
            scores = terms @ weights
            shares = np.exp(scores - scores.max())
            hits = shares * right
            total -= math.log(hits.sum() / shares.sum()) / n
            slope += terms.T @ (shares / shares.sum() - hits / hits.sum())
        return total, slope / n + 2 * PENALTY * weights

    found: Floats = minimize(loss, np.eye(len(columns))[0], jac=True, method="L-BFGS-B").x
    return found / found[0]


def changes(asked: Sequence[Asked], columns: Sequence[int]) -> Iterator[float]:
    """Of each product, what re-ranking with weights from the other folds changes: 1 won, -1 lost, 0 neither."""
    folds = np.random.default_rng(0).permutation(len(asked)) % FOLDS
    weights = [
        fitted([one for one, fold in zip(asked, folds, strict=True) if fold != left_out], columns)
        for left_out in range(FOLDS)
    ]
    for one, fold in zip(asked, folds, strict=True):
        chosen = int(np.argmax(one.terms[:, columns] @ weights[fold]))
        yield float(one.right[chosen]) - float(one.right[0])


def told(estimate: Estimate) -> list[float]:
    """Value and interval in percent."""
    return [round(100 * x, 2) for x in (estimate.value, estimate.low, estimate.high)]
