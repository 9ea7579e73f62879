"""Figures that others have published, read from `published.toml`: value, spread, setting, source and how sure it is.

They stand beside measured rows and apart from them. A published figure may be ranked with measured ones only where its
setting agrees with the protocol of the suite in every key that the protocol states: which split, whether the reaction class
was known, how often a test product was rewritten, whether data from elsewhere were used. What disagrees, or was not stated,
is named with the figure.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mmai_gym.contracts import DataError

Setting = Mapping[str, bool | int | str]
Certainty = Literal["primary", "second-hand", "unverified"]

SETTING_KEYS = {
    "split": "split",
    "external_data": "external data",
    "training": "training",
    "class_known": "reaction class known",
    "reaction_centre": "reaction centre",
    "atom_maps": "atom maps in the input",
    "test_augmentation": "written forms of a test product",
    "reranked": "re-ranked",
    "model_selection": "model chosen on",
    "candidates": "candidates per input",
    "similarity_floor": "similarity floor",
    "inputs": "test inputs",
    "oracle_calls": "oracle calls",
    "prescreening": "oracle calls for prescreening not counted",
}
"""What a setting may state, and how a reader is told of it."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(_Strict):
    """One number; `certainty` where it differs from that of its model's other figures."""

    value: float
    spread: float | None = None
    certainty: Certainty | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, given: Any) -> Any:
        if isinstance(given, int | float):
            return {"value": given}
        if isinstance(given, list | tuple) and len(given) == 2:
            return {"value": given[0], "spread": given[1]}
        return given


class Average(_Strict):
    """Figures over several tasks of a family, by metric."""

    family: str
    over: str
    figures: dict[str, Figure]


class PublishedModel(_Strict):
    """What is known of one method in one setting."""

    name: str
    source: str
    read_in: str
    certainty: Certainty
    spread: str = ""
    note: str = ""
    setting: dict[str, bool | int | str] = Field(default_factory=dict)
    figures: dict[str, dict[str, Figure]] = Field(default_factory=dict)
    averages: tuple[Average, ...] = ()

    @field_validator("setting")
    @classmethod
    def _known_keys(cls, setting: dict[str, bool | int | str]) -> dict[str, bool | int | str]:
        return checked_setting(setting)

    @model_validator(mode="after")
    def _spread_is_named(self) -> PublishedModel:
        if not self.spread and any(f.spread is not None for of in self.figures.values() for f in of.values()):
            raise ValueError(f"{self.name}: a figure has a spread, and `spread` does not say of what")
        return self


def checked_setting(setting: dict[str, bool | int | str]) -> dict[str, bool | int | str]:
    """The setting; ValueError for a key that is not in SETTING_KEYS, for it would never be compared."""
    if unknown := sorted(setting.keys() - SETTING_KEYS.keys()):
        raise ValueError(f"unknown setting {', '.join(unknown)}; there are: {', '.join(SETTING_KEYS)}")
    return setting


@dataclass(frozen=True, slots=True)
class PublishedFigure:
    """A figure beside a row of the table. `differs`: in what its setting departs from the suite's protocol."""

    task: str
    metric: str
    model: str
    value: float
    spread: float | None
    spread_of: str
    source: str
    read_in: str
    certainty: Certainty
    note: str
    differs: tuple[str, ...]

    @property
    def comparable(self) -> bool:
        """Whether it may be ranked with measured figures."""
        return not self.differs


def published_for(task: str, setting: Setting) -> list[PublishedFigure]:
    """All published figures of a task, in the order of the file.

    Args:
        setting: of the suite's protocol; where it states nothing, nothing can be compared.
    """
    return [
        PublishedFigure(
            task,
            metric,
            model.name,
            figure.value,
            figure.spread,
            model.spread if figure.spread is not None else "",
            model.source,
            model.read_in,
            figure.certainty or model.certainty,
            model.note,
            differences(setting, model.setting),
        )
        for model in published_models()
        for metric, figure in model.figures.get(task, {}).items()
    ]


def averages_of(family: str) -> list[tuple[PublishedModel, Average]]:
    """Published figures over several tasks of a family."""
    return [
        (model, average) for model in published_models() for average in model.averages if average.family == family
    ]


def differences(protocol: Setting, setting: Setting) -> tuple[str, ...]:
    """What keeps a figure from being ranked under a protocol, in words; nothing where it may be."""
    if not protocol:
        return ("the protocol of this run states no setting",)
    return tuple(
        f"{SETTING_KEYS[key]}: {_said(setting[key]) if key in setting else 'not stated'}"
        for key, wanted in protocol.items()
        if key not in setting or setting[key] != wanted
    )


def _said(value: bool | int | str) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


@functools.cache
def published_models() -> Sequence[PublishedModel]:
    """Everything in the file.

    Raises:
        DataError: a key is unknown or a value does not fit.
    """
    text = (resources.files(__package__) / "published.toml").read_text(encoding="utf-8")
    try:
        return tuple(PublishedModel.model_validate(entry) for entry in tomllib.loads(text)["model"])
    except ValidationError as error:
        raise DataError(f"published.toml: {error}") from None
