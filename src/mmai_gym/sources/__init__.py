"""Public data sets, pinned and verified, and the embedded set that needs no network.

`fetch` and `verify` work on the data sets of the manifest (`list_datasets`); the modules `uspto50k`, `tdc` and
`embedded` read their rows, `mapped` makes and reads atom maps for those that have none.
"""

from __future__ import annotations

from mmai_gym.sources import embedded, mapped, tdc, uspto50k
from mmai_gym.sources.fetching import FileReport, fetch, path_of, verify
from mmai_gym.sources.files import cache_dir, write_atomically
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
    "cache_dir",
    "checksums",
    "dataset",
    "describe",
    "embedded",
    "fetch",
    "kept",
    "kept_data_set",
    "list_datasets",
    "mapped",
    "path_of",
    "tdc",
    "uspto50k",
    "verify",
    "write_atomically",
]
