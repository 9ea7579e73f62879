"""Molecules, reactions and grids as SVG text, for reports and pages.

RDKit's drawing module links against system libraries that slim containers lack, so it is imported when the first
picture is asked for, and a missing library is named together with the Debian package that has it. Legends are
drawn as outlines of their letters and never stand in the SVG as text, so one that a model wrote cannot carry
markup into a page. The XML declaration is left out, so that the text can stand inside HTML as it is. A notebook shows
what these functions return as a picture.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from rdkit.Chem import rdChemReactions, rdDepictor

from mmai_gym.contracts import MissingExtra
from mmai_gym.molecules.smiles import unmapped
from mmai_gym.molecules.toolkit import parse

_BOND_LENGTH = 30.0

_DEBIAN_PACKAGES = {
    "libXrender": "libxrender1",
    "libXext": "libxext6",
    "libX11": "libx11-6",
    "libexpat": "libexpat1",
    "libfreetype": "libfreetype6",
    "libfontconfig": "libfontconfig1",
    "libcairo": "libcairo2",
    "libpng": "libpng16-16",
    "libSM": "libsm6",
    "libICE": "libice6",
}
_LIBRARY = re.compile(r"(lib[A-Za-z0-9_+-]+?)[-.\d]*\.so[.\d]*")


class Svg(str):
    """SVG text that a notebook shows as the picture."""

    def _repr_svg_(self) -> str:
        return str(self)


def _drawing() -> ModuleType:
    """RDKit's drawing module.

    Raises:
        MissingExtra: a system library it needs is not installed.
    """
    try:
        from rdkit.Chem.Draw import rdMolDraw2D
    except ImportError as error:
        raise missing_library(error) from error
    return rdMolDraw2D


def missing_library(error: ImportError) -> MissingExtra:
    """The import error of a shared library, told as what to install."""
    match = _LIBRARY.search(str(error))
    if match is None:
        return MissingExtra(f"RDKit's drawing module cannot be loaded: {error}")
    package = _DEBIAN_PACKAGES.get(match[1])
    fix = f"apt-get install {package}" if package else "install the system package that holds it"
    return MissingExtra(f"drawing needs the system library {match[0]}: {fix}")


def molecule_svg(
    smiles: str, highlight_atoms: Sequence[int] = (), size: tuple[int, int] = (300, 220), legend: str = ""
) -> Svg:
    """SVG of one molecule; `highlight_atoms` are 0-based, in the order of the SMILES; `size` in pixels.

    Raises:
        InvalidMolecule: the SMILES cannot be read.
        MissingExtra: a system library is missing.
        IndexError: an atom to highlight does not exist.
    """
    mol = parse(smiles)
    atoms = list(highlight_atoms)
    if any(not 0 <= atom < mol.GetNumAtoms() for atom in atoms):
        raise IndexError(f"{smiles} has atoms 0 to {mol.GetNumAtoms() - 1}; asked to highlight {atoms}")
    module = _drawing()
    drawer = _canvas(module, *size)
    module.PrepareAndDrawMolecule(drawer, mol, legend=_drawable(legend), highlightAtoms=atoms)
    return _finished(drawer)


def grid_svg(
    smiles: Sequence[str], legends: Sequence[str] = (), columns: int = 4, size: tuple[int, int] = (220, 180)
) -> Svg:
    """SVG of several molecules, row by row; `size` of one cell in pixels. `legends`: none, or one each.

    Raises:
        InvalidMolecule: a SMILES cannot be read.
        MissingExtra: a system library is missing.
        ValueError: no molecules, or another number of legends than molecules.
    """
    if not smiles or (legends and len(legends) != len(smiles)):
        raise ValueError(f"{len(smiles)} molecules and {len(legends)} legends do not make a grid")
    mols = [parse(text) for text in smiles]
    module = _drawing()
    width, height = size
    across = min(columns, len(mols))
    down = -(-len(mols) // across)
    drawer = _canvas(module, width * across, height * down, width, height)
    prepared = [module.PrepareMolForDrawing(mol) for mol in mols]
    drawer.DrawMolecules(prepared, legends=[_drawable(text) for text in legends or [""] * len(mols)])
    return _finished(drawer)


def reaction_svg(reactants: str, product: str, size: tuple[int, int] = (700, 220)) -> Svg:
    """SVG of reactants, arrow, product; both sides are dot-separated sets of SMILES, map numbers are not drawn.

    Raises:
        InvalidMolecule: one of the sides cannot be read.
        MissingExtra: a system library is missing.
    """
    reaction = rdChemReactions.ChemicalReaction()
    for side, add in ((reactants, reaction.AddReactantTemplate), (product, reaction.AddProductTemplate)):
        for text in side.split("."):
            add(unmapped(parse(text)))
    module = _drawing()
    drawer = _canvas(module, *size)
    drawer.DrawReaction(reaction)
    return _finished(drawer)


def pair_svg(source: str, target: str, size: tuple[int, int] = (600, 220)) -> Svg:
    """SVG of two mapped molecules side by side, in one orientation, with the atoms highlighted that they do not share.

    Args:
        source, target: SMILES in which the same map number stands for the same atom, as `MatchedPair` has them.
        size: of both together, in pixels.

    Raises:
        InvalidMolecule: one of the two cannot be read.
        MissingExtra: a system library is missing.
    """
    mols = [parse(source), parse(target)]
    places = [
        {number: atom.GetIdx() for atom in mol.GetAtoms() if (number := atom.GetAtomMapNum())} for mol in mols
    ]
    shared = places[0].keys() & places[1].keys()
    changed = [[atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomMapNum() not in shared] for mol in mols]
    drawn = [unmapped(mol) for mol in mols]
    rdDepictor.Compute2DCoords(drawn[0])
    common = [(places[0][number], places[1][number]) for number in sorted(shared)]
    if common:
        rdDepictor.GenerateDepictionMatching2DStructure(drawn[1], drawn[0], common)
    else:
        rdDepictor.Compute2DCoords(drawn[1])
    module = _drawing()
    width, height = size
    drawer = _canvas(module, width, height, width // 2, height)
    drawer.DrawMolecules([module.PrepareMolForDrawing(mol) for mol in drawn], highlightAtoms=changed)
    return _finished(drawer)


def _canvas(module: ModuleType, *size: int) -> Any:
    drawer = module.MolDraw2DSVG(*size)
    drawer.drawOptions().fixedBondLength = _BOND_LENGTH  # at most: ethane must not fill its cell
    return drawer


def _drawable(legend: str) -> str:
    """The legend with a question mark for each character that RDKit's font would silently leave out."""
    return "".join(character if character.isascii() and character.isprintable() else "?" for character in legend)


def _finished(drawer: Any) -> Svg:
    drawer.FinishDrawing()
    return Svg(drawer.GetDrawingText().partition("?>")[2].lstrip())
