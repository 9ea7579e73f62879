"""InChI and InChIKey: identity as IUPAC defines it, independent of any toolkit's canonical SMILES.

The standard InChI joins what a chemist may keep apart: tautomers by mobile hydrogens, metal complexes by cutting their
bonds to the metal, charges that protons can move. As an identity (`inchi`, `inchikey`) that is what it is for; as a
way to write a molecule down (`to_inchi`) such a molecule is refused, because another one would be read; with its
fixed-hydrogen layer (`to_fixed_inchi`) tautomers stay apart. Splits and
overlap audits compare molecules by *connectivity*, the first block of the InChIKey: it ignores stereo, isotopes and
protonation, so that a test molecule's enantiomer in a training set is still found.
"""

from __future__ import annotations

from rdkit import Chem
from rdkit.Chem import rdinchi

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules.fidelity import require_same
from mmai_gym.molecules.smiles import write
from mmai_gym.molecules.toolkit import Mol, as_mol, check_text, parse, shown


def inchi(molecule: str | Mol) -> str:
    """Standard InChI, as an identity: tautomers may share it.

    Raises:
        InvalidMolecule: the SMILES cannot be read, or the structure has no InChI (a dummy atom, for example).
    """
    return _inchi(as_mol(molecule))


def _inchi(mol: Mol, options: str = "") -> str:
    text, status, message, _, _ = rdinchi.MolToInchi(mol, options)
    if not text:
        raise InvalidMolecule(f"{shown(write(mol))} has no InChI: {message or f'status {status}'}")
    return text


def to_inchi(molecule: str | Mol) -> str:
    """Standard InChI from which this very molecule is read again.

    Raises:
        InvalidMolecule: as `inchi`, or another molecule is read from it (a tautomer, say).
    """
    mol = as_mol(molecule)
    text = inchi(mol)
    require_same(write(mol), _read(text), "InChI")
    return text


def to_fixed_inchi(molecule: str | Mol) -> str:
    """InChI with the fixed-hydrogen layer, which keeps tautomers apart ("InChI=1/...", not standard).

    Raises:
        InvalidMolecule: as `to_inchi`; of metal complexes, for the most part.
    """
    mol = as_mol(molecule)
    text = _inchi(mol, "/FixedH")
    require_same(write(mol), _read(text), "InChI with fixed hydrogens")
    return text


def read_inchi(text: str) -> Mol:
    """The molecule of an InChI.

    Raises:
        InvalidMolecule: not a readable InChI, or one without atoms.
    """
    # By way of its SMILES: RDKit's own reading of an InChI can hold stereo that no text of it has, but its InChIKey
    # (that of the C=N bond in an anion such as CC(C)(C)NC(=O)CS/C(=N\c1ccc(F)cc1)[N-]C#N).
    return parse(write(_read(text)))


def _read(text: str) -> Mol:
    """As RDKit reads it."""
    mol = Chem.MolFromInchi(check_text(text, "InChI"))
    if mol is None or mol.GetNumAtoms() == 0:
        raise InvalidMolecule(f"cannot read the InChI {shown(text)}")
    return mol


def from_inchi(text: str) -> str:
    """Canonical SMILES of an InChI.

    Raises:
        InvalidMolecule: as `read_inchi`.
    """
    return write(_read(text))


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
