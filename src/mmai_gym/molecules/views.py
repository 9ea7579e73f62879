"""The views of a molecule: for each its name, how it is written and read, and what it cannot say.

A view is exact where reading gives the very molecule back that was written: the canonical SMILES and the InChIKey are
the same, stereo, isotopes and charges included. A molecule that an exact view cannot carry is refused by name when it
is written. Three views leave stereo out or name no molecule by purpose; they are not exact, and those without a
reader say something about a molecule and no more.

Two values stand between the views: RDKit's molecule for what is drawn flat, and `Conformer` for what stands in space.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from mmai_gym.molecules.conformer import Conformer
from mmai_gym.molecules.coordinate_text import from_conformer_text, from_xyz, to_conformer_text, to_xyz
from mmai_gym.molecules.fidelity import read_smiles
from mmai_gym.molecules.files_3d import from_pdb, from_sdf, to_pdb, to_sdf
from mmai_gym.molecules.formula_view import formula
from mmai_gym.molecules.fragments_view import to_fragments
from mmai_gym.molecules.graph import (
    GraphArrays,
    read_graph_arrays,
    read_graph_text,
    to_graph_arrays,
    to_graph_text,
)
from mmai_gym.molecules.inchi_view import inchikey, read_inchi, to_fixed_inchi, to_inchi
from mmai_gym.molecules.internal import InternalCoordinates, from_internal, to_internal
from mmai_gym.molecules.selfies_view import read_selfies, to_selfies
from mmai_gym.molecules.smiles import flat, kekulized, rooted, write, write_randomized
from mmai_gym.molecules.toolkit import Mol, murcko_scaffold


@dataclass(frozen=True, slots=True)
class View:
    """One way to write a molecule.

    Attributes:
        name: as `convert` takes it.
        dimensions: 2 for a view of the molecular graph, 3 for one of a conformer.
        form: type of the written value.
        write: from RDKit's molecule (2) or a Conformer (3), with the options as keywords.
        read: back to the same; None for a view that does not name one whole molecule.
        exact: reading gives the very molecule back.
        limits: what it cannot say, in words.
        options: keywords of `write`.
    """

    name: str
    dimensions: Literal[2, 3]
    form: type
    write: Callable[..., Any]
    read: Callable[[Any], Any] | None
    exact: bool
    limits: str
    options: tuple[str, ...] = ()


def _randomized(mol: Mol, seed: int = 0) -> str:
    return write_randomized(mol, seed)


def _rooted(mol: Mol, atom: int = 0) -> str:
    return rooted(mol, atom)


def _itself(conformer: Conformer) -> Conformer:
    return conformer


_SMILES_LIMITS = "axes of allenes and atropisomers, relative and racemic stereo groups"
_SPACE_LIMITS = "more than 1,000 atoms, hydrogens without coordinates"

VIEWS: dict[str, View] = {
    view.name: view
    for view in (
        View("smiles", 2, str, write, read_smiles, True, _SMILES_LIMITS),
        View("smiles-randomized", 2, str, _randomized, read_smiles, True, _SMILES_LIMITS, ("seed",)),
        View("smiles-rooted", 2, str, _rooted, read_smiles, True, _SMILES_LIMITS, ("atom",)),
        View("smiles-kekulized", 2, str, kekulized, read_smiles, True, _SMILES_LIMITS),
        View("smiles-flat", 2, str, flat, read_smiles, False, "stereo"),
        View("selfies", 2, str, to_selfies, read_selfies, True, "dative bonds, dummy atoms, valences out of its table"),
        View("inchi", 2, str, to_inchi, read_inchi, True, "tautomers, bonds to metals, dummy atoms"),
        View("inchi-fixed-h", 2, str, to_fixed_inchi, read_inchi, True, "bonds to metals, dummy atoms"),
        View("inchikey", 2, str, inchikey, None, False, "it is a hash: nothing is read from it"),
        View("formula", 2, str, formula, None, False, "bonds, stereo, isotopes"),
        View("fragments", 2, str, to_fragments, read_smiles, True, _SMILES_LIMITS),
        View("scaffold", 2, str, murcko_scaffold, None, False, "side chains, stereo; empty without rings"),
        View("graph", 2, str, to_graph_text, read_graph_text, True, "stereo but of tetrahedra and double bonds"),
        View(
            "graph-arrays", 2, GraphArrays, to_graph_arrays, read_graph_arrays, True,
            "stereo but of tetrahedra and double bonds",
        ),
        View("conformer", 3, str, to_conformer_text, from_conformer_text, True, f"{_SPACE_LIMITS}, the frame"),
        View("conformer-arrays", 3, Conformer, _itself, _itself, True, _SPACE_LIMITS),
        View("xyz", 3, str, to_xyz, from_xyz, True, _SPACE_LIMITS),
        View("sdf", 3, str, to_sdf, from_sdf, True, _SPACE_LIMITS),
        View("pdb", 3, str, to_pdb, from_pdb, True, f"{_SPACE_LIMITS}, dummy atoms"),
        View("internal", 3, InternalCoordinates, to_internal, from_internal, True, f"{_SPACE_LIMITS}, the frame"),
    )
}  # fmt: skip

READABLE: tuple[str, ...] = tuple(name for name, view in VIEWS.items() if view.form is str and view.read)
"""Names of the texts from which a molecule is read."""


def smiles_of(text: str, view: str) -> str | None:
    """SMILES of a molecule written in a view; None for a view that names no whole molecule (a formula, a protein).

    A SMILES is handed back as it stands, unread.

    Raises:
        InvalidMolecule: the text cannot be read.
    """
    if view == "smiles":
        return text
    found = VIEWS.get(view)
    if found is None or found.read is None or found.form is not str:
        return None
    value = found.read(text)
    return value.smiles if isinstance(value, Conformer) else write(value)
