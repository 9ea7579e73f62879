"""The nouns every room of the gym shares.

A molecule's way through the gym uses each of them once: a source row becomes an `Example`; a `Task` turns it
into a question (typed spans); a `Model` answers with a `Prediction`; the task judges each completion with a
`Verdict`; the three together are a `Result`; many results become an `Estimate`. Training branches off at the
question: `Example -> question + Trace + answer -> tokens`.

Everything here is data or a protocol. It imports nothing heavy and nothing of ours, so that a worker process, a
report or a test can read a result without loading a chemistry toolkit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")


# --------------------------------------------------------------------------------------------------- errors


class GymError(Exception):
    """Base of every error the gym raises on purpose. Its message names what, where and the fix."""

    exit_code = 1


class UsageError(GymError):
    """The caller asked for something that does not exist or does not fit (unknown task, recipe key, option)."""

    exit_code = 2


class InvalidMolecule(GymError, ValueError):
    """Text or arrays that do not describe one molecule."""


class DataError(GymError):
    """A data file is missing, corrupt, truncated, or is not what its manifest entry promises."""


class MissingExtra(GymError, ImportError):
    """An optional dependency is not installed; the message gives the `pip install` line."""


class CheckpointError(GymError):
    """A model folder lacks weights, tokenizer or configuration, or its parts do not fit together."""


# --------------------------------------------------------------------------------------------------- questions


@dataclass(frozen=True, slots=True)
class Words:
    """Plain words of a question.

    `control` names what they ask for ("count", "retrosynthesis"); the compact rendering writes this one control
    token in place of the words.
    """

    text: str
    control: str = ""


@dataclass(frozen=True, slots=True)
class Molecule:
    """A molecule (or dot-separated set of molecules) shown in one view."""

    text: str
    view: str = "smiles"


@dataclass(frozen=True, slots=True)
class Property:
    """The name of a property, endpoint, functional group or target, in the registry's own spelling.

    `goal` is set where the question asks to change it.
    """

    name: str
    goal: Literal["up", "down"] | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer wanted is one of `options`, written exactly as given."""

    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """The answer wanted is a number.

    `grid` holds the ascending bin centres onto which an LFM's compact rendering rounds the number (taken from
    training labels only); a chat model writes the number out. `unit` is '' for a dimensionless quantity.
    """

    unit: str
    grid: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """The answer wanted is a non-negative integer."""


@dataclass(frozen=True, slots=True)
class Indices:
    """The answer wanted is a set of atoms: ascending 0-based positions in the molecule as written."""


@dataclass(frozen=True, slots=True)
class Structure:
    """The answer wanted is a molecule, or a dot-separated set of them, written in one view.

    A view that follows from the molecule without naming it (a formula, a scaffold) may be asked for, too.
    """

    role: Literal["molecule", "reactants", "fragment"] = "molecule"
    view: str = "smiles"


AnswerForm = Choice | Number | Count | Indices | Structure
Span = Words | Molecule | Property | Choice | Number | Count | Indices | Structure
Question = tuple[Span, ...]


def answer_form(question: Question) -> AnswerForm:
    """The one span of a question that says what kind of answer is wanted.

    Raises:
        ValueError: the question has no answer span, or more than one.
    """
    forms = [span for span in question if isinstance(span, AnswerForm)]
    if len(forms) != 1:
        raise ValueError(f"a question needs exactly one answer span, this one has {len(forms)}: {question!r}")
    return forms[0]


# --------------------------------------------------------------------------------------------------- examples


@dataclass(frozen=True, slots=True)
class Example:
    """One item of a task. `id` comes from the source's own row identity, never from RDKit's canonical text."""

    id: str
    task: str
    split: Split
    inputs: Mapping[str, Any]
    gold: Any

    def __reduce__(self) -> tuple[Any, ...]:
        # Examples travel to workers by the thousand; the way of frozen dataclasses with slots takes twice as long.
        return type(self), (self.id, self.task, self.split, self.inputs, self.gold)


def row_id(source: str, *row: object) -> str:
    """16 hex digits naming a source row, e.g. `row_id("uspto-50k-dai", "test", 17)`.

    Hashing the row's identity (file and position, or a database key) and not its canonical SMILES keeps ids the
    same across RDKit releases.
    """
    return hashlib.sha256("\x1f".join([source, *map(str, row)]).encode()).hexdigest()[:16]


def item_seed(task: str, version: str, split: str, seed: int, index: int) -> int:
    """A 63-bit seed for one item, from a hash.

    `seed + index` would hand neighbouring seeds the same items (seeds 42 and 43 share 499 of 500).
    """
    key = "\x1f".join([task, version, split, str(seed), str(index)])
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1


# --------------------------------------------------------------------------------------------------- reasoning


@dataclass(frozen=True, slots=True)
class Step:
    """One sentence of reasoning and the machine-readable claim behind it.

    `given` steps were written into the prompt by a tool (and are masked from the loss); the others are the
    model's own claims.
    """

    kind: str
    text: str
    claim: Mapping[str, Any]
    given: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """The steps that lead from a question to its answer."""

    steps: tuple[Step, ...]


# --------------------------------------------------------------------------------------------------- answers


@dataclass(frozen=True, slots=True)
class Completion:
    """One text a model wrote, with its total log-probability (natural log) where the model has one."""

    text: str
    logprob: float | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model answered to one Example: ranked completions, best first.

    `probabilities` maps each option of a Choice to its probability. `value` and `spread` are the expected value
    and the standard deviation of a Number. Both are read off the model without sampling where it can do so.
    """

    example_id: str
    completions: tuple[Completion, ...]
    probabilities: Mapping[str, float] | None = None
    value: float | None = None
    spread: float | None = None


class Reason(StrEnum):
    """Why a Verdict is what it is."""

    CORRECT = "correct"
    PARTIAL = "partial"
    WRONG = "wrong"
    NO_ANSWER = "no-answer"
    UNPARSABLE = "unparsable"
    INVALID_MOLECULE = "invalid-molecule"
    COPIED_INPUT = "copied-input"
    NOT_SIMILAR = "not-similar"
    TOO_LONG = "too-long"
    # Below: no verdict could be reached, the score is None and never 0.
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASH = "crash"
    MISSING_ORACLE = "missing-oracle"
    VERIFIER_ERROR = "verifier-error"


UNDECIDED = frozenset({Reason.TIMEOUT, Reason.MEMORY, Reason.CRASH, Reason.MISSING_ORACLE, Reason.VERIFIER_ERROR})


@dataclass(frozen=True, slots=True)
class Verdict:
    """A task's judgement of one completion. `score` is in [0, 1], or None when no verdict could be reached."""

    score: float | None
    reason: Reason
    answer: str | None = None
    components: Mapping[str, float] = field(default_factory=dict)
    verifier_version: str = ""
    detail: str = ""

    def __post_init__(self) -> None:
        if (self.score is None) != (self.reason in UNDECIDED):
            raise ValueError(f"score {self.score!r} does not fit reason {self.reason.value!r}")
        if self.score is not None and not 0.0 <= self.score <= 1.0:
            raise ValueError(f"score {self.score!r} is outside [0, 1]")


@dataclass(frozen=True, slots=True)
class Result:
    """An Example, what a model answered, and one Verdict per completion."""

    example: Example
    prediction: Prediction
    verdicts: tuple[Verdict, ...]

    def __post_init__(self) -> None:
        if len(self.verdicts) != len(self.prediction.completions):
            raise ValueError(
                f"{len(self.verdicts)} verdicts for {len(self.prediction.completions)} completions "
                f"of example {self.example.id}"
            )

    @property
    def first(self) -> Verdict:
        """The verdict on the best-ranked completion."""
        return self.verdicts[0]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric's value with its interval (95 % unless `method` says otherwise) over `n` independent items."""

    value: float
    low: float
    high: float
    n: int
    method: str
    unit: str = ""
    higher_is_better: bool = True

    def separated_from(self, other: Estimate) -> bool:
        """True when this estimate is better and the two intervals do not touch."""
        if self.higher_is_better != other.higher_is_better:
            raise ValueError("the two estimates point in opposite directions")
        return self.low > other.high if self.higher_is_better else self.high < other.low


# --------------------------------------------------------------------------------------------------- behaviour


@runtime_checkable
class Task(Protocol):
    """Behaviour of one task. Adding a task is adding one class and one registration (see CONTRIBUTING)."""

    name: str
    version: str
    category: str
    sources: tuple[str, ...]
    properties: tuple[str, ...]
    """Names that its Property spans use; a from-scratch tokenizer gives each a token of its own."""
    judged_with: tuple[Oracle, ...]
    """Oracles whose values decide on verdicts; their stamps belong to every record."""

    @property
    def verifier_version(self) -> str:
        """What its verdicts carry; changes whenever they may."""

    @property
    def headline(self) -> str:
        """The metric of `score` that stands for the task in a one-line table."""

    def examples(self, split: Split) -> Sequence[Example]:
        """A lazy, indexable, deterministic sequence."""

    def question(self, example: Example) -> Question:
        """Typed spans, exactly one of which is the answer form."""

    def answer(self, example: Example) -> str | None:
        """The gold answer as a model should write it between the answer tags; None where nobody knows one.

        Inputs of an optimization benchmark come without an answer. They can be tested on, not trained on.
        """

    def omitted(self) -> Mapping[str, int]:
        """Rows of the source that give no example, counted by reason; a run record states them."""

    def augment(self, example: Example, seed: int) -> Example:
        """An equivalent example written another way (a randomized SMILES), for training only."""

    def reason(self, example: Example, context: Any) -> Trace | None:
        """Checkable steps towards the answer, or None."""

    def verify(self, example: Example, completion: str) -> Verdict:
        """Judge the raw text of one completion. Must not raise on any text."""

    def clusters(self, results: Sequence[Result]) -> Sequence[Any] | None:
        """A label per result; those that share one (a protein, a molecule) are no independent items and are resampled
        together. None where all are independent."""

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        """The protocol's metrics over results, in the order of `examples`."""


@runtime_checkable
class Model(Protocol):
    """Everything that answers: the LFM, a baseline, later a hub model or an endpoint."""

    name: str

    def predict(self, examples: Sequence[Example], n: int, seed: int) -> list[Prediction]:
        """One Prediction per example, in order, each with up to `n` ranked completions."""


@runtime_checkable
class Oracle(Protocol):
    """A property predictor. Failures are NaN, never a made-up number."""

    @property
    def name(self) -> str:
        """How tasks and records call it."""

    @property
    def version(self) -> str:
        """Changes whenever its numbers may change."""

    @property
    def checksum(self) -> str:
        """Of its weights or tables; '' where it has none."""

    @property
    def units(self) -> str:
        """'' for a dimensionless value."""

    @property
    def teacher(self) -> str:
        """Its name in `lineage`, which knows what it was fitted to."""

    def predict(self, smiles: Sequence[str]) -> npt.NDArray[np.float64]:
        """One value per molecule, shape (len(smiles),); NaN where the molecule or the oracle fails."""

    def reason(self, smiles: str) -> str:
        """Why a molecule has no value; '' where it has one."""


Progress = Callable[[int, int, str], None]
"""Called as `progress(done, total, what)` during long work."""
