"""Does a molecule come back from its views? Each one is written and read, and what was read is compared.

`write` refuses by itself what a view cannot express. Here nothing is taken on trust: canonical SMILES and InChIKey of
what was read are held against those of the molecule, for the exact views; a view without stereo is compared without it;
of a view that only says something about a molecule, the same must be said about the canonical spelling.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules.fidelity import read_smiles, settled
from mmai_gym.molecules.inchi_view import inchikey
from mmai_gym.molecules.smiles import flat, write
from mmai_gym.molecules.toolkit import Mol, parse
from mmai_gym.molecules.views import VIEWS, View

FLAT_VIEWS: tuple[str, ...] = tuple(name for name, view in VIEWS.items() if view.dimensions == 2)


@dataclass(frozen=True, slots=True)
class Finding:
    """A molecule that did not come through a view: refused by name when written, or changed without a word."""

    view: str
    kind: Literal["refused", "changed"]
    reason: str


def round_trips(smiles: str, views: Iterable[str] = FLAT_VIEWS) -> tuple[Finding, ...]:
    """What became of a molecule in each view; nothing where it came back as it was.

    Raises:
        InvalidMolecule: the SMILES cannot be read.
    """
    mol = read_smiles(smiles)
    before = _Identity.of(mol)
    found = (_round_trip(mol, before, VIEWS[name]) for name in views)
    return tuple(finding for finding in found if finding is not None)


@dataclass(frozen=True, slots=True)
class _Identity:
    smiles: str
    inchikey: str

    @classmethod
    def of(cls, mol: Mol) -> _Identity:
        try:
            key = inchikey(mol)
        except InvalidMolecule:  # a dummy atom, for example: nothing to compare, then
            key = ""
        return cls(write(mol), key)

    def difference(self, other: _Identity) -> str:
        if self.smiles != other.smiles and settled(self.smiles) != settled(other.smiles):
            return f"{self.smiles} became {other.smiles}"
        if self.inchikey != other.inchikey:
            return f"{self.smiles} with InChIKey {self.inchikey} became {other.smiles} with {other.inchikey}"
        return ""


def _round_trip(mol: Mol, before: _Identity, view: View) -> Finding | None:
    try:
        value = view.write(mol)
    except InvalidMolecule as error:
        return Finding(view.name, "refused", str(error))
    if view.read is None:
        again = view.write(parse(before.smiles))
        change = "" if again == value else f"{value} of {before.smiles} became {again}"
    else:
        try:
            back = view.read(value)
        except InvalidMolecule as error:
            return Finding(view.name, "changed", f"{before.smiles} cannot be read again: {error}")
        change = before.difference(_Identity.of(back)) if view.exact else _flat_difference(mol, back)
    return Finding(view.name, "changed", change) if change else None


def _flat_difference(mol: Mol, back: Mol) -> str:
    before, after = settled(flat(mol)), settled(write(back))
    return "" if before == after else f"{before} became {after}"
