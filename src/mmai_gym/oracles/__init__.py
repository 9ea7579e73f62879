"""Property oracles: batched, cached, versioned. A failure is NaN, never a made-up number."""

from __future__ import annotations

from mmai_gym.oracles.descriptors import ORACLES, DescriptorOracle, get

__all__ = ["ORACLES", "DescriptorOracle", "get"]
