"""Public data sets, pinned and verified, and the embedded set that needs no network.

`fetch` and `verify` work on the data sets of the manifest (`list_datasets`); a module per
source (`uspto50k`, `tdc`, `moleculenet`, ..., `embedded`) reads its rows.
"""

from __future__ import annotations

from mmai_gym.sources import (
    affinity,
    biogen,
    cardiogenai,
    chebi20,
    chemllmbench,
    drd2,
    drugban,
    embedded,
    fgbench,
    iupac,
    jin,
    linkers,
    mapped,
    molecule_lists,
    moleculeace,
    moleculenet,
    mumo,
    pharmabench,
    qm9,
    tdc,
    uspto15k,
    uspto50k,
    usptofull,
)
from mmai_gym.sources.fetching import FileReport, fetch, path_of, verify
from mmai_gym.sources.files import cache_dir, write_atomically
from mmai_gym.sources.lazy import LazySequence
from mmai_gym.sources.manifest import Dataset, File, dataset, datasets
from mmai_gym.sources.memory import kept, kept_data_set


def list_datasets() -> tuple[str, ...]:
    """Names of the data sets of the manifest."""
    return tuple(datasets())


def describe(name: str) -> dict[str, str | int]:
    """What a listing shows of a data set; see `Dataset.describe`.

    Raises:
        UsageError: unknown data set.
    """
    return dataset(name).describe()


def checksums(name: str) -> dict[str, str]:
    """sha256 by file of a data set of the manifest, or of "embedded" as it is installed here; for a run record.

    Raises:
        UsageError: unknown data set.
        DataError: the RDKit installation lacks a file of the embedded set.
    """
    if name == "embedded":
        return embedded.checksums()
    return {file.relative: file.sha256 for file in dataset(name).files}


__all__ = [
    "Dataset",
    "File",
    "FileReport",
    "LazySequence",
    "affinity",
    "biogen",
    "cache_dir",
    "cardiogenai",
    "chebi20",
    "checksums",
    "chemllmbench",
    "dataset",
    "describe",
    "drd2",
    "drugban",
    "embedded",
    "fetch",
    "fgbench",
    "iupac",
    "jin",
    "kept",
    "kept_data_set",
    "linkers",
    "list_datasets",
    "mapped",
    "molecule_lists",
    "moleculeace",
    "moleculenet",
    "mumo",
    "path_of",
    "pharmabench",
    "qm9",
    "tdc",
    "uspto15k",
    "uspto50k",
    "usptofull",
    "verify",
    "write_atomically",
]
