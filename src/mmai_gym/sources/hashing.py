"""A hash that decides on which side of a split something falls, whatever else is in the data set."""

from __future__ import annotations

import hashlib


def hash_fraction(unit: str, seed: int, key: str) -> float:
    """A number in [0, 1) for one thing; cut it where the parts of a split should end.

    Args:
        unit: what is hashed ("scaffold", "drug"), so that two kinds of split do not follow each other.
        key: the thing's identity, which no release of a toolkit may change.
    """
    digest = hashlib.sha256(f"mmai-gym {unit}\x1f{seed}\x1f{key}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
