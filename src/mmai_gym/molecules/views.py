"""From the views that name one whole molecule back to SMILES."""

from __future__ import annotations

from collections.abc import Callable

from mmai_gym.molecules.inchi_view import from_inchi
from mmai_gym.molecules.selfies_view import from_selfies

_READERS: dict[str, Callable[[str], str]] = {"smiles": str, "selfies": from_selfies, "inchi": from_inchi}


def smiles_of(text: str, view: str) -> str | None:
    """SMILES of a molecule written in a view; None for a view that names no whole molecule (a formula, a protein).

    Raises:
        InvalidMolecule: the text cannot be read.
    """
    return _READERS[view](text) if view in _READERS else None
