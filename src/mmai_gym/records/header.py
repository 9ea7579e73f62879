"""The first line of a run record: what must be known to repeat the run, and what keeps two runs apart."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mmai_gym.records.credentials import refuse_secrets

RECORD_VERSION = 1
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
