from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

import torch
import toy_tasks as toy

from mmai_gym import tasks
from mmai_gym.training import Recipe, parse_recipe


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads cost more than they give on matrices this small, and much more on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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
