"""Molecules with a DRD2 activity score, and known actives: what a DRD2 oracle can be fitted to.

The scores are those of the support-vector model of Olivecrona et al. (2017), written down when Jin et al. (2019)
evaluated two translation models; the weights themselves exist as a pickle only and are not used. Half of what these
models wrote is repeated, and most of it scores high: molecules that score low must come from elsewhere. Where a model
failed to write a molecule the file has the text None and the score 0, which is not a molecule of low activity.
"""

from __future__ import annotations

from collections.abc import Mapping

from mmai_gym.contracts import DataError
from mmai_gym.sources import tables
from mmai_gym.sources.manifest import dataset
from mmai_gym.sources.memory import kept
from mmai_gym.sources.molecule_lists import ListedMolecule, distinct

NOT_WRITTEN = "None"
"""What the result files have where a model wrote no molecule: 12 of the 40,000 lines."""


@kept("drd2")
def scores() -> Mapping[str, float]:
    """Score, in [0, 1], of the 4,741 distinct generated molecules, by SMILES in the order of their appearance.

    Raises:
        DataError: a file is missing or damaged, a line is not `source generated similarity score`, a score is outside
            [0, 1], or one molecule has two scores.
    """
    found: dict[str, float] = {}
    for key in ("scored-vae", "scored-vae-gan"):
        file = dataset("drd2").file(key)
        for position, line in enumerate(tables.lines(file)):
            where = f"{file.path}, line {position + 1}"
            fields = line.split(" ")
            if len(fields) != 4:
                raise DataError(f"{where}: {len(fields)} fields instead of 4")
            smiles, score = fields[1], tables.finite(fields[3], where)
            if not 0.0 <= score <= 1.0:
                raise DataError(f"{where}: the score {score:g} is outside [0, 1]")
            if smiles != NOT_WRITTEN and found.setdefault(smiles, score) != score:
                raise DataError(f"{where}: {smiles} has the score {score:g} here and {found[smiles]:g} before")
    return found


@kept("drd2")
def actives() -> tuple[ListedMolecule, ...]:
    """4,211 actives of ExCAPE-DB (Sun et al. 2017) in the file of Arús-Pous et al. (2020), without scores.

    Raises:
        DataError: the file is missing or damaged, or a line is blank or repeated.
    """
    return distinct("drd2", dataset("drd2").file("actives"))
