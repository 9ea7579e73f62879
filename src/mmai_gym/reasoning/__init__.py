"""Reasoning whose every step a program can check: kinds of steps, and the traces made of them."""

from __future__ import annotations

from mmai_gym.reasoning.steps import (
    DESCRIPTOR,
    GROUP_ATOMS,
    GROUP_COUNT,
    STEP_KINDS,
    Context,
    check,
    check_text,
    trace,
)

__all__ = [
    "DESCRIPTOR",
    "GROUP_ATOMS",
    "GROUP_COUNT",
    "STEP_KINDS",
    "Context",
    "check",
    "check_text",
    "trace",
]
