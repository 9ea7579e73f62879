"""A suite: which tasks, how many answers each, and what has to be beaten.

It is a TOML file that reads like the methods section of a paper. An unknown key is an error: a misspelt `n` that
is silently ignored would change a published number.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mmai_gym import tasks
from mmai_gym.bench.published import checked_setting
from mmai_gym.contracts import MissingExtra, UsageError
from mmai_gym.models import BASELINES


class Family(BaseModel):
    """One job.

    Attributes:
        protocol: whose it is: authors and year.
        tasks: names or prefixes of tasks.
        n: completions per example.
        limit: the protocol's own number of test examples of each task, drawn as `runner.subset` draws; 0 for all of them.
        augmented: written forms of each test molecule in a second row of the model, whose answers are merged by votes; 0
            for no such row.
        forward: the task that a forward model is asked for round trips, where one is given to the run; '' for none.
        extra: what must be installed for all of its tasks to exist; '' where nothing is missing in a plain installation.
        seeds: fits of each baseline whose fit depends on a seed; the table shows their mean and standard deviation.
        trivial: baselines without chemistry; the family counts as beaten when the model is better than the best of
            them, with separated 95 % intervals, on more than half of the tasks.
        setting: what a published figure must agree with to be ranked with the measured ones (see `published`).
        note: what a reader of the numbers should know about the protocol.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    protocol: str = ""
    tasks: tuple[str, ...] = Field(min_length=1)
    n: int = Field(default=1, ge=1)
    limit: int = Field(default=0, ge=0)
    seeds: int = Field(default=1, ge=1)
    augmented: int = Field(default=0, ge=0)
    forward: str = ""
    extra: str = ""
    trivial: tuple[str, ...] = Field(default=("baseline:constant",), min_length=1)
    setting: dict[str, bool | int | str] = Field(default_factory=dict)
    note: str = ""

    @field_validator("setting")
    @classmethod
    def _known_keys(cls, setting: dict[str, bool | int | str]) -> dict[str, bool | int | str]:
        return checked_setting(setting)

    def least(self, limit: int | None) -> int | None:
        """Test examples of a task in a run that wants at most `limit` of them (None: all); None for all there are."""
        return min((one for one in (limit, self.limit) if one), default=None)

    def task_names(self) -> tuple[str, ...]:
        """The registered tasks at or below the prefixes, in the registry's order.

        Raises:
            UsageError: a prefix matches no task.
            MissingExtra: it does not because `extra` is not installed. A suite is never quietly a smaller one.
        """
        try:
            return tuple(dict.fromkeys(name for prefix in self.tasks for name in tasks.match(prefix)))
        except UsageError as error:
            if not self.extra:
                raise
            raise MissingExtra(f"{self.name}: {error}; run: pip install 'mmai-gym[{self.extra}]'") from None


class Suite(BaseModel):
    """A benchmark protocol: families in the order of the table, and the baselines that run beside the model."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    description: str = ""
    baselines: tuple[str, ...]
    families: tuple[Family, ...] = Field(alias="family", min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Suite:
        for name in self.baselines:
            if name not in BASELINES:
                raise ValueError(f"unknown baseline {name!r}; there are: {', '.join(BASELINES)}")
        for family in self.families:
            if missing := sorted(set(family.trivial) - set(self.baselines)):
                raise ValueError(
                    f"family {family.name!r} names {', '.join(missing)}, which `baselines` does not run"
                )
        names = [family.name for family in self.families]
        if len(set(names)) < len(names):
            raise ValueError("two families have the same name")
        return self


def list_suites() -> list[str]:
    """Names of the suites that ship with the gym."""
    return sorted(file.name.removesuffix(".toml") for file in _shipped().iterdir() if file.name.endswith(".toml"))


def load_suite(name: str) -> Suite:
    """A shipped suite by name, or a TOML file by path.

    Raises:
        UsageError: there is no such suite, the file is not TOML, a key is unknown, or a value does not fit.
    """
    if name in list_suites():
        text = (_shipped() / f"{name}.toml").read_text(encoding="utf-8")
    elif Path(name).is_file():
        text = Path(name).read_text(encoding="utf-8")
    else:
        raise UsageError(f"no suite {name!r}; there are: {', '.join(list_suites())}, or give a TOML file")
    try:
        return Suite.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"suite {name} is not TOML: {error}") from None
    except ValidationError as error:
        raise UsageError(f"suite {name}: {_explain(error)}") from None


def _shipped() -> resources.abc.Traversable:
    return resources.files(__package__) / "suites"


def _explain(error: ValidationError) -> str:
    """One clause per fault: where it is, and what is wrong there."""
    clauses: list[str] = []
    for fault in error.errors():
        where = ".".join(str(part) for part in fault["loc"])
        what = (
            "unknown key, remove it or correct its spelling"
            if fault["type"] == "extra_forbidden"
            else fault["msg"]
        )
        clauses.append(f"{where}: {what}" if where else what)
    return "; ".join(clauses)
