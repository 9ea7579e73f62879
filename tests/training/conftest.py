from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

import toy_tasks as toy

from mmai_gym import tasks
from mmai_gym.training import Recipe, parse_recipe


@pytest.fixture(scope="module", autouse=True)
def always_one_thread(one_thread: None) -> None:
    """In every module of this folder."""


@pytest.fixture(autouse=True)
def toy_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry of two toy tasks and a preset small enough to train in seconds."""
    toy.install(monkeypatch.setattr, monkeypatch.setitem)
    assert tasks.names() == ["toy/length", "toy/parity"]


@pytest.fixture
def recipe() -> Recipe:
    return parse_recipe(toy.RECIPE, "toy.toml")


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return tmp_path / "run"
