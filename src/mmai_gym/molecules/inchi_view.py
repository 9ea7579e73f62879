"""InChI and InChIKey: identity as IUPAC defines it, independent of any toolkit's canonical SMILES.

Splits and overlap audits compare molecules by *connectivity*, the first block of the InChIKey: it ignores stereo,
isotopes and protonation, so that a test molecule's enantiomer in a training set is still found.
"""

from __future__ import annotations

from rdkit import Chem
from rdkit.Chem import rdinchi

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules.smiles import write
from mmai_gym.molecules.toolkit import Mol, as_mol, check_text, shown


def inchi(molecule: str | Mol) -> str:
    """Standard InChI.

    Raises:
        InvalidMolecule: the SMILES cannot be read, or the structure has no InChI (a dummy atom, for example).
    """
    mol = as_mol(molecule)
    text, status, message, _, _ = rdinchi.MolToInchi(mol)
    if not text:
        raise InvalidMolecule(f"{shown(write(mol))} has no InChI: {message or f'status {status}'}")
    return text


def from_inchi(text: str) -> str:
    """Canonical SMILES of an InChI.

    Raises:
        InvalidMolecule: not a readable InChI, or one without atoms.
    """
    mol = Chem.MolFromInchi(check_text(text, "InChI"))
    if mol is None or mol.GetNumAtoms() == 0:
        raise InvalidMolecule(f"cannot read the InChI {shown(text)}")
    return write(mol)


def inchikey(molecule: str | Mol) -> str:
    """The 27-character hash of the standard InChI, such as 'LFQSCWFLJHTTHZ-UHFFFAOYSA-N'.

    Raises:
        InvalidMolecule: as `inchi`.
    """
    return rdinchi.InchiToInchiKey(inchi(molecule))


def connectivity(molecule: str | Mol) -> str:
    """The first 14 letters of the InChIKey: the skeleton without stereo, isotopes and charge state.

    Raises:
        InvalidMolecule: as `inchi`.
    """
    return inchikey(molecule)[:14]
