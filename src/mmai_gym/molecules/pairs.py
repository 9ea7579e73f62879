"""Matched molecular pairs: two molecules that differ at one place, which is what a chemist changes at a time.

Every molecule is cut once at each acyclic single bond that a synthesis could make (Hussain and Rea, 2010); the
larger part is the *core*, the smaller the *substituent*. Molecules that share a core are a pair, found by indexing
cores and not by comparing all molecules with all; a molecule that is a core with hydrogen in the open place
belongs to it too. The two cores are the same canonical text, so atoms at the same place of that text correspond
exactly, stereo included: the pair's map numbers come from there and no search for a common substructure is needed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from rdkit import Chem

from mmai_gym.molecules.alignment import follow
from mmai_gym.molecules.drawing import pair_svg
from mmai_gym.molecules.smiles import canonical, output_order, write
from mmai_gym.molecules.toolkit import Mol, parse

MIN_CORE_FRACTION = 0.6
"""Least share of the heavy atoms that both molecules of a pair must have in common."""

MAX_GROUP = 100
"""Most molecules that are paired over one core: a bare ring shared by thousands says nothing about any of them."""

# Hussain and Rea's cut: a single bond outside rings with at least one end a neutral carbon that has no multiple
# bond to a heteroatom. Amide, ester and nitrile groups stay whole, and can be exchanged as a whole.
CUT = Chem.MolFromSmarts("[#6;+0;!$(*=,#[!#6])]-!@[!#1]")

HYDROGEN = "*[H]"


@dataclass(frozen=True, slots=True)
class Fragmentation:
    """One single cut. `core` and `substituent` are canonical SMILES with `*` where they were joined.

    `core_atoms` are the molecule's atom indices in the order of the core's text, without the `*`.
    """

    core: str
    substituent: str
    core_atoms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MatchedPair:
    """Two molecules with one core; in the SMILES `source` and `target` the core's atoms share map numbers."""

    core: str
    source: str
    target: str
    source_substituent: str
    target_substituent: str

    def _repr_svg_(self) -> str:
        return pair_svg(self.source, self.target)


def fragment(smiles: str, min_core_fraction: float = MIN_CORE_FRACTION) -> list[Fragmentation]:
    """All single cuts whose core holds at least this fraction of the heavy atoms, sorted by (core, substituent).

    A mixture has none. Equivalent bonds give one cut each only if their texts differ.

    Raises:
        InvalidMolecule: `smiles` cannot be read.
    """
    return _cuts(parse(smiles), min_core_fraction)


def _cuts(mol: Mol, min_core_fraction: float) -> list[Fragmentation]:
    if len(Chem.GetMolFrags(mol)) > 1:
        return []
    found: dict[tuple[str, str], Fragmentation] = {}
    needed = min_core_fraction * mol.GetNumHeavyAtoms()
    for begin, end in sorted({(min(match), max(match)) for match in mol.GetSubstructMatches(CUT)}):
        cut = _cut(mol, begin, end, needed)
        if cut is not None:
            found.setdefault((cut.core, cut.substituent), cut)
    return [found[key] for key in sorted(found)]


def _cut(mol: Mol, begin: int, end: int, needed: float) -> Fragmentation | None:
    bond = mol.GetBondBetweenAtoms(begin, end).GetIdx()
    opened = Chem.FragmentOnBonds(mol, [bond], dummyLabels=[(0, 0)])
    atom_count = mol.GetNumAtoms()
    parts = sorted(Chem.GetMolFrags(opened), key=len)
    substituent, core = parts
    heavy = sum(mol.GetAtomWithIdx(index).GetAtomicNum() > 1 for index in core if index < atom_count)
    if heavy < needed:
        return None
    core_text = Chem.MolFragmentToSmiles(opened, core)
    order = [index for index in output_order(opened) if index < atom_count]
    return Fragmentation(core_text, Chem.MolFragmentToSmiles(opened, substituent), tuple(order))


def matched_pairs(
    smiles: Iterable[str], min_core_fraction: float = MIN_CORE_FRACTION, max_group: int = MAX_GROUP
) -> list[MatchedPair]:
    """All pairs of distinct molecules that share a core, each once and over its largest core.

    The order, and which of the two is the source, follow the input: the earlier molecule is the source. Cores of
    more than `max_group` molecules are passed over.

    Raises:
        InvalidMolecule: one of the SMILES cannot be read.
    """
    molecules = {canonical(text): None for text in smiles}
    texts = list(molecules)
    by_core = _index(texts, min_core_fraction)
    best: dict[tuple[int, int], str] = {}
    for core, members in by_core.items():
        if len(members) <= max_group:
            for pair in combinations(sorted(members), 2):
                known = best.get(pair)
                if known is None or _rank(by_core[known][pair[0]]) > _rank(members[pair[0]]):
                    best[pair] = core
    return [_pair(core, texts, pair, by_core[core]) for pair, core in sorted(best.items())]


def _index(texts: list[str], min_core_fraction: float) -> dict[str, dict[int, Fragmentation]]:
    """Core -> molecule number -> its cut. A molecule that is a core with hydrogen at the `*` is there too."""
    by_core: dict[str, dict[int, Fragmentation]] = defaultdict(dict)
    for number, text in enumerate(texts):
        for cut in _cuts(parse(text), min_core_fraction):
            by_core[cut.core].setdefault(number, cut)
    numbers = {text: number for number, text in enumerate(texts)}
    for core, members in by_core.items():
        text, order = _with_hydrogen(core)
        if text in numbers:
            members.setdefault(numbers[text], Fragmentation(core, HYDROGEN, order))
    return by_core


def _with_hydrogen(core: str) -> tuple[str, tuple[int, ...]]:
    """Canonical SMILES of the core with hydrogen for `*`; for each core atom, its place in that text."""
    opened = parse(core)
    for number, atom in enumerate(atom for atom in opened.GetAtoms() if atom.GetAtomicNum()):
        atom.SetIntProp("place", number)
    next(atom for atom in opened.GetAtoms() if not atom.GetAtomicNum()).SetAtomicNum(1)
    closed = Chem.RemoveHs(opened)
    Chem.AssignStereochemistry(closed, cleanIt=True, force=True)
    text = write(closed)
    places = [closed.GetAtomWithIdx(index).GetIntProp("place") for index in output_order(closed)]
    order = sorted(range(len(places)), key=lambda position: places[position])
    return text, tuple(order)


def _rank(cut: Fragmentation) -> tuple[int, str]:
    """Larger cores first, then by text."""
    return -len(cut.core_atoms), cut.core


def _pair(core: str, texts: list[str], pair: tuple[int, int], members: dict[int, Fragmentation]) -> MatchedPair:
    source, target = pair
    return MatchedPair(
        core=core,
        source=_mapped(texts[source], members[source]),
        target=_mapped(texts[target], members[target]),
        source_substituent=members[source].substituent,
        target_substituent=members[target].substituent,
    )


def _mapped(smiles: str, cut: Fragmentation) -> str:
    mol = parse(smiles)
    for number, index in enumerate(cut.core_atoms, start=1):
        mol.GetAtomWithIdx(index).SetAtomMapNum(number)
    return write(mol)


def aligned_pair(pair: MatchedPair, seed: int | None = None) -> tuple[str, str]:
    """(source, target) without maps, the target written in the source's order.

    The source is canonical, or begins at a random atom if a seed is given.

    Raises:
        InvalidMolecule: a side of the pair cannot be read.
    """
    return follow(pair.source, pair.target, seed)
