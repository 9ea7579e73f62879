"""A trained run made ready for others, and the page that says what it is."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")


from mmai_gym.bench import Suite, run
from mmai_gym.contracts import Progress, UsageError
from mmai_gym.lfm import checkpoint
from mmai_gym.models import InferenceRecipe, Materials, load_model
from mmai_gym.records import file_sha256
from mmai_gym.report import ship
from mmai_gym.report.model_card import _asking, model_card
from mmai_gym.training import parse_recipe, train

RECIPE = """
name = "small"
preset = "nano"
[batch]
tokens = 512
max_length = 128
[schedule]
log_steps = 2
validate_rows = 4
[exclude]
tests = ["functional-groups/embedded/detect"]
[[stage]]
name = "all"
epochs = 1
[stage.mixture]
"functional-groups/embedded/detect" = { limit = 40 }
"properties/embedded/tpsa" = { limit = 40 }
"""
SUITE = Suite.model_validate(
    {
        "name": "one",
        "baselines": ["baseline:constant"],
        "family": [{"name": "groups", "protocol": "SMARTS", "tasks": ["functional-groups/embedded/detect"]}],
    }
)


def quiet(done: int, total: int, what: str) -> None:
    """Says nothing."""


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "small"
    progress: Progress = quiet
    train(parse_recipe(RECIPE, "small.toml"), folder, progress)
    return folder


def test_a_shipped_checkpoint_has_half_the_bytes_and_says_where_it_comes_from(
    trained: Path, tmp_path: Path
) -> None:
    shipped = ship(trained, tmp_path / "small")
    weights = shipped.folder / "model.safetensors"
    assert weights.stat().st_size < 0.55 * (trained / "checkpoint" / "model.safetensors").stat().st_size
    assert stat.S_IMODE(weights.stat().st_mode) == 0o644
    assert checkpoint.read_card(shipped.folder)["weights"] == "bfloat16"
    assert (shipped.folder / "log.jsonl").read_bytes() == (trained / "log.jsonl").read_bytes()
    assert (shipped.folder / "training.svg").read_text(encoding="utf-8").count("#0b6f73") >= 1
    page = (shipped.folder / "README.md").read_text(encoding="utf-8")
    assert "| functional-groups/embedded | 40 |" in page and "| properties/embedded | 40 |" in page
    assert "fragment contributions" in page and "BSD-3-Clause" in page
    assert "have not been benchmarked yet" in page
    assert "No test set was protected." in page


def test_the_page_counts_what_was_kept_from_the_weights_and_from_their_trunk() -> None:
    def corpus(tests: list[str], dropped: dict[str, int]) -> dict[str, Any]:
        told = {"exclusions": {"tests": dict.fromkeys(tests, "1"), "rules": ["molecule"]}}
        left_out = {"toy/a": {"by_rule_and_test": {"molecule": dropped}, "examples": sum(dropped.values())}}
        return {"tasks": [], "made_from": told | {"excluded": left_out}}

    numbers = {
        "parameters": 1_400_000, "tokens": 2_000_000, "supervised_tokens": 1, "steps": 3, "wall_seconds": 7200.0,
        "device": "cpu", "processes": 1, "precision": "float32", "validation_loss": 0.5,
    }  # fmt: skip
    first = numbers | {
        "recipe": {"arch": "lfm", "name": "first"},
        "data": {"all/train": corpus(["optimization/jin/qed"], {"optimization/jin/qed": 4})},
    }
    card = numbers | {
        "recipe": {"arch": "lfm", "name": "second", "base": "first"},
        "tokens": 3_000_000,
        "data": {"all/train": corpus(["admet/ames", "admet/dili"], {"admet/ames": 3, "admet/dili": 2})},
        "base": {"card": first},
    }
    page = model_card("small", card, InferenceRecipe(), [], "")
    assert (
        "The test sets of 3 tasks were protected by the rules `molecule`: `admet` (2), `optimization/jin` (1)."
        in page
    )
    # One example may be near both: it is counted by the test that names most.
    assert "At least 7 examples were." in page
    assert "1.4M parameters" in page and "trained from scratch in 2 rounds on 5.0M tokens" in page
    assert "| first | 3 | 2,000,000 | 1 | 2.0 hours on 1 × cpu, float32 | 0.500 |" in page
    assert "| second | 3 | 3,000,000 | 1 |" in page


def test_the_page_asks_what_was_taught_last_and_says_what_may_be_forgotten() -> None:
    molecule = {"kind": "molecule", "text": {"input": "smiles"}, "view": "smiles"}
    protein = {"kind": "molecule", "text": {"input": "sequence"}, "view": "protein"}
    value, structure = {"kind": "number", "unit": "", "grid": [1.0]}, {"kind": "structure"}
    trunk = {"questions": {"admet/ames": [molecule, value], "retrosynthesis/toy": [molecule, structure]}}
    page = _asking("trunk", trunk)
    assert [line.split()[1] for line in page.splitlines() if line.startswith("    ")] == ["predict", "retro"]
    assert "forgotten" not in page
    page = _asking("fork", {"questions": {"activity/toy": [molecule, protein, value]}, "base": {"card": trunk}})
    assert (
        '    mmai-gym ask activity/toy smiles="CC(=O)Nc1ccc(O)cc1" sequence=SEQUENCE --model checkpoints/fork'
        in page
    )
    assert "Only earlier rounds taught admet, retrosynthesis" in page
    page = _asking("forwards", {"questions": {"forward/toy": [molecule, structure]}})
    assert '    mmai-gym ask forward/toy smiles="CC(=O)Cl.Nc1ccc(O)cc1" --model checkpoints/forwards' in page


def test_its_page_tells_of_records_about_its_own_weights_alone(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "small"
    ship(trained, out)
    before = file_sha256(out / "model.safetensors")
    InferenceRecipe(copies={"admet": 3}, forward="other").write(out)
    Materials.of(["CCO", "CCN"]).write(out)
    records = [tmp_path / "run.jsonl", tmp_path / "shipped.jsonl"]
    for folder, record in zip((trained, out), records, strict=True):
        run(load_model(str(folder)), SUITE, record, limit=5)
    shipped = ship(trained, out, records)
    assert (shipped.told, shipped.left_out) == ((records[1],), (records[0],))
    assert file_sha256(out / "model.safetensors") == before
    page = (out / "README.md").read_text(encoding="utf-8")
    assert "| functional-groups/embedded/detect | accuracy | 5 |" in page
    assert "`admet` in 3" in page, "what was fitted to the shipped weights stays"
    assert "Round trips are made by `other`." in page
    assert "`materials.npy` knows 2 molecules that its training reactions start from." in page
    model, tokenizer = checkpoint.load(out)
    next(model.parameters()).data.add_(1.0)
    other = checkpoint.save(tmp_path / "other", model, tokenizer, checkpoint.read_card(out))
    ship(other, out)
    assert InferenceRecipe.read(out) == InferenceRecipe(), "and belongs to no other weights"
    assert Materials.read(out) is None


def test_a_checkpoint_is_not_shipped_onto_itself(trained: Path) -> None:
    with pytest.raises(UsageError, match="choose another folder"):
        ship(trained, trained / "checkpoint")
