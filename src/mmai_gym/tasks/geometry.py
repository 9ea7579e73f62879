"""A molecule in three dimensions: how far apart, which hand, which molecule, and a geometry of one's own.

The EGFR ligands of the embedded set come with coordinates, and three tasks ask what those say: the distance of two atoms,
the hand of a stereocentre, and the molecule that atoms in space are, in every flat view. What the SMILES in front of the
coordinates would give away is left out: stereo where a hand is asked for, all of it where the molecule is.

A geometry that is written must first be one of the molecule: its stereo shown by the coordinates, all distances within a
third of what distance geometry allows, and nothing that PoseBusters objects to (Buttenschoen et al. 2024). Then it shall
be near, with an RMSD of the heavy atoms to the nearest of ten ETKDGv3 conformers (Wang et al. 2020) of at most 0.5 Å, the
cutoff of Xu et al. (2021) for small molecules; and relaxed, at most 10 kcal/mol of MMFF94 energy above the minimum that it
relaxes into. Beyond either the score falls off exponentially.
"""

from __future__ import annotations

import functools
import math
import random
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from mmai_gym import stats
from mmai_gym.contracts import (
    SPLITS,
    Choice,
    Estimate,
    Example,
    MissingExtra,
    Molecule,
    Number,
    Question,
    Reason,
    Result,
    Split,
    Structure,
    Verdict,
    Words,
    item_seed,
    row_id,
)
from mmai_gym.molecules import (
    Conformer,
    best_rmsd,
    canonical,
    chirality,
    distances,
    embed,
    from_conformer_text,
    geometry_report,
    parse,
    perceived_smiles,
    randomized,
    strain_energy,
    to_conformer_text,
    to_mol,
)
from mmai_gym.sources import embedded
from mmai_gym.tasks.base import BaseTask, LazyExamples, judge_choice, judge_number
from mmai_gym.tasks.language import EMBEDDED, LISTS, LanguageTask
from mmai_gym.tasks.measurement import Scales, covering_grid
from mmai_gym.tasks.scoring import (
    choice_metrics,
    decided,
    exact_rate,
    mean_score,
    structure_metrics,
    value_metrics,
)
from mmai_gym.tasks.view_translation import FLAT_VIEWS, accuracy_by, judge_text, written

CONFORMERS = 10
NEAR, RELAXED = 0.5, 10.0
"""Å of RMSD, and kcal/mol of strain, up to which nothing is taken off."""

Ligand = embedded.EmbeddedConformer


@functools.cache
def _ligands() -> Mapping[str, Ligand]:
    return {row.id: row for row in embedded.conformers()}


class InSpace(BaseTask):
    """A question about the coordinates of an EGFR ligand; a member of the family says which (`draw`)."""

    category = "3d-molecules"
    sources = ("embedded",)
    teachers: tuple[str, ...] = ("structure",)
    headline = "accuracy"
    per_molecule = 1

    @abstractmethod
    def draw(self, conformer: Conformer, rng: random.Random) -> tuple[Mapping[str, Any], Any]:
        """Inputs (beside `ligand` and `smiles`) and gold of one question about a geometry that fits."""

    def fits(self, conformer: Conformer) -> bool:
        """Whether anything can be asked about a geometry."""
        return True

    @functools.cached_property
    def _rows(self) -> Mapping[Split, Sequence[Ligand]]:
        return {
            split: [row for row in embedded.conformers(split) if self.fits(_conformer(row))] for split in SPLITS
        }

    def sizes(self) -> dict[str, int]:
        return {split: len(rows) * self.per_molecule for split, rows in self._rows.items()}

    def examples(self, split: Split) -> Sequence[Example]:
        return LazyExamples(self.sizes()[split], functools.partial(self._example, split))

    def _example(self, split: Split, index: int) -> Example:
        row, question = divmod(index, self.per_molecule)
        ligand = self._rows[split][row]
        id_ = row_id(self.name, ligand.id, question)
        seed = item_seed(self.name, self.version, split, 0, index)
        return self.augment(Example(id_, self.name, split, {"ligand": ligand.id}, None), seed)

    def augment(self, example: Example, seed: int) -> Example:
        """Another question of the same kind about the same geometry."""
        ligand = _ligands()[example.inputs["ligand"]]
        drawn, gold = self.draw(_conformer(ligand), random.Random(seed))
        return replace(example, inputs={"ligand": ligand.id, "smiles": ligand.smiles, **drawn}, gold=gold)

    def answer(self, example: Example) -> str:
        return str(example.gold)


def _conformer(ligand: Ligand) -> Conformer:
    return Conformer(ligand.symbols, ligand.coordinates, ligand.smiles)


class Distance(InSpace):
    """How far apart are two heavy atoms, in angstrom?"""

    name = "geometry/embedded/distance"
    headline = "mae"
    readout = "median"
    per_molecule = 3

    def draw(self, conformer: Conformer, rng: random.Random) -> tuple[Mapping[str, Any], Any]:
        heavy = [i for i, symbol in enumerate(conformer.symbols) if symbol != "H"]
        first, second = sorted(rng.sample(heavy, 2))
        # From the text as it is shown: what was rounded away cannot be asked for.
        text = to_conformer_text(conformer)
        points = from_conformer_text(text).coordinates
        gold = round(float(np.linalg.norm(points[first] - points[second])), 3)
        return {"shown": text, "atoms": f"{first} {second}"}, gold

    @functools.cached_property
    def _scales(self) -> Scales:
        return Scales.of([float(example.gold) for example in self.examples("train")], covering_grid)

    def question(self, example: Example) -> Question:
        return (
            Words("How far apart are the two atoms with these positions in the list, counted from 0?", "measure"),
            Molecule(example.inputs["shown"], "conformer"),
            Molecule(example.inputs["atoms"], "text"),
            Number("angstrom", self._scales.grid),
        )

    def judge(self, example: Example, answer: str) -> Verdict:
        return judge_number(example.gold, self._scales.deviation, answer, tolerance=0.05 * self._scales.deviation)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return value_metrics(results, "angstrom", self._scales.middle) | {"score": mean_score(results)}


class Hand(InSpace):
    """Is a stereocentre R or S? The coordinates say it, the SMILES before them does not."""

    name = "geometry/embedded/hand"
    per_molecule = 2
    form = Choice(("R", "S"))

    def fits(self, conformer: Conformer) -> bool:
        return bool(self._centres(conformer))

    def draw(self, conformer: Conformer, rng: random.Random) -> tuple[Mapping[str, Any], Any]:
        atom, label = rng.choice(self._centres(conformer))
        if rng.random() < 0.5:  # the mirror image of the molecule: both hands are asked for alike
            conformer = _mirrored(conformer)
            label = "S" if label == "R" else "R"
        return {"shown": to_conformer_text(conformer).replace("@", ""), "atom": str(atom)}, label

    def _centres(self, conformer: Conformer) -> list[tuple[int, str]]:
        return [(atom, label) for atom, label in chirality(conformer).items() if label in self.form.options]

    def question(self, example: Example) -> Question:
        return (
            Words("Is the stereocentre with this position in the list, counted from 0, R or S?", "stereo"),
            Molecule(example.inputs["shown"], "conformer"),
            Molecule(example.inputs["atom"], "text"),
            self.form,
        )

    def judge(self, example: Example, answer: str) -> Verdict:
        return judge_choice(self.form, example.gold, answer)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return choice_metrics(results)


def _mirrored(conformer: Conformer) -> Conformer:
    return Conformer(conformer.symbols, conformer.coordinates * np.array([1.0, 1.0, -1.0]), conformer.smiles)


class Perceive(InSpace):
    """Which molecule are these atoms in space? Written in a flat view that is drawn for each example."""

    name = "geometry/embedded/perceive"

    def draw(self, conformer: Conformer, rng: random.Random) -> tuple[Mapping[str, Any], Any]:
        views = rng.sample(FLAT_VIEWS, len(FLAT_VIEWS))
        view, gold = next((view, text) for view in views if (text := written(conformer.smiles, view)) is not None)
        atoms = to_conformer_text(conformer).partition("|")[2].split(",")
        shown = ", ".join(atom.strip() for atom in rng.sample(atoms, len(atoms)))
        return {"shown": shown, "view": view}, gold

    def question(self, example: Example) -> Question:
        return (
            Words("These atoms with their coordinates (angstrom) are one molecule. Write it.", "translate"),
            Molecule(example.inputs["shown"], "conformer"),
            Structure("molecule", example.inputs["view"]),
        )

    def judge(self, example: Example, answer: str) -> Verdict:
        return judge_text(example.inputs["view"], str(example.gold), answer)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return {
            "accuracy": exact_rate(results),
            **structure_metrics(results),
            **accuracy_by("to", "view", results),
        }


# --------------------------------------------------------------------------------------------------- conformers


class WriteConformer(LanguageTask):
    """A geometry for a molecule of at most 20 heavy atoms, as text of the conformer view.

    Only molecules are asked about that leave no stereo open and that MMFF94 has parameters for.
    """

    prefix = "geometry"
    asks_for = "conformer"
    category = "3d-molecules"
    headline = "near"
    teachers = ("structure", "etkdg")
    share = 0.1
    form = Structure("molecule", "conformer")

    def fits(self, smiles: str) -> bool:
        mol = parse(smiles)
        open_stereo = [found for found in Chem.FindPotentialStereo(mol) if found.specified != _SPECIFIED]
        return (
            _LEAST_ATOMS <= mol.GetNumHeavyAtoms() <= _MOST_ATOMS
            and not open_stereo
            and rdForceFieldHelpers.MMFFHasAllMoleculeParams(Chem.AddHs(mol))
        )

    def draw(self, smiles: str, split: Split, rng: random.Random) -> tuple[Mapping[str, Any], Any] | None:
        # The geometry is made when somebody asks for it: embedding takes a hundred times as long as all else.
        return (
            ({"shown": randomized(smiles, rng.getrandbits(32))}, rng.getrandbits(31))
            if self.fits(smiles)
            else None
        )

    def question(self, example: Example) -> Question:
        words = Words("Write a low-energy 3D conformer of the molecule, all hydrogens included.", "generate")
        return (words, Molecule(example.inputs["shown"]), self.form)

    def answer(self, example: Example) -> str:
        smiles = example.inputs["smiles"]
        made = [_embedded(smiles, example.gold)]
        # Once in some hundred molecules a hydrogen ends up out of place.
        while fault_of(made[-1], smiles) and len(made) < CONFORMERS:
            made.append(_embedded(smiles, example.gold + len(made)))
        return to_conformer_text(made[-1])

    def judge(self, example: Example, answer: str) -> Verdict:
        if answer == self.answer(example):
            return Verdict(1.0, Reason.CORRECT, answer, {"valid": 1.0, "rmsd": 0.0})
        conformer = from_conformer_text(answer)
        if fault := fault_of(conformer, example.inputs["smiles"]):
            return Verdict(0.0, Reason.WRONG, answer, {"valid": 0.0}, detail=fault)
        try:
            report = geometry_report(conformer)
        except MissingExtra as error:
            return Verdict(None, Reason.MISSING_ORACLE, answer, detail=str(error))
        if report.failed:
            return Verdict(0.0, Reason.WRONG, answer, {"valid": 0.0}, detail=f"fails {', '.join(report.failed)}")
        references = (_embedded(example.inputs["smiles"], example.gold + i) for i in range(CONFORMERS))
        rmsd = min(best_rmsd(conformer, reference) for reference in references)
        strain = strain_energy(conformer)
        score = math.exp(-max(0.0, rmsd - NEAR) - max(0.0, strain - RELAXED) / RELAXED)
        components = {"valid": 1.0, "rmsd": rmsd, "strain": strain}
        detail = f"{rmsd:.2f} angstrom from the nearest of {CONFORMERS}, {strain:.1f} kcal/mol of strain"
        return Verdict(
            score, Reason.CORRECT if score == 1.0 else Reason.PARTIAL, answer, components, detail=detail
        )

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        kept = decided(results)
        measured = [result.first.components for result in kept if "rmsd" in result.first.components]
        return {
            "near": exact_rate(results),
            "valid_geometry": stats.proportion([r.first.components.get("valid", 0.0) == 1.0 for r in kept]),
            "rmsd": replace(stats.mean([c["rmsd"] for c in measured], unit="angstrom"), higher_is_better=False),
            "score": mean_score(results),
        } | structure_metrics(results)


_LEAST_ATOMS, _MOST_ATOMS = 4, 20
_SPECIFIED = Chem.StereoSpecified.Specified
_BONDED_SLACK, _SLACK = 0.25, 0.3


# An example is judged several times, and each time all its references are needed.
@functools.lru_cache(maxsize=64 * CONFORMERS)
def _embedded(smiles: str, seed: int) -> Conformer:
    return embed(smiles, seed)


def fault_of(conformer: Conformer, smiles: str) -> str:
    """Why a geometry cannot be one of the molecule (canonical SMILES), or ''.

    Atoms one or two bonds apart may leave their bounds by a quarter, heavy atoms farther apart by three tenths, as
    PoseBusters allows. It is checked here first because it takes a millisecond, and PoseBusters a second.
    """
    if canonical(conformer.smiles) != smiles:
        return "another molecule"
    mol = to_mol(conformer)
    bounds, steps = rdDistGeom.GetMoleculeBoundsMatrix(mol), Chem.GetDistanceMatrix(mol)
    heavy = np.array([symbol != "H" for symbol in conformer.symbols])
    rows, columns = np.nonzero(np.triu((steps <= 2) | (heavy[:, None] & heavy[None, :]), 1))
    slack = np.where(steps[rows, columns] <= 2, _BONDED_SLACK, _SLACK)
    apart = distances(conformer)[rows, columns]
    off = (apart < (1.0 - slack) * bounds[columns, rows]) | (apart > (1.0 + slack) * bounds[rows, columns])
    if off.any():
        worst = int(np.flatnonzero(off)[0])
        return f"atoms {rows[worst]} and {columns[worst]} are {apart[worst]:.2f} angstrom apart"
    return "" if perceived_smiles(conformer) == smiles else "the coordinates show other stereo"


# A geometry takes 30 ms to make. Of the ChEMBL list hardly a molecule leaves no stereo open, since its texts say none.
_WRITTEN = (
    replace(EMBEDDED, sizes={"train": 150, "valid": 30, "test": 40}),
    *(molecules for molecules in LISTS if molecules.stereo and not molecules.small),
)

TASKS: tuple[Callable[[], BaseTask], ...] = (
    Distance,
    Hand,
    Perceive,
    *(functools.partial(WriteConformer, molecules) for molecules in _WRITTEN),
)
