"""MMAI Gym: teach a small Liquid Foundation Model the language of molecules, and prove what it learned."""

from __future__ import annotations

__version__ = "0.1.0"
