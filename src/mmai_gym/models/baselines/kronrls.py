"""KronRLS (Pahikkala et al., Briefings in Bioinformatics 16, 325, 2015): kernel ridge regression on pairs.

Two pairs are as alike as the product of the similarities of their drugs and of their proteins. The system of one equation
per measured pair is never written down: a product with its matrix is two small matrix products, so conjugate gradients
solve it for 90,000 pairs in seconds, whether all cells of the table were measured or not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmai_gym.contracts import Question
from mmai_gym.extras import require
from mmai_gym.models.baselines.base import Fitted, Reply, TrainingSet, TrainingSets, number_text
from mmai_gym.models.baselines.pairs import Floats, PairBaseline, PairTable, sides

_RIDGE = 1.0
_TOLERANCE, _STEPS = 1e-4, 300


class KronRLSBaseline(PairBaseline):
    """Regularised least squares with the Kronecker product of the similarities of drugs and proteins as its kernel.

    Raises:
        MissingExtra: scipy is not installed.
    """

    name = "baseline:kronrls"

    def __init__(self, training: TrainingSets | None = None) -> None:
        require("scipy", extra="bench")
        super().__init__(training)

    def fit(self, training: TrainingSet) -> Fitted:
        return _Kernel(PairTable.of(training))


class _Kernel:
    def __init__(self, table: PairTable) -> None:
        self.table = table
        self.mean = float(table.values.mean())
        self.weights = _solved(table, table.values - self.mean)

    def reply(self, questions: Sequence[Question], n: int) -> list[Reply]:
        drugs, targets = sides(questions)
        rows, columns = list(dict.fromkeys(drugs)), list(dict.fromkeys(targets))
        found = self.table.drug_similarity(rows) @ self.weights @ self.table.target_similarity(columns).T
        row, column = {text: i for i, text in enumerate(rows)}, {text: i for i, text in enumerate(columns)}
        values = [
            self.mean + float(found[row[drug], column[target]])
            for drug, target in zip(drugs, targets, strict=True)
        ]
        return [Reply((number_text(value),), value=value) for value in values]


def _solved(table: PairTable, y: Floats) -> Floats:
    """The weight of each pair of the table, shape (len(drugs), len(targets)); 0 where nothing was measured."""
    from scipy.sparse.linalg import LinearOperator, cg

    of_drugs, of_targets = table.drug_similarity(table.drugs), table.target_similarity(table.targets)
    shape = len(table.drugs), len(table.targets)

    def spread(weights: Floats) -> Floats:
        cells = np.zeros(shape)
        np.add.at(cells, (table.rows, table.columns), weights)
        return cells

    def times(weights: Floats) -> Floats:
        found = of_drugs @ spread(weights.ravel()) @ of_targets
        return found[table.rows, table.columns] + _RIDGE * weights.ravel()

    system = LinearOperator((len(y), len(y)), matvec=times, dtype=np.float64)
    weights, _ = cg(system, y, rtol=_TOLERANCE, maxiter=_STEPS)
    return spread(weights)
