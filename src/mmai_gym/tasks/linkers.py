"""Linker design and scaffold elaboration on the test sets of DeLinker and DEVELOP (Imrie et al. 2020 and 2021).

Shown are fragments with dummy atoms where bonds were cut; asked is the whole molecule. `recovered` is the published rate:
the molecule that the fragments come from is among the answers, stereo aside. An answer is `joined` where it holds the
fragments as they are, each bound to the rest at its dummy atom and nowhere else; its linker may have at most twice the
heavy atoms of the known one. For a linker the question says, too, how far the ends of the fragments lie apart in a 3D
structure and the angle between the two bonds. An answer `fits` where the distance lies within the bounds that bond lengths
and angles leave it (distance geometry: Crippen and Havel 1988), and half a point is paid for that. Elaborations have no such
check and pay for recovery alone. What `tricks` calls unlike the known molecule counts for nothing.

The published training files are too large for the mirror. What there is to learn from are cuts of the embedded molecules,
those of linkers with distances in the conformers of the EGFR ligands.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, islice, product
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from mmai_gym import stats
from mmai_gym.contracts import (
    SPLITS,
    Estimate,
    Example,
    Molecule,
    Question,
    Reason,
    Result,
    Split,
    Structure,
    Verdict,
    Words,
    row_id,
)
from mmai_gym.molecules import Conformer, Mol, canonical, flat, heavy_atoms, parse, randomized, to_mol
from mmai_gym.sources import embedded
from mmai_gym.sources.linkers import Cut, LinkerSet, cuts
from mmai_gym.tasks.base import BaseTask, LazyExamples
from mmai_gym.tasks.scoring import distinct_answers, exact_rate, structure_metrics
from mmai_gym.tasks.tricks import unlike

Rows = Callable[[Split], Sequence[Cut]]

_DISTANCE_TOLERANCE = 0.5
"""Angstrom: a crystal structure of middling resolution is no better."""

_MOST_MATCHES = 64


class Join(BaseTask):
    """Fragments in, the whole molecule out."""

    category = "3d-molecules"
    headline = "recovered"
    decode = "sample"
    words: str

    def __init__(self, name: str, source: str, rows: Rows, sizes: Mapping[Split, int] | None = None) -> None:
        self.name = name
        self.sources = (source,)
        # A cut of the gym's own tells nothing that the molecule does not; the published ones are a benchmark to protect.
        self.teachers = ("structure",) if source == "embedded" else ()
        self._cuts = rows
        self._sizes = sizes

    def sizes(self) -> dict[str, int]:
        return super().sizes() if self._sizes is None else {split: self._sizes.get(split, 0) for split in SPLITS}

    def examples(self, split: Split) -> Sequence[Example]:
        rows = self._cuts(split)
        return LazyExamples(
            len(rows), lambda i: Example(rows[i].id, self.name, split, self._inputs(rows[i]), rows[i].molecule)
        )

    def _inputs(self, row: Cut) -> dict[str, Any]:
        return {"rest": row.rest, "part_atoms": heavy_atoms(row.part)}

    def augment(self, example: Example, seed: int) -> Example:
        inputs = dict(example.inputs) | {"rest": randomized(example.inputs["rest"], seed)}
        gold = randomized(str(example.gold), seed)
        return Example(example.id, example.task, example.split, inputs, gold)

    def question(self, example: Example) -> Question:
        return (Words(self.words, "complete"), Molecule(example.inputs["rest"]), Structure("molecule"))

    def answer(self, example: Example) -> str:
        return str(example.gold)

    def judge(self, example: Example, answer: str) -> Verdict:
        gold, target = canonical(str(example.gold)), canonical(answer)
        if found := unlike(gold, target):
            return Verdict(0.0, Reason.WRONG, answer, detail=found)
        if flat(target) == flat(gold):
            return Verdict(1.0, Reason.CORRECT, answer, {"joined": 1.0, "fits": 1.0})
        mol = parse(target)
        joints = list(joined(mol, example.inputs["rest"], 2 * example.inputs["part_atoms"]))
        if not joints:
            return Verdict(
                0.0, Reason.WRONG, answer, {"joined": 0.0, "fits": 0.0}, detail="the fragments are not joined so"
            )
        return self._unrecovered(example, mol, joints, answer)

    def _unrecovered(self, example: Example, mol: Mol, joints: list[tuple[int, ...]], answer: str) -> Verdict:
        """Verdict on a molecule that joins the fragments otherwise than the known one does."""
        return Verdict(0.0, Reason.WRONG, answer, {"joined": 1.0}, detail="joined, and not the known molecule")

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        width = max((len(result.verdicts) for result in results), default=1)
        return {
            "recovered": exact_rate(results, width),
            "recovered_first": exact_rate(results),
            "joined": _share("joined", results),
            "distinct": distinct_answers(results),
        } | structure_metrics(results)


class LinkerDesign(Join):
    """Two fragments, and how they lie to each other."""

    words = (
        "Join the two fragments by a linker at their dummy atoms and write the whole molecule. Given are the distance of "
        "the two atoms to be joined (angstrom) and the angle between their bonds to the linker (radian)."
    )

    def _inputs(self, row: Cut) -> dict[str, Any]:
        return super()._inputs(row) | {"distance": row.distance, "angle": row.angle}

    def question(self, example: Example) -> Question:
        request, fragments, form = super().question(example)
        geometry = f"{example.inputs['distance']:.2f} {example.inputs['angle']:.2f}"
        return (request, fragments, Molecule(geometry, "text"), form)

    def _unrecovered(self, example: Example, mol: Mol, joints: list[tuple[int, ...]], answer: str) -> Verdict:
        distance = example.inputs["distance"]
        bounds = rdDistGeom.GetMoleculeBoundsMatrix(mol)
        for first, second in joints:
            low, high = (
                bounds[max(first, second), min(first, second)],
                bounds[min(first, second), max(first, second)],
            )
            if low - _DISTANCE_TOLERANCE <= distance <= high + _DISTANCE_TOLERANCE:
                return Verdict(0.5, Reason.PARTIAL, answer, {"joined": 1.0, "fits": 1.0})
        detail = f"{low:.2f} to {high:.2f} angstrom are possible, {distance:.2f} are wanted"
        return Verdict(0.0, Reason.WRONG, answer, {"joined": 1.0, "fits": 0.0}, detail=detail)

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return super().score(results) | {"fits": _share("fits", results)}


class Elaboration(Join):
    """A scaffold and the place where it goes on."""

    category = "2d-molecules"
    words = "Elaborate the scaffold at its dummy atom and write the whole molecule."


def _share(component: str, results: Sequence[Result]) -> Estimate:
    """Share of all answers with a component of 1, clustered by example."""
    flags, owners = [], []
    for i, result in enumerate(results):
        for verdict in result.verdicts:
            if verdict.score is not None:
                flags.append(verdict.components.get(component, 0.0) == 1.0)
                owners.append(i)
    return stats.proportion(np.array(flags, dtype=bool), clusters=np.array(owners))


def joined(mol: Mol, rest: str, most: int) -> Iterator[tuple[int, ...]]:
    """The ways in which a molecule holds the fragments of `rest`: per way, of each fragment the atom bound at its dummy.

    Every fragment atom has the neighbours it has in the fragment and no others, the dummies fall on atoms of no fragment,
    and those number at most `most`.
    """
    fragments = [_pattern(text) for text in rest.split(".")]
    matches = [
        mol.GetSubstructMatches(query, uniquify=False, maxMatches=_MOST_MATCHES) for query, _, _ in fragments
    ]
    for ways in product(*matches):
        cores = [set(way) - {way[dummy]} for way, (_, dummy, _) in zip(ways, fragments, strict=True)]
        taken = set().union(*cores)
        ends = {way[dummy] for way, (_, dummy, _) in zip(ways, fragments, strict=True)}
        if len(taken) == sum(map(len, cores)) and not ends & taken and mol.GetNumAtoms() - len(taken) <= most:
            yield tuple(way[end] for way, (_, _, end) in zip(ways, fragments, strict=True))


@functools.lru_cache(maxsize=1024)
def _pattern(fragment: str) -> tuple[Mol, int, int]:
    """A fragment as a query, its dummy atom, and the atom that it is bound to."""
    mol = parse(fragment)
    settings: Any = Chem.AdjustQueryParameters.NoAdjustments()
    settings.adjustDegree = True
    settings.adjustDegreeFlags = Chem.AdjustQueryWhichFlags.ADJUST_IGNOREDUMMIES
    settings.makeDummiesQueries = True
    (dummy,) = (atom for atom in mol.GetAtoms() if atom.GetAtomicNum() == 0)
    end = dummy.GetNeighbors()[0].GetIdx()
    place = dummy.GetIdx()
    dummy.SetAtomMapNum(0)
    return Chem.AdjustQueryProperties(mol, settings), place, end


# --------------------------------------------------------------------------------------------------- embedded cuts

_LEAST_FRAGMENT, _LEAST_LINKER, _MOST_LINKER = 5, 3, 12
_CUTS_PER_MOLECULE = 3
_ELABORATIONS: Mapping[Split, int] = {"train": 1_000, "valid": 150, "test": 200}
_SINGLE = Chem.MolFromSmarts("[!#1;!$([#1])]-!@[!#1]")


@functools.cache
def _embedded_linkers(split: Split) -> tuple[Cut, ...]:
    """Up to three cuts of each EGFR ligand, with the geometry of its own conformer, by the size rules of DeLinker."""
    rows = embedded.conformers(split)
    found = (_linker_cuts(row.id, Conformer(row.symbols, row.coordinates, row.smiles)) for row in rows)
    return tuple(cut for cuts_of_one in found for cut in islice(cuts_of_one, _CUTS_PER_MOLECULE))


def _linker_cuts(id_: str, conformer: Conformer) -> Iterator[Cut]:
    mol = Chem.RemoveHs(to_mol(conformer))
    pairs = list(combinations((mol.GetBondBetweenAtoms(*pair) for pair in mol.GetSubstructMatches(_SINGLE)), 2))
    # Not the first ones of the text: by a seed of the molecule's own.
    for bonds in random.Random(id_).sample(pairs, len(pairs)):
        parts = _parts(mol, bonds)
        linkers = [(atoms, text) for atoms, text in parts if text.count("*") == 2]
        fragments = [text for _, text in parts if text.count("*") == 1]
        if len(linkers) != 1 or len(fragments) != 2:
            continue
        atoms, linker = linkers[0]
        sizes = [heavy_atoms(text) - 1 for text in fragments]
        ends = [sorted(_atoms(bond), key=atoms.__contains__) for bond in bonds]  # outer atom, then inner one
        if min(sizes) < _LEAST_FRAGMENT or not _LEAST_LINKER <= heavy_atoms(linker) - 2 <= _MOST_LINKER:
            continue
        if ends[0][1] != ends[1][1]:
            geometry = _geometry(mol.GetConformer().GetPositions(), ends)
            where = sorted(bond.GetIdx() for bond in bonds)
            yield Cut(
                row_id("embedded-linker", id_, *where), conformer.smiles, linker, ".".join(fragments), *geometry
            )


def _atoms(bond: Chem.Bond) -> tuple[int, int]:
    return bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()


def _parts(mol: Mol, bonds: Sequence[Chem.Bond]) -> list[tuple[frozenset[int], str]]:
    """Atoms and SMILES of what two cuts leave, dummies numbered by the cut."""
    labels = [(number, number) for number in range(1, len(bonds) + 1)]
    cut = Chem.FragmentOnBonds(mol, [bond.GetIdx() for bond in bonds], dummyLabels=labels)
    for atom in cut.GetAtoms():
        if atom.GetAtomicNum() == 0:
            atom.SetAtomMapNum(atom.GetIsotope())
            atom.SetIsotope(0)
    parts = Chem.GetMolFrags(cut), Chem.GetMolFrags(cut, asMols=True)
    return [(frozenset(atoms), Chem.MolToSmiles(part)) for atoms, part in zip(*parts, strict=True)]


def _geometry(positions: npt.NDArray[np.float64], ends: Sequence[Sequence[int]]) -> tuple[float, float]:
    """Distance of the outer atoms (angstrom), and the angle between the bonds from them to the inner ones (radian)."""
    first, second = (positions[inner] - positions[outer] for outer, inner in ends)
    cosine = first @ second / (np.linalg.norm(first) * np.linalg.norm(second))
    distance = np.linalg.norm(positions[ends[0][0]] - positions[ends[1][0]])
    return float(distance), float(np.arccos(np.clip(cosine, -1.0, 1.0)))


@functools.cache
def _embedded_elaborations(split: Split) -> tuple[Cut, ...]:
    """One cut of each embedded molecule that has one: the smaller part elaborates the larger."""
    rows = list(embedded.molecules(split))
    found = (_elaboration(row.id, row.smiles) for row in rows)
    return tuple(islice((cut for cut in found if cut is not None), _ELABORATIONS[split]))


def _elaboration(id_: str, smiles: str) -> Cut | None:
    mol = parse(smiles)
    bonds = [mol.GetBondBetweenAtoms(*pair) for pair in mol.GetSubstructMatches(_SINGLE)]
    for bond in random.Random(id_).sample(bonds, len(bonds)):
        parts = sorted((heavy_atoms(text) - 1, text) for _, text in _parts(mol, [bond]))
        if len(parts) == 2 and _LEAST_LINKER <= parts[0][0] <= _MOST_LINKER and parts[1][0] >= _LEAST_FRAGMENT:
            return Cut(row_id("embedded-elaboration", id_, bond.GetIdx()), smiles, parts[0][1], parts[1][1])
    return None


# --------------------------------------------------------------------------------------------------- the sets


def _public(
    name: LinkerSet, prefix: str, sets: Mapping[str, Mapping[Split, int]]
) -> Iterator[Callable[[], BaseTask]]:
    task = LinkerDesign if prefix != "elaboration-" else Elaboration
    family = "linker-design" if task is LinkerDesign else "scaffold-elaboration"
    for part, sizes in sets.items():
        rows = functools.partial(_rows, name, f"{prefix}{part}", frozenset(sizes))
        yield functools.partial(task, f"{family}/{name}-{part}", name, rows, sizes)


def _rows(name: LinkerSet, key: str, splits: frozenset[Split], split: Split) -> Sequence[Cut]:
    return cuts(name, f"{key}-{split}") if split in splits else ()


TASKS: tuple[Callable[[], BaseTask], ...] = (
    functools.partial(LinkerDesign, "linker-design/embedded", "embedded", _embedded_linkers),
    *_public("delinker", "", {"zinc": {"valid": 400, "test": 400}, "casf": {"test": 309}}),
    *_public(
        "develop",
        "linker-",
        {"zinc": {"valid": 400, "test": 400}, "casf": {"test": 188}, "pdbbind": {"test": 321}},
    ),
    functools.partial(
        Elaboration, "scaffold-elaboration/embedded", "embedded", _embedded_elaborations, _ELABORATIONS
    ),
    *_public("develop", "elaboration-", {"zinc": {"test": 800}, "casf": {"test": 237}, "pdbbind": {"test": 295}}),
)
