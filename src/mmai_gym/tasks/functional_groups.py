"""Functional-group reasoning on the embedded set: detect, count, locate, compare.

Gold answers come from the SMARTS definitions of `molecules.groups`, so this family has an exact ceiling. What makes it
a test of reading a molecule and not of guessing is the choice of questions: absent groups are asked for as often as
they are asked for when present, molecules with several occurrences are preferred when counting, and the three answers
of a comparison are equally frequent.
"""

from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmai_gym.contracts import (
    Choice,
    Count,
    Estimate,
    Example,
    Indices,
    Molecule,
    Property,
    Question,
    Result,
    Split,
    Trace,
    Verdict,
    Words,
    item_seed,
    row_id,
)
from mmai_gym.molecules import FUNCTIONAL_GROUPS, find_groups, parse, randomized
from mmai_gym.reasoning import GROUP_ATOMS, GROUP_COUNT, trace
from mmai_gym.sources import embedded
from mmai_gym.sources.derived import derived_table
from mmai_gym.tasks.base import BaseTask, LazyExamples, judge_choice, judge_count, judge_indices
from mmai_gym.tasks.scoring import choice_metrics, exact_rate, mean_score

Groups = Mapping[str, tuple[tuple[int, ...], ...]]

# Every group is asked about in train before it is asked about in test: rarer ones are left out.
_LEAST_OCCURRENCES = 30


@functools.cache
def _rows(split: Split) -> tuple[tuple[str, str, Groups], ...]:
    """(id, SMILES, groups present) of the embedded molecules of a split that have any group asked about."""
    return tuple(row for row in _found(split) if any(name in row[2] for name in _asked()))


@functools.cache
def _asked() -> tuple[str, ...]:
    """Groups that occur in at least 30 training molecules, in alphabetical order."""
    counts = Counter(name for _, _, found in _found("train") for name in found)
    return tuple(sorted(name for name, count in counts.items() if count >= _LEAST_OCCURRENCES))


@functools.cache
def _found(split: Split) -> tuple[tuple[str, str, Groups], ...]:
    """(id, SMILES, groups present) of all embedded molecules of a split."""
    rows = embedded.molecules(split)
    texts = [row.smiles for row in rows]
    definitions = [f"{group.name} {group.smarts}" for group in FUNCTIONAL_GROUPS.values()]
    groups = derived_table(
        f"embedded-groups-{split}", "1", [*definitions, "", *texts], lambda: [find_groups(text) for text in texts]
    )
    return tuple(
        (row.id, row.smiles, {name: tuple(map(tuple, matches)) for name, matches in found.items()})
        for row, found in zip(rows, groups, strict=True)
    )


class EmbeddedGroups(BaseTask):
    """What the four kinds of question share: one molecule of the embedded set and one group."""

    category = "2d-molecules"
    sources = ("embedded",)
    teachers = ("smarts",)
    headline = "accuracy"
    # Questions per molecule in training and elsewhere: in a row that they share, a question more costs a few tokens.
    per_molecule_in_train = 1
    per_molecule = 1

    @property
    def properties(self) -> tuple[str, ...]:  # type: ignore[override]
        return _asked()

    def examples(self, split: Split) -> Sequence[Example]:
        return LazyExamples(len(_rows(split)) * self._asks(split), functools.partial(self._example, split))

    def _asks(self, split: Split) -> int:
        return self.per_molecule_in_train if split == "train" else self.per_molecule

    def _example(self, split: Split, index: int) -> Example:
        rows = _rows(split)
        row, question = divmod(index, self._asks(split))
        rng = random.Random(item_seed(self.name, self.version, split, 0, index))
        inputs, gold = self.draw(rows, row, rng)
        return Example(row_id(self.name, split, rows[row][0], question), self.name, split, inputs, gold)

    def draw(
        self, rows: Sequence[tuple[str, str, Groups]], row: int, rng: random.Random
    ) -> tuple[dict[str, Any], Any]:
        """Inputs and gold of one example about row `row`."""
        raise TypeError(f"{type(self).__name__} does not say what it asks")

    def answer(self, example: Example) -> str:
        return str(example.gold)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return {"accuracy": exact_rate(results), "score": mean_score(results)}


class DetectGroup(EmbeddedGroups):
    """Does the molecule have this group? As many yes as no, for every group alike."""

    name = "functional-groups/embedded/detect"
    per_molecule_in_train = 6
    per_molecule = 2

    def draw(
        self, rows: Sequence[tuple[str, str, Groups]], row: int, rng: random.Random
    ) -> tuple[dict[str, Any], Any]:
        _, smiles, found = rows[row]
        gold = rng.choice(("yes", "no"))
        group = _present(found, rng)
        if gold == "no":
            # A group that another molecule has: so "no" is asked about the same groups as "yes".
            for _ in range(50):
                group = _present(rows[rng.randrange(len(rows))][2], rng)
                if group not in found:
                    break
            else:
                gold, group = "yes", _present(found, rng)
        return {"smiles": smiles, "group": group}, gold

    def question(self, example: Example) -> Question:
        return (
            Words("Does the molecule have the functional group", "detect"),
            Property(example.inputs["group"]),
            Molecule(example.inputs["smiles"]),
            Choice(("yes", "no")),
        )

    def reason(self, example: Example, context: Any = None) -> Trace:
        matches = find_groups(example.inputs["smiles"]).get(example.inputs["group"], ())
        atoms = [GROUP_ATOMS.step(molecule=0, group=example.inputs["group"], atoms=match) for match in matches]
        return trace(*atoms, GROUP_COUNT.step(molecule=0, group=example.inputs["group"], count=len(matches)))

    def judge(self, example: Example, answer: str) -> Verdict:
        return judge_choice(Choice(("yes", "no")), example.gold, answer)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return choice_metrics(results)


class CountGroup(EmbeddedGroups):
    """How often does the group occur? Where a molecule has a group twice or more, that one is asked for."""

    name = "functional-groups/embedded/count"
    per_molecule_in_train = 2

    def draw(
        self, rows: Sequence[tuple[str, str, Groups]], row: int, rng: random.Random
    ) -> tuple[dict[str, Any], Any]:
        _, smiles, found = rows[row]
        several = [name for name in _asked() if len(found.get(name, ())) > 1]
        group = rng.choice(several) if several and rng.random() < 0.8 else _present(found, rng)
        return {"smiles": smiles, "group": group}, len(found[group])

    def question(self, example: Example) -> Question:
        return (
            Words("How often does the molecule have the functional group", "count"),
            Property(example.inputs["group"]),
            Molecule(example.inputs["smiles"]),
            Count(),
        )

    def reason(self, example: Example, context: Any = None) -> Trace:
        matches = find_groups(example.inputs["smiles"]).get(example.inputs["group"], ())
        return trace(
            *(GROUP_ATOMS.step(molecule=0, group=example.inputs["group"], atoms=match) for match in matches)
        )

    def judge(self, example: Example, answer: str) -> Verdict:
        return judge_count(example.gold, answer)


class LocateGroup(EmbeddedGroups):
    """Which atoms belong to the group? The gold follows the SMILES as written, so it is recomputed, not stored."""

    name = "functional-groups/embedded/locate"
    judge_version = "2"

    def draw(
        self, rows: Sequence[tuple[str, str, Groups]], row: int, rng: random.Random
    ) -> tuple[dict[str, Any], Any]:
        _, smiles, found = rows[row]
        group = _present(found, rng)
        return {"smiles": smiles, "group": group}, _atoms(smiles, group)

    def augment(self, example: Example, seed: int) -> Example:
        smiles = randomized(example.inputs["smiles"], seed)
        group = example.inputs["group"]
        inputs = {"smiles": smiles, "group": group}
        return Example(example.id, example.task, example.split, inputs, _atoms(smiles, group))

    def question(self, example: Example) -> Question:
        return (
            Words("Which atoms of the molecule belong to the functional group", "locate"),
            Property(example.inputs["group"]),
            Molecule(example.inputs["smiles"]),
            Indices(),
        )

    def judge(self, example: Example, answer: str) -> Verdict:
        gold = frozenset(int(atom) for atom in example.gold.split(","))
        return judge_indices(gold, parse(example.inputs["smiles"]).GetNumAtoms(), answer)


class CompareGroup(EmbeddedGroups):
    """Which of two molecules has the group more often? First, second and equal are equally frequent."""

    name = "functional-groups/embedded/compare"
    options = Choice(("first", "second", "equal"))

    def draw(
        self, rows: Sequence[tuple[str, str, Groups]], row: int, rng: random.Random
    ) -> tuple[dict[str, Any], Any]:
        _, smiles, found = rows[row]
        wanted = rng.choice(self.options.options)
        for _ in range(200):
            _, other, others = rows[rng.randrange(len(rows))]
            group = _present(found if rng.random() < 0.5 else others, rng)
            gold = _more(len(found.get(group, ())), len(others.get(group, ())))
            if gold == wanted:
                break
        return {"smiles": smiles, "other": other, "group": group}, gold

    def augment(self, example: Example, seed: int) -> Example:
        inputs = dict(example.inputs)
        inputs |= {key: randomized(inputs[key], seed + i) for i, key in enumerate(("smiles", "other"))}
        return Example(example.id, example.task, example.split, inputs, example.gold)

    def question(self, example: Example) -> Question:
        return (
            Words("Which of the two molecules has more often the functional group", "compare"),
            Property(example.inputs["group"]),
            Molecule(example.inputs["smiles"]),
            Molecule(example.inputs["other"]),
            self.options,
        )

    def reason(self, example: Example, context: Any = None) -> Trace:
        group = example.inputs["group"]
        counts = [len(find_groups(example.inputs[key]).get(group, ())) for key in ("smiles", "other")]
        return trace(*(GROUP_COUNT.step(molecule=i, group=group, count=count) for i, count in enumerate(counts)))

    def judge(self, example: Example, answer: str) -> Verdict:
        return judge_choice(self.options, example.gold, answer)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return choice_metrics(results)


def _present(found: Groups, rng: random.Random) -> str:
    return rng.choice([name for name in _asked() if name in found])


def _atoms(smiles: str, group: str) -> str:
    """All atoms of all occurrences, ascending, as text."""
    return ",".join(map(str, sorted({atom for match in find_groups(smiles)[group] for atom in match})))


def _more(first: int, second: int) -> str:
    return "equal" if first == second else "first" if first > second else "second"


TASKS: tuple[Callable[[], BaseTask], ...] = (DetectGroup, CountGroup, LocateGroup, CompareGroup)
