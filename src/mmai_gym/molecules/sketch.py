"""A cheap look at a molecule's skeleton, to spare InChIKeys where most molecules differ anyway.

`connectivity` costs about half a millisecond, and comparing data sets asks for it a million times, mostly to learn that
two molecules have nothing in common. What molecules of one connectivity always share can be had in a quarter of the time.
"""

from __future__ import annotations

import hashlib
import re

from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules.toolkit import Mol, parse_partly, shown

_RADIUS = 3
_ENVIRONMENTS = rdFingerprintGenerator.GetMorganGenerator(
    radius=_RADIUS, useBondTypes=False, atomInvariantsGenerator=rdFingerprintGenerator.GetRDKitAtomInvGen()
)
"""By twice the atomic number, one more for aromatic atoms, of which there are none in a Kekulé form."""
_NEVER_CUT = frozenset({5, 6, 7, 8, 9, 14, 15, 16, 17, 34, 35, 53})
"""Elements whose bonds InChI leaves as they are; those of metals it cuts."""
_ORDINARY = re.compile(r"(?:[^\[\]*]++|\[\d*(?:Br|Cl|Si|Se|se|[BCFINOPSbcnops])(?![a-z])[^\]]*\])++")
"""A SMILES of nothing but these elements, without atoms of hydrogen; to ask each atom takes longer than to hash it."""
_CAN_FAIL = (
    Chem.SanitizeFlags.SANITIZE_CLEANUP
    | Chem.SanitizeFlags.SANITIZE_PROPERTIES
    | Chem.SanitizeFlags.SANITIZE_KEKULIZE
)
"""The steps of a sanitization that refuse a molecule and give its Kekulé form. The others find out what a sketch does not
look at, rings and aromaticity, and take most of the time."""


def sketch(molecule: str | Mol) -> str:
    """16 hexadecimal digits that all molecules of the same `connectivity` share, and few others.

    A hash of the environments of the heavy atoms (Morgan, radius 3) by element and neighbours alone, and of the number of
    hydrogens less the charge: the orders of bonds, isotopes and stereo, and at which atom hydrogens and charges are, which
    InChI moves or leaves out of the first block, do not count. Where it adds or removes protons, both numbers change
    alike. Of molecules with a metal the elements are hashed alone, since InChI cuts some of their bonds.

    Raises:
        InvalidMolecule: an unreadable SMILES, or a dummy atom, of which there is no InChI.
    """
    if isinstance(molecule, str):
        mol = parse_partly(molecule, _CAN_FAIL)
        if _ORDINARY.fullmatch(molecule):
            return _digest(_ENVIRONMENTS.GetSparseCountFingerprint(mol).ToBinary(), _protons(mol))
    else:
        mol = molecule
    protons = _protons(mol)
    elements = _elements(mol)
    if 1 in elements:
        mol = Chem.RemoveAllHs(mol, sanitize=False)
        elements = _elements(mol)
    if 0 in elements:
        raise InvalidMolecule(f"{shown(molecule)} has a dummy atom, and no InChI")
    if not elements or not _NEVER_CUT.issuperset(elements):
        return _digest(bytes(sorted(elements)))
    doubled = [2 * element for element in elements]
    seen = _ENVIRONMENTS.GetSparseCountFingerprint(mol, customAtomInvariants=doubled).ToBinary()
    return _digest(seen, protons)


def _protons(mol: Mol) -> int:
    """Hydrogens, atoms or not, less the formal charge."""
    return mol.GetNumAtoms(onlyExplicit=False) - mol.GetNumHeavyAtoms() - Chem.GetFormalCharge(mol)


def _digest(seen: bytes, protons: int = 0) -> str:
    return hashlib.blake2b(b"%d " % protons + seen, digest_size=8).hexdigest()


def _elements(mol: Mol) -> list[int]:
    return [mol.GetAtomWithIdx(i).GetAtomicNum() for i in range(mol.GetNumAtoms())]
