"""What every public data file must be: where it comes from, how long it is, and what its bytes hash to.

A data set of this field is usually a file behind a URL that somebody may replace tomorrow. A benchmark number
means something only if the bytes behind it are named, so the manifest pins each file to a commit and a sha256, and
carries the citation and the licence with it. The manifest is data (`manifests/*.toml`, one file per family of data
sets), read here into frozen types; a key that the types do not know is an error, because a misspelt `sha265` would
otherwise switch a check off.

A file's address is https://raw.githubusercontent.com/REPOSITORY/COMMIT/PATH; cache and mirror folders use the same
REPOSITORY/COMMIT/PATH. `licence` is that of the repository that hosts the file; the terms of the measurements
themselves are in `terms`.
"""

from __future__ import annotations

import difflib
import functools
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mmai_gym.contracts import DataError, UsageError

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Member(_Entry):
    """One table inside an archive."""

    path: str
    sha256: Sha256
    bytes: int
    rows: int


class File(_Entry):
    """One file of a repository at one commit.

    Attributes:
        key: its name among the files of its data set.
        rows: data rows, the header of a table not counted; of an archive, the rows of all its members.
        licence: of the repository that hosts the file.
    """

    dataset: str
    key: str
    repository: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    path: Annotated[str, Field(pattern=r"^[\w-][\w.+-]*(/[\w-][\w.+-]*)*$")]
    sha256: Sha256
    bytes: Annotated[int, Field(gt=0)]
    rows: int
    licence: str
    members: list[Member] = []

    @property
    def relative(self) -> str:
        """Where the file lies below a cache or mirror folder, and below the host's address."""
        return f"{self.repository}/{self.commit}/{self.path}"

    def member(self, path: str) -> Member:
        """The archive member at `path`.

        Raises:
            DataError: the manifest lists no such member.
        """
        for member in self.members:
            if member.path == path:
                return member
        raise DataError(f"the manifest lists no member {path!r} in {self.path}")


class Dataset(_Entry):
    """A data set as its users cite it, and its files."""

    name: str
    title: str
    citation: str
    terms: str
    files: tuple[File, ...]

    def file(self, key: str) -> File:
        """The file of this key.

        Raises:
            DataError: the data set has no such file.
        """
        for file in self.files:
            if file.key == key:
                return file
        raise DataError(f"the manifest lists no file {key!r} in the data set {self.name!r}")

    def describe(self) -> dict[str, str | int]:
        """Name, number of files, bytes, rows, licence, citation and terms, for a listing."""
        return {
            "name": self.name,
            "title": self.title,
            "files": len(self.files),
            "bytes": sum(file.bytes for file in self.files),
            "rows": sum(file.rows for file in self.files),
            "licence": ", ".join(sorted({file.licence for file in self.files})),
            "citation": self.citation,
            "terms": self.terms,
        }


def read_manifest(text: str) -> Mapping[str, Dataset]:
    """Data sets by name, from the text of a manifest.

    Raises:
        DataError: not TOML, an unknown or missing key, a malformed value, or a file of a data set not listed.
    """
    try:
        tables = tomllib.loads(text)
        unknown = sorted(set(tables) - {"dataset", "file"})
        if unknown:
            raise DataError(f"the data manifest has unknown keys: {', '.join(unknown)}")
        listed = [File.model_validate(entry) for entry in tables.get("file", [])]
        heads = tables.get("dataset", {})
        strays = sorted({file.dataset for file in listed} - set(heads))
        if strays:
            raise DataError(f"the data manifest has files of data sets it does not describe: {', '.join(strays)}")
        return {
            name: Dataset(name=name, files=tuple(file for file in listed if file.dataset == name), **head)
            for name, head in heads.items()
        }
    except (tomllib.TOMLDecodeError, ValidationError, TypeError) as error:
        raise DataError(f"the data manifest cannot be read: {error}") from error


@functools.cache
def datasets() -> Mapping[str, Dataset]:
    """The data sets that the gym knows, by name."""
    folder = files(__package__) / "manifests"
    parts = sorted((part for part in folder.iterdir() if part.name.endswith(".toml")), key=lambda part: part.name)
    return read_manifest("\n".join(part.read_text(encoding="utf-8") for part in parts))


def dataset(name: str) -> Dataset:
    """The data set of this name.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    known = datasets()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UsageError(f"unknown data set {name!r}{hint} Known: {', '.join(known)}.")
    return known[name]
