"""What turns one molecule into a similar one, told in functional groups: these go, these come, here.

Two similar molecules are compared by naming the groups that only one of them has (Liu et al. 2025, with the groups of
AccFG). Such a list says what differs but not where the other groups belong. Both molecules are therefore cut down to
what they share: each listed group is removed; where a group stood between two atoms, these are joined, elsewhere
hydrogen takes its place. If the two remainders are the same graph, atoms of one are atoms of the other, and the groups
to be added can be given with the atoms of the first molecule that they bond to. If they are not, the list explains the
difference wrongly or in part, and there is no edit to tell.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from rdkit import Chem, rdBase

from mmai_gym.contracts import GymError
from mmai_gym.molecules.smiles import output_order
from mmai_gym.molecules.toolkit import Mol, parse

Atoms = tuple[int, ...]
GroupList = Sequence[tuple[str, Sequence[Atoms]]]
"""Names of groups, and the atoms of each occurrence."""

# A remainder of one bond or less is no molecule to modify: any two molecules share that much.
_LEAST_BONDS = 2
_PLACE = re.compile(r"\[\*:(\d+)\]")


class NoCommonCore(GymError):
    """The listed groups are not all that two molecules differ in; the message says how that was seen."""


@dataclass(frozen=True, slots=True)
class Addition:
    """Atoms that come.

    Attributes:
        verb: "insert" where they come between two atoms that were bonded, else "add".
        groups: names of the groups they belong to.
        fragment: as SMILES; `[*:n]` stands for atom n (0-based) of the molecule that is modified. Without one the
            fragment is a molecule of its own.
    """

    verb: Literal["add", "insert"]
    groups: tuple[str, ...]
    fragment: str


@dataclass(frozen=True, slots=True)
class GroupEdit:
    """What goes (name and atoms of each occurrence, in the numbering of the SMILES as written) and what comes."""

    removed: tuple[tuple[str, Atoms], ...]
    added: tuple[Addition, ...]

    @classmethod
    def of(cls, removed: Sequence[Sequence[Any]], added: Sequence[Sequence[Any]]) -> GroupEdit:
        """From the fields as lists, as a JSON file holds them."""
        return cls(
            tuple((name, tuple(atoms)) for name, atoms in removed),
            tuple(Addition(verb, tuple(groups), fragment) for verb, groups, fragment in added),
        )

    def fields(self) -> tuple[list[Any], list[Any]]:
        """What `of` takes."""
        return list(self.removed), [(part.verb, part.groups, part.fragment) for part in self.added]

    def text(self) -> str:
        """The edit on one line, e.g. `remove Ether at 3; add Benzene [*:1]c1ccccc1`."""
        parts = [f"remove {name} at {','.join(map(str, atoms))}" for name, atoms in self.removed]
        parts += [f"{part.verb} {' + '.join(part.groups)} {part.fragment}" for part in self.added]
        return "; ".join(parts)

    def renumbered(self, places: Sequence[int]) -> GroupEdit:
        """The same edit after the molecule was written anew; `places[i]` is where atom i stands now."""

        def moved(match: re.Match[str]) -> str:
            return f"[*:{places[int(match[1])]}]"

        return GroupEdit(
            tuple((name, tuple(places[atom] for atom in atoms)) for name, atoms in self.removed),
            tuple(replace(part, fragment=_PLACE.sub(moved, part.fragment)) for part in self.added),
        )


def group_edit(before: str, after: str, going: GroupList, coming: GroupList) -> GroupEdit:
    """The edit that turns `before` into `after`.

    Args:
        before, after: SMILES.
        going: groups that only `before` has, with its atoms.
        coming: groups that only `after` has, with its atoms.

    Raises:
        InvalidMolecule: a SMILES cannot be read.
        NoCommonCore: without these groups the two are not the same graph of at least two bonds.
    """
    first, second = _Remainder(_whole(before), going), _Remainder(_whole(after), coming)
    if first.smiles != second.smiles:
        raise NoCommonCore("the remainders differ")
    if first.mol.GetNumBonds() < _LEAST_BONDS:
        raise NoCommonCore("the remainder is too small")
    # Equal canonical SMILES list corresponding atoms in the same order.
    places = dict(zip(second.written, first.written, strict=True))
    removed = tuple((name, tuple(atoms)) for name, occurrences in going for atoms in occurrences)
    return GroupEdit(removed, tuple(_additions(second, coming, places)))


@functools.lru_cache(maxsize=2048)
def _whole(smiles: str) -> Mol:
    """`parse`, kept, since a molecule is compared with many others; it must not be changed."""
    return parse(smiles)


class _Remainder:
    """A molecule without the listed groups.

    Attributes:
        gone: atoms that were removed.
        joined: pairs of atoms that a removal has bonded to each other.
        smiles: canonical, without stereochemistry, since a centre may have lost its fourth neighbour.
        written: atoms of the whole molecule in the order of `smiles`.
    """

    def __init__(self, whole: Mol, groups: GroupList) -> None:
        self.whole = whole
        self.gone: set[int] = set()
        self.joined: set[frozenset[int]] = set()
        editable = Chem.RWMol(whole)
        last = max((atom for _, occurrences in groups for atoms in occurrences for atom in atoms), default=-1)
        if last >= whole.GetNumAtoms():
            raise NoCommonCore(f"a group has atom {last}, which the molecule lacks")
        for _, occurrences in groups:
            for atoms in occurrences:
                self._detach(editable, set(atoms) - self.gone)
        kept = [atom for atom in range(whole.GetNumAtoms()) if atom not in self.gone]
        editable.BeginBatchEdit()
        for atom in self.gone:
            editable.RemoveAtom(atom)
        editable.CommitBatchEdit()
        self.mol = editable.GetMol()
        try:
            with rdBase.BlockLogs():
                Chem.SanitizeMol(self.mol)
        except Chem.MolSanitizeException as error:
            raise NoCommonCore("a remainder is not a molecule") from error
        self.smiles = Chem.MolToSmiles(self.mol, isomericSmiles=False)
        self.written = [kept[atom] for atom in output_order(self.mol)] if kept else []

    def _detach(self, editable: Chem.RWMol, atoms: set[int]) -> None:
        outer = [
            neighbour.GetIdx()
            for atom in sorted(atoms)
            for neighbour in editable.GetAtomWithIdx(atom).GetNeighbors()
            if neighbour.GetIdx() not in atoms and neighbour.GetIdx() not in self.gone
        ]
        ends = sorted(set(outer))
        if len(ends) == 2 and editable.GetBondBetweenAtoms(ends[0], ends[1]) is None:
            editable.AddBond(ends[0], ends[1], Chem.BondType.SINGLE)
            self.joined.add(frozenset(ends))
        else:
            for end in outer:
                atom = editable.GetAtomWithIdx(end)
                atom.SetNumExplicitHs(atom.GetNumExplicitHs() + 1)
        self.gone |= atoms


def _additions(after: _Remainder, coming: GroupList, places: Mapping[int, int]) -> Iterable[Addition]:
    for piece in _pieces(after.whole, after.gone):
        ends = {
            neighbour.GetIdx()
            for atom in piece
            for neighbour in after.whole.GetAtomWithIdx(atom).GetNeighbors()
            if neighbour.GetIdx() not in after.gone
        }
        groups = tuple(name for name, occurrences in coming if any(piece & set(atoms) for atoms in occurrences))
        yield Addition(
            "insert" if frozenset(ends) in after.joined else "add",
            groups,
            _fragment(after.whole, piece, {end: places[end] for end in ends}),
        )


def _pieces(mol: Mol, atoms: set[int]) -> list[set[int]]:
    """`atoms` by what is bonded, each piece once, in the order of its first atom."""
    left, pieces = set(atoms), []
    while left:
        piece: set[int] = set()
        reached = {min(left)}
        while reached:
            piece |= reached
            reached = {
                neighbour.GetIdx() for atom in reached for neighbour in mol.GetAtomWithIdx(atom).GetNeighbors()
            } & (left - piece)
        left -= piece
        pieces.append(piece)
    return pieces


def _fragment(mol: Mol, piece: set[int], places: Mapping[int, int]) -> str:
    """SMILES of a piece, with `[*:n]` for each atom it bonds to."""
    copy = Chem.RWMol(mol)
    for end in places:
        # A map number of 0 would not be written, so the numbers are one too high until they are text.
        stand_in = Chem.Atom(0)
        stand_in.SetAtomMapNum(places[end] + 1)
        copy.ReplaceAtom(end, stand_in, preserveProps=False)
    bonds = [
        bond.GetIdx()
        for bond in copy.GetBonds()
        if (bond.GetBeginAtomIdx() in piece or bond.GetEndAtomIdx() in piece)
    ]
    text = Chem.MolFragmentToSmiles(copy, atomsToUse=[*piece, *places], bondsToUse=bonds)
    return _PLACE.sub(lambda match: f"[*:{int(match[1]) - 1}]", text)
