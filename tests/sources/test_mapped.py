"""Stored atom maps: whatever stops the command, it goes on after the last whole line; readers take complete files only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmai_gym.contracts import DataError, Example, UsageError
from mmai_gym.molecules import canonical, canonical_set, parse
from mmai_gym.sources import mapped, uspto50k
from mmai_gym.sources.memory import turn_to
from mmai_gym.tasks.forward import Uspto50kForward
from mmai_gym.tasks.retrosynthesis import AlignedByMaps, Uspto50k

REACTIONS = (
    ("CC(=O)O.NCc1ccccc1", "CC(=O)NCc1ccccc1"),
    ("OB(O)c1ccccc1.Brc1ccncc1", "c1ccc(-c2ccncc2)cc1"),
    ("CC(C)(C)OC(=O)N1CCOCC1", "C1COCCN1"),
    ("CC(C)(C)OC(=O)NCc1ccccc1", "O=C(O)C(F)(F)F"),  # no reaction: the counter-ion of a salt
    ("O=[N+]([O-])c1ccccc1Oc1ccnc2ccccc12", "c1ccc2ncncc2c1"),  # a map that nobody should believe
    ("CCO.CC(=O)Cl", "CCOC(C)=O"),
)


def rows_of(split: str) -> tuple[uspto50k.Reaction, ...]:
    return tuple(
        uspto50k.Reaction(f"{split}-{n}", 1, canonical(product), canonical_set(reactants))
        for n, (reactants, product) in enumerate(REACTIONS)
    )


@pytest.fixture(autouse=True)
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Six rows in every split, and an empty cache."""
    monkeypatch.setenv("MMAI_GYM_CACHE", str(tmp_path))
    monkeypatch.setattr(uspto50k, "reactions", rows_of)
    turn_to("")
    yield
    turn_to("")


def file_of(folder: Path, split: str = "train") -> Path:
    (path,) = (folder / "derived" / "uspto-50k").glob(f"maps-{split}-*.jsonl")
    return path


def test_every_row_is_stored_with_its_map_or_the_reason_for_none() -> None:
    counts = mapped.make("train", workers=1)
    stored = mapped.maps("train")
    assert list(stored) == [row.id for row in rows_of("train")]
    assert stored["train-3"] == mapped.StoredMap(None, "", 0.0, "atoms-without-origin")
    assert stored["train-4"].reaction is not None
    assert not stored["train-4"].usable
    assert set(mapped.usable("train")) == {"train-0", "train-1", "train-2", "train-5"}
    assert {key: counts[key] for key in ("reactions", "mapped", "usable", "below_confidence", "failures")} == {
        "reactions": 6,
        "mapped": 5,
        "usable": 4,
        "below_confidence": 1,
        "failures": {"atoms-without-origin": 1},
    }
    assert sum(counts["by_confidence"].values()) == 5


def test_stored_texts_are_the_molecules_of_the_row() -> None:
    mapped.make("train", workers=1)
    for row in rows_of("train"):
        found = mapped.maps("train")[row.id]
        if found.reaction is not None:
            assert found.reaction.unmapped_product == row.product
            assert found.reaction.unmapped_reactants == row.reactants
            assert canonical_set(found.aligned) == row.reactants
            assert not any(atom.GetAtomMapNum() for atom in parse(found.aligned).GetAtoms())


def test_readers_name_the_command_where_the_split_is_not_mapped() -> None:
    assert mapped.usable("train") == {}
    with pytest.raises(
        DataError, match=r"train reactions of uspto-50k are not \(all\) mapped; run: mmai-gym data map"
    ):
        mapped.maps("train")


@pytest.mark.parametrize("cut", [0, 7, 300, 700, -1], ids=lambda cut: f"cut at {cut}")
def test_a_torn_file_is_read_by_nobody_and_mended_by_the_next_run(tmp_path: Path, cut: int) -> None:
    mapped.make("train", workers=1)
    path = file_of(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    turn_to("")
    assert mapped.usable("train") == {}
    seen: list[int] = []
    mapped.make("train", lambda done, total, what: seen.append(done), workers=1)
    assert path.read_bytes() == whole
    kept_lines = max(0, whole[:cut].count(b"\n") - 1)
    assert seen == list(range(kept_lines + 1, 7)), "rows stored before the cut are not mapped again"
    assert len(mapped.maps("train")) == 6


def test_a_damaged_line_and_what_follows_are_made_again(tmp_path: Path) -> None:
    mapped.make("train", workers=1)
    path = file_of(tmp_path)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for damaged in (b'{"id":"train-2"}\n', b"\0" * 40 + b"\n", lines[4]):
        path.write_bytes(b"".join([*lines[:3], damaged, *lines[4:]]))
        turn_to("")
        assert mapped.usable("train") == {}
        seen: list[int] = []
        mapped.make("train", lambda done, total, what: seen.append(done), workers=1)  # noqa: B023
        assert seen == [3, 4, 5, 6]
        assert path.read_bytes() == whole


def test_maps_of_other_rows_are_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mapped.make("train", workers=1)
    monkeypatch.setattr(uspto50k, "reactions", lambda split: rows_of(split)[::-1])
    turn_to("")
    assert mapped.usable("train") == {}
    mapped.make("train", workers=1)
    assert len(list((tmp_path / "derived" / "uspto-50k").glob("maps-train-*.jsonl"))) == 2


def test_a_finished_split_starts_no_work() -> None:
    mapped.make("train", workers=1)
    seen: list[int] = []
    assert mapped.make("train", lambda done, total, what: seen.append(done), workers=1)["usable"] == 4
    assert seen == []


def test_a_run_killed_without_warning_goes_on_where_it_was(tmp_path: Path) -> None:
    script = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "import test_mapped\n"
        "from mmai_gym.sources import mapped, uspto50k\n"
        "uspto50k.reactions = test_mapped.rows_of\n"
        "mapped.make('train', lambda done, total, what: time.sleep(3600 if done == 3 else 0), workers=1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(Path(__file__).parent)])
    folder = tmp_path / "derived" / "uspto-50k"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (
        folder.is_dir() and any(b"train-2" in p.read_bytes() for p in folder.iterdir())
    ):
        time.sleep(0.05)
    with pytest.raises(UsageError, match="another process is writing"):
        mapped.make("train", workers=1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    seen: list[int] = []
    mapped.make("train", lambda done, total, what: seen.append(done), workers=1)
    assert seen == [4, 5, 6]
    assert len(mapped.maps("train")) == 6


def test_a_reaction_that_brings_its_worker_down_is_a_stored_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "mapped_fields", hang_on_esters)
    monkeypatch.setattr(mapped, "SECONDS_PER_REACTION", 1.0)
    counts = mapped.make("train", workers=1)
    assert counts["failures"] == {"atoms-without-origin": 1, "timeout": 1}
    assert mapped.maps("train")["train-5"] == mapped.StoredMap(None, "", 0.0, "timeout")


def hang_on_esters(reaction: tuple[str, str]) -> dict[str, object]:
    if reaction[1] == "CCOC(C)=O":
        time.sleep(30)
    return mapped.mapped_fields(reaction)


def test_a_mistake_of_the_mapper_is_raised_and_not_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "mapped_fields", fail)
    with pytest.raises(DataError, match=r"cannot map .*row train-0.*what went wrong"):
        mapped.make("train", workers=1)
    assert len(file_of(tmp_path).read_text().splitlines()) == 1


def fail(reaction: tuple[str, str]) -> dict[str, object]:
    raise RuntimeError("what went wrong")


def test_only_splits_that_training_reads_are_mapped() -> None:
    with pytest.raises(UsageError, match="train, valid"):
        mapped.make("test")


# --------------------------------------------------------------------------------------------------- the task


def written(split: str = "train") -> list[Example]:
    return list(Uspto50k().examples(split))  # type: ignore[arg-type]


def test_without_maps_the_task_is_canonical_and_training_is_told_the_command() -> None:
    assert [(e.inputs["smiles"], e.gold) for e in written()] == [
        (r.product, r.reactants) for r in rows_of("train")
    ]
    assert Uspto50k().written_with("train") == {"answers": "canonical"}
    with pytest.raises(DataError, match=r"not trained on before.*atom maps.*mmai-gym data map uspto-50k"):
        Uspto50k().check_training("train")
    assert [Uspto50k().augment(example, 1) for example in written()] == written(), "one written form only"


def test_with_maps_reactants_follow_the_product_and_the_questions_stay() -> None:
    canonical_examples = written()
    mapped.make("train", workers=1)
    aligned = written()
    assert [(e.id, e.inputs) for e in aligned] == [(e.id, e.inputs) for e in canonical_examples]
    assert [canonical_set(e.gold) for e in aligned] == [e.gold for e in canonical_examples]
    assert aligned[0].gold == "CC(=O)O.NCc1ccccc1"
    assert aligned[1].gold == "c1ccc(B(O)O)cc1.Brc1ccncc1"
    assert [aligned[i].gold for i in (3, 4)] == [canonical_examples[i].gold for i in (3, 4)], "no map to align by"
    way = Uspto50k().written_with("train")
    assert (way["answers"], way["reactions"], way["usable"]) == ("aligned", 6, 4)
    assert len(way["maps"]) == 16


def test_products_follow_the_reactants_where_the_reaction_is_read_forwards() -> None:
    plain = list(Uspto50kForward().examples("valid"))
    assert [(e.inputs["smiles"], e.gold) for e in plain] == [(r.reactants, r.product) for r in rows_of("valid")]
    mapped.make("valid", workers=1)
    turn_to("")
    aligned = list(Uspto50kForward().examples("valid"))
    assert [e.inputs for e in aligned] == [e.inputs for e in plain]
    assert [canonical(e.gold) for e in aligned] == [e.gold for e in plain]
    assert aligned[0].inputs["smiles"] == "CC(=O)O.NCc1ccccc1" and aligned[0].gold == "CC(=O)NCc1ccccc1"
    assert aligned[1].inputs["smiles"] == "Brc1ccncc1.OB(O)c1ccccc1" and aligned[1].gold == "c1(-c2ccccc2)ccncc1"
    assert [aligned[i].gold for i in (3, 4)] == [plain[i].gold for i in (3, 4)], "no map to align by"


@pytest.mark.parametrize("task", [Uspto50k(), Uspto50kForward()])
def test_augmented_pairs_are_the_same_reaction_written_from_any_atom(task: AlignedByMaps) -> None:
    mapped.make("valid", workers=1)
    for example in task.examples("valid"):
        pairs = [task.augment(example, seed) for seed in range(20)]
        assert pairs == [task.augment(example, seed) for seed in range(20)]
        for pair in pairs:
            assert canonical_set(pair.inputs["smiles"]) == example.inputs["smiles"]
            assert canonical_set(pair.gold) == canonical_set(example.gold)
            assert task.verify(pair, f"<answer>{pair.gold}</answer>").score == 1.0
        forms = {pair.inputs["smiles"] for pair in pairs}
        assert (len(forms) > 2) == (example.id in mapped.usable("valid"))


def test_the_test_split_does_not_look_at_maps() -> None:
    mapped.make("train", workers=1)
    assert [e.gold for e in written("test")] == [row.reactants for row in rows_of("test")]


def test_maps_in_the_file_are_readable_lines(tmp_path: Path) -> None:
    mapped.make("valid", workers=1)
    header, *lines = (json.loads(line) for line in file_of(tmp_path, "valid").read_text().splitlines())
    assert (header["atom_maps"], header["split"], header["rows"]) == ("uspto-50k", "valid", 6)
    assert {"id", "reactants", "product", "aligned", "confidence", "failure"} == set(lines[0])
