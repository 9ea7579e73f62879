"""What makes a view exact: stereo that no text carries is refused by name, and a doubtful text is read back.

RDKit drops some stereo without a word: that of allenes and cumulenes when a SMILES is read, the axis of an
atropisomer and groups of relative stereo when one is written. A molecule that lost them would be another one, so
both are looked for here. Other views (InChI, SELFIES, fragments) cannot carry every molecule; they are read again
after they were written, and `require_same` compares.
"""

from __future__ import annotations

import re

from rdkit import Chem

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules.smiles import write
from mmai_gym.molecules.toolkit import Mol, parse, shown

# A chiral mark on an atom without hydrogens: cheap to look for, and every marked allene has one.
_MARKED = re.compile(r"@(?:AL[12])?(?::\d+)?\]")
_ALLENE = Chem.MolFromSmarts("*=[#6D2]=*")
_BUTATRIENE = Chem.MolFromSmarts("*=[#6D2]=[#6D2]=*")
_AXIAL = frozenset({Chem.BondStereo.STEREOATROPCW, Chem.BondStereo.STEREOATROPCCW})
_ROUNDS = 4


def read_smiles(text: str) -> Mol:
    """The molecule that a SMILES describes, as `parse` reads it, with nothing dropped.

    Raises:
        InvalidMolecule: as `parse`, or the text gives an allene or a butatriene stereo, which RDKit would leave out.
    """
    mol = parse(text)
    if _MARKED.search(text) and mol.HasSubstructMatch(_ALLENE):
        raw = Chem.MolFromSmiles(text, sanitize=False)
        for _, centre, _ in raw.GetSubstructMatches(_ALLENE):
            if raw.GetAtomWithIdx(centre).GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED:
                raise InvalidMolecule(f"{shown(text)} marks the axis of an allene: RDKit has no such stereo")
    if ("/" in text or "\\" in text) and mol.HasSubstructMatch(_BUTATRIENE):
        raw = Chem.MolFromSmiles(text, sanitize=False)
        for first, _, _, last in raw.GetSubstructMatches(_BUTATRIENE):
            if _directed(raw.GetAtomWithIdx(first)) and _directed(raw.GetAtomWithIdx(last)):
                raise InvalidMolecule(f"{shown(text)} marks a butatriene cis or trans: RDKit has no such stereo")
    return mol


def _directed(atom: Chem.Atom) -> bool:
    return any(bond.GetBondDir() != Chem.BondDir.NONE for bond in atom.GetBonds())


def plain(mol: Mol) -> Mol:
    """The molecule as a SMILES would give it: hydrogens counted on their atoms, without what SMILES cannot say.

    Raises:
        InvalidMolecule: no atoms, an atropisomer's axis, or groups of relative or racemic stereo.
    """
    if mol.GetNumAtoms() == 0:
        raise InvalidMolecule("the molecule has no atoms")
    if any(bond.GetStereo() in _AXIAL for bond in mol.GetBonds()):
        raise InvalidMolecule(
            f"{shown(write(mol))} is an atropisomer: no text here carries the stereo of its axis"
        )
    if any(group.GetGroupType() != Chem.StereoGroupType.STEREO_ABSOLUTE for group in mol.GetStereoGroups()):
        raise InvalidMolecule(
            f"{shown(write(mol))} has relative or racemic stereo groups: no text here carries them"
        )
    return Chem.RemoveHs(mol) if any(atom.GetAtomicNum() == 1 for atom in mol.GetAtoms()) else mol


def settled(text: str) -> str:
    """Canonical SMILES, read and written until it no longer changes.

    One reading is not always enough: ring stereo is ranked anew by the order of the text.
    """
    for _ in range(_ROUNDS):
        again = write(parse(text))
        if again == text:
            break
        text = again
    return text


def require_same(text: str, back: Mol, view: str) -> None:
    """Check what a view gave back against the canonical SMILES that went in.

    Raises:
        InvalidMolecule: they are different molecules; the message names the view and what it made of this one.
    """
    found = write(back)
    if found != text and settled(found) != settled(text):
        raise InvalidMolecule(f"{view} cannot represent {shown(text)}: it reads back as {shown(found)}")
