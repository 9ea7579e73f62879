"""What disqualifies a molecule that was asked for as an improvement of another one, whatever its properties.

Each rule shuts a door that a property predictor or a fingerprint leaves open. Similarity of bit fingerprints does not
see how often a pattern repeats, so that a chain of a thousand carbons passes for similar to a short one; a second
molecule, an isotope, a radical or a proton that has moved changes a predicted value without any chemistry behind it; a
row of oxygen atoms raises the polar surface as far as one likes. What the input has itself is no trick.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from rdkit import Chem

from mmai_gym.molecules import heavy_atoms, shared
from mmai_gym.oracles.environments import (
    DOUBLE,
    SINGLE,
    TRIPLE,
    Environment,
    Kind,
    Surroundings,
    bond,
    kind,
    surroundings,
)

SIMILARITY_FLOOR = 0.4
"""Least Tanimoto similarity of a success to its input (Morgan radius 2, 2,048 bits), in tasks that are free to set it."""

SIMILARITY_HIGH = 0.6
"""The stricter similarity that stands beside it."""

LARGEST_VALUED = 250
"""Heavy atoms up to which a trick still gets property values, for the protocols that know no tricks. A larger one would
only keep the oracles busy until the verdict times out, and what has no verdict counts for nobody."""

JUDGE_VERSION = "3"
"""Of the judges that ask here: raised when a rule below changes."""

_ELEMENTS = frozenset({1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 35, 53})
"""H, B, C, N, O, F, Si, P, S, Cl, Br and I: the elements of drugs."""

_ORDINARY = re.compile(r"(?:[^\[*]++|\[C@@?H?\]|\[nH\])*+")
"""A SMILES without charges, isotopes, radicals, atom maps and wildcards: these want brackets, or a star."""

_HALOGENS = (9, 17, 35, 53)
_LINK = "[#7X3,#8X2,#16X2;+0;A]"


_ABSURD = {
    "a peroxide": "[#8X2]-[#8X2]",
    "a row of nitrogen, oxygen or sulfur atoms": f"{_LINK}-{_LINK}-{_LINK}",
    "a halogen on nitrogen, oxygen or sulfide": "[F,Cl,Br,I]~[#7,#8,$([#16X2])]",
    "a polyyne": "C#CC#CC#C",
    "a cumulene": "C=C=C=C",
}
"""Groups that no chemist would put into a molecule, and some move a property a long way."""


def worthless(found: str, target: str) -> bool:
    """Whether the trick `found` in an answer leaves nothing to value."""
    return bool(found) and heavy_atoms(target) > LARGEST_VALUED


def trick(source: str, target: str) -> str:
    """What disqualifies `target` as an improvement of `source`, or ''. Both are canonical SMILES.

    Beside what makes it `unlike` the input: an answer that is merely a stereoisomer of it, or a charged input with its
    proton elsewhere.
    """
    if found := unlike(source, target):
        return found
    answer = _traits(target)
    if target == source or answer.elements != _traits(source).elements:
        return ""
    if _flat(target) == _flat(source):
        return "a stereoisomer of the input"
    if answer.separate_charges and _skeleton(target) == _skeleton(source):
        return "a proton that has moved"
    return ""


def unlike(source: str, target: str) -> str:
    """What makes `target` no molecule of the kind of `source`, or ''. Both are canonical SMILES.

    Asked is one molecule of at most twice the input's heavy atoms and with the input's net charge; without isotopes,
    radicals, atom maps and wildcard atoms; without charges apart from each other, elements foreign to drugs and absurd
    groups that the input lacks.
    """
    if "." in target:
        return "more than one molecule"
    answer, origin = _traits(target), _traits(source)
    if answer.marks:
        return answer.marks
    if answer.heavy_atoms > 2 * origin.heavy_atoms:
        return "more than twice the size of the input"
    if answer.charge != origin.charge:
        return "another net charge than the input"
    if answer.separate_charges > origin.separate_charges:
        return "charges apart from each other that the input lacks"
    if not answer.foreign <= origin.foreign:
        return "an element foreign to drugs"
    for name, count, allowed in zip(_ABSURD, answer.absurd, origin.absurd, strict=True):
        if count > allowed:
            return name
    return ""


@dataclass(frozen=True, slots=True)
class _Traits:
    """What the rules ask of a molecule. `marks`: what it carries that is no chemistry, or ''; `elements`: sorted, as atomic
    numbers, without hydrogen.
    """

    marks: str
    heavy_atoms: int
    elements: bytes
    charge: int
    separate_charges: int
    foreign: frozenset[int]
    absurd: tuple[int, ...]


# One input is asked about with each of its answers.
@functools.lru_cache(maxsize=4096)
def _traits(smiles: str) -> _Traits:
    mol = shared(smiles)
    seen = surroundings(mol)
    special = [] if _ORDINARY.fullmatch(smiles) else list(mol.GetAtoms())
    charged = [atom for atom in special if atom.GetFormalCharge()]
    elements = (
        [atom.GetAtomicNum() for atom in mol.GetAtoms()]
        if seen is None
        else [kind(number).element for number in seen.kinds]
    )
    return _Traits(
        _marks(special),
        mol.GetNumHeavyAtoms(),
        bytes(sorted(element for element in elements if element != 1)),
        sum(atom.GetFormalCharge() for atom in charged),
        sum(map(_stands_alone, charged)),
        frozenset(elements) - _ELEMENTS,
        tuple(_absurd(mol, seen)),
    )


def _absurd(mol: Chem.Mol, seen: Surroundings | None) -> Iterator[int]:
    """How many of each absurd group there are; searched for, which takes the most time of all rules, where it may be."""
    possible = None if seen is None else frozenset().union(*map(_centre_of, set(seen.environments)))
    for name, pattern in zip(_ABSURD, _patterns(), strict=True):
        yield len(mol.GetSubstructMatches(pattern)) if possible is None or name in possible else 0


@functools.lru_cache(maxsize=65_536)
def _centre_of(own: Environment) -> frozenset[str]:
    """The absurd groups that may be around an atom, of which all of them need one like that."""
    number, *codes = own
    atom, bonds = kind(number), [bond(code) for code in codes]
    by_order = {order: [one.other for one in bonds if one.order == order] for order in (SINGLE, DOUBLE, TRIPLE)}
    single, double, triple = by_order.values()
    found = (
        _divalent(atom, 8) and any(_divalent(other, 8) for other in single),
        _is_link(atom) and sum(map(_is_link, single)) > 1,
        atom.element in _HALOGENS and any(_takes_no_halogen(one.other) for one in bonds),
        any(other.element == 6 for other in triple),
        sum(other.element == 6 for other in double) > 1,
    )
    return frozenset(name for name, may_be in zip(_ABSURD, found, strict=True) if may_be)


def _divalent(atom: Kind, element: int) -> bool:
    return atom.element == element and atom.neighbours + atom.hydrogens == 2


def _is_link(atom: Kind) -> bool:
    trivalent = atom.element == 7 and atom.neighbours + atom.hydrogens == 3
    return (trivalent or _divalent(atom, 8) or _divalent(atom, 16)) and not atom.charge and not atom.aromatic


def _takes_no_halogen(atom: Kind) -> bool:
    return atom.element in (7, 8) or _divalent(atom, 16)


def _marks(atoms: list[Chem.Atom]) -> str:
    if any(atom.GetIsotope() for atom in atoms):
        return "isotopes"
    if any(atom.GetNumRadicalElectrons() for atom in atoms):
        return "radicals"
    if any(atom.GetAtomMapNum() or atom.GetAtomicNum() == 0 for atom in atoms):
        return "atom maps or wildcard atoms"
    return ""


def _stands_alone(atom: Chem.Atom) -> bool:
    """Whether a charge is not bound to an opposite one next to it, as those of nitro groups, N-oxides and azides are.

    A cation with a hydrogen is never bound: its proton could go back to where it came from.
    """
    charge = atom.GetFormalCharge()
    if charge > 0 and atom.GetTotalNumHs(includeNeighbors=True):
        return True
    return not any(other.GetFormalCharge() * charge < 0 for other in atom.GetNeighbors())


@functools.cache
def _patterns() -> tuple[Chem.Mol, ...]:
    return tuple(Chem.MolFromSmarts(smarts) for smarts in _ABSURD.values())


@functools.lru_cache(maxsize=4096)
def _flat(smiles: str) -> str:
    """Canonical SMILES without stereo."""
    return Chem.MolToSmiles(shared(smiles), isomericSmiles=False)


@functools.lru_cache(maxsize=4096)
def _skeleton(smiles: str) -> tuple[str, int]:
    """Elements and which of them are bound, whatever the bonds are, and the number of hydrogens."""
    mol = Chem.RWMol(shared(smiles))
    hydrogens = sum(atom.GetTotalNumHs() for atom in mol.GetAtoms())
    for atom in mol.GetAtoms():
        atom.SetFormalCharge(0)
        atom.SetIsAromatic(False)
        atom.SetNumExplicitHs(0)
        atom.SetNoImplicit(True)
        atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    for line in mol.GetBonds():
        line.SetBondType(Chem.BondType.SINGLE)
        line.SetIsAromatic(False)
        line.SetStereo(Chem.BondStereo.STEREONONE)
        line.SetBondDir(Chem.BondDir.NONE)
    return Chem.MolToSmiles(mol), hydrogens
