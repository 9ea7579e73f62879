"""An audit counts test rows, not coincidences: each number here can be checked by eye."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console
from small_tasks import AbsentTask, SmallTask, measured, pairs, quiet, register, retro

from mmai_gym.audit import LISTS, Audit, Listed, Overlap, audit, comparing
from mmai_gym.audit.content import Content
from mmai_gym.contracts import Choice, Count, DataError, Molecule, UsageError

L_ALANINE, D_ALANINE = "C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"


@pytest.fixture(autouse=True)
def own_cache_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAI_GYM_CACHE", str(tmp_path))


HERG = SmallTask(
    "admet/herg",
    {"train": measured("CCO", "CCN"), "valid": measured("CCC"), "test": measured("OCC", "CCC", L_ALANINE, "CCCC")},
    sources=("tdc",),
)
AMES = SmallTask(
    "admet/ames",
    {"train": measured(D_ALANINE, "CCCC"), "test": measured("CCCC", "CCCCO")},
    sources=("tdc",),
)
BACE = SmallTask(
    "moleculenet/bace", {"valid": measured("CCCC"), "test": measured("CCC")}, sources=("moleculenet",)
)


def overlaps(found: Sequence[Overlap]) -> dict[tuple[str, str], tuple[int, int, int, int]]:
    return {(o.test, o.source): (o.train, o.train_valid, o.whole, o.n_test) for o in found}


def rendered(found: Audit) -> str:
    console = Console(width=200, no_color=True)
    with console.capture() as capture:
        console.print(found.render())
    return capture.get()


def test_test_rows_are_counted_by_source_and_by_ever_larger_parts_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, HERG, AMES, BACE)
    found = audit(["admet/herg"], ["admet", "moleculenet"], quiet)
    assert overlaps(found.by_task) == {
        ("admet/herg", "admet/herg"): (1, 2, 2, 4),
        ("admet/herg", "admet/ames"): (2, 2, 2, 4),
        ("admet/herg", "moleculenet/bace"): (0, 1, 2, 4),
    }
    assert overlaps(found.by_dataset) == {
        ("admet/herg", "tdc"): (2, 2, 2, 4),
        ("admet/herg", "moleculenet"): (0, 1, 2, 4),
    }


def test_a_data_set_is_counted_without_the_tested_task(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, HERG, AMES)
    found = audit(["admet/herg", "admet/ames"], [], quiet)
    assert overlaps(found.by_dataset) == {
        ("admet/herg", "tdc"): (2, 2, 2, 4),
        ("admet/ames", "tdc"): (0, 0, 1, 2),
    }


def test_a_row_with_two_known_molecules_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    both = SmallTask("a/pairs", {"test": [((Molecule("CCO"), Molecule("CCN")), "yes")]}, sources=("a",))
    register(monkeypatch, both, HERG)
    assert overlaps(audit(["a/pairs"], ["admet/herg"], quiet).by_task) == {("a/pairs", "admet/herg"): (1, 1, 1, 1)}


def test_a_list_of_molecules_is_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, HERG)
    listed = {"zinc": Listed("zinc", lambda: {"train": [Content(("CCC",)), Content(("c1ccccc1",))]})}
    monkeypatch.setattr(comparing, "LISTS", listed)
    found = audit(["admet/herg"], ["zinc"], quiet)
    assert overlaps(found.by_dataset) == {("admet/herg", "zinc"): (1, 1, 1, 4)}
    assert "zinc 1" in rendered(found)


def test_a_list_that_tasks_draw_tests_from_is_a_test_set_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, HERG)
    parts = {"train": [Content(("CCO",))], "test": [Content(("OCC",)), Content(("CCCCCC",))]}
    listed = {
        "zinc": Listed("zinc", lambda: parts, has_test=True),
        "names": Listed("names", lambda: {"train": []}),
    }  # type: ignore[arg-type,return-value]
    monkeypatch.setattr(comparing, "LISTS", listed)
    assert overlaps(audit(["zinc"], ["admet/herg"], quiet).by_task) == {
        ("zinc", "zinc"): (1, 1, 1, 2),
        ("zinc", "admet/herg"): (1, 1, 1, 2),
    }
    with pytest.raises(UsageError, match="nothing to test in names"):
        audit(["names"], [], quiet)


def test_everything_has_the_list_in_place_of_the_tasks_that_draw_from_it() -> None:
    names = comparing.everything()
    assert {"zinc", "chembl-smiles", "language/embedded/formula", "admet/herg"} <= set(names)
    assert not {"language/zinc/formula", "language/chembl/formula", "geometry/zinc/conformer"} & set(names)


def test_every_list_can_be_read_or_says_what_is_missing() -> None:
    for name, listed in LISTS.items():
        try:
            assert sum(map(len, listed.read().values())) >= 100, name
        except DataError as error:
            assert "MMAI_GYM_MIRROR" in str(error)


def test_reactions_are_compared_by_product_and_by_reactants_among_reagents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dai = retro(
        "retrosynthesis/dai",
        {"test": ["CCO.CC(=O)Cl>>CCOC(C)=O", "CCBr.CO>>CCOC", "CCN.CC(=O)Cl>>CCNC(C)=O"]},
        sources=("dai",),
    )
    full = retro(
        "retrosynthesis/full",
        {"train": ["CC(=O)Cl.OCC.c1ccncc1>>O=C(C)OCC", "CCI.CO>>COCC"], "valid": ["CC(=O)O.CCN>>CCNC(C)=O"]},
        sources=("full",),
    )
    register(monkeypatch, dai, full)
    (found,) = audit(["retrosynthesis/dai"], ["retrosynthesis/full"], quiet).reactions
    assert (found.test, found.source, found.n_test) == ("retrosynthesis/dai", "retrosynthesis/full", 3)
    assert (found.train, found.train_contained) == (2, 1)
    assert (found.train_valid, found.train_valid_contained) == (3, 1)
    assert (found.whole, found.whole_contained) == (3, 1)


# --------------------------------------------------------------------------------------------------- conflicts


def test_conflicts_tell_stereoisomers_from_the_same_text_and_the_test_set_from_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = SmallTask(
        "a/a",
        {
            "train": [
                *measured("CCO", answer="1"),
                *measured("CCO", answer="4"),
                *measured(L_ALANINE, answer="2"),
                *measured("CCC", answer="7"),
            ],
            "test": [*measured(D_ALANINE, answer="2.5"), *measured("CCC", answer="7")],
        },
        form=Count(),
    )
    register(monkeypatch, task)
    (found,) = audit(["a/a"], [], quiet).conflicts
    assert (found.molecules, found.same_smiles, found.across, found.spread) == (2, 1, 1, 3.0)


def test_two_questions_about_one_molecule_do_not_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        *pairs(("CCO", "MKV"), ("CCO", "MKL")),
        ((Molecule("CCO"), Molecule("MKA", view="protein")), "no"),
    ]
    register(monkeypatch, SmallTask("a/a", {"train": rows, "test": rows}, form=Choice(("yes", "no"))))
    assert audit(["a/a"], [], quiet).conflicts == ()


def test_many_right_structures_are_no_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    task = retro("a/retro", {"train": ["CCO>>CC=O", "CC(O)O>>CC=O"]})
    register(monkeypatch, task)
    assert audit(["a/retro"], [], quiet).conflicts == ()


# --------------------------------------------------------------------------------------------------- the rest


def test_neighbours_are_those_of_the_training_part(monkeypatch: pytest.MonkeyPatch) -> None:
    task = SmallTask(
        "a/a",
        {"train": measured("c1ccccc1C", "CCCCCCO"), "valid": measured("CCCCN"), "test": measured("Cc1ccccc1")},
    )
    register(monkeypatch, task)
    (found,) = audit(["a/a"], [], quiet).neighbours
    assert (found.n_test, found.n_train, found.sampled) == (1, 2, False)
    assert found.low == found.median == found.high == found.near == 1.0


def test_a_task_without_training_rows_has_no_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, SmallTask("a/a", {"test": measured("CCO")}))
    assert audit(["a/a"], [], quiet).neighbours == ()


def test_the_lineage_names_who_uses_a_teacher_and_what_it_has_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    taught = SmallTask("optimization/x", {"test": measured("CCO")}, sources=("x",), teachers=("admet-ai",))
    register(monkeypatch, HERG, taught)
    (found,) = audit(["admet/herg"], ["optimization"], quiet).lineage
    assert (found.teacher, found.used_by, found.has_seen) == ("admet-ai", ("optimization/x",), ("admet/herg",))


def test_absent_data_are_named_and_the_rest_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, HERG, AbsentTask("gone/away"))
    found = audit(["admet", "gone"], [], quiet)
    assert found.missing == {"gone/away": "[no/file] of gone/away"}
    assert "[no/file] of gone/away" in rendered(found)
    with pytest.raises(DataError, match="gone/away"):
        audit(["gone"], [], quiet)


def test_what_cannot_be_read_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, SmallTask("a/a", {"train": measured("CCO", "C1CC"), "test": measured("CCO")}))
    found = audit(["a/a"], [], quiet)
    assert [(held.name, held.rows, held.unparsable) for held in found.held] == [
        ("a/a", {"train": 2, "valid": 0, "test": 1}, 1)
    ]
    assert "1 molecules have no InChIKey" in rendered(found)


def test_reactants_that_cannot_be_read_are_those_of_no_other_reaction(monkeypatch: pytest.MonkeyPatch) -> None:
    known = retro("a/known", {"train": ["C1CC>>CCO", "CCI.CO>>COCC"]}, sources=("a",))
    register(monkeypatch, known, retro("b/asked", {"test": ["C1CC>>OCC", "CO.CCI>>CCOC"]}, sources=("b",)))
    (found,) = audit(["b/asked"], ["a/known"], quiet).reactions
    assert (found.train, found.train_contained, found.n_test) == (2, 1, 2)


def test_an_unknown_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, HERG)
    with pytest.raises(UsageError, match="admit"):
        audit(["admit"], [], quiet)
    with pytest.raises(UsageError, match="zink"):
        audit(["admet"], ["zink"], quiet)


def test_the_file_holds_every_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    register(monkeypatch, HERG, AMES, BACE)
    found = audit(["admet"], ["moleculenet"], quiet)
    found.write(tmp_path / "audit.json")
    stored = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert stored == json.loads(json.dumps(found.as_dict()))
    assert {row["source"] for row in stored["by_task"]} == {"admet/herg", "admet/ames", "moleculenet/bace"}


def test_the_tables_say_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, HERG, AMES, BACE)
    text = rendered(audit(["admet"], ["moleculenet"], quiet))
    (line,) = [line for line in text.splitlines() if line.startswith("admet/herg") and "moleculenet" in line]
    assert line.split() == ["admet/herg", "4", "2", "2", "moleculenet", "1", "(2)"]
