"""SDF and PDB: a conformer as a file that modelling and docking tools read, and back.

An SDF record holds atoms, bonds and charges and stands for itself. A PDB file has no bond orders, so a ligand from
elsewhere needs its SMILES beside it, against which its atoms are matched. What the gym writes carries the SMILES in a
data field or in remarks, and is read in that order of atoms again; a record from elsewhere gets the canonical order.
Both keep the coordinates where they are. Neither may leave hydrogens out: a molecule without them is refused, because
where they stand would be invented.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rdkit import Chem, rdBase

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules.conformer import (
    MAX_LIGAND_ATOMS,
    Conformer,
    from_mol,
    shows_its_stereo,
    symbols_of,
    to_mol,
    with_hydrogens,
)
from mmai_gym.molecules.smiles import flat
from mmai_gym.molecules.toolkit import Mol, first_reason, shown

SDF_DECIMALS = 4
PDB_DECIMALS = 3

_REMARK = "REMARK 250 SMILES "
_REMARK_WIDTH = 80 - len(_REMARK)
_FIELD = ">  <SMILES>\n"
_RECORD_END = "$$$$"
_END_LINE = re.compile(r"^\$\$\$\$[^\n]*\n?", re.MULTILINE)
_MAX_FILE_CHARS = 400 * MAX_LIGAND_ATOMS


# ------------------------------------------------------------------------------------------------------------ SDF


def to_sdf(conformer: Conformer, title: str = "") -> str:
    """One SDF record (V2000) with the field SMILES; coordinates in Å with SDF_DECIMALS decimals.

    Raises:
        InvalidMolecule: the conformer's atoms do not fit its SMILES.
    """
    mol = to_mol(conformer)
    mol.SetProp("_Name", " ".join(title.split()))
    return f"{Chem.MolToMolBlock(mol)}{_FIELD}{conformer.smiles}\n\n{_RECORD_END}\n"


def from_sdf(text: str) -> Conformer:
    """The conformer of the first record of an SDF text, or of a mol block. Bonds, charges and isotopes are the file's,
    stereo is that of the coordinates.

    Raises:
        InvalidMolecule: not a mol block, a molecule that RDKit refuses, no coordinates in 3D, hydrogens left out,
            or coordinates that are not numbers.
    """
    record = _checked(text, "SDF").split(_RECORD_END, 1)[0]
    with rdBase.CaptureErrorLog() as log:
        mol = Chem.MolFromMolBlock(record, removeHs=False)
    if mol is None:
        raise InvalidMolecule(f"cannot read the SDF record {shown(record.strip())}: {first_reason(log.messages)}")
    found = from_mol(mol)
    smiles = record.partition(_FIELD)[2].partition("\n")[0].strip()
    return _in_order_of(smiles, mol, found) if smiles else found


def _in_order_of(smiles: str, mol: Mol, found: Conformer) -> Conformer:
    """The atoms as the file has them, if its SMILES has them in this order and says nothing that the file does not."""
    if _skeleton(with_hydrogens(smiles)) != _skeleton(mol) or flat(smiles) != flat(found.smiles):
        return found
    named = Conformer(symbols_of(mol), mol.GetConformer().GetPositions(), smiles)
    return named if shows_its_stereo(named) else found


def _skeleton(mol: Mol) -> tuple[tuple[str, ...], set[frozenset[int]]]:
    bonds = {frozenset((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())) for bond in mol.GetBonds()}
    return symbols_of(mol), bonds


def sdf_records(text: str) -> Iterator[str]:
    """The records of an SDF text one by one, unread: what `convert_all(..., source="sdf")` takes."""
    for record in _END_LINE.split(text):
        if record.strip():
            yield f"{record}{_RECORD_END}\n"


# ------------------------------------------------------------------------------------------------------------ PDB


def to_pdb(conformer: Conformer) -> str:
    """PDB text of a ligand (HETATM, CONECT), its SMILES in remarks, coordinates in Å with PDB_DECIMALS decimals.

    Raises:
        InvalidMolecule: the conformer's atoms do not fit its SMILES.
    """
    smiles = conformer.smiles
    remarks = [_REMARK + smiles[start : start + _REMARK_WIDTH] for start in range(0, len(smiles), _REMARK_WIDTH)]
    return "\n".join(remarks) + "\n" + Chem.MolToPDBBlock(to_mol(conformer))


def from_pdb(text: str, smiles: str = "") -> Conformer:
    """The conformer of a ligand in a PDB text.

    Args:
        text: ATOM or HETATM records of one molecule with its hydrogens.
        smiles: its bond orders and charges; not needed where the text carries a SMILES (see `to_pdb`).

    Raises:
        InvalidMolecule: no atoms, hydrogens left out, no SMILES, or atoms and bonds that do not fit it.
    """
    lines = _checked(text, "PDB").splitlines()
    own = "".join(line.removeprefix(_REMARK).rstrip() for line in lines if line.startswith(_REMARK))
    if not smiles and not own:
        raise InvalidMolecule("a PDB text has no bond orders: give the ligand's SMILES beside it")
    with rdBase.CaptureErrorLog() as log:
        mol = Chem.MolFromPDBBlock(text, removeHs=False, sanitize=False)
    if mol is None or mol.GetNumAtoms() == 0:
        raise InvalidMolecule(
            f"cannot read the PDB text {shown(text)}: {first_reason(log.messages) or 'no atoms'}"
        )
    template = with_hydrogens(smiles or own)
    if template.GetNumAtoms() != mol.GetNumAtoms():
        raise InvalidMolecule(
            f"the file has {mol.GetNumAtoms()} atoms, {shown(smiles or own)} with its hydrogens "
            f"{template.GetNumAtoms()}"
        )
    positions = mol.GetConformer().GetPositions()
    if not smiles and symbols_of(template) == symbols_of(mol):
        return Conformer(symbols_of(mol), positions, own)
    match = _bare(mol).GetSubstructMatch(_bare(template))
    if not match:
        raise InvalidMolecule(f"the atoms and bonds of the file do not fit {shown(smiles or own)}")
    found = Conformer(symbols_of(template), positions[list(match)], smiles or own)
    return from_mol(to_mol(found))


def _bare(mol: Mol) -> Mol:
    """Elements and single bonds, which is all that a PDB text and a SMILES have in common."""
    bare = Chem.RWMol()
    for atom in mol.GetAtoms():
        bare.AddAtom(Chem.Atom(atom.GetAtomicNum()))
    for bond in mol.GetBonds():
        bare.AddBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), Chem.BondType.SINGLE)
    return bare


def _checked(text: object, format_name: str) -> str:
    if not isinstance(text, str):
        raise InvalidMolecule(f"a text in {format_name} format must be a string, this is a {type(text).__name__}")
    if len(text) > _MAX_FILE_CHARS:
        raise InvalidMolecule(
            f"the {format_name} text has {len(text):,} characters, too many for a molecule of at most "
            f"{MAX_LIGAND_ATOMS:,} atoms; proteins are read by `read_structure`"
        )
    return text
