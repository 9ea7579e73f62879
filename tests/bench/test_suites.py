from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmai_gym.bench import list_suites, load_suite
from mmai_gym.contracts import MissingExtra, UsageError
from mmai_gym.oracles import admet_ai
from mmai_gym.tasks.multi_property_sets import C_MUMO, MUMO

FAMILY = '[[family]]\nname = "f"\ntasks = ["tiny"]\n'


def _write(folder: Path, text: str) -> str:
    path = folder / "suite.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", ["embedded", "core"])
def test_a_shipped_suite_has_the_five_families_and_gives_optimization_twenty_answers(name: str) -> None:
    suite = load_suite(name)
    assert suite.name == name
    assert len(suite.families) == 5
    families = {family.name: family for family in suite.families}
    assert families["optimization"].n == 20
    assert "baseline:copy" in families["retrosynthesis"].trivial
    assert all("baseline:constant" in family.trivial for family in suite.families)


def test_shipped_suites_are_listed() -> None:
    assert list_suites() == [
        "activity",
        "admet",
        "core",
        "embedded",
        "flagship",
        "functional-groups",
        "ood",
        "optimization",
        "retrosynthesis",
    ]


@pytest.mark.parametrize("name", list_suites())
def test_a_shipped_suite_names_whose_protocol_it_is_and_tasks_and_baselines_that_exist(name: str) -> None:
    suite = load_suite(name)
    assert suite.description.endswith(".")
    for family in suite.families:
        assert family.protocol and family.note, family.name
        if family.extra and not admet_ai.installed():
            with pytest.raises(MissingExtra, match=r"mmai-gym\[oracles\]"):
                family.task_names()
        else:
            assert len(family.task_names()) >= len(family.tasks)
        assert set(family.trivial) <= set(suite.baselines)


def test_the_optimization_suite_names_all_sets_of_both_publications() -> None:
    families = {family.name: family for family in load_suite("optimization").families}
    assert set(families["optimization/mumo"].tasks) == {one.task for one in MUMO}
    assert set(families["optimization/c-mumo"].tasks) == {one.task for one in C_MUMO}
    new = next(family for family in load_suite("ood").families if "combinations" in family.name)
    assert set(new.tasks) == {one.task for one in MUMO if one.distribution == "out"}


def test_protocols_are_to_the_letter() -> None:
    admet = load_suite("admet").families[0]
    assert (admet.seeds, len(admet.task_names())) == (5, 22)
    plain = load_suite("retrosynthesis").families[0]
    assert (plain.n, plain.augmented, plain.setting["test_augmentation"]) == (10, 20, 1)
    optimization = load_suite("optimization")
    assert {family.n for family in optimization.families} == {20}
    assert {"baseline:good-constant", "baseline:nearest-good"} <= set(optimization.baselines)
    ood = load_suite("ood")
    activity = [task for family in ood.families for task in family.tasks if task.startswith("activity/")]
    assert activity and all("cold" in task for task in activity)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "s"\nbaselines = []\nlimt = 3\n' + FAMILY, r"limt: unknown key"),
        (
            'name = "s"\nbaselines = ["baseline:constant"]\n' + FAMILY + "samples = 3\n",
            r"family\.0\.samples: unknown",
        ),
        ('name = "s"\nbaselines = ["baseline:oracle"]\n' + FAMILY, "unknown baseline 'baseline:oracle'"),
        (
            'name = "s"\nbaselines = ["baseline:copy"]\n' + FAMILY,
            "baseline:constant, which `baselines` does not run",
        ),
        ('name = "s"\nbaselines = ["baseline:constant"]\n' + FAMILY + FAMILY, "same name"),
        ('name = "s"\nbaselines = ["baseline:constant"]\n' + FAMILY + "n = 0\n", r"family\.0\.n"),
        ('name = "../s"\nbaselines = ["baseline:constant"]\n' + FAMILY, "name"),
        ("name = ", "not TOML"),
    ],
)
def test_a_suite_file_with_a_fault_names_the_fault(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_suite(_write(tmp_path, text))


def test_an_unknown_suite_is_answered_with_the_list() -> None:
    with pytest.raises(UsageError, match="core, embedded"):
        load_suite("nonesuch")


def test_a_prefix_without_tasks_is_an_error_and_overlapping_prefixes_count_once(tiny: Any, tmp_path: Path) -> None:
    head = 'name = "s"\nbaselines = ["baseline:constant"]\n[[family]]\nname = "f"\n'
    twice = load_suite(_write(tmp_path, head + 'tasks = ["tiny/count", "tiny"]\n'))
    names = twice.families[0].task_names()
    assert sorted(names) == sorted(tiny)
    assert names[0] == "tiny/count"
    with pytest.raises(UsageError, match="bogus"):
        load_suite(_write(tmp_path, head + 'tasks = ["bogus"]\n')).families[0].task_names()
