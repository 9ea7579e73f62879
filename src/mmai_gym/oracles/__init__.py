"""Property oracles: batched, cached, versioned. A failure is NaN with a reason, never a made-up number.

`DESCRIPTORS` follow from the structure by a documented rule; `ORACLES` holds besides what fitted models say: the DRD2
surrogate and the gym's own model of the blood-brain barrier, whose arrays are part of the package, and ADMET-AI where the
extra `oracles` is installed.
"""

from __future__ import annotations

from mmai_gym.contracts import UsageError
from mmai_gym.oracles import admet_ai
from mmai_gym.oracles.admet_ai import ADMET
from mmai_gym.oracles.base import PropertyOracle, stamp
from mmai_gym.oracles.bbb import BBB
from mmai_gym.oracles.descriptors import DESCRIPTORS
from mmai_gym.oracles.drd2 import DRD2

ORACLES: dict[str, PropertyOracle] = {
    **DESCRIPTORS,
    DRD2.name: DRD2,
    BBB.name: BBB,
    **(ADMET if admet_ai.installed() else {}),
}
"""All that can be asked here and now, by name."""


def get(name: str) -> PropertyOracle:
    """The oracle called `name`.

    Raises:
        UsageError: there is none; the message lists those there are, and says what to install for one of ADMET-AI.
    """
    if name in ORACLES:
        return ORACLES[name]
    if name in ADMET:
        raise UsageError(f"the oracle {name!r} needs ADMET-AI; run: pip install 'mmai-gym[oracles]'")
    raise UsageError(f"unknown oracle {name!r}; there are: {', '.join(ORACLES)}")


__all__ = ["ADMET", "DESCRIPTORS", "ORACLES", "PropertyOracle", "get", "stamp"]
