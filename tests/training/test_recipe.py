from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import pytest
import toy_tasks as toy
from hypothesis import given
from hypothesis import strategies as st

from mmai_gym.contracts import UsageError
from mmai_gym.training import Recipe, load_recipe, parse_recipe, shipped_recipes
from mmai_gym.training.recipe import Portion, Stage


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("learning_rate", "lerning_rate", "unknown key 'optimizer.lerning_rate' (did you mean 'learning_rate'?)"),
        ("preset", "preseet", "unknown key 'preseet' (did you mean 'preset'?)"),
        ("views", "veiws", "unknown key 'stage.0.mixture.toy.veiws' (did you mean 'views'?)"),
        ("[optimizer]", "[optimiser]", "unknown key 'optimiser' (did you mean 'optimizer'?)"),
        ("epochs", "epoch", "unknown key 'stage.0.epoch' (did you mean 'epochs'?)"),
    ],
)
def test_an_unknown_key_is_refused_with_the_file_and_the_nearest_key(wrong: str, right: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_recipe(toy.RECIPE.replace(wrong, right), "mine.toml")
    assert message in str(caught.value)
    assert "mine.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("given_", "instead", "message"),
    [
        ("1e-2", "-1", "optimizer.learning_rate"),
        ("seed = 5", "seed = 'five'", "seed"),
        ("max_length = 40", "max_length = 400", "does not fit into a batch of 256 tokens"),
        ("max_length = 40", "max_length = 40\nmicro_tokens = 30", "forward pass (micro_tokens) of 30 tokens"),
        ("max_length = 40", 'max_length = 40\nrows = "stacked"', "batch.rows"),
        ('preset = "toy"', 'preset = "toy"\narch = "mamba"', "arch"),
        ("1e-2", "1e-2\nwarmup = 0.8\ndecay = 0.5", "add up to more than 1"),
        ('name = "first"', 'name = "../up"', "stage.0.name"),
        ('preset = "toy"', "", "give `preset` to train from scratch or `base` to go on from released weights"),
        ('"toy"', '"tyo"', "did you mean 'toy'"),
        ("seed = 5", "seed = ", "is not TOML"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_key(given_: str, instead: str, message: str) -> None:
    text = (
        toy.RECIPE.replace(given_, instead) if given_ != '"toy"' else toy.RECIPE.replace('"toy" = {', '"tyo" = {')
    )
    with pytest.raises(UsageError) as caught:
        parse_recipe(text, "mine.toml")
    assert message in str(caught.value)


def test_an_unknown_recipe_lists_the_shipped_ones_and_the_closest() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'nano-core'.*micro-retro, nano-core, nano-embedded"):
        load_recipe("nano-cor")
    with pytest.raises(UsageError, match=r"no recipe file missing\.toml"):
        load_recipe(Path("missing.toml"))


def test_the_longer_prefix_holds_for_its_task() -> None:
    stage = Stage(name="s", mixture={"toy/parity": Portion(views=7), "toy": Portion(views=2)})
    assert [(task.name, portion.views) for task, portion in stage.portions()] == [
        ("toy/length", 2),
        ("toy/parity", 7),
    ]


def section(**parts: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries(parts)


recipes = section(
    name=st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True),
    preset=st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=8),
    seed=st.integers(0, 2**32 - 1),
    optimizer=section(learning_rate=st.floats(1e-9, 10), decay=st.floats(0, 0.9), warmup=st.just(0.1)),
    batch=section(
        tokens=st.integers(4096, 10**6),
        max_length=st.integers(4, 4096),
        rows=st.sampled_from(["grouped", "packed"]),
        micro_tokens=st.none() | st.integers(4096, 10**6),
    ),
    schedule=section(checkpoint_minutes=st.floats(0, 1e6), probe_minutes=st.none() | st.floats(0, 1e6)),
    stage=st.lists(
        section(
            name=st.from_regex(r"[a-z]{1,8}", fullmatch=True),
            epochs=st.integers(1, 9),
            mixture=st.dictionaries(
                st.sampled_from(["toy", "toy/length", "toy/parity"]),
                section(views=st.integers(1, 50), limit=st.none() | st.integers(1, 10**6)),
                min_size=1,
            ),
        ),
        min_size=1,
        max_size=3,
        unique_by=lambda stage: stage["name"],
    ),
).map(Recipe.model_validate)


@given(recipes)
def test_a_recipe_written_as_toml_reads_back_the_same(recipe: Recipe) -> None:
    again = parse_recipe(recipe.to_toml(), "again.toml")
    assert again == recipe
    assert not again.differences(recipe)


def test_differences_name_the_keys_and_both_values(recipe: Recipe) -> None:
    other = parse_recipe(
        toy.RECIPE.replace("seed = 5", "seed = 6").replace("views = 2", "views = 3"), "other.toml"
    )
    assert recipe.differences(other) == ["seed: 5 is not 6", "stage.0.mixture.toy.views: 2 is not 3"]


def test_a_recipe_like_a_shipped_one_replaces_its_keys_and_whole_sections() -> None:
    shipped = tomllib.loads(
        resources.files("mmai_gym").joinpath("recipes", "nano-embedded.toml").read_text("utf-8")
    )
    own = 'like = "nano-embedded"\nseed = 99\n[optimizer]\nclip = 2.0\n[[stage]]\nname = "s"\n[stage.mixture]\ntoy = {}\n'
    other = parse_recipe(own, "other.toml")
    assert (other.name, other.preset, other.seed) == (shipped["name"], shipped["preset"], 99)
    assert (other.optimizer.clip, [stage.name for stage in other.stages]) == (2.0, ["s"])
    assert (
        other.optimizer.learning_rate != shipped["optimizer"]["learning_rate"]
    )  # the section is replaced as a whole
    assert "like" not in other.to_toml()
    with pytest.raises(UsageError, match="did you mean 'nano-core'"):
        parse_recipe('like = "nano-cor"\n', "other.toml")


def test_the_twin_differs_from_the_flagship_in_its_architecture_alone() -> None:
    text = resources.files("mmai_gym").joinpath("recipes", "flagship-twin.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text) == {"like": "flagship", "name": "flagship-twin", "arch": "transformer"}


def test_the_shipped_recipes_are_found() -> None:
    assert {"flagship", "micro-retro", "nano-core", "nano-embedded"} < set(shipped_recipes())
