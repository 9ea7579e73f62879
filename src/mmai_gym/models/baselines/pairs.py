"""What baselines of drug and protein share: the table of what was measured, and how alike its rows and columns are.

Similarity of drugs is Tanimoto on Morgan bits, as in Pahikkala et al. (2015). That of proteins
is the spectrum kernel (Leslie et al. 2002), the cosine of their counts of three residues in a row, instead of alignment:
it takes milliseconds and no other program.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import AnswerForm, Molecule, Number, Question, Split
from mmai_gym.models.baselines.base import Baseline, Fitted, TrainingSet
from mmai_gym.models.baselines.features import count_fingerprints

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
_WORD = 3

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


class PairBaseline(Baseline):
    """A baseline that learns from pairs of a drug and a protein."""

    most = 1_000_000
    parts: tuple[Split, ...] = ("train", "valid")

    def supports(self, form: AnswerForm) -> bool:
        return isinstance(form, Number)

    def suits(self, question: Question) -> bool:
        """Besides the form, a question must show one molecule and one protein."""
        views = sorted(span.view for span in question if isinstance(span, Molecule))
        return views == ["protein", "smiles"] and super().suits(question)

    @abstractmethod
    def fit(self, training: TrainingSet) -> Fitted:
        """Learn one task of pairs."""


def sides(questions: Sequence[Question]) -> tuple[list[str], list[str]]:
    """The SMILES and the amino acid sequence of each question.

    Raises:
        StopIteration: a question lacks one of them.
    """
    spans = [[span for span in question if isinstance(span, Molecule)] for question in questions]
    return (
        [next(span.text for span in shown if span.view == "smiles") for shown in spans],
        [next(span.text for span in shown if span.view == "protein") for shown in spans],
    )


@dataclass(frozen=True)
class PairTable:
    """Measured pairs.

    Attributes:
        drugs, targets: distinct texts, in the order in which they were met.
        rows, columns: the place of the drug and of the target of each measurement.
        values: shape (n_measurements,). A pair may be measured more than once.
    """

    drugs: tuple[str, ...]
    targets: tuple[str, ...]
    rows: Places
    columns: Places
    values: Floats

    @classmethod
    def of(cls, training: TrainingSet) -> PairTable:
        """The table of a training set whose questions show a molecule and a protein."""
        drugs, targets = sides(training.questions)
        names = tuple(dict.fromkeys(drugs)), tuple(dict.fromkeys(targets))
        return cls(
            *names, places(drugs, names[0]), places(targets, names[1]), np.array(training.answers, np.float64)
        )

    @cached_property
    def matrix(self) -> Floats:
        """Mean value of each pair, shape (len(drugs), len(targets)); NaN where nothing was measured."""
        shape = len(self.drugs), len(self.targets)
        total, count = np.zeros(shape), np.zeros(shape)
        np.add.at(total, (self.rows, self.columns), self.values)
        np.add.at(count, (self.rows, self.columns), 1.0)
        return np.divide(total, count, out=np.full(shape, np.nan), where=count > 0)

    def drug_similarity(self, drugs: Sequence[str]) -> Floats:
        """Of some drugs to those of the table, shape (len(drugs), len(self.drugs))."""
        return _tanimoto(_bits(drugs), _bits(self.drugs))

    def target_similarity(self, targets: Sequence[str]) -> Floats:
        """Of some targets to those of the table, shape (len(targets), len(self.targets))."""
        return _spectrum(targets) @ _spectrum(self.targets).T


def places(texts: Sequence[str], among: Sequence[str]) -> Places:
    """The position of each text in `among`; -1 for one that is not there."""
    position: Mapping[str, int] = {text: i for i, text in enumerate(among)}
    return np.array([position.get(text, -1) for text in texts], dtype=np.intp)


def _bits(smiles: Sequence[str]) -> npt.NDArray[np.float32]:
    return (count_fingerprints(smiles) > 0).astype(np.float32)


def _tanimoto(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> Floats:
    common = (a @ b.T).astype(np.float64)
    return common / np.maximum(a.sum(1)[:, None] + b.sum(1)[None, :] - common, 1.0)


def _spectrum(sequences: Sequence[str]) -> Floats:
    """Counts of all words of three residues, scaled to length 1, shape (len(sequences), 8000)."""
    counts = word_counts(sequences, _WORD)
    return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1.0)


def word_counts(sequences: Sequence[str], length: int) -> Floats:
    """How often each word of so many residues occurs, shape (len(sequences), 20**length); other letters are skipped."""
    position = {"".join(word): i for i, word in enumerate(product(AMINO_ACIDS, repeat=length))}
    counts = np.zeros((len(sequences), len(position)))
    for row, sequence in enumerate(sequences):
        for start in range(len(sequence) - length + 1):
            place = position.get(sequence[start : start + length])
            if place is not None:
                counts[row, place] += 1.0
    return counts
