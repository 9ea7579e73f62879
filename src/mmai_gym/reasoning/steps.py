"""Kinds of reasoning steps: each can be written, read back, and checked by a program.

A step is worth training on only if someone can say whether it is true. So every kind comes as three functions: the
claim becomes a sentence, the sentence becomes the claim again, and the claim is recomputed from the molecule. A
sentence that no kind can read is not a step, and `check_text` says so.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from mmai_gym.contracts import Step, Trace, UsageError
from mmai_gym.molecules import FUNCTIONAL_GROUPS, find_groups
from mmai_gym.oracles import DESCRIPTORS


@dataclass(frozen=True, slots=True)
class Context:
    """What a claim is checked against: the molecules of the question, as SMILES, in the order they are shown."""

    molecules: tuple[str, ...]


class StepKind(ABC):
    """One kind of step. `name` identifies it in records; `pattern` reads its sentence back."""

    name: ClassVar[str]
    pattern: ClassVar[re.Pattern[str]]

    @abstractmethod
    def render(self, claim: Mapping[str, Any]) -> str:
        """The claim as one sentence."""

    @abstractmethod
    def read(self, match: re.Match[str]) -> dict[str, Any]:
        """The claim from a match of `pattern`."""

    @abstractmethod
    def check(self, claim: Mapping[str, Any], context: Context) -> bool:
        """Recompute the claim."""

    def step(self, given: bool = False, **claim: Any) -> Step:
        """A Step of this kind."""
        return Step(self.name, self.render(claim), claim, given)

    def parse(self, text: str) -> dict[str, Any] | None:
        """The claim in a sentence of this kind, or None."""
        match = self.pattern.fullmatch(text.strip())
        return None if match is None else self.read(match)


class GroupCount(StepKind):
    """How often a functional group occurs: `molecule` (position in the context), `group`, `count`."""

    name = "group-count"
    pattern = re.compile(r"Molecule (\d{1,3}) has (\d{1,4}) ([a-z0-9 _-]+)\.")

    def render(self, claim: Mapping[str, Any]) -> str:
        return f"Molecule {claim['molecule'] + 1} has {claim['count']} {claim['group']}."

    def read(self, match: re.Match[str]) -> dict[str, Any]:
        return {"molecule": int(match[1]) - 1, "group": match[3], "count": int(match[2])}

    def check(self, claim: Mapping[str, Any], context: Context) -> bool:
        if claim["group"] not in FUNCTIONAL_GROUPS or not 0 <= claim["molecule"] < len(context.molecules):
            return False
        found = find_groups(context.molecules[claim["molecule"]]).get(claim["group"], ())
        return len(found) == claim["count"]


class GroupAtoms(StepKind):
    """Which atoms one occurrence of a group has: `molecule`, `group`, `atoms` (positions as written)."""

    name = "group-atoms"
    pattern = re.compile(r"Atoms (\d{1,4}(?:,\d{1,4})*) of molecule (\d{1,3}) are ([a-z0-9 _-]+)\.")

    def render(self, claim: Mapping[str, Any]) -> str:
        atoms = ",".join(map(str, claim["atoms"]))
        return f"Atoms {atoms} of molecule {claim['molecule'] + 1} are {claim['group']}."

    def read(self, match: re.Match[str]) -> dict[str, Any]:
        atoms = tuple(int(atom) for atom in match[1].split(","))
        return {"molecule": int(match[2]) - 1, "group": match[3], "atoms": atoms}

    def check(self, claim: Mapping[str, Any], context: Context) -> bool:
        if not 0 <= claim["molecule"] < len(context.molecules):
            return False
        found = find_groups(context.molecules[claim["molecule"]]).get(claim["group"], ())
        return sorted(claim["atoms"]) in [sorted(match) for match in found]


class DescriptorValue(StepKind):
    """The value of an exact oracle, to two decimals: `molecule`, `oracle`, `value`."""

    name = "descriptor"
    pattern = re.compile(r"Molecule (\d{1,3}) has ([a-z-]+) (-?\d{1,6}\.\d\d)\.")

    def render(self, claim: Mapping[str, Any]) -> str:
        return f"Molecule {claim['molecule'] + 1} has {claim['oracle']} {claim['value']:.2f}."

    def read(self, match: re.Match[str]) -> dict[str, Any]:
        return {"molecule": int(match[1]) - 1, "oracle": match[2], "value": float(match[3])}

    def check(self, claim: Mapping[str, Any], context: Context) -> bool:
        if claim["oracle"] not in DESCRIPTORS or not 0 <= claim["molecule"] < len(context.molecules):
            return False
        value = DESCRIPTORS[claim["oracle"]].one(context.molecules[claim["molecule"]])
        return abs(value - claim["value"]) <= 0.00501  # NaN compares false


GROUP_COUNT, GROUP_ATOMS, DESCRIPTOR = GroupCount(), GroupAtoms(), DescriptorValue()
STEP_KINDS: Mapping[str, StepKind] = {kind.name: kind for kind in (GROUP_COUNT, GROUP_ATOMS, DESCRIPTOR)}


def check(step: Step, context: Context) -> bool:
    """Recompute a step's claim.

    Raises:
        UsageError: no kind of that name is registered.
    """
    if step.kind not in STEP_KINDS:
        raise UsageError(f"unknown kind of step {step.kind!r}; there are: {', '.join(STEP_KINDS)}")
    return STEP_KINDS[step.kind].check(step.claim, context)


def check_text(text: str, context: Context) -> list[tuple[str, bool | None]]:
    """Each sentence of written reasoning with True, False, or None where no kind can read it."""
    verdicts: list[tuple[str, bool | None]] = []
    for sentence in re.findall(r"[^\s.](?:[^.]|\.(?=\d))*\.?", text):
        verdict: bool | None = None
        for kind in STEP_KINDS.values():
            claim = kind.parse(sentence)
            if claim is not None:
                verdict = kind.check(claim, context)
                break
        verdicts.append((sentence.strip(), verdict))
    return verdicts


def trace(*steps: Step) -> Trace:
    """The steps as a Trace."""
    return Trace(tuple(steps))
