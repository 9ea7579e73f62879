"""Judging what models wrote, out of the way of harm: the verification service, the cheats it withstands, rewards."""

from __future__ import annotations

from mmai_gym.verify.hacks import cheats, constants, floor
from mmai_gym.verify.rewards import PARTS, RewardFunction, reward
from mmai_gym.verify.service import Item, VerificationService

__all__ = ["PARTS", "Item", "RewardFunction", "VerificationService", "cheats", "constants", "floor", "reward"]
