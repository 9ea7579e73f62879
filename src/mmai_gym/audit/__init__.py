"""Contamination: what does a training set know of a test set?

`audit` takes down all tasks of the registry and the molecule lists that training may use, and compares every test set
with every source: shared molecules and reactions, one question with two answers, nearest neighbours, and the lineage of
computed labels. It reports, and decides nothing; `exclusions` is the part that acts, when a corpus is built.
"""

from __future__ import annotations

from mmai_gym.audit.comparing import audit, everything
from mmai_gym.audit.conflicts import Conflict
from mmai_gym.audit.exclusions import RULES, Exclusions, Guard, Reason, Rule
from mmai_gym.audit.findings import Audit, Held, Overlap, ReactionOverlap, Taught
from mmai_gym.audit.ledger import Ledger
from mmai_gym.audit.lists import LISTS, Listed
from mmai_gym.audit.neighbours import Neighbours

__all__ = [
    "LISTS",
    "RULES",
    "Audit",
    "Conflict",
    "Exclusions",
    "Guard",
    "Held",
    "Ledger",
    "Listed",
    "Neighbours",
    "Overlap",
    "ReactionOverlap",
    "Reason",
    "Rule",
    "Taught",
    "audit",
    "everything",
]
