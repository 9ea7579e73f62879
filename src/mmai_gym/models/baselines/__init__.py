"""Baselines: what any model must beat, and what a chemist would use instead of one."""

from __future__ import annotations

from mmai_gym.contracts import UsageError
from mmai_gym.models.baselines.base import MAX_TRAIN, Baseline, TrainingSets
from mmai_gym.models.baselines.boosting import BoostingBaseline
from mmai_gym.models.baselines.exact import GroupOracle
from mmai_gym.models.baselines.genetic import GraphGABaseline
from mmai_gym.models.baselines.good import GoodConstantBaseline, NearestGoodBaseline
from mmai_gym.models.baselines.kronrls import KronRLSBaseline
from mmai_gym.models.baselines.maplight import MapLightBaseline
from mmai_gym.models.baselines.means import PartnerMeanBaseline
from mmai_gym.models.baselines.nearest import NearestNeighbourBaseline
from mmai_gym.models.baselines.pair_boosting import PairBoostingBaseline
from mmai_gym.models.baselines.templates import TemplateBaseline
from mmai_gym.models.baselines.trivial import ConstantBaseline, CopyBaseline

_BASELINES: dict[str, type[Baseline]] = {
    kind.name: kind
    for kind in (
        ConstantBaseline,
        CopyBaseline,
        PartnerMeanBaseline,
        NearestNeighbourBaseline,
        BoostingBaseline,
        MapLightBaseline,
        KronRLSBaseline,
        PairBoostingBaseline,
        TemplateBaseline,
        GoodConstantBaseline,
        NearestGoodBaseline,
        GraphGABaseline,
        GroupOracle,
    )
}
BASELINES: tuple[str, ...] = tuple(_BASELINES)
"""Names that `baseline` knows."""


def baseline(name: str, training: TrainingSets | None = None) -> Baseline:
    """A fresh baseline by name, e.g. `baseline("baseline:nearest")`; the prefix may be left out.

    Baselines that are given the same `training` read each training split once between them.

    Raises:
        UsageError: there is no such baseline.
        MissingExtra: a library that it needs is not installed.
    """
    full = name if name.startswith("baseline:") else f"baseline:{name}"
    if full not in _BASELINES:
        raise UsageError(f"unknown baseline {name!r}; there are: {', '.join(BASELINES)}")
    return _BASELINES[full](training)


__all__ = [
    "BASELINES",
    "MAX_TRAIN",
    "Baseline",
    "BoostingBaseline",
    "ConstantBaseline",
    "CopyBaseline",
    "GoodConstantBaseline",
    "GraphGABaseline",
    "GroupOracle",
    "KronRLSBaseline",
    "MapLightBaseline",
    "NearestGoodBaseline",
    "NearestNeighbourBaseline",
    "PairBoostingBaseline",
    "PartnerMeanBaseline",
    "TemplateBaseline",
    "TrainingSets",
    "baseline",
]
