"""The contributing page works as written: its task is saved, registered, asked, judged and scored."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from mmai_gym import tasks
from mmai_gym.contracts import Completion, Prediction, Result, Task
from mmai_gym.tasks.rendering import compact_row
from mmai_gym.verify import cheats

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"


def test_the_task_of_the_page_can_be_added_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "rotatable.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("mmai_gym.tasks.rotatable", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    families = tasks._families()
    monkeypatch.setattr(tasks, "_families", lambda: (*families, module))
    tasks._registry.cache_clear()
    try:
        task = tasks.get("rotatable-bonds/embedded")
        assert isinstance(task, Task)
        results = []
        for example in task.examples("test")[:20]:
            completion = f"<answer>{task.answer(example)}</answer>"
            assert compact_row(task.question(example), task.answer(example))[1].endswith("</answer><|eos|>")
            verdict = task.verify(example, completion)
            assert verdict.score == 1.0
            assert all((task.verify(example, text).score or 0.0) < 1.0 for _, text in cheats(task, example))
            results.append(Result(example, Prediction(example.id, (Completion(completion),)), (verdict,)))
        assert task.score(results)["accuracy"].value == 1.0
    finally:
        tasks._registry.cache_clear()
