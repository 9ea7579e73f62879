"""Which side each FGBench pair stands on, by the published rule and by molecule.

*Published* (Liu et al. 2025; their `split_qa.py`): among the pairs with one differing group, and again among those with
several, 25 pairs are drawn for the test where there are more than 50, else half of them, rounded down; the draw is the
one of scikit-learn's `train_test_split` with seed 42 over the pairs in file order. All questions about a pair are on its
side. The rule knows no validation part; a tenth of its training pairs, by a hash of their ids, is set aside here. Most
molecules of the test are in training, too, in another pair.

*Clean*: a molecule has a side, a hash of its scaffold decides (`sources.scaffolds`), and a pair whose two molecules are
not on one side is left out. The hash is not of the molecule itself, since similar molecules share a scaffold more often
than not: drawn one by one they would tear most pairs apart.

Both use only pairs whose listed groups explain the whole difference, as the authors did. Whoever derives a split reads
all pairs of a set, so it is kept on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from mmai_gym.contracts import Split
from mmai_gym.molecules import GroupEdit, NoCommonCore, connectivity, group_edit
from mmai_gym.sources import fgbench, kept
from mmai_gym.sources.derived import derived_table
from mmai_gym.sources.fgbench import Pair
from mmai_gym.sources.scaffolds import scaffold_fraction

Protocol = Literal["fgbench", "fgbench-clean"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
Kind = Literal["single", "interaction"]

_VERSION = "2"
_SEED = 42
_MANY, _FEW_TEST = 50, 25
_VALID_ONE_IN = 10
# Of the hash range of scaffolds. A lone benzene ring always trains.
_TRAIN_UP_TO, _VALID_UP_TO = 0.6, 0.7
_STRADDLES = "its molecules are in different parts"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pair stands.

    Attributes:
        kind: how many groups differ: one named group of one molecule, or more.
        published, clean: the part; None where the pair is left out, for the reason in `omitted` or since it straddles.
        omitted: why the pair gives no question under either rule, or ''.
        edit: what turns the target into the reference; None where that is why.
    """

    kind: Kind
    published: Split | None
    clean: Split | None
    omitted: str
    edit: GroupEdit | None

    def part(self, protocol: Protocol) -> Split | None:
        """The part under one of the two rules."""
        return self.published if protocol == "fgbench" else self.clean

    def reason(self, protocol: Protocol) -> str:
        """Why the pair is in no part of a rule, or ''."""
        return self.omitted or ("" if self.part(protocol) else _STRADDLES)


@kept("fgbench")
def places(name: str) -> tuple[Place, ...]:
    """The place of each pair of a set, in the order of `sources.fgbench.pairs`.

    Raises:
        UsageError: unknown set.
        DataError: a file is missing or malformed.
    """
    pairs = fgbench.pairs(name)
    inputs = [
        part
        for pair in pairs
        for part in (pair.id, pair.target, pair.reference, repr((pair.target_groups, pair.reference_groups)))
    ]
    rows = derived_table(f"fgbench-{name}", _VERSION, inputs, lambda: _computed(pairs))
    return tuple(map(_place, rows))


def _place(row: Sequence[Any]) -> Place:
    kind, published, clean, omitted, edit = row
    return Place(kind, published, clean, omitted, GroupEdit.of(*edit) if edit else None)


def _computed(pairs: Sequence[Pair]) -> list[list[Any]]:
    kinds = [_kind(pair) for pair in pairs]
    edits, problems = zip(*map(_edit, pairs), strict=True)
    published = _published(pairs, kinds, problems)
    sides = _sides(pairs)
    return [
        [
            kind,
            None if problem else part,
            None if problem or sides[pair.target] != sides[pair.reference] else sides[pair.target],
            problem,
            edit.fields() if edit else None,
        ]
        for pair, kind, edit, problem, part in zip(pairs, kinds, edits, problems, published, strict=True)
    ]


def _kind(pair: Pair) -> Kind:
    return "single" if len(pair.target_groups) + len(pair.reference_groups) == 1 else "interaction"


def _edit(pair: Pair) -> tuple[GroupEdit | None, str]:
    """What changes, or why nobody can say."""
    try:
        return group_edit(pair.target, pair.reference, pair.target_groups, pair.reference_groups), ""
    except NoCommonCore as error:
        return None, f"its groups do not explain the difference: {error}"


def _published(pairs: Sequence[Pair], kinds: Sequence[Kind], problems: Sequence[str]) -> list[Split]:
    parts: list[Split] = ["valid" if int(pair.id, 16) % _VALID_ONE_IN == 0 else "train" for pair in pairs]
    for kind in get_args(Kind):
        rows = [i for i in range(len(pairs)) if kinds[i] == kind and not problems[i]]
        for position in published_test(len(rows)):
            parts[rows[position]] = "test"
    return parts


def published_test(count: int) -> list[int]:
    """Positions of the test pairs among `count` pairs of one kind, as the published rule draws them."""
    size = _FEW_TEST if count > _MANY else count // 2
    return np.random.RandomState(_SEED).permutation(count)[:size].tolist()


def _sides(pairs: Sequence[Pair]) -> dict[str, Split]:
    """The part of each molecule. Tautomers may differ in their scaffolds; molecules of one connectivity are kept
    together, where the first of their scaffolds falls."""
    molecules = dict.fromkeys(smiles for pair in pairs for smiles in (pair.target, pair.reference))
    skeletons = {smiles: connectivity(smiles) for smiles in molecules}
    fractions: dict[str, float] = {}
    for smiles, skeleton in skeletons.items():
        fractions[skeleton] = min(fractions.get(skeleton, 1.0), scaffold_fraction(smiles))
    return {smiles: _side(fractions[skeleton]) for smiles, skeleton in skeletons.items()}


def _side(fraction: float) -> Split:
    if fraction < _TRAIN_UP_TO:
        return "train"
    return "valid" if fraction < _VALID_UP_TO else "test"
