"""From the views that name one whole molecule to SMILES, and back."""

from __future__ import annotations

from collections.abc import Callable

from mmai_gym.molecules.formula_view import formula
from mmai_gym.molecules.graph import from_graph_text, to_graph_text
from mmai_gym.molecules.inchi_view import from_inchi, inchi
from mmai_gym.molecules.selfies_view import from_selfies, to_selfies
from mmai_gym.molecules.smiles import canonical
from mmai_gym.molecules.toolkit import murcko_scaffold

_READERS: dict[str, Callable[[str], str]] = {
    "smiles": str,
    "selfies": from_selfies,
    "inchi": from_inchi,
    "graph": from_graph_text,
}
_WRITERS: dict[str, Callable[[str], str]] = {
    "smiles": canonical,
    "selfies": to_selfies,
    "inchi": inchi,
    "graph": to_graph_text,
    "formula": formula,
    "scaffold": murcko_scaffold,
}
READABLE = tuple(_READERS)


def smiles_of(text: str, view: str) -> str | None:
    """SMILES of a molecule written in a view; None for a view that names no whole molecule (a formula, a protein).

    Raises:
        InvalidMolecule: the text cannot be read.
    """
    return _READERS[view](text) if view in _READERS else None


def text_of(smiles: str, view: str) -> str | None:
    """A molecule written in a view; None for a view that cannot be written from SMILES.

    Raises:
        InvalidMolecule: the SMILES cannot be read, or the view cannot express the molecule.
    """
    return _WRITERS[view](smiles) if view in _WRITERS else None
