"""A training recipe: everything that decides what a run learns, in one TOML file.

A key that is misspelled and silently ignored costs a training run and is found weeks later, if ever. So a
recipe is typed, an unknown key is an error that names the nearest valid one, and a mixture entry that matches
no task is an error too. A recipe holds no paths and no machine settings: the same file gives the same corpus
bytes and the same order of batches anywhere.
"""

from __future__ import annotations

import datetime
import difflib
import json
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mmai_gym import tasks
from mmai_gym.audit import Rule
from mmai_gym.contracts import UsageError
from mmai_gym.lfm.chat import DEFAULT_DATE
from mmai_gym.lfm.presets import MAX_POSITIONS
from mmai_gym.tasks.base import BaseTask
from mmai_gym.training.lora import Lora

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]


_LORA_RATE, _FULL_RATE = 2e-4, 2e-5  # learning rates on released weights, where the recipe has none


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


class Optimizer(_Section):
    """AdamW under a warmup-stable-decay schedule, which runs once in each stage."""

    learning_rate: float = Field(default=3e-3, gt=0)
    warmup: float = Field(default=0.02, ge=0, le=1)
    """Share of a stage's steps in which the learning rate rises from zero."""
    decay: float = Field(default=0.3, ge=0, le=1)
    """Share of a stage's steps, the last ones, in which it falls to zero."""
    decay_shape: Literal["linear", "cosine", "1-sqrt"] = "linear"
    weight_decay: float = Field(default=0.01, ge=0)
    beta2: float = Field(default=0.95, gt=0, lt=1)
    clip: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient."""

    @model_validator(mode="after")
    def _phases_fit(self) -> Optimizer:
        if self.warmup + self.decay > 1:
            raise ValueError(
                f"warmup {self.warmup:g} and decay {self.decay:g} are shares and add up to more than 1"
            )
        return self


class Batch(_Section):
    """Which rows share an optimizer step: up to a number of tokens, whatever the number of devices."""

    rows: Literal["grouped", "packed"] = "grouped"
    """Rows of similar length are padded to the longest; or several fill a line of `max_length` tokens, kept apart by the
    network."""
    tokens: int = Field(default=6144, ge=8)
    """Of one step, over all devices, padding included."""
    micro_tokens: int | None = Field(default=None, ge=8)
    """At most so many on one device at a time: a larger step is summed up from several passes. It changes the memory that
    training takes, and no number but by rounding. None: the whole of a device's share at once."""
    max_length: int = Field(default=512, ge=4, le=MAX_POSITIONS)
    """A row with more tokens is left out and counted; it is never cut."""

    @model_validator(mode="after")
    def _a_row_fits(self) -> Batch:
        for what, tokens in (("batch", self.tokens), ("forward pass (micro_tokens)", self.micro_tokens)):
            if tokens is not None and self.max_length > tokens:
                raise ValueError(
                    f"a row of max_length {self.max_length} does not fit into a {what} of {tokens} tokens"
                )
        return self


class Schedule(_Section):
    """How often a run writes a log line, validates, and saves what it needs to go on after a stop."""

    log_steps: int = Field(default=10, ge=1)
    validate_steps: int = Field(default=200, ge=1)
    validate_rows: int = Field(default=64, ge=1)
    """Validation examples per task, chosen by hash."""
    checkpoint_minutes: float = Field(default=2.0, ge=0)
    probe_minutes: float | None = Field(default=None, ge=0)
    """After so many minutes of training, let the model answer validation examples, and at the end; None for never."""
    probe_examples: int = Field(default=200, ge=1)
    """Validation examples per task that it answers, chosen by hash."""


class Exclude(_Section):
    """Which test molecules stay out of the corpora; the rules are in `audit.exclusions`."""

    tests: tuple[str, ...] = ()
    """Names or prefixes of the tasks that the model is to be evaluated on; none means those of its own mixtures."""
    rules: tuple[Rule, ...] = get_args(Rule)
    strict: bool = False
    """Leave test molecules out of the training rows of their own data set as well, where the official split holds
    otherwise: the 22 ADMET endpoints share many molecules."""


class Portion(_Section):
    """How much of a task goes into a mixture."""

    views: int = Field(default=1, ge=1)
    """Written forms of each example: the first as given, the others by `task.augment`."""
    limit: int | None = Field(default=None, ge=1)
    """At most so many examples of each task, chosen by hash; None for all."""
    shared: bool = False
    """Ask several questions about a molecule in one row. A short answer costs the reading of the whole molecule: sharing
    it between all questions of the tasks that say so gives several times more answers per token. A released model is
    asked in its chat template, one question a row; there it only brings the questions about a molecule together."""


class Stage(_Section):
    """One part of the curriculum: a mixture, passed over `epochs` times. Stages run one after the other."""

    name: Name
    epochs: int = Field(default=1, ge=1)
    language: bool = False
    """Supervise the molecules that the questions show, too: the model learns to write molecules from every row, not only
    from the rows whose answer is one."""
    mixture: dict[str, Portion] = Field(min_length=1)
    """From a prefix of task names. Where two prefixes match a task, the longer one holds for it."""

    def portions(self) -> list[tuple[BaseTask, Portion]]:
        """The tasks of the mixture, each once, by name.

        Raises:
            UsageError: a prefix matches no task.
        """
        chosen: dict[str, Portion] = {}
        for prefix in sorted(self.mixture, key=len):
            try:
                chosen |= dict.fromkeys(tasks.match(prefix), self.mixture[prefix])
            except UsageError as error:
                raise UsageError(f"the mixture of stage {self.name!r}: {error}") from error
        return [(tasks.get(name), chosen[name]) for name in sorted(chosen)]


class Recipe(_Section):
    """What `mmai-gym train` needs to know."""

    name: Name
    preset: str | None = None
    """The size of an LFM that is trained from scratch; or instead of it:"""
    base: str | None = None
    """Weights to go on from: a released LFM2 or LFM2.5 (a hub id, with @REVISION behind it to fix the commit, or a local
    folder), or an earlier run of the gym (its folder, or its name under ./runs)."""
    arch: Literal["lfm", "transformer"] = "lfm"
    """The transformer of the preset's size is the control: attention in every layer, see `lfm.presets.Preset.twin`."""
    date: str | None = None
    """What the chat template of a released base takes for today, YYYY-MM-DD."""
    lora: Lora | None = None
    """Train adapters on the base; without it, all weights."""
    name_proteins: bool = False
    """Give each protein of the training examples a token, which stands in place of its sequence: a question about it takes
    ten tokens instead of hundreds. A protein without one is spelled out."""
    smoothing: float = Field(default=0.0, ge=0, le=16)
    """Standard deviation, in steps of the grid, of the normal distribution as which a number is learned; 0 for one step."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """Of matrix products; weights, optimizer and loss are float32. "bfloat16" wherever the device is made for it, "auto" on
    such GPUs only; elsewhere float32, since emulation is many times slower."""
    optimizer: Optimizer = Optimizer()
    batch: Batch = Batch()
    schedule: Schedule = Schedule()
    exclude: Exclude = Exclude()
    stages: tuple[Stage, ...] = Field(alias="stage", min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_a_base(cls, data: Any) -> Any:
        """Trained weights bear smaller steps than fresh ones; and a date that stands in the recipe cannot change."""
        if not isinstance(data, dict):
            return data
        if isinstance(data.get("date"), datetime.date):  # TOML has dates of its own
            data = data | {"date": data["date"].isoformat()}
        if data.get("base") is None:
            return data
        data = {"date": DEFAULT_DATE} | data
        optimizer = data.get("optimizer", {})
        if isinstance(optimizer, dict):
            rate = _FULL_RATE if data.get("lora") is None else _LORA_RATE
            data["optimizer"] = {"learning_rate": rate, **optimizer}
        return data

    @model_validator(mode="after")
    def _starts_from_one_thing(self) -> Recipe:
        if (self.preset is None) == (self.base is None):
            found = "both" if self.base is not None else "neither"
            raise ValueError(
                f"give `preset` to train from scratch or `base` to go on from released weights, not {found}"
            )
        if self.base is None:
            extra = [key for key in ("date", "lora") if getattr(self, key) is not None]
            if extra:
                raise ValueError(f"`{extra[0]}` goes with `base`; a preset has none, take it out")
            return self
        if self.arch != "lfm":
            raise ValueError("`arch` goes with `preset`; a base is what it is, take it out")
        try:
            datetime.date.fromisoformat(self.date or "")
        except ValueError:
            raise ValueError(f"`date` is {self.date!r}; write it like {DEFAULT_DATE}") from None
        return self

    @field_validator("exclude", mode="before")
    @classmethod
    def _switch(cls, value: Any) -> Any:
        """`exclude = false` turns every rule off."""
        if isinstance(value, bool):
            return Exclude() if value else Exclude(rules=())
        return value

    @model_validator(mode="after")
    def _stages_differ(self) -> Recipe:
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError(f"two stages have the same name among {', '.join(names)}")
        return self

    def tasks(self) -> list[BaseTask]:
        """The tasks of all stages, each once, by name. Raises UsageError where a prefix matches none."""
        found = {task.name: task for stage in self.stages for task, _ in stage.portions()}
        return [found[name] for name in sorted(found)]

    def tests(self) -> list[str]:
        """Names of the tasks whose test sets the corpora must not know. Raises UsageError where a prefix matches none."""
        if not self.exclude.tests:
            return [task.name for task in self.tasks()]
        try:
            return sorted({name for prefix in self.exclude.tests for name in tasks.match(prefix)})
        except UsageError as error:
            raise UsageError(f"exclude.tests: {error}") from error

    def to_toml(self) -> str:
        """The recipe with every default written out; `parse_recipe` of it gives the same recipe."""
        data = self.model_dump(by_alias=True, exclude_none=True)
        stages = data.pop("stage")
        lines = _keys(data)
        for section in ("lora", "optimizer", "batch", "schedule", "exclude"):
            if section not in data:
                continue
            lines += ["", f"[{section}]", *_keys(data[section])]
        for stage in stages:
            mixture = stage.pop("mixture")
            lines += ["", "[[stage]]", *_keys(stage), "[stage.mixture]"]
            lines += [f"{_text(prefix)} = {{ {', '.join(_keys(part))} }}" for prefix, part in mixture.items()]
        return "\n".join(lines) + "\n"

    def differences(self, other: Recipe) -> list[str]:
        """The dotted keys whose values differ, with both values."""
        mine, theirs = _flat(self.model_dump(by_alias=True)), _flat(other.model_dump(by_alias=True))
        return [
            f"{key}: {mine.get(key)!r} is not {theirs.get(key)!r}"
            for key in sorted(mine.keys() | theirs.keys())
            if mine.get(key) != theirs.get(key)
        ]


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the gym."""
    folder = resources.files("mmai_gym") / "recipes"
    if not folder.is_dir():
        return []
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """A shipped recipe by its name, or one's own by the path of its TOML file.

    Raises:
        UsageError: there is none; or it is not TOML, has an unknown key or a wrong value, or names no known task.
    """
    given = str(name_or_path)
    if isinstance(name_or_path, Path) or given.endswith(".toml") or "/" in given:
        path = Path(name_or_path)
        if not path.is_file():
            raise UsageError(f"there is no recipe file {path}; give a TOML file or one of {_choices()}")
        return parse_recipe(path.read_text(encoding="utf-8"), str(path))
    if given not in shipped_recipes():
        raise UsageError(
            f"there is no recipe {given!r}{_hint(given, shipped_recipes())}; shipped are {_choices()}"
        )
    return parse_recipe(_shipped(given), f"{given}.toml")


def parse_recipe(text: str, source: str) -> Recipe:
    """The recipe that `text` describes; `source` names it in messages. Raises as `load_recipe` does.

    With the key `like` it is a shipped recipe, whose keys and sections it replaces by its own.
    """
    try:
        recipe = Recipe.model_validate(_completed(tomllib.loads(text), source))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"recipe {source} is not TOML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(_fault(dict(item)) for item in error.errors(include_url=False))
        raise UsageError(f"recipe {source}: {faults}") from error
    try:
        recipe.tasks()
        recipe.tests()
    except UsageError as error:
        raise UsageError(f"recipe {source}: {error}") from error
    return recipe


# --------------------------------------------------------------------------------------------------- helpers


def _shipped(name: str) -> str:
    return (resources.files("mmai_gym") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")


def _completed(given: dict[str, Any], source: str) -> dict[str, Any]:
    """What a recipe says, and what the one says that it is like."""
    if "like" not in given:
        return given
    own = dict(given)
    name = own.pop("like")
    if name not in shipped_recipes():
        raise UsageError(
            f"recipe {source}: like = {name!r} is no shipped recipe{_hint(str(name), shipped_recipes())}; "
            f"shipped are {_choices()}"
        )
    return tomllib.loads(_shipped(name)) | own


def _choices() -> str:
    return ", ".join(shipped_recipes()) or "(none)"


def _hint(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _fault(item: dict[str, Any]) -> str:
    location = [str(part) for part in item["loc"]]
    where = ".".join(location)
    if item["type"] == "extra_forbidden":
        known = _known_keys(list(item["loc"][:-1]))
        return f"unknown key {where!r}{_hint(location[-1], known)}; known here are {', '.join(known)}"
    if item["type"] == "missing":
        return f"the key {where!r} is missing"
    given = "" if isinstance(item["input"], dict) else f" (it is {item['input']!r})"
    return f"{where}: {item['msg']}{given}".removeprefix(": ")


def _known_keys(location: list[str | int]) -> list[str]:
    """The keys that the section at `location` may have."""
    section: Any = Recipe
    for part in location:
        if isinstance(part, str) and isinstance(section, type) and issubclass(section, BaseModel):
            fields = {info.alias or name: info.annotation for name, info in section.model_fields.items()}
            section = fields[part]
        else:
            section = next(arg for arg in reversed(get_args(section)) if arg is not Ellipsis)
        if type(None) in get_args(section):
            section = next(arg for arg in get_args(section) if arg is not type(None))
    return [info.alias or name for name, info in section.model_fields.items()]


def _keys(section: dict[str, Any]) -> list[str]:
    return [f"{key} = {_text(value)}" for key, value in section.items() if not isinstance(value, dict)]


def _text(value: Any) -> str:
    """A TOML value. JSON writes strings, numbers and lists of them as TOML does, if it escapes no non-ASCII character."""
    return json.dumps(value, ensure_ascii=False)


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        items = [(str(key), part) for key, part in value.items()]
    elif isinstance(value, list | tuple):
        items = [(str(i), part) for i, part in enumerate(value)]
    else:
        return {prefix: value}
    return {key: leaf for name, part in items for key, leaf in _flat(part, f"{prefix}.{name}".strip(".")).items()}
