"""What holds for every task: the gold answer is right, the question is well formed, rewriting it keeps the answer."""

from __future__ import annotations

import itertools

import pytest

import mmai_gym as gym
from mmai_gym import tasks
from mmai_gym.contracts import SPLITS, DataError, Reason, Split, Task, UsageError, answer_form, item_seed
from mmai_gym.tasks import BaseTask
from mmai_gym.tasks.rendering import CONTROL_TOKENS, chat_prompt, compact_answer, compact_row, expand

EMBEDDED = [name for name in tasks.names() if "embedded" in name]
PUBLIC = [name for name in tasks.names() if "embedded" not in name]
ALL = [*EMBEDDED, *(pytest.param(name, marks=pytest.mark.data) for name in PUBLIC)]


@pytest.fixture(scope="module", params=ALL)
def name(request: pytest.FixtureRequest) -> str:
    """Every task in turn. Of module scope, so that all tests of one task follow each other and its data are read once."""
    return str(request.param)


def sample(name: str, count: int = 12) -> list:
    """Examples spread over the splits of a task."""
    task = tasks.get(name)
    chosen = []
    for split in SPLITS:
        examples = task.examples(split)
        step = max(1, len(examples) // count)
        chosen += list(itertools.islice((examples[i] for i in range(0, len(examples), step)), count))
    return chosen


class _Opened(BaseTask):
    """Notes which splits are opened; `absent` says that a file is missing."""

    headline = "accuracy"
    question = answer = judge = score = None  # type: ignore[assignment]

    def __init__(self, name: str, *sources: str, absent: bool = False) -> None:
        self.name, self.sources, self.absent, self.opened = name, sources, absent, []

    def examples(self, split: Split) -> tuple[()]:
        if self.absent:
            raise DataError("not here")
        self.opened.append(split)
        return ()


def test_preparing_a_data_set_opens_each_of_its_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    mine, others, shared = _Opened("a", "toy"), _Opened("b", "other"), _Opened("c", "toy", "other", absent=True)
    monkeypatch.setattr(tasks, "_registry", lambda: {task.name: task for task in (mine, others, shared)})
    calls: list[tuple[int, int, str]] = []
    tasks.prepare("toy", lambda *call: calls.append(call))
    assert (mine.opened, others.opened) == (["train", "valid", "test"], [])
    assert calls[0] == (0, 2, "preparing · a")
    assert calls[-1][:2] == (2, 2)
    mine.absent = True
    with pytest.raises(DataError, match="not here"):
        tasks.prepare("toy", lambda *call: None)


def test_there_are_at_least_thirty_tasks_of_five_families() -> None:
    assert len(tasks.names()) >= 30
    families = {tasks.get(name).family for name in tasks.names()}
    assert families >= {"functional-groups", "properties", "admet", "retrosynthesis", "optimization", "activity"}


def test_every_task_verifies_its_own_gold_answers_to_one(name: str) -> None:
    task = tasks.get(name)
    assert isinstance(task, Task)
    for example in sample(name):
        if task.answer(example) is None:
            assert example.split == "test"
            continue
        verdict = task.verify(example, f"<answer>{task.answer(example)}</answer>")
        assert (verdict.score, verdict.reason) == (1.0, Reason.CORRECT), (example, verdict)
        assert verdict.verifier_version == task.verifier_version
        assert task.verify(example, "<answer></answer>").score == 0.0


def test_every_question_is_well_formed_in_both_renderings(name: str) -> None:
    task = tasks.get(name)
    for example in sample(name, 5):
        question = task.question(example)
        form = answer_form(question)
        answer = task.answer(example)
        if answer is None:
            continue
        prompt, target = compact_row(question, answer)
        assert prompt.startswith("<|bos|>") and prompt.endswith("<answer>")
        assert target.endswith("</answer><|eos|>")
        assert "reserved" not in prompt
        assert answer not in chat_prompt(question).splitlines()[:1]
        written = expand(compact_answer(answer, form), form)
        # A rare value at the end of a small set's scale is the farthest from the outermost step of the grid.
        assert task.verify(example, f"<answer>{written}</answer>").score > 0.5


def test_a_rewritten_example_has_the_same_identity_and_a_right_answer(name: str) -> None:
    task = tasks.get(name)
    for i, example in enumerate(sample(name, 4)):
        other = task.augment(example, item_seed(name, task.version, example.split, 0, i))
        assert (other.id, other.task, other.split) == (example.id, example.task, example.split)
        if task.answer(example) is not None:
            assert task.verify(other, f"<answer>{task.answer(other)}</answer>").score == 1.0
        assert task.augment(example, 7) == task.augment(example, 7)


@pytest.mark.parametrize("name", EMBEDDED)
def test_ids_are_unique_and_splits_are_disjoint(name: str) -> None:
    task = tasks.get(name)
    ids = {split: [example.id for example in task.examples(split)] for split in SPLITS}
    for split in SPLITS:
        assert len(set(ids[split])) == len(ids[split]) == task.sizes()[split]
    assert not set(ids["train"]) & set(ids["test"])


@pytest.mark.parametrize("name", EMBEDDED)
def test_examples_are_a_deterministic_sequence(name: str) -> None:
    examples = tasks.get(name).examples("test")
    assert examples[0] == examples[0]
    assert list(examples[1:3]) == [examples[1], examples[2]]
    assert examples[-1] == examples[len(examples) - 1]
    with pytest.raises(IndexError):
        examples[len(examples)]


def test_no_atom_map_reaches_a_question() -> None:
    for name in tasks.match("retrosynthesis/embedded") + tasks.match("optimization/embedded"):
        for example in sample(name, 10):
            assert ":" not in example.inputs["smiles"]
            assert ":" not in tasks.get(name).answer(example)


def test_unknown_names_are_answered_with_the_closest_ones() -> None:
    with pytest.raises(UsageError, match="did you mean 'retrosynthesis/embedded'"):
        gym.make("retrosynthesis/embeded")
    with pytest.raises(UsageError, match="stands below it"):
        tasks.match("nothing-like-it")


def test_a_prefix_selects_a_family() -> None:
    assert len(tasks.match("admet")) == 22
    assert tasks.match("admet/herg") == ["admet/herg"]
    assert all(
        name.startswith("functional-groups/embedded/") for name in tasks.match("functional-groups/embedded")
    )


def test_properties_never_collide_with_control_tokens() -> None:
    from mmai_gym.tasks.rendering import property_token

    words = [property_token(name) for task in map(tasks.get, EMBEDDED) for name in task.properties]
    assert not set(words) & set(CONTROL_TOKENS)
