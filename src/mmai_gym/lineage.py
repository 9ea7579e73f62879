"""Where labels come from when no experiment gave them: the teachers, and what each of them has seen.

A model that was fitted on a benchmark's test molecules hands their labels on in every value it predicts, whether the
value is used as label, feature, reward, sentence of a trace or filter. The numbers that follow look excellent and mean
nothing. So each program or model whose values may enter training is declared here, with the data behind it, and a task
names those that gave its labels; `check` refuses a teacher that has seen what is to be tested, and one that nobody
declared.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmai_gym.contracts import UsageError


@dataclass(frozen=True, slots=True)
class Teacher:
    """A source of computed values.

    Attributes:
        exact: its values follow from the structure by a documented rule; False for a fitted model.
        trained_on: the data behind the numbers, in words.
        saw: names or prefixes of the tasks whose test labels, or other measurements of the same molecules by the same
            assay, it was fitted on.
        source: authors and year.
    """

    name: str
    exact: bool
    trained_on: str
    saw: tuple[str, ...]
    source: str


TEACHERS: tuple[Teacher, ...] = (
    Teacher("structure", True, "nothing: read off the molecule itself", (), "RDKit; SELFIES; InChI"),
    # Torsion preferences come from crystal structures, none of which any test set of the gym asks for.
    Teacher(
        "etkdg", True, "torsions of crystal structures, MMFF94 parameters", (), "Wang et al. 2020; Halgren 1996"
    ),
    Teacher("smarts", True, "nothing: documented patterns", (), "RDKit"),
    Teacher("templates", True, "nothing: documented reaction templates", (), "RDKit"),
    Teacher("molecular-weight", True, "nothing: atomic masses", (), "IUPAC"),
    Teacher("tpsa", True, "fragment contributions, fitted to 3D surfaces", (), "Ertl et al. 2000"),
    Teacher("h-bond-donors", True, "nothing: a count", (), "Lipinski et al. 1997"),
    Teacher("h-bond-acceptors", True, "nothing: a count", (), "Lipinski et al. 1997"),
    Teacher("rings", True, "nothing: a count", (), "smallest set of smallest rings"),
    # Atom contributions: 68 numbers fitted to measured logP, which no test set of the gym asks for.
    Teacher("logp", True, "68 atom contributions, fitted to measured logP", (), "Wildman and Crippen 1999"),
    Teacher("qed", True, "ranges of 8 descriptors over 771 oral drugs", (), "Bickerton et al. 2012"),
    Teacher("sa", True, "fragment frequencies in PubChem, no labels", (), "Ertl and Schuffenhauer 2009"),
    # The table of its endpoints that comes with the package gives the sizes of the whole sets, test molecules included;
    # FreeSolv, ClinTox and Tox21 are among them, and the other prefixes hold the same measurements under other names.
    Teacher(
        "admet-ai",
        False,
        "41 whole TDC tables, the 22 of the ADMET group with their test molecules",
        ("admet", "admet-external", "moleculenet", "functional-groups/fgbench", "functional-groups/fgbench-clean"),
        "Swanson et al. 2024",
    ),
    Teacher("plogp", True, "logp and sa, and ring sizes", (), "Jin et al. 2018"),
    Teacher("alerts-pains", True, "nothing: 480 documented patterns", (), "Baell and Holloway 2010"),
    Teacher("alerts-brenk", True, "nothing: 105 documented patterns", (), "Brenk et al. 2008"),
    Teacher(
        "alerts-nih", True, "nothing: 180 documented patterns", (), "Jadhav et al. 2010; Doveston et al. 2015"
    ),
    Teacher(
        "drd2-surrogate",
        False,
        "scores that the classifier of Olivecrona et al. 2017, fitted to ExCAPE-DB, gave to generated molecules",
        (),
        "MMAI Gym",
    ),
    Teacher("drd2-svm", False, "ExCAPE-DB activities on DRD2", (), "Olivecrona et al. 2017"),
    # Fitted without the test molecules of MoleculeNet's BBBP and of FGBench's clean pairs. The published pairs of FGBench
    # share their molecules with its training part.
    Teacher(
        "bbb-own",
        False,
        "the official train_val part of TDC's BBB_Martins",
        ("functional-groups/fgbench/bbbp",),
        "MMAI Gym",
    ),
)


def below(name: str, prefix: str) -> bool:
    """Whether a task's name is `prefix` or stands below it."""
    return name == prefix or name.startswith(prefix.rstrip("/") + "/")


def teacher(name: str) -> Teacher:
    """The teacher of this name.

    Raises:
        UsageError: it is not declared, so that nobody can say what it has seen.
    """
    known = {entry.name: entry for entry in TEACHERS}
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise UsageError(
            f"the teacher {name!r} is not declared{hint}; add to lineage.TEACHERS what it was trained on, or leave "
            "its values out of training"
        )
    return known[name]


def computed(teachers: Sequence[str]) -> bool:
    """Whether a documented rule gives the labels, so that no other data set can betray them; not if nobody is named.

    Raises:
        UsageError: as `teacher`.
    """
    return bool(teachers) and all(teacher(name).exact for name in teachers)


def check(names: Iterable[str], tests: Iterable[str]) -> None:
    """Refuse teachers that have seen the labels of one of the test sets, or that are not declared.

    Args:
        names: teachers whose values are to enter training in any role.
        tests: names of the tasks on which the weights are to be scored.

    Raises:
        UsageError: naming the teacher, the tests and the way out.
    """
    tests = list(tests)
    for name in names:
        entry = teacher(name)
        seen = [test for test in tests if any(below(test, prefix) for prefix in entry.saw)]
        if seen:
            raise UsageError(
                f"{name} was trained on {entry.trained_on}, so none of its values may enter weights that are scored "
                f"on {', '.join(seen[:3])}{' ...' if len(seen) > 3 else ''}; use models fitted on the official "
                "train_val instead, or do not evaluate there"
            )
