"""What every task shares: the verify wrapper, example sequences, and judges for each answer form.

A task family is one file with one class; it says where its examples come from and what a right answer is. The rest
is here. The wrapper around `judge` is the only way in, so that no family can forget the answer protocol.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mmai_gym.contracts import (
    SPLITS,
    Choice,
    Estimate,
    Example,
    InvalidMolecule,
    Oracle,
    Question,
    Reason,
    Result,
    Split,
    Trace,
    UsageError,
    Verdict,
    item_seed,
)
from mmai_gym.molecules import randomized
from mmai_gym.oracles import stamp
from mmai_gym.sources import LazySequence
from mmai_gym.tasks.answers import extract_answer


class LazyExamples(LazySequence[Example]):
    """A deterministic sequence of examples that are made when asked for."""


class BaseTask(ABC):
    """The part of `contracts.Task` that does not differ between families."""

    name: str
    version: str = "1"
    judge_version: str = ""
    """Set where the judge has changed and the examples, which are drawn by `version`, have not."""
    category: str = "2d-molecules"
    sources: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()
    """Programs or models, by their names in `lineage`, that give labels or verdicts; none where all were measured."""
    headline: str
    judged_with: tuple[Oracle, ...] = ()
    """Oracles whose values decide on verdicts."""

    @property
    def verifier_version(self) -> str:
        """What verdicts carry: the version, that of the judge where it has one of its own, and the stamps of its oracles."""
        own = f"{self.version}.{self.judge_version}" if self.judge_version else self.version
        return "+".join([own, *map(stamp, self.judged_with)])

    @property
    def family(self) -> str:
        """The job this task belongs to: the first part of its name."""
        return self.name.split("/", 1)[0]

    @abstractmethod
    def examples(self, split: Split) -> Sequence[Example]:
        """A lazy, indexable, deterministic sequence. Raises DataError where a data file is missing."""

    @abstractmethod
    def question(self, example: Example) -> Question:
        """Typed spans with exactly one answer form."""

    @abstractmethod
    def answer(self, example: Example) -> str | None:
        """The gold answer, as it should stand between the answer tags; None where nobody knows one."""

    @abstractmethod
    def judge(self, example: Example, answer: str) -> Verdict:
        """Judge the extracted answer; may raise InvalidMolecule, which becomes a verdict."""

    @abstractmethod
    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        """The protocol's metrics, the headline among them."""

    def sizes(self) -> dict[str, int]:
        """Number of examples per split."""
        return {split: len(self.examples(split)) for split in SPLITS}

    def omitted(self) -> Mapping[str, int]:
        """Rows of the source that give no example, by reason. Nothing may be left out without standing here."""
        return {}

    def proteins(self) -> Sequence[str]:
        """The sequences that training examples show, each once."""
        return ()

    def drawn_again(self, seed: int) -> BaseTask:
        """The same task with its split drawn by another seed, called NAME@SEED.

        Raises:
            UsageError: the split is a published one.
        """
        raise UsageError(f"{self.name} has one split only; leave out @{seed}")

    def base_rates(self, example: Example) -> Mapping[str, float] | None:
        """How often each answer is right among training questions like this one, where the metric pays every class alike.

        A benchmark divides a model's probabilities by them before it takes the largest: of two classes of which one is rare,
        the likelier is nearly always the other. None where the likeliest answer is the one to give.
        """
        return None

    def clusters(self, results: Sequence[Result]) -> Sequence[Any] | None:
        """A label per result by which intervals resample; None where all results are independent."""
        return None

    def written_with(self, split: Split) -> Mapping[str, Any]:
        """What decides how the examples are written beside source and version, such as stored atom maps.

        A corpus made from them states it, and is not continued with another.
        """
        return {}

    def check_training(self, split: Split) -> None:  # noqa: B027  most tasks lack nothing
        """Raises DataError, with the fix, where the examples of a split lack what a model must not learn without."""

    def augment(self, example: Example, seed: int) -> Example:
        """The same example with its molecule written from another atom; the gold must not depend on the writing."""
        return replace(
            example, inputs=dict(example.inputs) | {"smiles": randomized(example.inputs["smiles"], seed)}
        )

    def rewritten(self, example: Example, count: int, seed: int) -> list[Example]:
        """The same question in `count` other written forms, for test augmentation; needs nothing but the example.

        A molecule that RDKit rejects stays as it is: official test tables hold a few.
        """
        at = (self.name, example.id, example.split, seed)
        try:
            return [BaseTask.augment(self, example, item_seed(*at, place)) for place in range(count)]
        except InvalidMolecule:
            return [example] * count

    def reason(self, example: Example, context: Any = None) -> Trace | None:
        """Checkable steps towards the answer, or None where the family has no recipe."""
        return None

    def verify(self, example: Example, completion: str) -> Verdict:
        """Judge the raw text of one completion. Never raises on any text."""
        answer = extract_answer(completion)
        if answer is None:
            verdict = Verdict(0.0, Reason.NO_ANSWER)
        else:
            try:
                verdict = self.judge(example, answer)
            except InvalidMolecule as error:
                verdict = Verdict(0.0, Reason.INVALID_MOLECULE, answer, detail=str(error))
        return replace(verdict, verifier_version=self.verifier_version)


# --------------------------------------------------------------------------------------------------- judges


def judge_choice(form: Choice, gold: str, answer: str) -> Verdict:
    """1 for the gold option, 0 for another one; text that is no option is unparsable."""
    if answer not in form.options:
        return Verdict(0.0, Reason.UNPARSABLE, answer, detail=f"not one of {', '.join(form.options)}")
    right = answer == gold
    return Verdict(float(right), Reason.CORRECT if right else Reason.WRONG, answer)


def judge_number(gold: float, scale: float, answer: str, tolerance: float) -> Verdict:
    """exp(-|error| / scale), so that partial credit falls smoothly; CORRECT within `tolerance`.

    `scale` is the mean absolute deviation of the training labels: guessing the middle earns about exp(-1).
    Components: `error` (answer minus gold) and `absolute_error`, in the task's unit.
    """
    try:
        value = float(answer)
    except ValueError:
        return Verdict(0.0, Reason.UNPARSABLE, answer, detail="not a number")
    # float() also reads full-width digits and underscores; an answer is graded as a program downstream would read it.
    if not math.isfinite(value) or "_" in answer or not answer.isascii():
        return Verdict(0.0, Reason.UNPARSABLE, answer, detail="not a finite decimal number")
    error = value - gold
    close = abs(error) <= tolerance
    score = 1.0 if close else math.exp(-abs(error) / scale)
    components = {"error": error, "absolute_error": abs(error)}
    return Verdict(score, Reason.CORRECT if close else Reason.PARTIAL, answer, components)


def judge_count(gold: int, answer: str) -> Verdict:
    """1 for the exact integer in ASCII digits, else 0."""
    if not (answer.isascii() and answer.isdigit() and len(answer) <= 6):
        return Verdict(0.0, Reason.UNPARSABLE, answer, detail="not a non-negative integer")
    right = int(answer) == gold
    return Verdict(float(right), Reason.CORRECT if right else Reason.WRONG, answer, {"error": int(answer) - gold})


def judge_indices(gold: frozenset[int], n_atoms: int, answer: str) -> Verdict:
    """Jaccard overlap of the two atom sets, of which naming every atom is worth nothing; CORRECT only when equal.

    A false atom added always lowers the overlap. The score is the share of the way from the overlap that all atoms of the
    molecule have, the best that can be had without looking at it, to a full one; 0 below. Component: `jaccard`, as it is.
    Raises nothing; a repeated or out-of-range position is unparsable, for it names no set of atoms.
    """
    parts = [part.strip() for part in answer.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) <= 4 for part in parts):
        return Verdict(0.0, Reason.UNPARSABLE, answer, detail="not a comma-separated list of atom positions")
    chosen = {int(part) for part in parts}
    if len(chosen) != len(parts) or max(chosen) >= n_atoms:
        return Verdict(0.0, Reason.UNPARSABLE, answer, detail="a position is repeated or out of range")
    overlap = len(chosen & gold) / len(chosen | gold)
    if chosen == gold:
        return Verdict(1.0, Reason.CORRECT, answer, {"jaccard": overlap})
    blind = len(gold) / n_atoms
    score = max(0.0, (overlap - blind) / (1.0 - blind)) if blind < 1.0 else 0.0
    return Verdict(score, Reason.PARTIAL if score else Reason.WRONG, answer, {"jaccard": overlap})
