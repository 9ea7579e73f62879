"""A corpus leaves test molecules out, fills up with others, and says what it lost and to whom."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import toy_tasks as toy
from transformers import PreTrainedTokenizerFast

from mmai_gym import lineage, tasks
from mmai_gym.contracts import DataError, Example, Split, UsageError, row_id
from mmai_gym.lineage import Teacher
from mmai_gym.tasks.base import BaseTask, LazyExamples
from mmai_gym.training import Corpus, Recipe, build, parse_recipe
from mmai_gym.training.starting import Fresh

HELD_OUT = 4
"""The exam asks about the chain of so many carbons, which are 13 of the 120 training rows of each toy task."""
EXAM = '[exclude]\ntests = ["exam"]\n[[stage]]'


class Exam(toy.Length):
    """Another data set, whose test set has one molecule of the toy tasks."""

    name = "exam/length"
    sources = ("exam",)

    def examples(self, split: Split) -> Sequence[Example]:
        return LazyExamples(int(split == "test"), lambda i: self._example(split, HELD_OUT - 1))

    def _example(self, split: Split, number: int) -> Example:
        example = super()._example(split, number)
        return Example(row_id("exam", number), self.name, split, example.inputs, example.gold)


class Taught(toy.Length):
    """Training labels from a model that has seen the exam."""

    name = "taught/length"
    teachers = ("cheat",)


def use(monkeypatch: pytest.MonkeyPatch, *chosen: BaseTask) -> None:
    monkeypatch.setattr(tasks, "_registry", functools.cache(lambda: {task.name: task for task in chosen}))


@pytest.fixture(autouse=True)
def exam(toy_tasks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, toy.Length(), toy.Parity(), Exam())


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    with pytest.MonkeyPatch.context() as patch:
        toy.install(patch.setattr, patch.setitem)
        return Fresh(parse_recipe(toy.RECIPE, "toy.toml")).tokenizer


def recipe(exclude: str = EXAM, *changes: tuple[str, str]) -> Recipe:
    text = toy.RECIPE.replace("[[stage]]", exclude)
    for old, new in changes:
        text = text.replace(old, new)
    return parse_recipe(text, "exam.toml")


def lengths(corpus: Corpus, tokenizer: PreTrainedTokenizerFast) -> set[int]:
    """The chain lengths that a corpus knows."""
    texts = (tokenizer.decode(corpus.row(i)[0]) for i in range(len(corpus)))
    return {text.split("<|smiles|>")[1].split("<|")[0].count("C") for text in texts}


def excluded(corpus: Corpus) -> Mapping[str, Any]:
    return corpus.manifest.made_from["excluded"]


def made(recipe: Recipe, folder: Path, tokenizer: PreTrainedTokenizerFast) -> tuple[Corpus, Corpus]:
    return build(recipe, recipe.stages[0], folder, tokenizer, toy.quiet)


def test_test_molecules_are_left_out_of_both_corpora_and_counted(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    train, valid = made(
        recipe(EXAM, ("limit = 60", "limit = 120"), ("validate_rows = 10", "validate_rows = 12")),
        tmp_path,
        tokenizer,
    )
    assert lengths(train, tokenizer) == lengths(valid, tokenizer) == set(range(1, 10)) - {HELD_OUT}
    expected = {"examples": 13, "by_rule_and_test": {"molecule": {"exam/length": 13}}}
    assert excluded(train) == {"toy/length": expected, "toy/parity": expected}
    assert [task.questions for task in train.manifest.tasks] == [2 * (120 - 13)] * 2
    assert train.manifest.made_from["exclusions"]["tests"] == {"exam/length": "1"}
    assert excluded(valid)["toy/length"]["examples"] + len(valid) // 2 == 12


def test_a_limit_is_filled_up_with_other_examples(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    plain, plain_valid = made(recipe("[[stage]]"), tmp_path / "plain", tokenizer)
    train, valid = made(recipe(), tmp_path / "exam", tokenizer)
    assert HELD_OUT in lengths(plain, tokenizer) and HELD_OUT not in lengths(train, tokenizer)
    assert len(train) == len(plain) == 2 * 2 * 60
    assert len(valid) == len(plain_valid) == 2 * 10
    assert 0 < excluded(train)["toy/length"]["examples"] < 13


def test_a_recipe_can_do_without_exclusions_or_with_fewer(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    plain, _ = made(recipe("[[stage]]"), tmp_path / "plain", tokenizer)
    off = recipe("[[stage]]", ('name = "toy"', 'name = "toy"\nexclude = false'))
    fewer = recipe(EXAM.replace('["exam"]', '["exam"]\nrules = ["product"]'))
    for number, chosen in enumerate((off, fewer)):
        train, _ = made(chosen, tmp_path / str(number), tokenizer)
        for name in ("tokens.bin", "mask.bin", "offsets.bin"):
            assert (train.folder / name).read_bytes() == (plain.folder / name).read_bytes()
        assert not train.manifest.made_from.get("excluded")


def test_nothing_is_said_where_nothing_has_to_be_protected(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    train, _ = made(recipe("[[stage]]"), tmp_path, tokenizer)
    assert not {"exclusions", "excluded"} & train.manifest.made_from.keys()


def test_a_corpus_made_with_other_exclusions_is_not_used_again(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    made(recipe(), tmp_path, tokenizer)
    made(recipe(), tmp_path, tokenizer)
    strict = recipe(EXAM.replace('["exam"]', '["exam"]\nstrict = true'))
    with pytest.raises(DataError, match="made from other exclusions"):
        made(strict, tmp_path, tokenizer)


def test_a_task_that_loses_every_row_is_named_with_the_reason(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only(self: Exam, split: Split, number: int) -> Example:
        return Example(f"{number}", self.name, split, {"smiles": "C" * (number + 1) + "O"}, number + 1)

    monkeypatch.setattr(Exam, "_example", only)
    monkeypatch.setattr(
        Exam, "examples", lambda self, split: LazyExamples(9, functools.partial(self._example, split))
    )
    with pytest.raises(DataError, match=r"toy/length has no training rows: all 120 examples are excluded"):
        made(recipe(), tmp_path, tokenizer)


def test_labels_from_a_teacher_that_has_seen_the_exam_are_refused(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cheat = Teacher("cheat", False, "the exam's answers", ("exam",), "Nobody 2026")
    monkeypatch.setattr(lineage, "TEACHERS", (*lineage.TEACHERS, cheat))
    use(monkeypatch, toy.Length(), Taught(), Exam())
    stages = '[[stage]]\nname = "taught"\n[stage.mixture]\n"taught" = {}\n[[stage]]'
    chosen = recipe(EXAM.replace("[[stage]]", stages))
    for stage in chosen.stages:  # the second builds on what the first has taught
        with pytest.raises(UsageError, match="cheat was trained on the exam's answers"):
            build(chosen, stage, tmp_path, tokenizer, toy.quiet)
    assert not list(tmp_path.iterdir())
    elsewhere = recipe(EXAM.replace("[[stage]]", stages).replace('["exam"]', '["toy"]\nrules = []'))
    assert build(elsewhere, elsewhere.stages[0], tmp_path, tokenizer, toy.quiet)[0].manifest.counts["rows"] == 120


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ('tests = ["exma"]', "exclude.tests: no task is named 'exma'"),
        ('rules = ["molecules"]', "exclude.rules.0: Input should be 'row', 'molecule'"),
        ("stricter = true", "unknown key 'exclude.stricter' (did you mean 'strict'?)"),
    ],
)
def test_a_wrong_exclusion_is_named(section: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        recipe(f"[exclude]\n{section}\n[[stage]]")
    assert message in str(caught.value)


def test_a_switch_is_as_good_as_a_section() -> None:
    start = 'name = "toy"'
    on, off = (
        parse_recipe(toy.RECIPE.replace(start, f"{start}\nexclude = {word}"), "x") for word in ("true", "false")
    )
    assert on == recipe("[[stage]]")
    assert off.exclude.rules == ()
    assert parse_recipe(off.to_toml(), "again.toml") == off
