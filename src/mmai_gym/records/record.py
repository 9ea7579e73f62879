"""The file of a run record: appended to line by line, gone on with after a kill, read back with its examples."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, Any, NamedTuple

from mmai_gym.contracts import SPLITS, DataError, Example, Result, Task, UsageError
from mmai_gym.records.header import RECORD_VERSION, RunHeader
from mmai_gym.records.rows import Key, Row

FSYNC_SECONDS = 5.0


class RunRecord:
    """A run record, opened to append (`RunRecord.open`) or to read (`RunRecord.read`)."""

    def __init__(self, path: Path, header: RunHeader, done: set[Key], stream: IO[bytes] | None) -> None:
        self.path = path
        self.header = header
        self._done = done
        self._stream = stream
        self._synced = time.monotonic()

    @classmethod
    def open(cls, path: str | os.PathLike[str], header: RunHeader) -> RunRecord:
        """Create the record, or go on with the one that is there.

        A last line cut short by a kill is taken off. One process writes at a time (advisory lock).

        Raises:
            UsageError: the record at `path` belongs to a different run (the differing settings are named), is
                compressed, or another process is writing it.
            DataError: the file at `path` is not a run record, or is corrupt before its last line.
        """
        path = Path(path)
        if path.suffix == ".gz":
            raise UsageError(f"{path} is compressed and can only be read; decompress it to go on with the run")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stream = path.open("a+b")
        except OSError as error:
            raise UsageError(
                f"cannot write a run record to {path}: {error.strerror}; choose another path"
            ) from None
        try:
            lock(stream, path)
            found, done = _recover(stream, path)
            if found is None:
                line = _line(header.as_json())
                stream.write(line)
                stream.flush()
                os.fsync(stream.fileno())
            elif names := found.differences(header):
                raise UsageError(
                    f"{path} was begun by a different run: {'; '.join(names)}. Write to another file, "
                    "or repeat the settings of the record to go on with it"
                )
        except BaseException:
            stream.close()
            raise
        return cls(path, found or header, done, stream)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> RunRecord:
        """Open a record (`.jsonl` or `.jsonl.gz`) for reading; a last line cut short is left out.

        Raises:
            DataError: there is no such file, it is not a run record, or is corrupt before its last line.
        """
        path = Path(path)
        lines = _lines(path)
        first = next(lines, None)
        if first is None:
            raise DataError(f"{path} is empty, not a run record; run the benchmark again")
        return cls(path, _header(first, path), set(), None)

    def __enter__(self) -> RunRecord:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def append(self, model: str, result: Result, seconds: float | None = None) -> bool:
        """Write one result as one line, handed to the system at once; False where the record has it already.

        Raises:
            UsageError: the record was opened for reading, or is closed.
        """
        if self._stream is None:
            raise UsageError(f"{self.path} is open for reading only; open it with RunRecord.open")
        row = Row(model, result.example.task, result.prediction, result.verdicts, seconds)
        if row.key in self._done:
            return False
        self._stream.write(_line(row.as_json()))
        self._stream.flush()
        self._done.add(row.key)
        if time.monotonic() - self._synced > FSYNC_SECONDS:
            os.fsync(self._stream.fileno())
            self._synced = time.monotonic()
        return True

    def done(self) -> set[Key]:
        """(model, task, example id) of every result in the record."""
        return set(self._done) if self._stream is not None else {row.key for row in self.rows()}

    def close(self) -> None:
        """Force what was written onto the disk and release the lock. A second call does nothing."""
        if self._stream is not None:
            os.fsync(self._stream.fileno())
            self._stream.close()
            self._stream = None

    def rows(self) -> Iterator[Row]:
        """Rows in the order they were written; of several for one key, the first.

        Raises:
            DataError: a line before the last is not a row (its number is named).
        """
        seen: set[Key] = set()
        lines = _lines(self.path)
        next(lines, None)
        for number, line in enumerate(lines, start=2):
            row = _row(line, number, self.path)
            if row.key not in seen:
                seen.add(row.key)
                yield row

    def joined(self, task: Callable[[str], Task]) -> Joined:
        """The record read once: its results, and what is wrong with it.

        Args:
            task: finds a task by name (`mmai_gym.tasks.get`); its examples are joined to the rows by id.

        Raises:
            DataError: a line before the last is not a row (its number is named), or the task's source no longer holds an
                example that the record answers.
        """
        faults = _Faults()
        by_task: dict[str, dict[str, dict[str, Row]]] = {}
        lines = enumerate(_raw_lines(self.path), start=1)
        next(lines, None)
        for number, line in lines:
            if not line.endswith(b"\n"):
                faults.torn = number
                continue
            row = _row(line, number, self.path)
            answered = by_task.setdefault(row.task, {}).setdefault(row.model, {})
            if row.prediction.example_id in answered:
                faults.repeated.setdefault(row.key, number)
            else:
                answered[row.prediction.example_id] = row
        results: dict[tuple[str, str], list[Result]] = {}
        for name, models in by_task.items():
            if (known := _known(task, name)) is None:
                faults.unknown[name] = sum(map(len, models.values()))
                continue
            faults.count_verdicts(known, (row for rows in models.values() for row in rows.values()))
            wanted = {example_id for rows in models.values() for example_id in rows}
            examples = _find_examples(known, wanted, self.path)
            for model, rows in models.items():
                results[model, name] = [
                    Result(example, rows[example.id].prediction, rows[example.id].verdicts)
                    for example in examples
                    if example.id in rows
                ]
        return Joined(results, faults.sentences())

    def results(self, task: Callable[[str], Task]) -> dict[tuple[str, str], list[Result]]:
        """Those of `joined` alone."""
        return self.joined(task).results


class Joined(NamedTuple):
    """A record and the examples that it answers."""

    results: dict[tuple[str, str], list[Result]]
    """By (model, task name), in the order of the task's examples. Rows of a task that is not known are left out."""
    faults: list[str]
    """What is wrong with the record, one sentence each; every row that is good is kept all the same. A last line cut short,
    rows of tasks that are not known, a second answer of a model to an example, and verdicts of another version of a task's
    verifier, which are kept as they are."""


@dataclass(slots=True)
class _Faults:
    """What is counted of them."""

    torn: int | None = None
    repeated: dict[Key, int] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)
    judged: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def count_verdicts(self, task: Task, rows: Iterable[Row]) -> None:
        """Those of another version of the task's verifier."""
        for row in rows:
            versions = {verdict.verifier_version for verdict in row.verdicts} - {"", task.verifier_version}
            self.judged.update((row.task, version, task.verifier_version) for version in versions)

    def sentences(self) -> list[str]:
        said: list[str] = []
        if self.torn is not None:
            said.append(
                f"line {self.torn} is cut short and left out; the `bench` command that began the record runs its "
                "example again"
            )
        if self.repeated:
            (model, task, id_), number = next(iter(self.repeated.items()))
            said.append(
                f"{len(self.repeated)} examples are answered twice, the first of them on line {number} ({model} on {task}, "
                f"id {id_}); the earlier answer counts"
            )
        said += [
            f"{count} rows answer {name!r}, a task that this gym does not have, and are left out; `mmai-gym tasks` lists all"
            for name, count in self.unknown.items()
        ]
        said += [
            f"{count} answers to {name} were judged by verifier {version}, this gym has {now}; their verdicts are kept "
            "as they are, `mmai-gym judge` makes new ones"
            for (name, version, now), count in self.judged.items()
        ]
        return said


def _known(task: Callable[[str], Task], name: str) -> Task | None:
    try:
        return task(name)
    except UsageError:
        return None


def _find_examples(task: Task, wanted: set[str], path: Path) -> list[Example]:
    """The wanted examples in the task's order; the test split is looked at first, the others only if need be."""
    found: dict[str, Example] = {}
    for split in reversed(SPLITS):
        if len(found) == len(wanted):
            break
        found |= {e.id: e for e in task.examples(split) if e.id in wanted and e.id not in found}
    if missing := sorted(wanted - found.keys()):
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise DataError(
            f"{path} answers {len(missing)} examples of {task.name} that its source does not hold: {shown}. "
            "Compare the record's checksums and task version with the data here; fetch the data it was made with"
        )
    return list(found.values())


def _line(data: Mapping[str, Any]) -> bytes:
    # ASCII, because a model's text may hold lone surrogates that no UTF-8 file can.
    return json.dumps(data, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def _lines(path: Path) -> Iterator[bytes]:
    """Complete lines; a torn one at the end is left out."""
    return (line for line in _raw_lines(path) if line.endswith(b"\n"))


def _raw_lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            yield from stream
    except FileNotFoundError:
        raise DataError(f"there is no run record at {path}; check the path") from None
    except (EOFError, gzip.BadGzipFile, OSError) as error:
        raise DataError(f"{path} cannot be read to its end ({error}); copy or download it again") from error


def _recover(stream: IO[bytes], path: Path) -> tuple[RunHeader | None, set[Key]]:
    """Read a record that is open for appending and take off a torn last line. (None, {}) for a new file."""
    stream.seek(0)
    header: RunHeader | None = None
    done: set[Key] = set()
    whole = 0
    for number, line in enumerate(stream, start=1):
        if not line.endswith(b"\n"):
            break
        if header is None:
            header = _header(line, path)
        else:
            done.add(_row(line, number, path).key)
        whole += len(line)
    stream.seek(0)
    if header is None and not b'{"record_version":'.startswith(stream.read(18)):
        raise DataError(f"{path} is not a run record and will not be written over; choose another file")
    stream.truncate(whole)
    stream.seek(whole)
    return header, done


def _header(line: bytes, path: Path) -> RunHeader:
    try:
        data = json.loads(line)
        version = data["record_version"]
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path} does not begin with a run record's header; it is some other file") from None
    if version != RECORD_VERSION:
        raise DataError(
            f"{path} has record version {version}, this gym reads {RECORD_VERSION}; use the gym version it names: "
            f"{data.get('libraries', {}).get('mmai-gym', 'unknown')}"
        )
    known = {f.name for f in fields(RunHeader)}
    try:
        return RunHeader(**{name: value for name, value in data.items() if name in known})
    except TypeError as error:
        raise DataError(f"{path} has an incomplete header ({error}); it cannot be used") from None


def _row(line: bytes, number: int, path: Path) -> Row:
    try:
        return Row.from_json(json.loads(line))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}, line {number}: not a row of a run record ({type(error).__name__}: {error}); "
            "delete that line to have its example run again"
        ) from None


def lock(stream: IO[bytes], path: Path) -> None:
    """Keep a second writer out until `stream` is closed; without flock on the platform, that is the caller's business.

    Raises:
        UsageError: another process holds the lock.
    """
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise UsageError(
            f"another process is writing {path}; wait for it to end, stop it, or write to another file"
        ) from None
