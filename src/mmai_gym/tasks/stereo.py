"""Stereo: is the marked centre R or S, is the marked double bond E or Z?

The rules of Cahn, Ingold and Prelog as RDKit's newer algorithm applies them (Hanson et al. 2018). A molecule whose source
leaves a centre open gets one of its configurations, drawn by the item's seed: the question is what is written, not
what exists. Asked about are centres and bonds whose substituents differ in constitution. The atom in question carries
the map number 1 (the other end of a bond 2), which survives any rewriting, whereas a position would have to be
counted first.
"""

from __future__ import annotations

import functools
import random
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rdkit import Chem
from rdkit.Chem import rdCIPLabeler

from mmai_gym.contracts import Choice, Estimate, Example, Molecule, Question, Result, Split, Verdict, Words
from mmai_gym.molecules import Mol, parse, randomized
from mmai_gym.tasks.base import BaseTask, judge_choice
from mmai_gym.tasks.language import LISTS, LanguageTask
from mmai_gym.tasks.scoring import choice_metrics

_SMALLEST_TRANS_RING = 8
_HANDS = (Chem.ChiralType.CHI_TETRAHEDRAL_CW, Chem.ChiralType.CHI_TETRAHEDRAL_CCW)
_SIDES = (Chem.BondStereo.STEREOCIS, Chem.BondStereo.STEREOTRANS)


class Stereo(LanguageTask):
    """One stereo element of a molecule and its label."""

    form: Choice
    words: str
    scarce = True

    def question(self, example: Example) -> Question:
        return (Words(self.words, "stereo"), Molecule(example.inputs["shown"]), self.form)

    def fits(self, smiles: str) -> bool:
        mol = parse(smiles)
        return bool(self.elements(mol, list(Chem.CanonicalRankAtoms(mol, breakTies=False))))

    @abstractmethod
    def elements(self, mol: Mol, ranks: Sequence[int]) -> list[tuple[int, ...]]:
        """Atoms of each element of this kind that is one by constitution alone; `ranks` tell atoms apart by it."""

    def draw(self, smiles: str, split: Split, rng: random.Random) -> tuple[Mapping[str, Any], Any] | None:
        mol = Chem.Mol(parse(smiles))
        elements = self.elements(mol, list(Chem.CanonicalRankAtoms(mol, breakTies=False)))
        if not elements:
            return None
        _configure(mol, rng)
        rdCIPLabeler.AssignCIPLabels(mol)
        atoms = rng.choice(elements)
        label = self.label(mol, atoms)
        if label not in self.form.options:
            return None
        for number, atom in enumerate(atoms, start=1):
            mol.GetAtomWithIdx(atom).SetAtomMapNum(number)
        # Read once more before it is rewritten: RDKit forgets a double bond's side that was only set when atoms move.
        return {"shown": randomized(Chem.MolToSmiles(mol), rng.getrandbits(32))}, label

    @abstractmethod
    def label(self, mol: Mol, atoms: tuple[int, ...]) -> str:
        """The label of an element, '' where it has none."""

    def judge(self, example: Example, answer: str) -> Verdict:
        return judge_choice(self.form, example.gold, answer)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return choice_metrics(results)


class Centre(Stereo):
    """R or S."""

    asks_for = "centre"
    mark = "@"
    form = Choice(("R", "S"))
    words = "Is the stereocentre with the atom map number 1 R or S?"

    def elements(self, mol: Mol, ranks: Sequence[int]) -> list[tuple[int, ...]]:
        return [
            (found.centeredOn,)
            for found in Chem.FindPotentialStereo(mol)
            if found.type == Chem.StereoType.Atom_Tetrahedral
            and _differ([ranks[atom.GetIdx()] for atom in mol.GetAtomWithIdx(found.centeredOn).GetNeighbors()])
        ]

    def label(self, mol: Mol, atoms: tuple[int, ...]) -> str:
        atom = mol.GetAtomWithIdx(atoms[0])
        return atom.GetProp("_CIPCode") if atom.HasProp("_CIPCode") else ""


class DoubleBond(Stereo):
    """E or Z."""

    asks_for = "double-bond"
    share = 0.2
    mark = "/"
    form = Choice(("E", "Z"))
    words = "Is the double bond between the atoms with the map numbers 1 and 2 E or Z?"

    def elements(self, mol: Mol, ranks: Sequence[int]) -> list[tuple[int, ...]]:
        found: list[tuple[int, ...]] = []
        for bond in mol.GetBonds():
            ends = (bond.GetBeginAtom(), bond.GetEndAtom())
            sizes = mol.GetRingInfo().BondRingSizes(bond.GetIdx())
            if bond.GetBondType() != Chem.BondType.DOUBLE or min(sizes, default=99) < _SMALLEST_TRANS_RING:
                continue
            if all(_has_sides(atom, other, ranks) for atom, other in (ends, ends[::-1])):
                found.append((ends[0].GetIdx(), ends[1].GetIdx()))
        return found

    def label(self, mol: Mol, atoms: tuple[int, ...]) -> str:
        bond = mol.GetBondBetweenAtoms(*atoms)
        return bond.GetProp("_CIPCode") if bond.HasProp("_CIPCode") else ""


def _differ(ranks: Sequence[int]) -> bool:
    return len(set(ranks)) == len(ranks)


def _has_sides(atom: Chem.Atom, partner: Chem.Atom, ranks: Sequence[int]) -> bool:
    """Whether an end of a double bond between carbon or nitrogen has two different places (one may be hydrogen's)."""
    others = [ranks[other.GetIdx()] for other in atom.GetNeighbors() if other.GetIdx() != partner.GetIdx()]
    return (
        atom.GetSymbol() in ("C", "N")
        and atom.GetHybridization() == Chem.HybridizationType.SP2
        and bool(others)
        and len(others) + atom.GetTotalNumHs() <= 2
        and atom.GetTotalNumHs() < 2
        and _differ(others)
    )


def _configure(mol: Mol, rng: random.Random) -> None:
    """Give every open centre and double bond one of its two configurations, in place."""
    for found in Chem.FindPotentialStereo(mol):
        if found.specified == Chem.StereoSpecified.Specified:
            continue
        if found.type == Chem.StereoType.Atom_Tetrahedral:
            mol.GetAtomWithIdx(found.centeredOn).SetChiralTag(rng.choice(_HANDS))
        elif found.type == Chem.StereoType.Bond_Double:
            first, _, second, _ = found.controllingAtoms
            if max(first, second) < mol.GetNumAtoms():  # an end with a hydrogen alone has no atom to name
                bond = mol.GetBondWithIdx(found.centeredOn)
                bond.SetStereoAtoms(first, second)
                bond.SetStereo(rng.choice(_SIDES))


TASKS: tuple[Callable[[], BaseTask], ...] = tuple(
    functools.partial(task, molecules) for molecules in LISTS if molecules.stereo for task in (Centre, DoubleBond)
)
