"""Imports point one way: each room may use those above it in the house, never those below."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "mmai_gym"
# From the ground up. Rooms on one line do not import each other.
ROOMS = [
    ("contracts",),
    ("extras", "lineage"),
    ("stats", "workers", "records"),
    ("molecules",),
    ("sources",),
    ("oracles",),
    ("reasoning",),
    ("tasks",),
    ("verify", "audit"),
    ("lfm",),
    ("models", "training"),
    ("bench",),
    ("report", "consult"),
    ("cli",),
]
LEVEL = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = node.module
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            module, names = node.names[0].name, []
        else:
            continue
        if module == "mmai_gym":
            found |= {name for name in names if name in LEVEL}
        elif module.startswith("mmai_gym."):
            found.add(module.split(".")[1])
    return found


FILES = sorted(path for path in SOURCE.rglob("*.py") if room_of(path) not in ("__init__", "__main__"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_room_imports_only_rooms_above_it(path: Path) -> None:
    room = room_of(path)
    assert room in LEVEL, f"{room} has no place in the house; add it to ROOMS"
    for other in imported_rooms(path) - {room}:
        assert LEVEL[other] < LEVEL[room], f"{path.relative_to(SOURCE)} imports {other}, which stands below {room}"
