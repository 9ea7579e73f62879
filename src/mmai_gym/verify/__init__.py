"""Judging what models wrote, out of the way of harm: the verification service, and the cheats it withstands."""

from __future__ import annotations

from mmai_gym.verify.hacks import cheats, constants, floor
from mmai_gym.verify.service import VerificationService

__all__ = ["VerificationService", "cheats", "constants", "floor"]
