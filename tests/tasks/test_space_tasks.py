"""Tasks about molecules in space: geometries that are asked about, written, joined and valued."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mmai_gym import tasks
from mmai_gym.contracts import SPLITS, Completion, Example, Number, Prediction, Reason, Result, Verdict
from mmai_gym.molecules import (
    Conformer,
    canonical,
    chirality,
    distances,
    embed,
    flat,
    from_conformer_text,
    parse,
    smiles_of,
    to_conformer_text,
)
from mmai_gym.sources import linkers
from mmai_gym.sources.linkers import Cut
from mmai_gym.tasks.answers import wrap
from mmai_gym.tasks.geometry import fault_of
from mmai_gym.tasks.linkers import Elaboration, LinkerDesign, joined
from mmai_gym.verify.disguises import distortions

BUTANE = "CCCC"


def some(name: str, count: int = 10) -> list[Example]:
    return list(tasks.get(name).examples("test")[:count])


def verdict(example: Example, answer: str) -> Verdict:
    return tasks.get(example.task).verify(example, wrap(answer))


# --------------------------------------------------------------------------------------------------- coordinates


def test_a_distance_is_that_of_the_coordinates_shown() -> None:
    for example in some("geometry/embedded/distance"):
        first, second = map(int, example.inputs["atoms"].split())
        conformer = from_conformer_text(example.inputs["shown"])
        assert conformer.symbols[first] != "H" != conformer.symbols[second]
        assert example.gold == pytest.approx(distances(conformer)[first, second], abs=6e-4)
        assert 1.0 < example.gold < 30.0


def test_a_hand_is_shown_by_the_coordinates_alone() -> None:
    golds = []
    for example in some("geometry/embedded/hand", 40):
        text = example.inputs["shown"]
        assert "@" not in text
        assert chirality(from_conformer_text(text))[int(example.inputs["atom"])] == example.gold
        golds.append(example.gold)
    assert 8 < golds.count("R") < 32


def test_a_molecule_is_to_be_read_off_its_atoms_alone() -> None:
    views = set()
    for example in some("geometry/embedded/perceive", 40):
        shown, view = example.inputs["shown"], example.inputs["view"]
        assert "|" not in shown and len(shown.split(", ")) == parse(example.inputs["smiles"]).GetNumAtoms(False)
        assert canonical(smiles_of(example.gold, view) or "") == canonical(example.inputs["smiles"])
        views.add(view)
    assert views == {"smiles", "selfies", "inchi", "fragments", "graph"}


# --------------------------------------------------------------------------------------------------- conformers


def conformer_example(smiles: str = BUTANE) -> Example:
    return Example("x", "geometry/embedded/conformer", "test", {"smiles": smiles, "shown": smiles}, 7)


def test_the_known_geometry_and_other_low_ones_are_right() -> None:
    pytest.importorskip("posebusters")
    example = conformer_example()
    assert verdict(example, tasks.get(example.task).answer(example) or "").score == 1.0
    other = verdict(example, to_conformer_text(embed(BUTANE, 4711)))
    assert (other.score, other.reason) == (1.0, Reason.CORRECT)
    assert other.components["rmsd"] < 0.3 and other.components["strain"] < 1.0


def test_a_strained_geometry_pays_less_and_a_far_one_too() -> None:
    pytest.importorskip("posebusters")
    example = conformer_example("c1ccc(CCc2ccccc2)cc1")
    known = embed(example.inputs["smiles"], 7)
    rng = np.random.default_rng(0)
    shaken = Conformer(
        known.symbols, known.coordinates + rng.normal(0, 0.03, known.coordinates.shape), known.smiles
    )
    found = verdict(example, to_conformer_text(shaken))
    assert found.score is not None and 0.0 < found.score < 1.0, found
    assert found.components["strain"] > 10.0 and found.reason is Reason.PARTIAL


@pytest.mark.parametrize("smiles", ["C[C@H](N)C(=O)O", "Cc1ccccc1O"])
def test_a_geometry_made_false_is_no_geometry_of_the_molecule(smiles: str) -> None:
    text = to_conformer_text(embed(canonical(smiles), 1))
    assert fault_of(from_conformer_text(text), canonical(smiles)) == ""
    found = distortions(text)
    assert ("the mirror image" in dict(found)) is ("@" in smiles)
    for name, false in found:
        assert fault_of(from_conformer_text(false), canonical(smiles)), name
    assert fault_of(from_conformer_text(text), "CCO") == "another molecule"


def test_without_posebusters_nothing_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    from mmai_gym.contracts import MissingExtra
    from mmai_gym.tasks import geometry

    def missing(conformer: Conformer) -> Any:
        raise MissingExtra("pip install posebusters")

    monkeypatch.setattr(geometry, "geometry_report", missing)
    found = verdict(conformer_example(), to_conformer_text(embed(BUTANE, 4711)))
    assert (found.score, found.reason) == (None, Reason.MISSING_ORACLE)


def test_a_conformer_is_asked_of_molecules_that_leave_no_stereo_open() -> None:
    task = tasks.get("geometry/embedded/conformer")
    assert not task.fits("CC(N)C(=O)O") and task.fits("C[C@H](N)C(=O)O")  # type: ignore[attr-defined]
    for example in some(task.name, 6):
        conformer = from_conformer_text(task.answer(example) or "")
        assert canonical(conformer.smiles) == example.inputs["smiles"]


# --------------------------------------------------------------------------------------------------- linkers

CUT = Cut(
    "x",
    "Cc1ccc(CCNC(=O)NCCc2csc(N3CCCC3)n2)c(C)c1",
    "O=C(NCC[*:2])N[*:1]",
    "Cc1ccc(CC[*:1])c(C)c1.c1sc(N2CCCC2)nc1[*:2]",
    6.07,
    1.38,
)
DESIGN = LinkerDesign("linker-design/delinker-zinc", "delinker", lambda split: (CUT,))


@pytest.mark.parametrize(
    ("answer", "score", "reason", "components"),
    [
        (CUT.molecule, 1.0, Reason.CORRECT, {"joined": 1.0, "fits": 1.0}),
        ("Cc1ccc(CCOC(=O)NCCc2csc(N3CCCC3)n2)c(C)c1", 0.5, Reason.PARTIAL, {"joined": 1.0, "fits": 1.0}),
        ("Cc1ccc(CCOc2csc(N3CCCC3)n2)c(C)c1", 0.0, Reason.WRONG, {"joined": 1.0, "fits": 0.0}),
        ("Cc1ccc(CCNC(=O)NCCc2csc(N3CCCCC3)n2)c(C)c1", 0.0, Reason.WRONG, {"joined": 0.0, "fits": 0.0}),
        ("Cc1ccc(CCNC(=O)NCCc2nc(N3CCCC3)sc2C)c(C)c1", 0.0, Reason.WRONG, {"joined": 0.0, "fits": 0.0}),
        ("Cc1ccc(CCOCCOCCOCCOCCOc2csc(N3CCCC3)n2)c(C)c1", 0.0, Reason.WRONG, {"joined": 0.0, "fits": 0.0}),
        (CUT.rest, 0.0, Reason.WRONG, {}),
        (CUT.molecule + ".O", 0.0, Reason.WRONG, {}),
    ],
)
def test_fragments_are_joined_where_they_should_be(
    answer: str, score: float, reason: Reason, components: dict[str, float]
) -> None:
    found = DESIGN.verify(DESIGN.examples("test")[0], wrap(answer))
    assert (found.score, found.reason, dict(found.components)) == (score, reason, components), found


def test_recovery_counts_any_answer_and_the_shares_count_all() -> None:
    example = DESIGN.examples("test")[0]
    texts = [wrap("Cc1ccc(CCOC(=O)NCCc2csc(N3CCCC3)n2)c(C)c1"), wrap("CCO"), wrap(CUT.molecule), wrap("?")]
    prediction = Prediction(example.id, tuple(map(Completion, texts)))
    score = DESIGN.score([Result(example, prediction, tuple(DESIGN.verify(example, text) for text in texts))])
    assert (score["recovered"].value, score["recovered_first"].value) == (1.0, 0.0)
    assert (score["joined"].value, score["fits"].value, score["validity"].value) == (0.5, 0.5, 0.75)


def test_an_elaboration_pays_for_recovery_alone() -> None:
    cut = Cut("x", "Cc1nsnc1CSCC(=O)N(C)Cc1cccc(F)c1", "Cc1nsnc1[*:1]", "CN(Cc1cccc(F)c1)C(=O)CSC[*:1]")
    task = Elaboration("scaffold-elaboration/develop-zinc", "develop", lambda split: (cut,))
    example = task.examples("test")[0]
    assert task.verify(example, wrap(cut.molecule)).score == 1.0
    other = task.verify(example, wrap("CN(Cc1cccc(F)c1)C(=O)CSCC"))
    assert (other.score, other.components["joined"]) == (0.0, 1.0)


@pytest.mark.parametrize("name", ["linker-design/embedded", "scaffold-elaboration/embedded"])
def test_an_embedded_cut_is_one_of_its_molecule(name: str) -> None:
    for example in some(name, 20):
        joints = list(
            joined(parse(canonical(example.gold)), example.inputs["rest"], 2 * example.inputs["part_atoms"])
        )
        assert joints
        if "distance" in example.inputs:
            assert 1.0 < example.inputs["distance"] < 25.0 and 0.0 <= example.inputs["angle"] <= np.pi


@pytest.mark.data
def test_almost_every_published_molecule_fits_its_own_distance() -> None:
    fits = []
    for name, keys in (("delinker", ("zinc-test", "casf-test")), ("develop", ("linker-pdbbind-test",))):
        for key in keys:
            for cut in linkers.cuts(name, key)[::5]:  # type: ignore[arg-type]
                task = LinkerDesign("x", name, lambda split, cut=cut: (cut,))  # type: ignore[misc]
                example = task.examples("test")[0]
                mol = parse(flat(cut.molecule))
                joints = list(joined(mol, cut.rest, 2 * example.inputs["part_atoms"]))
                assert joints, cut
                fits.append(task._unrecovered(example, mol, joints, cut.molecule).components["fits"])
    assert len(fits) > 200 and np.mean(fits) > 0.98


@pytest.mark.data
@pytest.mark.parametrize(
    "name", [*tasks.match("linker-design"), *tasks.match("scaffold-elaboration"), *tasks.match("energies")]
)
def test_the_sizes_are_those_of_the_rows(name: str) -> None:
    task = tasks.get(name)
    assert task.sizes() == {split: len(task.examples(split)) for split in SPLITS}


# --------------------------------------------------------------------------------------------------- energies


@pytest.mark.data
@pytest.mark.parametrize("way", ["random", "scaffold"])
def test_geometry_and_smiles_of_a_molecule_are_on_one_side_with_one_energy(way: str) -> None:
    space, flat_one = (tasks.get(f"energies/qm9-{kind}/{way}") for kind in ("geometry", "smiles"))
    for split in SPLITS:
        pairs = list(zip(space.examples(split)[:20], flat_one.examples(split)[:20], strict=True))
        assert all((a.id, a.gold) == (b.id, b.gold) for a, b in pairs)
    (form,) = (span for span in space.question(space.examples("test")[0]) if isinstance(span, Number))
    assert form.unit == "eV"
    assert "|" not in space.examples("test")[0].inputs["atoms"]


@pytest.mark.data
def test_qm7_is_the_table_of_moleculenet_in_its_unit() -> None:
    task, other = tasks.get("energies/qm7-smiles/scaffold"), tasks.get("moleculenet/qm7")
    golds = {example.id: example.gold for split in SPLITS for example in other.examples(split)}
    for example in task.examples("test")[:50]:
        assert golds[example.id] == example.gold
    assert sum(task.sizes().values()) == sum(other.sizes().values()) == 6_830
