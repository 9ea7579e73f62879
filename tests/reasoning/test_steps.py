"""Every step can be written, read back and checked; a false claim is caught."""

from __future__ import annotations

import pytest

from mmai_gym import tasks
from mmai_gym.contracts import Molecule, Step, UsageError
from mmai_gym.reasoning import DESCRIPTOR, GROUP_ATOMS, GROUP_COUNT, STEP_KINDS, Context, check, check_text

PHENACETIN = Context(("CCOc1ccc(NC(C)=O)cc1",))

STEPS = [
    (GROUP_COUNT.step(molecule=0, group="amide", count=1), True),
    (GROUP_COUNT.step(molecule=0, group="amide", count=2), False),
    (GROUP_COUNT.step(molecule=0, group="nitro", count=0), True),
    (GROUP_COUNT.step(molecule=0, group="unobtainium", count=0), False),
    (GROUP_COUNT.step(molecule=1, group="amide", count=1), False),
    (GROUP_ATOMS.step(molecule=0, group="ether", atoms=(2,)), True),
    (GROUP_ATOMS.step(molecule=0, group="ether", atoms=(3,)), False),
    (DESCRIPTOR.step(molecule=0, oracle="tpsa", value=38.33), True),
    (DESCRIPTOR.step(molecule=0, oracle="tpsa", value=39.33), False),
    (DESCRIPTOR.step(molecule=0, oracle="magic", value=1.0), False),
]


@pytest.mark.parametrize(("step", "true"), STEPS, ids=lambda value: getattr(value, "text", str(value)))
def test_a_claim_is_recomputed(step: Step, true: bool) -> None:
    assert check(step, PHENACETIN) is true


@pytest.mark.parametrize("step", [step for step, _ in STEPS], ids=lambda step: step.text)
def test_a_sentence_reads_back_as_its_claim(step: Step) -> None:
    assert STEP_KINDS[step.kind].parse(step.text) == dict(step.claim)


def test_written_reasoning_is_checked_sentence_by_sentence() -> None:
    text = "Molecule 1 has 1 amide. Molecule 1 has tpsa 38.33. Molecule 1 has 3 nitro. It looks nice."
    verdicts = check_text(text, PHENACETIN)
    assert [verdict for _, verdict in verdicts] == [True, True, False, None]


def test_an_unknown_kind_of_step_is_an_error() -> None:
    with pytest.raises(UsageError, match="group-count"):
        check(Step("guess", "I feel it.", {}), PHENACETIN)


# Where the changed molecule is not shown there is nothing to count in, and no reasoning.
FGBENCH = [name for name in tasks.match("functional-groups") if "fgbench" in name and "/comparison/" in name]
REASONED = [
    *tasks.match("functional-groups/embedded"),
    *(pytest.param(n, marks=pytest.mark.data) for n in FGBENCH),
]


@pytest.mark.parametrize("name", REASONED)
def test_every_step_of_every_trace_is_true(name: str) -> None:
    task = tasks.get(name)
    checked = 0
    for example in task.examples("test")[:40]:
        trace = task.reason(example)
        if trace is None:
            continue
        context = Context(tuple(span.text for span in task.question(example) if isinstance(span, Molecule)))
        for step in trace.steps:
            assert check(step, context), step
            assert check_text(step.text, context) == [(step.text, True)]
            checked += 1
    assert checked > 0 or name.endswith("locate")
