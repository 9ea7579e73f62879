"""The sets of MuMO and C-MuMO: which properties shall change, in which direction, and by how much.

MuMO (Dey, Hu and Ning 2025, GeLLMO) asks that every property of a set improves, by any amount. C-MuMO (the same
authors, GeLLMO-C) asks that those properties improve which are not yet near their optimum, each by a least amount, and
that the others are kept. Ten sets each, five of combinations that the authors trained on (in distribution) and five that
they did not (out of distribution). The letters of a set name its properties.

Here are definitions only. A set becomes a task when all its properties have an oracle; the names of the oracles are
those of the endpoints that MuMO's own predictor (ADMET-AI) was trained on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

Values = Mapping[str, float]
"""Property values of a molecule by oracle, rounded to DECIMALS."""

MoleculeList = Literal["zinc", "chembl-smiles"]

DECIMALS = 2
"""Both protocols compare values rounded to two decimals."""


@dataclass(frozen=True, slots=True)
class Aim:
    """One property: the letter that the sets call it by, its oracle, and where it shall go.

    Attributes:
        level: near-optimal from here on (C-MuMO's Theta: the 60th percentile of its training molecules).
        step: C-MuMO's Delta, the least gain; a loss of as much is no longer "kept".
        pair_step: least gain of MuMO's training pairs; None where MuMO does not use the property.
    """

    letter: str
    oracle: str
    goal: Literal["up", "down"]
    level: float
    step: float
    pair_step: float | None = None

    def gain(self, before: float, after: float) -> float:
        """The change in the wanted direction, without the last digits that a subtraction adds."""
        return round(after - before if self.goal == "up" else before - after, 6)

    def near_optimal(self, value: float) -> bool:
        """Whether the value is at the level or on its good side."""
        return self.gain(self.level, value) >= 0.0


AIMS: Mapping[str, Aim] = {
    aim.letter: aim
    for aim in (
        Aim("A", "pampa_ncats", "up", level=0.9, step=0.1),
        Aim("B", "bbb_martins", "up", level=0.9, step=0.1, pair_step=0.2),
        Aim("C", "carcinogens_lagunin", "down", level=0.2, step=0.1),
        Aim("D", "drd2", "up", level=0.2, step=0.2, pair_step=0.2),
        Aim("E", "herg", "down", level=0.5, step=0.2),
        Aim("H", "hia_hou", "up", level=0.9, step=0.1, pair_step=0.1),
        Aim("L", "dili", "down", level=0.5, step=0.1),
        Aim("M", "ames", "down", level=0.2, step=0.1, pair_step=0.1),
        Aim("P", "plogp", "up", level=1.5, step=1.0, pair_step=1.0),
        Aim("Q", "qed", "up", level=0.8, step=0.1, pair_step=0.1),
    )
}


@dataclass(frozen=True)
class OptimizationSet(ABC):
    """Properties that are optimized together, a letter each, as the publications name the set.

    Attributes:
        distribution: whether the authors trained on the combination.
        public: the inputs of the set are in the public files.
        drawn_from: lists of molecules (data sets) that the inputs of the others are drawn from. ZINC250k, drug-like as it
            is, has too few that are poor in everything that some sets ask for.
    """

    benchmark: ClassVar[str]
    letters: str
    distribution: Literal["in", "out"]
    public: bool = field(default=False, kw_only=True)
    drawn_from: tuple[MoleculeList, ...] = field(default=("zinc",), kw_only=True)

    @property
    def task(self) -> str:
        """Name of the task, e.g. optimization/mumo/bdq."""
        return f"optimization/{self.benchmark}/{self.letters.lower()}"

    @property
    def aims(self) -> tuple[Aim, ...]:
        """The properties, in the order of the letters."""
        return tuple(AIMS[letter] for letter in self.letters)

    @property
    def oracles(self) -> tuple[str, ...]:
        """The oracles that the set needs."""
        return tuple(aim.oracle for aim in self.aims)

    @abstractmethod
    def is_input(self, values: Values) -> bool:
        """Whether a molecule of these values is one to optimize."""

    def rules_out(self, aim: Aim, value: float) -> bool:
        """Whether the value of one property, whatever the others are, keeps a molecule from being an input."""
        return False

    @abstractmethod
    def to_improve(self, before: Values) -> tuple[Aim, ...]:
        """The properties of an input that shall change; the others shall be kept."""

    @abstractmethod
    def amount(self, aim: Aim) -> str:
        """How a question says by how much a property shall improve; '' where any gain will do."""

    @abstractmethod
    def progress(self, before: Values, after: Values) -> float:
        """Share of the properties to improve that an answer improves enough; 0 where it lost one to be kept."""

    def variants(self) -> Mapping[str, Callable[[Values, Values], bool]]:
        """Rules besides the success rule (`progress` of 1), by the name of their metric."""
        return {}


@dataclass(frozen=True)
class MumoSet(OptimizationSet):
    """Every property strictly better.

    Attributes:
        caps: by letter, the value that an input has at best: at most, where the property shall rise, and at least,
            where it shall fall. (That mutagenicity is capped from below is inferred; the source gives the number.)
    """

    benchmark: ClassVar[str] = "mumo"
    caps: Mapping[str, float]

    def is_input(self, values: Values) -> bool:
        """Poor in every property, by the caps."""
        return not any(self.rules_out(aim, values[aim.oracle]) for aim in self.aims)

    def rules_out(self, aim: Aim, value: float) -> bool:
        return not aim.gain(value, self.caps[aim.letter]) >= 0.0  # no number rules out too

    def to_improve(self, before: Values) -> tuple[Aim, ...]:
        return self.aims

    def amount(self, aim: Aim) -> str:
        return ""

    def progress(self, before: Values, after: Values) -> float:
        better = [aim.gain(before[aim.oracle], after[aim.oracle]) > 0.0 for aim in self.aims]
        return sum(better) / len(better)


@dataclass(frozen=True)
class ControlledSet(OptimizationSet):
    """What is not near-optimal must improve by Delta, what is must not lose as much.

    The publication names Delta, Theta and "keep"; the margin of keeping is the gym's reading. Two variants stand
    besides: any gain instead of Delta, and all properties near-optimal in the end.
    """

    benchmark: ClassVar[str] = "c-mumo"

    def is_input(self, values: Values) -> bool:
        """At least one property is not near-optimal."""
        return bool(self.to_improve(values))

    def to_improve(self, before: Values) -> tuple[Aim, ...]:
        return tuple(aim for aim in self.aims if not aim.near_optimal(before[aim.oracle]))

    def amount(self, aim: Aim) -> str:
        return f"by at least {aim.step:g}"

    def progress(self, before: Values, after: Values) -> float:
        wanted = self.to_improve(before)
        if not self._keeps(before, after):
            return 0.0
        return sum(aim.gain(before[aim.oracle], after[aim.oracle]) >= aim.step for aim in wanted) / len(wanted)

    def variants(self) -> Mapping[str, Callable[[Values, Values], bool]]:
        return {"any_gain": self._any_gain, "near_optimal": self._near_optimal}

    def _keeps(self, before: Values, after: Values) -> bool:
        wanted = self.to_improve(before)
        kept = [aim for aim in self.aims if aim not in wanted]
        return all(aim.gain(before[aim.oracle], after[aim.oracle]) > -aim.step for aim in kept)

    def _any_gain(self, before: Values, after: Values) -> bool:
        wanted = self.to_improve(before)
        return self._keeps(before, after) and all(
            aim.gain(before[aim.oracle], after[aim.oracle]) > 0.0 for aim in wanted
        )

    def _near_optimal(self, before: Values, after: Values) -> bool:
        reached = all(aim.near_optimal(after[aim.oracle]) for aim in self.aims)
        return reached and self.progress(before, after) == 1.0


def _mumo(letters: str, distribution: Literal["in", "out"], *caps: float, **inputs: Any) -> MumoSet:
    return MumoSet(letters, distribution, dict(zip(letters, caps, strict=True)), **inputs)


MUMO: tuple[MumoSet, ...] = (
    _mumo("BDP", "in", 0.5, 0.1, -0.2),
    _mumo("BDQ", "in", 0.6, 0.1, 0.4, public=True),
    _mumo("BPQ", "in", 0.5, -1.5, 0.7),
    _mumo("DPQ", "in", 0.1, -0.8, 0.5),
    _mumo("BDPQ", "in", 0.5, 0.1, -1.0, 0.4, public=True),
    _mumo("MPQ", "out", 0.5, -0.5, 0.7),
    _mumo("BDMQ", "out", 0.5, 0.1, 0.4, 0.3, drawn_from=("zinc", "chembl-smiles")),
    _mumo("BHMQ", "out", 0.4, 0.7, 0.4, 0.7),
    _mumo("BMPQ", "out", 0.5, 0.5, -0.7, 0.7),
    _mumo("HMPQ", "out", 0.7, 0.5, -2.0, 0.6, drawn_from=("zinc", "chembl-smiles")),
)

C_MUMO: tuple[ControlledSet, ...] = (
    *(ControlledSet(letters, "in") for letters in ("BPQ", "ELQ", "ACEP", "BDPQ", "DHMQ")),
    *(ControlledSet(letters, "out") for letters in ("CDE", "ABMP", "BCMQ", "BDEQ", "HLMPQ")),
)


def with_oracles(sets: Collection[OptimizationSet], oracles: Collection[str]) -> tuple[OptimizationSet, ...]:
    """Those of the sets whose properties all have an oracle of that name."""
    return tuple(one for one in sets if set(one.oracles) <= set(oracles))
