"""Labels from a teacher that has seen the test set are refused, and every teacher in use is declared."""

from __future__ import annotations

import pytest

from mmai_gym import lineage, tasks
from mmai_gym.contracts import UsageError
from mmai_gym.lineage import Teacher
from mmai_gym.oracles import ADMET, DESCRIPTORS, ORACLES


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> str:
    """A teacher that was fitted on the herg endpoint and all of MoleculeNet."""
    seen = Teacher("know-all", False, "everything", ("admet/herg", "moleculenet"), "Nobody 2026")
    monkeypatch.setattr(lineage, "TEACHERS", (*lineage.TEACHERS, seen))
    return seen.name


def test_a_teacher_that_has_seen_a_test_set_is_refused_with_the_way_out(fake: str) -> None:
    with pytest.raises(UsageError, match=r"know-all was trained on everything.*scored on admet/herg;.*train_val"):
        lineage.check([fake], ["admet/ames", "admet/herg"])
    with pytest.raises(UsageError, match=r"moleculenet/bbbp, moleculenet/lipo, moleculenet/esol \.\.\.;"):
        lineage.check([fake], [f"moleculenet/{name}" for name in ("bbbp", "lipo", "esol", "freesolv")])


def test_a_teacher_may_serve_where_it_has_seen_nothing(fake: str) -> None:
    harmless = (
        ([fake], ["admet/ames", "admet/herg_karim", "retrosynthesis/uspto-50k"]),
        (["logp", "smarts"], tasks.names()),
    )
    assert [lineage.check(teachers, tests) for teachers, tests in harmless] == [None, None]


@pytest.mark.parametrize("endpoint", ["herg", "ames", "bbb_martins", "hia_hou"])
def test_admet_ai_never_teaches_weights_that_are_scored_on_tdc(endpoint: str) -> None:
    with pytest.raises(UsageError, match="admet-ai"):
        lineage.check(["admet-ai"], [f"admet/{endpoint}"])


def test_an_undeclared_teacher_is_refused_with_the_closest_one() -> None:
    with pytest.raises(UsageError, match=r"'admetai' is not declared \(did you mean 'admet-ai'\?\)"):
        lineage.check(["admetai"], [])


def test_only_rules_give_computed_labels() -> None:
    assert lineage.computed(("smarts", "qed"))
    assert not lineage.computed(("smarts", "admet-ai"))
    assert not lineage.computed(())


def test_every_task_names_declared_teachers_and_every_oracle_is_one() -> None:
    for name in tasks.names():
        for teacher in tasks.get(name).teachers:
            assert lineage.teacher(teacher).source
    for oracle in (ORACLES | ADMET).values():
        assert lineage.teacher(oracle.teacher).exact == (oracle.name in DESCRIPTORS)


def test_all_embedded_labels_are_computed_but_those_of_the_measured_series() -> None:
    embedded = [tasks.get(name) for name in tasks.names() if "embedded" in tasks.get(name).sources]
    measured = [task.name for task in embedded if not lineage.computed(task.teachers)]
    assert measured == ["activity/embedded"]
