"""A cheap look at a molecule's skeleton, to spare InChIKeys where most molecules differ anyway.

`connectivity` costs about half a millisecond, and comparing data sets asks for it a million times, mostly to learn that
two molecules have nothing in common. What molecules of one connectivity always share can be had in a third of the time.
"""

from __future__ import annotations

import hashlib

from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules.toolkit import Mol, as_mol, shown

_RADIUS = 3
_ENVIRONMENTS = rdFingerprintGenerator.GetMorganGenerator(radius=_RADIUS, useBondTypes=False)
_NEVER_CUT = frozenset({5, 6, 7, 8, 9, 14, 15, 16, 17, 34, 35, 53})
"""Elements whose bonds InChI leaves as they are; those of metals it cuts."""


def sketch(molecule: str | Mol) -> str:
    """16 hexadecimal digits that all molecules of the same `connectivity` share, and few others.

    A hash of the environments of the heavy atoms (Morgan, radius 3) by element and neighbours alone: the orders of
    bonds, hydrogens, charges, isotopes and stereo, which InChI moves or leaves out of the first block, do not count. Of
    molecules with a metal the elements are hashed alone, since InChI cuts some of their bonds.

    Raises:
        InvalidMolecule: an unreadable SMILES, or a dummy atom, of which there is no InChI.
    """
    mol = as_mol(molecule)
    elements = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    if 1 in elements:
        mol = Chem.RemoveAllHs(mol, sanitize=False)
        elements = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    if 0 in elements:
        raise InvalidMolecule(f"{shown(molecule)} has a dummy atom, and no InChI")
    if _NEVER_CUT.issuperset(elements) and elements:
        counted = _ENVIRONMENTS.GetSparseCountFingerprint(mol, customAtomInvariants=elements).GetNonzeroElements()
        seen = str(sorted(counted.items()))
    else:
        seen = str(sorted(elements))
    return hashlib.blake2b(seen.encode(), digest_size=8).hexdigest()
