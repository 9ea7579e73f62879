"""Molecular formula in Hill order: carbon, hydrogen, then the other elements by alphabet, charge last."""

from __future__ import annotations

import re
from collections import Counter

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules.toolkit import Mol, as_mol, shown

_ELEMENTS = frozenset(Chem.GetPeriodicTable().GetElementSymbol(number) for number in range(1, 119)) | {"*"}
_FORMULA = re.compile(r"(?P<atoms>(?:(?:[A-Z][a-z]?|\*)\d{0,6})+)(?:[+-]\d{0,6})?")
_TERM = re.compile(r"([A-Z][a-z]?|\*)(\d*)")


def formula(molecule: str | Mol) -> str:
    """Hill formula of a molecule or a whole set, such as 'C9H8O4' or 'C2H3O2-'.

    Isotopes count as their element.

    Raises:
        InvalidMolecule: a SMILES that cannot be read.
    """
    return rdMolDescriptors.CalcMolFormula(as_mol(molecule))


def parse_formula(text: str) -> dict[str, int]:
    """Atoms of each element in a formula, in the order written; the charge is not part of the count.

    Raises:
        InvalidMolecule: not a row of element symbols with counts.
    """
    match = _FORMULA.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise InvalidMolecule(f"{shown(text)} is not a molecular formula")
    counts: Counter[str] = Counter()
    for symbol, count in _TERM.findall(match["atoms"]):
        if symbol not in _ELEMENTS:
            raise InvalidMolecule(f"{shown(text)} is not a molecular formula: no element {symbol!r}")
        counts[symbol] += int(count or 1)
    return dict(counts)
