"""Test molecules stay out of training: which rows a corpus must leave out, and why.

A test set is kept clean of *other* data sets. Inside its own the official split holds, since published numbers were
computed on it; the strict setting takes that away, too. Where a data set is split in several ways (pairs at random, by
cold drug, by cold target), what one split trains on another may test: then, and for every test set of pairs of molecule
and protein, the test rows themselves are protected, and the molecules and sequences that the test set's own training
part has never seen. Labels that a documented rule computes from the structure (`lineage.computed`) cannot be betrayed
by another data set, so their test sets protect nothing. Reactions and molecules with labels do not betray each other.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from mmai_gym import lineage, tasks
from mmai_gym.audit.content import Content, Kind, contents, kind
from mmai_gym.audit.keys import Keys, dataset_name, datasets_of, sides, skeletons
from mmai_gym.contracts import Example, Progress, Split
from mmai_gym.tasks import BaseTask

Rule = Literal["row", "molecule", "protein", "pair", "product", "reaction"]
RULES: Mapping[Rule, str] = {
    "row": "the row itself is a test row under another split of its data set",
    "molecule": "a molecule of the row, on either side of a pair, has the connectivity of a test molecule",
    "protein": "the row has the sequence of a cold test protein",
    "pair": "the row has the molecule and the sequence of a test pair",
    "product": "the row's reaction makes a product of a test reaction, by connectivity; a shared reactant is no reason",
    "reaction": "the row's reaction is a test reaction, by the canonical SMILES of both sides; reagents may be listed "
    "on one of them only",
}
OFFICIAL = frozenset({"tdc-admet"})
"""Data sets whose training part is the protocol itself: where one of their own test sets is among those protected, they
lose rows in the strict setting only."""

_MEMBERS = frozenset({"molecule", "protein", "product"})  # what a row is made of, and may share with others
_LEARNED: tuple[Split, ...] = ("train", "valid")

Reason: TypeAlias = tuple[Rule, str]
"""A rule, and the test set that it protects."""
_Key: TypeAlias = tuple[Rule, str]


@dataclass(frozen=True, slots=True)
class _Identity:
    """What rules compare of one row, or of all rows of a test set: keys, and by product the sets of reactants."""

    keys: frozenset[_Key]
    makings: Mapping[str, tuple[frozenset[str], ...]]


class Exclusions:
    """The test sets of an evaluation, and what the rules protect of them.

    Args:
        tests: names of the tasks whose test sets must stay unseen. Their data are read when a guard is asked for, and
            only if a rule applies.
        strict: protect them from the training rows of their own data set as well.

    Raises:
        UsageError: unknown task, or one whose labels come from an undeclared teacher.
    """

    def __init__(
        self, tests: Iterable[str], rules: Iterable[Rule] = get_args(Rule), *, strict: bool = False
    ) -> None:
        named = [tasks.get(name) for name in tests]
        self._tests = [test for test in named if not lineage.computed(test.teachers)]
        self._official = OFFICIAL & {source for test in named for source in test.sources}
        self._rules = frozenset(rules)
        self._strict = strict
        self._identify = _Identifier()
        self._protected: dict[tuple[str, bool], _Identity] = {}
        self._kinds: dict[str, Kind] = {}
        self._ids: dict[tuple[str, Split], frozenset[str]] = {}

    def guard(self, task: BaseTask, progress: Progress) -> Guard | None:
        """What decides about the training rows of `task`; None where no test set has to be protected from it.

        Raises:
            DataError: the file of a test set is missing.
        """
        rivals = self._rivals(task) if self._rules else []
        for done, (test, cold) in enumerate(rivals):
            if (test.name, cold) not in self._protected:
                progress(done, len(rivals), f"test molecules · {test.name}")
                self._protected[test.name, cold] = self._protect(test, cold)
        if not rivals:
            return None
        protected = {test.name: self._protected[test.name, cold] for test, cold in rivals}
        return Guard(task, self._rules, protected, self._identify)

    def _rivals(self, task: BaseTask) -> list[tuple[BaseTask, bool]]:
        """The tests that must be protected from `task`, each with whether only its cold members are."""
        if datasets_of(task) <= self._official and not self._strict:
            return []
        found: list[tuple[BaseTask, bool]] = []
        for test in self._tests:
            kinds = self._kind(task), self._kind(test)
            own = datasets_of(task) <= datasets_of(test) and not self._strict
            if kinds.count("reaction") != 1 and not (own and not self._split_otherwise(task, test)):
                found.append((test, own or kinds[1] == "pair"))
        return found

    def _split_otherwise(self, task: BaseTask, test: BaseTask) -> bool:
        """Whether a task trains or validates on rows that are test rows of another task over the same data."""
        if task.name == test.name:
            return False
        tested = self._row_ids(test, "test")
        return any(not tested.isdisjoint(self._row_ids(task, split)) for split in _LEARNED)

    def _row_ids(self, task: BaseTask, split: Split) -> frozenset[str]:
        if (task.name, split) not in self._ids:
            self._ids[task.name, split] = frozenset(example.id for example in task.examples(split))
        return self._ids[task.name, split]

    def _kind(self, task: BaseTask) -> Kind:
        """What the rows of a task tell about; those of the test split if it has any, since that is the smaller file."""
        if task.name not in self._kinds:
            self._kinds[task.name] = kind(task, "test") or kind(task, "train") or "molecule"
        return self._kinds[task.name]

    def _protect(self, test: BaseTask, cold: bool) -> _Identity:
        rows = list(self._identify.rows(test, test.examples("test")))
        keys = {key for row in rows for key in row.keys}
        if cold:
            warm = {key for row in self._identify.rows(test, test.examples("train")) for key in row.keys}
            keys -= {key for key in warm if key[0] in _MEMBERS}
        makings: dict[str, tuple[frozenset[str], ...]] = defaultdict(tuple)
        for row in rows:
            for product, reactants in row.makings.items():
                makings[product] += reactants
        return _Identity(frozenset(keys), dict(makings))

    def describe(self) -> dict[str, Any]:
        """What decided, for a manifest: rules, test sets with their versions, and a hash of all that is protected.

        Empty where no guard was needed.
        """
        if not self._protected:
            return {}
        names = {name for name, _ in self._protected}
        digest = hashlib.sha256()
        for (name, _), identity in sorted(self._protected.items()):
            makings = sorted((product, sorted(map(sorted, made))) for product, made in identity.makings.items())
            digest.update(f"{name} {sorted(identity.keys)} {makings}\n".encode())
        return {
            "rules": sorted(self._rules),
            "strict": self._strict,
            "tests": {test.name: test.version for test in self._tests if test.name in names},
            "protected": digest.hexdigest(),
        }


class Guard:
    """Decides about the training rows of one task."""

    def __init__(
        self, task: BaseTask, rules: frozenset[Rule], protected: Mapping[str, _Identity], identify: _Identifier
    ) -> None:
        self._task = task
        self._rules = rules
        self._protected = protected
        self._identify = identify
        self._tests: dict[_Key, list[str]] = defaultdict(list)
        for test, identity in protected.items():
            for key in identity.keys:
                if key[0] in rules:
                    self._tests[key].append(test)

    def reasons(self, examples: Sequence[Example]) -> list[tuple[Reason, ...]]:
        """For each example why it must be left out; () where it may stay."""
        return [tuple(sorted(set(self._against(row)))) for row in self._identify.rows(self._task, examples)]

    def _against(self, row: _Identity) -> Iterator[Reason]:
        for key in row.keys & self._tests.keys():
            yield from ((key[0], test) for test in self._tests[key])
        if "reaction" in self._rules:
            for test, identity in self._protected.items():
                if any(_same(row, identity, product) for product in row.makings.keys() & identity.makings.keys()):
                    yield ("reaction", test)


def _same(row: _Identity, test: _Identity, product: str) -> bool:
    """Whether both make a product from the same reactants, of which one of the two may list more."""
    return any(
        mine <= theirs or mine >= theirs for mine in row.makings[product] for theirs in test.makings[product]
    )


class _Identifier:
    """Rows as the rules compare them."""

    def __init__(self) -> None:
        self._skeletons, self._sides = Keys(skeletons), Keys(sides)

    def rows(self, task: BaseTask, examples: Sequence[Example]) -> Iterator[_Identity]:
        """One identity per example, in order; what cannot be read has no key."""
        every, dataset = contents(task, examples), dataset_name(task)
        molecules = iter(self._skeletons.of(dataset, [text for row in every for text in row.molecules]))
        made = [row for row in every if row.reactants is not None]
        products = iter(self._sides.of(dataset, [".".join(row.molecules) for row in made]))
        reactants = iter(self._sides.of(dataset, [row.reactants or "" for row in made]))
        for example, row in zip(examples, every, strict=True):
            found = [key for _ in row.molecules if (key := next(molecules)) is not None]
            if row.reactants is None:
                yield _Identity(frozenset((("row", example.id), *_labelled(row, found))), {})
                continue
            product, left = next(products), next(reactants)
            makings = {} if product is None or left is None else {product: (frozenset(left.split(".")),)}
            products_made: list[_Key] = [("product", key) for key in found]
            yield _Identity(frozenset((("row", example.id), *products_made)), makings)


def _labelled(row: Content, molecules: Sequence[str]) -> Iterator[_Key]:
    yield from (("molecule", key) for key in molecules)
    yield from (("protein", protein) for protein in row.proteins)
    yield from (("pair", f"{key} {protein}") for key in molecules for protein in row.proteins)
