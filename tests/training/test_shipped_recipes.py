"""The shipped recipes against the real registry, which the other tests of this room replace."""

from __future__ import annotations

import pytest

from mmai_gym import tasks
from mmai_gym.lfm.presets import PRESETS
from mmai_gym.training import load_recipe, shipped_recipes

REGISTRY = tasks._registry


@pytest.fixture(autouse=True)
def real_registry(toy_tasks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_registry", REGISTRY)


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_recipe_names_known_tasks_and_a_known_preset(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.preset in PRESETS
    families = {task.family for task in recipe.tasks()}
    assert families >= {"functional-groups", "properties", "retrosynthesis", "optimization", "activity"}


def test_the_core_recipe_trains_on_every_admet_endpoint() -> None:
    assert sum(task.family == "admet" for task in load_recipe("nano-core").tasks()) == 22
