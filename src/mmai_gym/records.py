"""The run record: one file that says what was run and what came out, written as it comes.

Line one is the header (configuration, task versions, checksums of data, hashes of prompts, library versions,
seeds); every further line is one model's answer to one example with its verdicts. A record is enough to recompute
every metric and the report without a model, and to go on after a kill: a result is one complete line or it is
absent, a line cut short is dropped on opening, and a header that no longer fits is refused, so that two different
runs can never share a file. Inputs and gold answers are not stored; `RunRecord.results` joins them from the source
by id, which keeps a record small and free of data that it has no right to republish.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from mmai_gym.contracts import (
    SPLITS,
    Completion,
    DataError,
    Example,
    Prediction,
    Reason,
    Result,
    Task,
    UsageError,
    Verdict,
)

RECORD_VERSION = 1
FSYNC_SECONDS = 5.0
Key = tuple[str, str, str]
"""(model, task, example id)"""

_MUST_AGREE = ("record_version", "kind", "config", "tasks", "checksums", "prompts", "seeds")
_LIBRARIES = ("mmai-gym", "numpy", "rdkit", "selfies")
_LIBRARIES_IF_LOADED = {
    "catboost": "catboost",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "tokenizers": "tokenizers",
    "torch": "torch",
    "transformers": "transformers",
}


# --------------------------------------------------------------------------------------------------- header


def library_versions(names: Iterable[str] | None = None) -> dict[str, str]:
    """Versions of Python and of the named distributions; one that is not installed is left out.

    Without names: the gym's core, and those of torch, transformers, catboost, ... that this process has loaded.
    """
    if names is None:
        names = [*_LIBRARIES, *(name for module, name in _LIBRARIES_IF_LOADED.items() if module in sys.modules)]
    versions = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Hex SHA-256 of a file's bytes, read in pieces."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What must be known to repeat a run.

    Args:
        kind: what was run, e.g. "bench".
        config: JSON-ready settings, without secrets.
        tasks: task name -> task version.
        checksums: data file -> sha256.
        prompts: template or prompt name -> hash.
        seeds: name -> seed.

    Raises:
        UsageError: a setting looks like a credential (see `refuse_secrets`).
    """

    kind: str
    config: Mapping[str, Any]
    tasks: Mapping[str, str] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=library_versions)
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    record_version: int = RECORD_VERSION

    def __post_init__(self) -> None:
        refuse_secrets(self.config)

    def as_json(self) -> dict[str, Any]:
        """The header as JSON types, the version first."""
        data = json.loads(json.dumps(asdict(self), allow_nan=False))
        return {"record_version": data.pop("record_version"), **data}

    def differences(self, other: RunHeader) -> list[str]:
        """Dotted names of what keeps `other` from going on where this run stopped.

        RDKit's version belongs to it, for verdicts depend on it; other libraries and the date may differ.
        """
        mine, theirs = self.as_json(), other.as_json()
        names = [name for key in _MUST_AGREE for name in _differing(key, mine[key], theirs[key])]
        return names + _differing(
            "libraries.rdkit", mine["libraries"].get("rdkit"), theirs["libraries"].get("rdkit")
        )


def _differing(name: str, mine: Any, theirs: Any) -> list[str]:
    if isinstance(mine, dict) and isinstance(theirs, dict):
        keys = sorted(mine.keys() | theirs.keys())
        return [d for key in keys for d in _differing(f"{name}.{key}", mine.get(key), theirs.get(key))]
    return [] if mine == theirs else [f"{name} ({_short(mine)} in the record, {_short(theirs)} now)"]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


_SECRET_WORDS = frozenset(
    {
        "key",
        "apikey",
        "token",
        "secret",
        "secrets",
        "password",
        "passwd",
        "passphrase",
        "credential",
        "credentials",
    }
    | {"authorization", "bearer"}
)
_SPECIAL_TOKENS = frozenset({"bos", "eos", "pad", "unk", "sep", "cls", "mask", "stop", "image"})
_URL_WITH_SECRET = re.compile(
    r"://([^/\s:@]*:[^/\s@]+@|\S*[?&][^=&\s]*(key|token|secret|password)[^=&\s]*=[^&\s])"
)


def refuse_secrets(config: Any, path: str = "config") -> None:
    """Refuse settings that look like credentials: a record is meant to be shared.

    What stands under a name with the word key, token, secret, password, ... is one (numbers, and special tokens
    such as `pad_token`, are not), and so is a URL with a password or a key in it.

    Raises:
        UsageError: naming the setting, never its value.
    """
    if isinstance(config, Mapping):
        for name, value in config.items():
            if value and not isinstance(value, int | float) and _names_a_secret(str(name)):
                raise UsageError(
                    f"{path}.{name} looks like a credential and would be written into the run record; "
                    "give it through an environment variable and leave it out of the configuration"
                )
            refuse_secrets(value, f"{path}.{name}")
    elif isinstance(config, list | tuple):
        for position, value in enumerate(config):
            refuse_secrets(value, f"{path}[{position}]")
    elif isinstance(config, str) and _URL_WITH_SECRET.search(config):
        raise UsageError(
            f"{path} is a URL with a credential in it and would be written into the run record; "
            "take it out and give it through an environment variable"
        )


def _names_a_secret(name: str) -> bool:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    parts = [part for part in re.split(r"[^a-z0-9]+", words) if part]
    return not _SECRET_WORDS.isdisjoint(parts) and _SPECIAL_TOKENS.isdisjoint(parts)


# --------------------------------------------------------------------------------------------------- rows


@dataclass(frozen=True, slots=True)
class Row:
    """One model's answer to one example, as the record holds it."""

    model: str
    task: str
    prediction: Prediction
    verdicts: tuple[Verdict, ...]
    seconds: float | None = None

    @property
    def key(self) -> Key:
        return self.model, self.task, self.prediction.example_id

    def as_json(self) -> dict[str, Any]:
        """JSON types only; a number that is not finite becomes null."""
        prediction = self.prediction
        data: dict[str, Any] = {
            "model": self.model,
            "task": self.task,
            "id": prediction.example_id,
            "completions": [[c.text, _finite(c.logprob)] for c in prediction.completions],
            "probabilities": None
            if prediction.probabilities is None
            else {option: _finite(p) for option, p in prediction.probabilities.items()},
            "value": _finite(prediction.value),
            "spread": _finite(prediction.spread),
            "verdicts": [_verdict_as_json(verdict) for verdict in self.verdicts],
        }
        return data if self.seconds is None else data | {"seconds": self.seconds}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Row:
        """Raises KeyError, TypeError or ValueError where the line is not a row."""
        options = data["probabilities"]
        prediction = Prediction(
            example_id=data["id"],
            completions=tuple(Completion(text, logprob) for text, logprob in data["completions"]),
            probabilities=None if options is None else {option: _or_nan(p) for option, p in options.items()},
            value=data["value"],
            spread=data["spread"],
        )
        verdicts = tuple(_verdict_from_json(verdict) for verdict in data["verdicts"])
        return cls(data["model"], data["task"], prediction, verdicts, data.get("seconds"))


def _verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    data: dict[str, Any] = {
        "score": _finite(verdict.score),
        "reason": verdict.reason.value,
        "answer": verdict.answer,
        "components": {name: _finite(value) for name, value in verdict.components.items()},
    }
    optional = {"version": verdict.verifier_version, "detail": verdict.detail}
    return data | {name: text for name, text in optional.items() if text}


def _verdict_from_json(data: Mapping[str, Any]) -> Verdict:
    return Verdict(
        score=data["score"],
        reason=Reason(data["reason"]),
        answer=data["answer"],
        components={name: _or_nan(value) for name, value in data["components"].items()},
        verifier_version=data.get("version", ""),
        detail=data.get("detail", ""),
    )


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


# --------------------------------------------------------------------------------------------------- the file


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

    def results(self, task: Callable[[str], Task]) -> dict[tuple[str, str], list[Result]]:
        """Results by (model, task name), each list in the order of the task's examples.

        Args:
            task: finds a task by name (`mmai_gym.tasks.get`); its examples are joined to the rows by id.

        Rows of a task that is not known are left out; `faults` says so.

        Raises:
            DataError: the task's source no longer holds an example that the record answers.
        """
        by_task: dict[str, dict[str, dict[str, Row]]] = {}
        for row in self.rows():
            by_task.setdefault(row.task, {}).setdefault(row.model, {})[row.prediction.example_id] = row
        joined: dict[tuple[str, str], list[Result]] = {}
        for name, models in by_task.items():
            if (known := _known(task, name)) is None:
                continue
            wanted = {example_id for rows in models.values() for example_id in rows}
            examples = _find_examples(known, wanted, self.path)
            for model, rows in models.items():
                joined[model, name] = [
                    Result(example, rows[example.id].prediction, rows[example.id].verdicts)
                    for example in examples
                    if example.id in rows
                ]
        return joined

    def faults(self, task: Callable[[str], Task]) -> list[str]:
        """What is wrong with the record, one sentence each; every row that is good is kept all the same.

        A last line cut short, rows of tasks that are not known, a second answer of a model to an example, and verdicts of
        another version of a task's verifier, which are kept as they are.

        Args:
            task: finds a task by name (`mmai_gym.tasks.get`).

        Raises:
            DataError: a line before the last is not a row (its number is named).
        """
        seen: set[Key] = set()
        counted = _Faults()
        lines = enumerate(_raw_lines(self.path), start=1)
        next(lines, None)
        for number, line in lines:
            if not line.endswith(b"\n"):
                counted.torn = number
                continue
            row = _row(line, number, self.path)
            if row.key in seen:
                counted.repeated.setdefault(row.key, number)
                continue
            seen.add(row.key)
            if (known := _known(task, row.task)) is None:
                counted.unknown[row.task] += 1
                continue
            versions = {verdict.verifier_version for verdict in row.verdicts} - {"", known.verifier_version}
            counted.judged.update((row.task, version, known.verifier_version) for version in versions)
        return counted.sentences()


@dataclass(slots=True)
class _Faults:
    """What `RunRecord.faults` counts."""

    torn: int | None = None
    repeated: dict[Key, int] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)
    judged: Counter[tuple[str, str, str]] = field(default_factory=Counter)

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
