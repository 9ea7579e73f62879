"""The content of a pinned file: unpacked, with the columns and the number of rows that it must have.

Loaders read through here, so that a table that was re-encoded, re-ordered in its columns or cut is named the same way
whatever the data set. The bytes of a file have been checked against the manifest when it came in.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import lzma
import math
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mmai_gym.contracts import DataError
from mmai_gym.sources.fetching import path_of
from mmai_gym.sources.manifest import File, Member


def content(file: File, member: Member | None = None) -> bytes:
    """The bytes of a file, unpacked if it is one `.gz` or `.xz`; or those of a member of a `.zip` or a tar archive.

    Raises:
        DataError: the file is missing or damaged, or a member is not what the manifest says.
    """
    path = path_of(file)
    try:
        if member is not None:
            return _checked(_member(path, member.path), member, file)
        data = path.read_bytes()
        if path.suffix == ".gz":
            return gzip.decompress(data)
        return lzma.decompress(data) if path.suffix == ".xz" else data
    except (KeyError, OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise DataError(f"cannot read {_name(file, member)} in {path}: {error}") from error


def text(file: File, member: Member | None = None) -> str:
    """`content` as UTF-8, a byte order mark left out.

    Raises:
        DataError: as `content`, or the file is in another encoding.
    """
    try:
        return content(file, member).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{_name(file, member)} is not UTF-8: {error}") from error


def lines(file: File, member: Member | None = None, *, header: int = 0) -> list[str]:
    """Lines without their ends, the first `header` left out.

    Raises:
        DataError: as `text`, or the number of lines is not the one in the manifest.
    """
    found = text(file, member).splitlines()[header:]
    _require(len(found), file, member)
    return found


def body(file: File, columns: Sequence[str], *, delimiter: str = ",") -> list[str]:
    """The lines below a header, for tables without quotes that are too large for `table`.

    Args:
        columns: those that the header must name, in this order and no others.

    Raises:
        DataError: as `text`; the header is another one, or the number of rows is not the one in the manifest.
    """
    head, *found = text(file).splitlines() or [""]
    if head.split(delimiter) != list(columns):
        raise DataError(f"{file.path} has the header {head[:200]!r} instead of {delimiter.join(columns)!r}")
    _require(len(found), file, None)
    return found


def table(
    file: File, columns: Sequence[str], member: Member | None = None, *, delimiter: str = ","
) -> Iterator[dict[str, str]]:
    """The rows of a table with a header, fields by column.

    Args:
        columns: those that the table must have, at least, wherever they stand.

    Raises:
        DataError: as `text`; a column is missing, a row has too few or too many fields, or the number of rows is not
            the one in the manifest.
    """
    reader = csv.DictReader(io.StringIO(text(file, member), newline=""), delimiter=delimiter, strict=True)
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise DataError(
            f"{_name(file, member)} has no column {', '.join(missing)}; it has {', '.join(reader.fieldnames or ())}"
        )
    number = 0
    try:
        for number, row in enumerate(reader, 1):
            if None in row or None in row.values():
                raise DataError(f"{_name(file, member)}, row {number}: not {len(reader.fieldnames or ())} fields")
            yield row
    except csv.Error as error:
        raise DataError(f"{_name(file, member)}, line {reader.line_num}: {error}") from error
    _require(number, file, member)


def document(file: File) -> Any:
    """The JSON document in a file; an object comes as a dict in the order of the file.

    Its rows are its entries, or those of the lists in it.

    Raises:
        DataError: as `text`; the file is not JSON, an object has a key twice, or the number of rows is not the one in
            the manifest.
    """
    try:
        found = json.loads(text(file), object_pairs_hook=_distinct)
    except ValueError as error:
        raise DataError(f"{file.path} is not JSON: {error}") from error
    nested = isinstance(found, list) and found and all(isinstance(entry, list) for entry in found)
    _require(sum(map(len, found)) if nested else len(found), file, None)
    return found


def _distinct(entries: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(entries)
    if len(found) != len(entries):
        raise ValueError(f"{len(entries) - len(found)} keys stand in it twice")
    return found


def records(file: File, keys: Sequence[str]) -> list[dict[str, Any]]:
    """The objects of a file that is one JSON array.

    Args:
        keys: those that every object must have, at least.

    Raises:
        DataError: as `document`; not an array of objects, or an object lacks a key.
    """
    found = document(file)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise DataError(f"{file.path} is not an array of objects")
    for number, entry in enumerate(found):
        if missing := [key for key in keys if key not in entry]:
            raise DataError(f"{file.path}, object {number}: no {', '.join(missing)}; it has {', '.join(entry)}")
    return found


def finite(field: str, where: str) -> float:
    """A field as a number.

    Raises:
        DataError: it is none, or is not finite; the message begins with `where`.
    """
    try:
        value = float(field)
    except ValueError:
        raise DataError(f"{where}: {field!r} is not a number") from None
    if not math.isfinite(value):
        raise DataError(f"{where}: {field!r} is not finite")
    return value


def distinct(keys: Iterable[str], where: str) -> None:
    """Refuse a table in which a source's own identifier stands twice.

    Raises:
        DataError: the message begins with `where` and names the first repeated key.
    """
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise DataError(f"{where}: the identifier {key!r} stands in more than one row")
        seen.add(key)


def _name(file: File, member: Member | None) -> str:
    return file.path if member is None else f"{file.path}, {member.path}"


def _member(path: object, name: str) -> bytes:
    """Only members that the manifest names are ever unpacked, and only into memory."""
    if zipfile.is_zipfile(str(path)):
        with zipfile.ZipFile(str(path)) as archive:
            return archive.read(name)
    with tarfile.open(str(path)) as archive:
        handle = archive.extractfile(name)
        if handle is None:
            raise KeyError(f"{name} is not a file")
        return handle.read()


def _checked(data: bytes, member: Member, file: File) -> bytes:
    if len(data) != member.bytes:
        raise DataError(f"{_name(file, member)} has {len(data):,} bytes instead of {member.bytes:,}")
    if hashlib.sha256(data).hexdigest() != member.sha256:
        raise DataError(f"{_name(file, member)} has another sha256 than the manifest says")
    return data


def _require(found: int, file: File, member: Member | None) -> None:
    rows = file.rows if member is None else member.rows
    if found != rows:
        raise DataError(f"{_name(file, member)} has {found:,} rows instead of {rows:,}")
