"""Going on from an earlier run of the gym: the weights, the tokens, and what the trunk may have read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
import toy_tasks as toy

import small_released
from mmai_gym.contracts import Count, Molecule, UsageError, Words
from mmai_gym.lfm import checkpoint
from mmai_gym.tasks.rendering import property_token, protein_name
from mmai_gym.training import Recipe, parse_recipe, read_log, train
from mmai_gym.training.starting import FromBase, starting_point

PROTECTED = '[exclude]\ntests = ["toy"]\n'


def trunk_recipe(exclude: str = PROTECTED) -> Recipe:
    text = toy.RECIPE.replace('"toy" =', '"toy/length" =').replace("[schedule]", exclude + "[schedule]")
    return parse_recipe(text, "trunk.toml")


def fork_recipe(base: str, head: str = "", stage: str = "") -> Recipe:
    text = toy.RECIPE.replace('preset = "toy"', f"base = {json.dumps(base)}\n{head}")
    text = text.replace('"toy" =', '"toy/parity" =').replace("epochs = 1", f"epochs = 1\n{stage}")
    return parse_recipe(text, "fork.toml")


def trained(recipe: Recipe, folder: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        toy.install(patch.setattr, patch.setitem)
        return train(recipe, folder, toy.quiet)


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    toy.install(monkeypatch.setattr, monkeypatch.setitem)


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "trunk"
    with pytest.MonkeyPatch.context() as patch:
        toy.install(patch.setattr, patch.setitem)
        train(trunk_recipe(), folder, toy.quiet)
    return folder


def start(recipe: Recipe, folder: Path) -> FromBase:
    folder.mkdir(exist_ok=True)
    found = starting_point(recipe, folder)
    assert isinstance(found, FromBase)
    return found


def test_a_fork_begins_with_the_weights_of_its_trunk_and_with_tokens_of_its_own(
    trunk: Path, tmp_path: Path
) -> None:
    begun = start(fork_recipe(str(trunk)), tmp_path / "fork")
    before, old = checkpoint.load(trunk / "checkpoint")
    assert old.convert_tokens_to_ids(property_token("parity")) is None
    assert begun.tokenizer.convert_tokens_to_ids(property_token("parity")) == len(old) == len(begun.tokenizer) - 1
    text = property_token("chain length") + "CCO"
    assert begun.tokenizer(text)["input_ids"] == old(text)["input_ids"]
    model, again = begun.model(), begun.model()
    for (name, weight), other, second in zip(
        before.named_parameters(), model.parameters(), again.parameters(), strict=True
    ):
        assert torch.equal(weight, other[: len(weight)]), name
        assert torch.equal(other, second)
    fresh = model.get_input_embeddings().weight[-1]
    assert 0.005 < float(fresh.detach().std()) < 0.05


def test_a_fork_learns_and_its_card_holds_that_of_its_trunk(trunk: Path, tmp_path: Path) -> None:
    result = trained(fork_recipe(str(trunk), stage="language = true"), tmp_path / "fork")
    losses = [line["loss"] for line in read_log(tmp_path / "fork" / "log.jsonl") if "loss" in line]
    assert losses[-1] < losses[0]
    card = checkpoint.read_card(result)
    assert card["base"]["card"] == checkpoint.read_card(trunk / "checkpoint")
    assert "dialect" not in card or card["dialect"] == {}
    model, tokenizer = checkpoint.load(result)
    assert model.config.vocab_size == len(tokenizer)


def test_a_trunk_is_found_by_its_name_under_runs(
    trunk: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "runs").symlink_to(trunk.parent)
    monkeypatch.chdir(tmp_path)
    begun = start(fork_recipe("trunk"), tmp_path / "fork")
    assert (begun.name, begun.files) == ("trunk", Path("runs/trunk/checkpoint"))


def test_a_trunk_that_did_not_keep_out_the_test_set_is_refused(tmp_path: Path) -> None:
    trained(trunk_recipe(exclude=""), tmp_path / "open")
    with pytest.raises(
        UsageError, match=r"open was trained without keeping out the test sets of toy/parity; train it"
    ):
        starting_point(fork_recipe(str(tmp_path / "open")), tmp_path)


def test_rules_that_the_trunk_did_not_follow_are_not_those_of_the_fork(tmp_path: Path) -> None:
    trained(trunk_recipe('[exclude]\ntests = ["toy"]\nrules = ["row"]\n'), tmp_path / "lax")
    recipe = fork_recipe(str(tmp_path / "lax"))
    with pytest.raises(UsageError, match="without keeping out"):
        starting_point(recipe, tmp_path)
    same = parse_recipe(
        recipe.to_toml().replace(str(list(recipe.exclude.rules)).replace("'", '"'), '["row"]'), "same"
    )
    assert same.exclude.rules == ("row",)
    assert isinstance(starting_point(same, tmp_path), FromBase)


def test_the_teachers_of_a_trunk_are_those_of_its_forks(
    trunk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy.Length, "teachers", ("seer",))
    from mmai_gym import lineage

    seer = lineage.Teacher("seer", False, "everything", ("toy/parity",), "nobody")
    monkeypatch.setattr(lineage, "TEACHERS", (*lineage.TEACHERS, seer))
    monkeypatch.setattr(toy.Parity, "teachers", ())
    with pytest.raises(UsageError, match="seer was trained on everything"):
        starting_point(fork_recipe(str(trunk)), tmp_path)


def test_a_checkpoint_without_a_card_is_no_trunk(trunk: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in (trunk / "checkpoint").iterdir():
        if path.name != "card.json":
            (bare / path.name).write_bytes(path.read_bytes())
    with pytest.raises(UsageError, match=r"bare has no card\.json that says what it was trained on"):
        starting_point(fork_recipe(str(bare)), tmp_path)


def test_adapters_teach_no_new_tokens(trunk: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    with pytest.raises(UsageError, match=r"no tokens for <\|p:parity\|>, and adapters teach none"):
        starting_point(fork_recipe(str(trunk), head="lora = {}"), tmp_path)


def test_proteins_have_names_in_a_fork_and_not_in_released_weights(
    trunk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy.Length, "proteins", lambda self: ("MKV", "GGS"), raising=False)
    begun = start(fork_recipe(str(trunk), head="name_proteins = true"), tmp_path / "fork")
    names = [property_token(protein_name(sequence)) for sequence in ("MKV", "GGS")]
    assert set(begun.tokenizer.get_vocab()) >= set(names)
    assert len(begun.tokenizer) == begun.model().config.vocab_size
    question = (Words("How well", "affinity"), Molecule("CC"), Molecule("GGS", "protein"), Count())
    assert names[1] in begun.dialect.prompt(question)
    model = small_released.make(tmp_path / "released")
    with pytest.raises(UsageError, match="name_proteins"):
        start(fork_recipe(str(model), head="name_proteins = true"), tmp_path / "other")
