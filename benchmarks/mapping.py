"""Accuracy and speed of the atom mapper on mapped USPTO-50k reactions, and what alignment by its maps gains.

    python benchmarks/mapping.py --split valid test --indigo > docs/results/mapping.json

The maps of the files are the truth. They are removed before mapping, and both sides are written canonically, so that no
order tells anything. Three shares, in each of which a failure counts as wrong and equivalent atoms are one: the broken
bonds are those of the file; the whole reaction centre is (bonds broken, changed in order, and lost to leaving groups); the
whole map is, that is the reaction's condensed graph, reactant atoms that leave included. `--indigo` measures the mapper of
the Indigo toolkit (EPAM; `pip install epam.indigo`) in the same way. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from statistics import mean
from typing import Any

from rdkit import Chem

from mmai_gym.molecules import (
    MAPPER_VERSION,
    AtomMapping,
    MappedReaction,
    aligned_to_canonical,
    canonical,
    canonical_set,
    map_reaction,
    parse,
    reaction_centre,
    root_aligned,
)
from mmai_gym.records import library_versions
from mmai_gym.sources import uspto50k
from mmai_gym.stats import proportion

Report = dict[str, Any]
_TOKEN = re.compile(r"\[[^\]]+\]|Br|Cl|%\d\d|.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", nargs="+", choices=("valid", "test"), default=["valid"])
    parser.add_argument("--limit", type=int, default=0, help="so many reactions, evenly spread; 0 for all")
    parser.add_argument("--aligned", type=int, default=1000, help="reactions to align")
    parser.add_argument("--indigo", action="store_true", help="measure Indigo's mapper too")
    parser.add_argument("--wrong", default="", help="file for the reactions mapped wrongly")
    options = parser.parse_args()

    report: Report = {
        "command": " ".join(["python", *sys.argv]),
        "mapper_version": MAPPER_VERSION,
        "libraries": library_versions(["mmai-gym", "rdkit", *(["epam.indigo"] if options.indigo else [])]),
    }
    for split in options.split:
        rows = uspto50k.reactions(split)
        rows = rows[:: max(1, len(rows) // options.limit)] if options.limit else rows
        found, accuracy = measured(map_reaction, rows)
        report[split] = accuracy | {
            "by_class": by_class(rows, found),
            "by_confidence": by_confidence(rows, found),
            "alignment": alignment(rows, found, options.aligned),
        }
        if options.indigo:
            report[split]["indigo"] = measured(indigo_mapper(), rows)[1]
        if options.wrong:
            write_wrong(rows, found, f"{options.wrong}.{split}.tsv")
    print(json.dumps(report, indent=1))


# --------------------------------------------------------------------------------------------------- maps


def measured(
    mapper: Callable[[str, str], AtomMapping], rows: Sequence[uspto50k.Reaction]
) -> tuple[list[AtomMapping], Report]:
    """The map of every reaction, and how many are right at what cost."""
    mapper("CC(=O)Cl.CN", "CNC(C)=O")  # loads the toolkits
    found, seconds = [], []
    for row in rows:
        before = time.process_time()
        found.append(mapper(row.reactants, row.product))
        seconds.append(time.process_time() - before)
    verdicts = [judged(mapping, row) for mapping, row in zip(found, rows, strict=True)]
    report: Report = {"reactions": len(rows)}
    for number, name in enumerate(("broken_bonds_right", "centre_right", "map_right")):
        share = proportion([verdict[number] for verdict in verdicts])
        report[name] = {"value": share.value, "low": share.low, "high": share.high, "method": share.method}
    return found, report | {
        "failed": mean(mapping.reaction is None for mapping in found),
        "failures": dict(Counter(mapping.failure for mapping in found if mapping.failure)),
        "cpu_ms_each": 1000.0 * mean(seconds),
        "cpu_ms_slowest": 1000.0 * max(seconds),
    }


def judged(found: AtomMapping, row: uspto50k.Reaction) -> tuple[bool, bool, bool]:
    """Whether broken bonds, the whole centre, and the whole map are those of the file."""
    if found.reaction is None:
        return False, False, False
    truth = of_the_file(row)
    expected, given = reaction_centre(truth), reaction_centre(found.reaction)
    same = condensed_graph(truth) == condensed_graph(found.reaction)
    return expected.broken == given.broken, expected == given, same


def of_the_file(row: uspto50k.Reaction) -> MappedReaction:
    """The reaction with the maps of its source."""
    reactants, product = str(row.mapped).split(">>")
    return MappedReaction("file", reactants, product)


def condensed_graph(reaction: MappedReaction) -> str:
    """One text for all maps that are the same up to symmetry: the condensed graph of the reaction (Varnek et al. 2005).

    Its atoms are those of both sides, an atom and its partner being one; each bond is a node of its own, labelled with its
    order on either side, so that RDKit's canonical text can hold it.
    """
    graph, place = Chem.RWMol(), {}
    bonds: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    for side, text in enumerate((reaction.reactants, reaction.product)):
        mol = parse(text)
        for atom in mol.GetAtoms():
            key = atom.GetAtomMapNum() or -1 - atom.GetIdx()
            if key not in place:
                place[key] = graph.AddAtom(Chem.Atom(atom.GetAtomicNum()))
            charged = graph.GetAtomWithIdx(place[key])
            charged.SetIsotope(charged.GetIsotope() + (atom.GetFormalCharge() + 8) * (1, 16)[side])
        for bond in mol.GetBonds():
            ends = (bond.GetBeginAtom(), bond.GetEndAtom())
            a, b = sorted(place[atom.GetAtomMapNum() or -1 - atom.GetIdx()] for atom in ends)
            bonds[a, b][side] = int(2 * bond.GetBondTypeAsDouble())
    for (a, b), (before, after) in bonds.items():
        node = graph.AddAtom(Chem.Atom(0))
        graph.GetAtomWithIdx(node).SetIsotope(1 + 8 * before + after)
        graph.AddBond(a, node, Chem.BondType.SINGLE)
        graph.AddBond(node, b, Chem.BondType.SINGLE)
    graph.UpdatePropertyCache(strict=False)
    return Chem.MolToSmiles(graph)


def indigo_mapper() -> Callable[[str, str], AtomMapping]:
    """Indigo's `automap` as a mapper, in the mode that does best here; a map that leaves out product atoms is a failure."""
    from indigo import Indigo, IndigoException

    toolkit = Indigo()
    toolkit.setOption("aam-timeout", 1000)

    def mapped(reactants: str, product: str) -> AtomMapping:
        texts = canonical_set(reactants), canonical(product)
        try:
            reaction = toolkit.loadReaction(">>".join(texts))
            reaction.automap("discard ignore_charges ignore_valence")
            sides = [
                [reaction.atomMappingNumber(atom) for molecule in molecules for atom in molecule.iterateAtoms()]
                for molecules in (reaction.iterateReactants(), reaction.iterateProducts())
            ]
        except IndigoException:
            return AtomMapping(None, failure="unreadable")
        mols = [parse(text) for text in texts]
        for mol, numbers in zip(mols, sides, strict=True):
            used: set[int] = set()
            for atom, number in zip(mol.GetAtoms(), numbers, strict=True):
                atom.SetAtomMapNum(0 if number in used else number)  # some it gives twice; the first counts
                used.add(number)
        origins = {atom.GetAtomMapNum() for atom in mols[0].GetAtoms()}
        if not {atom.GetAtomMapNum() for atom in mols[1].GetAtoms()} <= origins - {0}:
            return AtomMapping(None, failure="atoms-without-origin")
        return AtomMapping(MappedReaction("indigo", *map(Chem.MolToSmiles, mols)), 1.0)

    return mapped


# --------------------------------------------------------------------------------------------------- tables


def by_class(rows: Sequence[uspto50k.Reaction], found: Sequence[AtomMapping]) -> Report:
    """Right centres by reaction class (1 to 10)."""
    return _table((row.reaction_class for row in rows), rows, found)


def by_confidence(rows: Sequence[uspto50k.Reaction], found: Sequence[AtomMapping]) -> Report:
    """Right centres by confidence, in bands of a tenth named by their lower end."""
    return _table((min(9, int(mapping.confidence * 10)) / 10 for mapping in found), rows, found)


def _table(keys: Any, rows: Sequence[uspto50k.Reaction], found: Sequence[AtomMapping]) -> Report:
    groups: dict[Any, list[bool]] = defaultdict(list)
    for key, row, mapping in zip(keys, rows, found, strict=True):
        groups[key].append(judged(mapping, row)[1])
    return {str(key): {"reactions": len(flags), "centre": mean(flags)} for key, flags in sorted(groups.items())}


def write_wrong(rows: Sequence[uspto50k.Reaction], found: Sequence[AtomMapping], path: str) -> None:
    """Class, confidence, the file's map and ours of every reaction whose centre differs."""
    with open(path, "w", encoding="utf-8") as out:  # noqa: PTH123
        for row, mapping in zip(rows, found, strict=True):
            if not judged(mapping, row)[1]:
                ours = mapping.reaction
                given = f"{ours.reactants}>>{ours.product}" if ours else mapping.failure
                print(row.reaction_class, f"{mapping.confidence:.2f}", row.mapped, given, sep="\t", file=out)


# --------------------------------------------------------------------------------------------------- alignment


def alignment(rows: Sequence[uspto50k.Reaction], found: Sequence[AtomMapping], limit: int) -> Report:
    """Mean token edit distance between product and reactants, and how many texts read back as other molecules."""
    pairs = [(mapping.reaction, row) for mapping, row in zip(found, rows, strict=True) if mapping.reaction]
    chosen = pairs[:: max(1, len(pairs) // limit)]
    before = time.process_time()
    texts = [
        (aligned_to_canonical(reaction), root_aligned(reaction, seed)) for seed, (reaction, _) in enumerate(chosen)
    ]
    spent = time.process_time() - before
    distances: dict[str, list[int]] = defaultdict(list)
    other = 0
    for (_, row), (plain, rooted) in zip(chosen, texts, strict=True):
        distances["canonical"].append(edit_distance(row.product, row.reactants))
        distances["aligned"].append(edit_distance(*plain))
        distances["aligned_by_the_file"].append(edit_distance(*aligned_to_canonical(of_the_file(row))))
        distances["root_aligned"].append(edit_distance(*rooted))
        for product, reactants in (plain, rooted):
            # The second reading is what makes the texts of some ring stereocentres comparable (see strip_maps).
            same = canonical(product) == canonical(row.product)
            other += not (same and canonical_set(reactants) == canonical_set(row.reactants))
    return {
        "reactions": len(chosen),
        "read_back_as_other_molecules": other,
        "cpu_ms_per_pair": 1000.0 * spent / max(1, 2 * len(chosen)),
        "token_edit_distance": {name: mean(values) for name, values in distances.items()},
    }


def edit_distance(first: str, second: str) -> int:
    """Levenshtein distance over atom-level SMILES tokens."""
    left, right = _TOKEN.findall(first), _TOKEN.findall(second)
    row = list(range(len(right) + 1))
    for i, token in enumerate(left, start=1):
        above, row = row, [i]
        for j, other in enumerate(right, start=1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (token != other)))
    return row[-1]


if __name__ == "__main__":
    main()
