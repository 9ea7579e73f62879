"""Structures of proteins with what is bound to them: chains, ligands, and the pocket around a ligand.

gemmi (Wojdyr, 2022) reads PDB and mmCIF. Of a crystal's several models the first is taken, of alternative positions the
first, and hydrogens are left out, since most structures have none. Coordinates stay in the file's frame, in Å.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.extras import require
from mmai_gym.molecules.protein import Protein
from mmai_gym.molecules.toolkit import shown

if TYPE_CHECKING:
    import gemmi

POCKET_RADIUS = 5.0
"""Å from an atom of the ligand to an atom of the residue, both heavy."""

POCKET_DECIMALS = 2

_COORDINATES = slice(30, 54)
_NUMBER = re.compile(r"\s*-?\d{1,5}(?:\.\d{0,3})?\s*", re.ASCII)
_RESIDUE = re.compile(r"(?P<chain>[^\s:]*):(?P<name>[A-Z0-9]{3})(?P<number>-?\d{1,5}[A-Z]?)", re.ASCII)
_ATOM_NAME = re.compile(r"[A-Z0-9'*\"]{1,4}", re.ASCII)

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Residue:
    """A residue's place and kind: chain 'A', number '52' or '52A', name 'LYS'."""

    chain: str
    number: str
    name: str

    def __str__(self) -> str:
        return f"{self.chain}:{self.name}{self.number}"


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """Something that is neither protein nor water: atom_names, elements: n each; coordinates: (n, 3) in Å."""

    residue: Residue
    atom_names: tuple[str, ...]
    elements: tuple[str, ...]
    coordinates: Points


@dataclass(frozen=True, slots=True, eq=False)
class Pocket:
    """Residues around a ligand with their heavy atoms.

    residues: in the order of the structure. atom_names, elements: n each. residue_index: (n,) int64, the place in
    `residues`. coordinates: (n, 3) float64 in Å, in the frame of the structure.
    """

    residues: tuple[Residue, ...]
    atom_names: tuple[str, ...]
    elements: tuple[str, ...]
    residue_index: npt.NDArray[np.int64]
    coordinates: Points

    def _repr_html_(self) -> str:
        listed = " ".join(str(residue) for residue in self.residues)
        return (
            f"<p>Pocket of {len(self.residues)} residues, {len(self.atom_names)} atoms: <code>{listed}</code></p>"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """The first model of a file, read by `read_structure`."""

    model: gemmi.Model

    @property
    def proteins(self) -> tuple[Protein, ...]:
        """The chains of amino acids that have coordinates, with their residue numbers."""
        chains = ((chain.name, [one for one in _residues(chain) if _is_amino_acid(one)]) for chain in self.model)
        return tuple(
            Protein(name, "".join(map(_letter, found)), tuple(map(_number, found)))
            for name, found in chains
            if found
        )

    @property
    def sites(self) -> tuple[Site, ...]:
        """Ligands, cofactors and ions, in the order of the file."""
        return tuple(
            _site(chain.name, residue)
            for chain in self.model
            for residue in _residues(chain)
            if not _is_amino_acid(residue) and not residue.is_water()
        )

    def site(self, name: str) -> Site:
        """The first site of this residue name, such as 'TQ3'.

        Raises:
            KeyError: there is none; the message lists those that are.
        """
        sites = self.sites
        for site in sites:
            if site.residue.name == name:
                return site
        raise KeyError(f"no site {name}; there are {', '.join(str(site.residue) for site in sites) or 'none'}")


def read_structure(text: str) -> Structure:
    """A structure from the text of a PDB or mmCIF file.

    Raises:
        InvalidMolecule: no atoms, a text in neither format, or a coordinate that is not a number.
        MissingExtra: gemmi is not installed.
    """
    require("gemmi", extra="structures")
    import gemmi

    if not isinstance(text, str) or not text.strip():
        raise InvalidMolecule("the structure file is empty")
    is_cif = text.lstrip().startswith(("data_", "#", "loop_"))
    try:
        if is_cif:
            found = gemmi.make_structure_from_block(gemmi.cif.read_string(text)[0])
        else:
            _check_pdb(text)
            found = gemmi.read_pdb_string(text)
    except (ValueError, RuntimeError, IndexError) as error:
        raise InvalidMolecule(
            f"cannot read the {'mmCIF' if is_cif else 'PDB'} text {shown(text)}: {error}"
        ) from error
    if len(found) == 0 or found[0].count_atom_sites() == 0:
        raise InvalidMolecule(f"the text {shown(text)} holds no atoms of a PDB or mmCIF file")
    for chain in found[0]:
        for residue in chain:
            for atom in residue:
                if not np.isfinite(atom.pos.tolist()).all():
                    raise InvalidMolecule(f"atom {atom.name} of {chain.name}:{residue} has no coordinates")
    return Structure(found[0])


def _check_pdb(text: str) -> None:
    """gemmi takes 0 for a number that it cannot read."""
    for place, line in enumerate(text.splitlines(), start=1):
        if line.startswith(("ATOM", "HETATM")):
            field = line[_COORDINATES]
            numbers = field[:8], field[8:16], field[16:24]
            if not all(map(_NUMBER.fullmatch, numbers)):
                raise ValueError(f"line {place} has the coordinates {field!r}")


def _residues(chain: Any) -> Iterator[Any]:
    """Residues as they stand, of mutated places the first kind."""
    return iter(chain.first_conformer())


def _is_amino_acid(residue: Any) -> bool:
    import gemmi

    return gemmi.find_tabulated_residue(residue.name).is_amino_acid()


def _letter(residue: Any) -> str:
    import gemmi

    letter = gemmi.find_tabulated_residue(residue.name).one_letter_code.upper().strip()
    return letter if len(letter) == 1 and letter.isalpha() else "X"


def _number(residue: Any) -> str:
    return f"{residue.seqid.num}{residue.seqid.icode.strip()}"


def _heavy(residue: Any) -> list[Any]:
    return [atom for atom in residue.first_conformer() if not atom.is_hydrogen()]


def _site(chain: str, residue: Any) -> Site:
    atoms = _heavy(residue)
    return Site(
        Residue(chain, _number(residue), residue.name),
        tuple(atom.name for atom in atoms),
        tuple(atom.element.name for atom in atoms),
        _points(atoms),
    )


def _points(atoms: list[Any]) -> Points:
    return np.array([atom.pos.tolist() for atom in atoms], dtype=np.float64).reshape(-1, 3)


# ---------------------------------------------------------------------------------------------------------- pockets


def cut_pocket(structure: Structure, ligand: Points, radius: float = POCKET_RADIUS) -> Pocket:
    """The amino acids that come within `radius` of a ligand.

    Args:
        ligand: (n, 3) in Å, in the frame of the structure: `Site.coordinates`, or a docked `Conformer.coordinates`.

    Raises:
        InvalidMolecule: coordinates of another shape or that are not numbers, or no residue so near.
    """
    if ligand.ndim != 2 or ligand.shape[1] != 3 or not len(ligand) or not np.isfinite(ligand).all():
        raise InvalidMolecule(f"a ligand needs finite coordinates of shape (n, 3), this has {ligand.shape}")
    residues: list[Residue] = []
    atoms: list[Any] = []
    index: list[int] = []
    for chain in structure.model:
        for residue in _residues(chain):
            heavy = _heavy(residue)
            if not heavy or not _is_amino_acid(residue) or _nearest(_points(heavy), ligand) > radius:
                continue
            index += [len(residues)] * len(heavy)
            residues.append(Residue(chain.name, _number(residue), residue.name))
            atoms += heavy
    if not residues:
        raise InvalidMolecule(
            f"no residue within {radius:g} Å of the ligand: is it in the frame of the structure?"
        )
    return Pocket(
        tuple(residues),
        tuple(atom.name for atom in atoms),
        tuple(atom.element.name for atom in atoms),
        np.array(index, dtype=np.int64),
        _points(atoms),
    )


def _nearest(points: Points, ligand: Points) -> float:
    return float(np.linalg.norm(points[:, None, :] - ligand[None, :, :], axis=-1).min())


def to_pocket_text(pocket: Pocket) -> str:
    """The pocket on one line, `A:LYS745 N 1.20 3.41 -0.57, CA ...; A:MET793 ...`, POCKET_DECIMALS decimals."""
    parts = []
    rounded = (pocket.coordinates.round(POCKET_DECIMALS) + 0.0).tolist()
    for place, residue in enumerate(pocket.residues):
        atoms = ", ".join(
            f"{pocket.atom_names[atom]} " + " ".join(f"{value:.{POCKET_DECIMALS}f}" for value in rounded[atom])
            for atom in np.flatnonzero(pocket.residue_index == place).tolist()
        )
        parts.append(f"{residue} {atoms}")
    return "; ".join(parts)


def from_pocket_text(text: str) -> Pocket:
    """The pocket of such a line. The element of an amino acid's heavy atom is the first letter of its name.

    Raises:
        InvalidMolecule: text out of form.
    """
    residues: list[Residue] = []
    names: list[str] = []
    index: list[int] = []
    rows: list[list[float]] = []
    for part in text.split(";") if isinstance(text, str) else []:
        head, _, atoms = part.strip().partition(" ")
        match = _RESIDUE.fullmatch(head)
        if match is None:
            raise InvalidMolecule(f"{shown(head)} is not a residue such as 'A:LYS745'")
        for atom in atoms.split(","):
            name, *numbers = atom.split() or [""]
            if not _ATOM_NAME.fullmatch(name) or len(numbers) != 3 or not all(map(_NUMBER.fullmatch, numbers)):
                raise InvalidMolecule(f"{shown(atom)} is not an atom such as 'CA 1.20 3.41 -0.57'")
            names.append(name)
            index.append(len(residues))
            rows.append([float(number) for number in numbers])
        residues.append(Residue(match["chain"], match["number"], match["name"]))
    if not residues:
        raise InvalidMolecule(f"{shown(text)} is not the text of a pocket")
    elements = tuple("Se" if name == "SE" else name[0] for name in names)
    points = np.array(rows, dtype=np.float64)
    return Pocket(tuple(residues), tuple(names), elements, np.array(index, dtype=np.int64), points)
