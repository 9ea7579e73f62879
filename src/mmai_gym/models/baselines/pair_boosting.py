"""Boosting on drugs and proteins, with what similar pairs were measured at (after SimBoost; He et al., J. Cheminformatics
9, 24, 2017).

The columns are the drug (Morgan counts, descriptors), the protein (frequencies of residues and of two in a row), and the
history of the pair: what the protein was measured at with other drugs, the five most similar ones above all, and what the
drug was measured at with other proteins. A training pair never sees itself: the history of its protein leaves its drug
out. And since a new drug has no history, whether a side is new decides the columns; the model of pairs with a new drug was
trained as if every drug were new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import Question
from mmai_gym.extras import require
from mmai_gym.models.baselines.base import Fitted, Reply, TrainingSet, TrainingSets, number_text
from mmai_gym.models.baselines.features import count_fingerprints, descriptors
from mmai_gym.models.baselines.pairs import Floats, PairBaseline, PairTable, Places, places, sides, word_counts
from mmai_gym.workers import cores

Columns = npt.NDArray[np.float32]

TREES = 1000
_NEIGHBOURS = 5
_LEAST_DRUGS, _LEAST_SHARE = 3, 0.01
"""Drugs, and share of all drugs, that must have a fragment for it to be a column."""


class PairBoostingBaseline(PairBaseline):
    """Boosted trees on drug, protein and their histories.

    Raises:
        MissingExtra: catboost is not installed.
    """

    name = "baseline:pair-boosting"
    seeded = True

    def __init__(self, training: TrainingSets | None = None) -> None:
        require("catboost", extra="bench")
        super().__init__(training)

    def fit(self, training: TrainingSet) -> Fitted:
        return _Pairs(PairTable.of(training), training.seed)


@dataclass(frozen=True, slots=True)
class _Known:
    """Which sides of a pair were seen in training."""

    drug: bool
    target: bool


class _Pairs:
    """One model for each way in which the two sides of a pair are new or known, trained when it is first needed."""

    def __init__(self, table: PairTable, seed: int) -> None:
        self.table = table
        self.seed = seed
        least = max(_LEAST_DRUGS, _LEAST_SHARE * len(table.drugs))
        self.frequent = np.flatnonzero((count_fingerprints(table.drugs) > 0).sum(0) >= least)
        self.models: dict[_Known, Any] = {}

    def reply(self, questions: Sequence[Question], n: int) -> list[Reply]:
        drugs, targets = sides(questions)
        rows, columns = places(drugs, self.table.drugs), places(targets, self.table.targets)
        values = np.zeros(len(questions))
        for known in {_Known(bool(r >= 0), bool(c >= 0)) for r, c in zip(rows, columns, strict=True)}:
            chosen = np.flatnonzero(((rows >= 0) == known.drug) & ((columns >= 0) == known.target))
            some = [drugs[i] for i in chosen], [targets[i] for i in chosen]
            values[chosen] = self._model(known).predict(self._columns(*some, known))
        return [Reply((number_text(value),), value=value) for value in values.tolist()]

    def _model(self, known: _Known) -> Any:
        if known not in self.models:
            from catboost import CatBoostRegressor

            table = self.table
            drugs, targets = [table.drugs[i] for i in table.rows], [table.targets[i] for i in table.columns]
            model = CatBoostRegressor(
                iterations=TREES,
                loss_function="RMSE",
                random_seed=self.seed,
                thread_count=cores(),
                verbose=False,
                allow_writing_files=False,
            )
            self.models[known] = model.fit(self._columns(drugs, targets, known), table.values)
        return self.models[known]

    def _columns(self, drugs: Sequence[str], targets: Sequence[str], known: _Known) -> Columns:
        """Shape (len(drugs), n_columns)."""
        distinct = list(dict.fromkeys(drugs)), list(dict.fromkeys(targets))
        rows, columns = places(drugs, distinct[0]), places(targets, distinct[1])
        parts = [self._drug_columns(distinct[0])[rows], _target_columns(distinct[1])[columns]]
        if known.target:
            own, seen = places(distinct[0], self.table.drugs), places(distinct[1], self.table.targets)
            history = _history(self.table.matrix[:, seen], self.table.drug_similarity(distinct[0]), own)
            parts.append(history[rows, columns])
        if known.drug:
            own, seen = places(distinct[1], self.table.targets), places(distinct[0], self.table.drugs)
            history = _history(self.table.matrix[seen].T, self.table.target_similarity(distinct[1]), own)
            parts.append(history[columns, rows])
        return np.concatenate(parts, axis=1)

    def _drug_columns(self, drugs: Sequence[str]) -> Columns:
        counts = count_fingerprints(drugs)[:, self.frequent].astype(np.float32)
        return np.concatenate([counts, descriptors(drugs)], axis=1)


def _target_columns(targets: Sequence[str]) -> Columns:
    """Length and shares of single residues and pairs of neighbours, shape (len(targets), 421)."""
    lengths = np.array([[len(target)] for target in targets], dtype=np.float64)
    shares = [word_counts(targets, length) / np.maximum(lengths, 1.0) for length in (1, 2)]
    return np.concatenate([lengths, *shares], axis=1).astype(np.float32)


def _history(matrix: Floats, similarity: Floats, own: Places) -> Columns:
    """What each column was measured at with other rows.

    Args:
        matrix: measured rows by columns, NaN where nothing was measured.
        similarity: of the rows asked about to the measured ones, shape (n_asked, n_measured).
        own: which measured row an asked one is, and must not see; -1 for none.

    Returns:
        Shape (n_asked, n_columns, 4): mean over all other rows, mean over the five most similar ones that were measured,
        weighted by similarity, the highest value among these, and the similarity of the closest. NaN without any.
    """
    found = np.empty((len(similarity), matrix.shape[1], 4), dtype=np.float32)
    for asked, (line, self_) in enumerate(zip(similarity, own, strict=True)):
        others = np.flatnonzero(np.arange(len(line)) != self_)
        order = others[np.argsort(-line[others], kind="stable")]
        found[asked] = _summary(matrix[order], line[order])
    return found


def _summary(values: Floats, weights: Floats) -> Floats:
    """The four numbers of `_history` for each column of values whose rows are sorted by falling weight."""
    measured = ~np.isnan(values)
    counted = np.where(measured, values, 0.0)
    near = measured & (measured.cumsum(0) <= _NEIGHBOURS)
    # A neighbour without a common bit still counts for something, or strangers would leave no vote at all.
    share = near * (weights[:, None] + 1e-3)
    none = ~measured.any(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, nearest = counted.sum(0) / measured.sum(0), (counted * share).sum(0) / share.sum(0)
    highest = np.where(near, values, -np.inf).max(0, initial=-np.inf)
    closest = np.where(near, weights[:, None], -np.inf).max(0, initial=-np.inf)
    summary = np.stack([mean, nearest, highest, closest], axis=1)
    summary[none] = np.nan
    return summary
