"""Test molecules stay out of training: which rows a corpus must leave out, and why.

A test set is kept clean of *other* data sets. Inside its own the official split holds, since published numbers were
computed on it; the strict setting takes that away, too. A test set of pairs of molecule and protein protects what its
own training part has never seen (the cold molecules, the cold sequences) and the pairs themselves, also from other
splits of its data set. Labels that a documented rule computes from the structure (`lineage.computed`) cannot be betrayed
by another data set, so their test sets protect nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

from mmai_gym import lineage, tasks
from mmai_gym.audit.content import Content, content
from mmai_gym.audit.keys import Keys, dataset_of, sides, skeletons
from mmai_gym.contracts import Example, Progress, Split
from mmai_gym.tasks import BaseTask

Rule = Literal["molecule", "product", "reaction", "protein", "pair"]
RULES: Mapping[Rule, str] = {
    "molecule": "a molecule of the row, on either side of a pair, has the connectivity of a test molecule; reactions "
    "are spared, since their molecules carry no label",
    "product": "the row's reaction makes a product of a test reaction, by connectivity; a shared reactant is no reason",
    "reaction": "the row's reaction is a test reaction, by the canonical SMILES of both sides",
    "protein": "the row has the sequence of a cold test protein",
    "pair": "the row has the molecule and the sequence of a test pair",
}
OFFICIAL = frozenset({"tdc-admet"})
"""Data sets whose training part is the protocol itself: they lose rows in the strict setting only."""

Reason: TypeAlias = tuple[Rule, str]
"""A rule, and the test set that it protects."""
_Key: TypeAlias = tuple[Rule, str]


class Exclusions:
    """The test sets of an evaluation, and what the rules protect of them.

    Args:
        tests: names of the tasks whose test sets must stay unseen. Their data are read when a guard is asked for, and
            only if a rule applies.
        strict: protect them from the training rows of their own data set as well.

    Raises:
        UsageError: unknown task.
    """

    def __init__(
        self, tests: Iterable[str], rules: Iterable[Rule] = get_args(Rule), *, strict: bool = False
    ) -> None:
        self._tests = [tasks.get(name) for name in tests if not lineage.computed(name)]
        self._rules = tuple(rules)
        self._strict = strict
        self._protected: dict[str, frozenset[_Key]] = {}

    def guard(self, task: BaseTask, progress: Progress) -> Guard | None:
        """What decides about the training rows of `task`; None where no test set has to be protected from it.

        Raises:
            DataError: the file of a test set is missing.
        """
        rivals = [test for test in self._tests if self._rules and self._rival(task, test)]
        reasons: dict[_Key, list[str]] = {}
        for done, test in enumerate(rivals):
            if test.name not in self._protected:
                progress(done, len(rivals), f"test molecules · {test.name}")
                self._protected[test.name] = self._protect(test)
            for key in self._protected[test.name]:
                reasons.setdefault(key, []).append(test.name)
        return Guard(task, reasons) if rivals else None

    def _rival(self, task: BaseTask, test: BaseTask) -> bool:
        if self._strict:
            return True
        if OFFICIAL & set(task.sources):
            return False
        if set(task.sources) & set(test.sources):
            return task.name != test.name and _about_pairs(task) and _about_pairs(test)
        return True

    def _protect(self, test: BaseTask) -> frozenset[_Key]:
        keys = {key for row in _keys(test, test.examples("test")) for key in row}
        if _about_pairs(test):
            warm = {key for row in _keys(test, test.examples("train")) for key in row}
            keys -= {key for key in warm if key[0] in ("molecule", "protein")}
        return frozenset(key for key in keys if key[0] in self._rules)

    def describe(self) -> dict[str, Any]:
        """What decided, for a manifest: rules, test sets with their versions, and a hash of all that is protected.

        Empty where no guard was needed.
        """
        if not self._protected:
            return {}
        text = "\n".join(f"{name} {sorted(keys)}" for name, keys in sorted(self._protected.items()))
        return {
            "rules": sorted(self._rules),
            "strict": self._strict,
            "tests": {test.name: test.version for test in self._tests if test.name in self._protected},
            "protected": hashlib.sha256(text.encode()).hexdigest(),
        }


class Guard:
    """Decides about the training rows of one task."""

    def __init__(self, task: BaseTask, tests_by_key: Mapping[_Key, Sequence[str]]) -> None:
        self._task = task
        self._tests = tests_by_key

    def reasons(self, examples: Sequence[Example]) -> list[tuple[Reason, ...]]:
        """For each example why it must be left out; () where it may stay."""
        return [
            tuple(sorted({(key[0], test) for key in row if key in self._tests for test in self._tests[key]}))
            for row in _keys(self._task, examples)
        ]


def _about_pairs(task: BaseTask, split: Split = "test") -> bool:
    """Whether a task asks about a molecule and a protein."""
    if task.category != "drug-gene":
        return False
    examples = task.examples(split)
    return len(examples) > 0 and bool(content(task, examples[0]).proteins)


def _keys(task: BaseTask, examples: Iterable[Example]) -> Iterator[list[_Key]]:
    """By example, what rules compare."""
    contents = [content(task, example) for example in examples]
    dataset = dataset_of(task)
    known = iter(Keys(dataset, skeletons).of([smiles for row in contents for smiles in row.molecules]))
    reactions = [row.reaction for row in contents if row.reaction is not None]
    texts = iter(Keys(dataset, sides).of([text for r in reactions for text in (r.product, r.reactants)]))
    for row in contents:
        found = [key for _ in row.molecules if (key := next(known)) is not None]
        if row.reaction is not None:
            product, reactants = next(texts), next(texts)
            yield [("product", key) for key in found] + [("reaction", f"{reactants}>>{product}")]
        else:
            yield list(_labelled(row, found))


def _labelled(row: Content, molecules: list[str]) -> Iterator[_Key]:
    yield from (("molecule", key) for key in molecules)
    yield from (("protein", sequence) for sequence in row.proteins)
    yield from (("pair", f"{key} {sequence}") for key in molecules for sequence in row.proteins)
