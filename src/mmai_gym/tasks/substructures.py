"""Parts of a molecule: its scaffold, and fragments that it does or does not contain.

The scaffold is that of Bemis and Murcko (1996), written without stereo. Fragments are what remains of a molecule when its
single bonds outside of rings are cut; those of at least five heavy atoms are asked about. A fragment is contained where its
atoms and bonds map onto part of the molecule, whatever hangs on them. Half of the fragments asked about come from another
molecule and are not contained. Which atoms a fragment covers is asked only where there is one answer.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rdkit import Chem

from mmai_gym.contracts import (
    Choice,
    Estimate,
    Example,
    Indices,
    InvalidMolecule,
    Molecule,
    Question,
    Reason,
    Result,
    Split,
    Structure,
    Verdict,
    Words,
)
from mmai_gym.molecules import Mol, canonical, is_valid, murcko_scaffold, parse, randomized
from mmai_gym.tasks.base import BaseTask, judge_choice, judge_indices
from mmai_gym.tasks.language import LISTS, LanguageTask
from mmai_gym.tasks.scoring import choice_metrics, exact_rate, mean_score

_LEAST_ATOMS = 5
_CUT = Chem.MolFromSmarts("[!#1]-!@[!#1]")


class Scaffold(LanguageTask):
    """The ring systems and what joins them, of a molecule that is more than its scaffold.

    Without its branches a charged ring may be no molecule any more; where the scaffold cannot be read, nothing is asked.
    """

    asks_for = "scaffold"
    form = Structure("fragment", "scaffold")

    def fits(self, smiles: str) -> bool:
        scaffold = murcko_scaffold(smiles)
        branched = scaffold != Chem.MolToSmiles(parse(smiles), isomericSmiles=False)
        return bool(scaffold) and branched and is_valid(scaffold)

    def draw(self, smiles: str, split: Split, rng: random.Random) -> tuple[Mapping[str, Any], Any] | None:
        if not self.fits(smiles):
            return None
        return {"shown": randomized(smiles, rng.getrandbits(32))}, murcko_scaffold(smiles)

    def question(self, example: Example) -> Question:
        words = Words("Write the Bemis-Murcko scaffold of the molecule, as SMILES without stereo.", "translate")
        return (words, Molecule(example.inputs["shown"]), self.form)

    def judge(self, example: Example, answer: str) -> Verdict:
        right = canonical(answer) == canonical(str(example.gold))
        return Verdict(float(right), Reason.CORRECT if right else Reason.WRONG, answer)


class Contains(LanguageTask):
    """Is this fragment part of the molecule?"""

    asks_for = "contains"
    form = Choice(("yes", "no"))

    def fits(self, smiles: str) -> bool:
        return bool(pieces(smiles))

    def draw(self, smiles: str, split: Split, rng: random.Random) -> tuple[Mapping[str, Any], Any] | None:
        own = pieces(smiles)
        if not own:
            return None
        piece, gold = rng.choice(own), "yes"
        if rng.random() < 0.5:
            foreign = self._foreign(parse(smiles), split, rng)
            piece, gold = (foreign, "no") if foreign else (piece, "yes")
        shown = randomized(smiles, rng.getrandbits(32))
        return {"shown": shown, "fragment": randomized(piece, rng.getrandbits(32))}, gold

    def augment(self, example: Example, seed: int) -> Example:
        """The same molecule and fragment in other writings: another fragment might come from a molecule that a corpus has
        to leave out."""
        inputs = dict(example.inputs)
        inputs |= {key: randomized(inputs[key], seed + i) for i, key in enumerate(("shown", "fragment"))}
        return replace(example, inputs=inputs)

    def _foreign(self, mol: Mol, split: Split, rng: random.Random) -> str:
        """A piece of another molecule of the split that this one lacks."""
        rows = self.molecules.rows(split, "")
        for _ in range(20):
            try:
                found = pieces(rows[rng.randrange(len(rows))].smiles)
            except InvalidMolecule:
                continue
            if found and not mol.HasSubstructMatch(_pattern(piece := rng.choice(found))):
                return piece
        return ""

    def question(self, example: Example) -> Question:
        return (
            Words("Is the second molecule, as a fragment, part of the first?", "detect"),
            Molecule(example.inputs["shown"]),
            Molecule(example.inputs["fragment"]),
            self.form,
        )

    def judge(self, example: Example, answer: str) -> Verdict:
        return judge_choice(self.form, example.gold, answer)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return choice_metrics(results)


class LocateFragment(LanguageTask):
    """Which atoms does this fragment cover? Positions in the SMILES as shown."""

    asks_for = "locate"

    def fits(self, smiles: str) -> bool:
        return bool(_once(smiles))

    def draw(self, smiles: str, split: Split, rng: random.Random) -> tuple[Mapping[str, Any], Any] | None:
        found = _once(smiles)
        if not found:
            return None
        piece, shown = rng.choice(found), randomized(smiles, rng.getrandbits(32))
        (atoms,) = parse(shown).GetSubstructMatches(_pattern(piece), uniquify=True)
        gold = ",".join(map(str, sorted(atoms)))
        return {"shown": shown, "fragment": randomized(piece, rng.getrandbits(32))}, gold

    def question(self, example: Example) -> Question:
        return (
            Words("Which atoms of the first molecule does the second cover, as a fragment of it?", "locate"),
            Molecule(example.inputs["shown"]),
            Molecule(example.inputs["fragment"]),
            Indices(),
        )

    def judge(self, example: Example, answer: str) -> Verdict:
        gold = frozenset(map(int, str(example.gold).split(",")))
        return judge_indices(gold, parse(example.inputs["shown"]).GetNumAtoms(), answer)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return {"accuracy": exact_rate(results), "score": mean_score(results)}


@functools.lru_cache(maxsize=8192)
def pieces(smiles: str) -> tuple[str, ...]:
    """The fragments of a molecule of at least five heavy atoms, without stereo, distinct; none where it is one itself."""
    mol = parse(smiles)
    bonds = [mol.GetBondBetweenAtoms(*pair).GetIdx() for pair in mol.GetSubstructMatches(_CUT)]
    if not bonds:
        return ()
    cut = Chem.FragmentOnBonds(mol, bonds, addDummies=False)
    found = [
        Chem.MolToSmiles(part, isomericSmiles=False)
        for part in Chem.GetMolFrags(cut, asMols=True)
        if part.GetNumHeavyAtoms() >= _LEAST_ATOMS
    ]
    return tuple(dict.fromkeys(found))


def _once(smiles: str) -> list[str]:
    """Pieces that cover one set of atoms only, and not all of them."""
    mol = parse(smiles)
    return [piece for piece in pieces(smiles) if len(mol.GetSubstructMatches(_pattern(piece), uniquify=True)) == 1]


def _pattern(piece: str) -> Mol:
    """A fragment as a query: elements, aromaticity and bonds count, hydrogens do not."""
    return parse(piece)


TASKS: tuple[Callable[[], BaseTask], ...] = tuple(
    functools.partial(task, molecules) for molecules in LISTS for task in (Scaffold, Contains, LocateFragment)
)
