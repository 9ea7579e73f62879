from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mmai_gym import tasks
from mmai_gym.bench import (
    Suite,
    compare,
    contestant,
    render_comparison,
    render_text,
    run,
    subset,
    table,
    to_json,
    to_markdown,
)
from mmai_gym.bench import runner as runner_module
from mmai_gym.contracts import (
    Completion,
    DataError,
    Example,
    Prediction,
    Reason,
    Split,
    UsageError,
    Verdict,
    row_id,
)

SUITE = Suite.model_validate(
    {
        "name": "tiny",
        "baselines": ["baseline:constant", "baseline:copy"],
        "family": [
            {"name": "choice", "tasks": ["tiny/choice", "tiny/pair"]},
            {
                "name": "structure",
                "tasks": ["tiny/structure"],
                "n": 3,
                "trivial": ["baseline:constant", "baseline:copy"],
            },
        ],
    }
)


class Here:
    """Judges in this process: the tiny tasks are not known to worker processes."""

    def __init__(self, undecided: frozenset[str] = frozenset()) -> None:
        self.undecided = undecided

    def verify(self, items: Sequence[tuple[str, Example, str]]) -> list[Verdict]:
        return [
            Verdict(None, Reason.TIMEOUT) if text in self.undecided else tasks.get(name).verify(example, text)
            for name, example, text in items
        ]


class Oracle:
    """Knows every answer; adds an unreadable molecule where it may answer more than once. Can be killed."""

    name = "oracle"

    def __init__(self, calls: int = 10**9) -> None:
        self.calls = calls
        self.answered: list[str] = []

    def predict(self, examples: Sequence[Example], n: int, seed: int) -> list[Prediction]:
        if self.calls == 0:
            raise KeyboardInterrupt
        self.calls -= 1
        self.answered += [example.id for example in examples]
        texts = [(f"<answer>{e.gold}</answer>", "<answer>C1</answer>")[: min(n, 2)] for e in examples]
        return [Prediction(e.id, tuple(map(Completion, t))) for e, t in zip(examples, texts, strict=True)]


@pytest.fixture
def many(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The tiny tasks with forty test examples each, so that intervals are narrow enough to separate."""
    for task in tiny.values():

        def examples(split: Split, task: Any = task) -> list[Example]:
            smiles = ["C" * (i + 1) + ("C(=O)O" if i % 2 else "") for i in range(40)]
            return [
                Example(row_id(task.name, split, i), task.name, split, {"smiles": s}, task.gold[i % 2])
                for i, s in enumerate(smiles)
            ]

        monkeypatch.setattr(task, "examples", examples)
    return tiny


def _run(path: Path, model: Any = None, **settings: Any) -> Path:
    return run(model or Oracle(), SUITE, path, verifier=settings.pop("verifier", Here()), **settings)


def test_a_limit_keeps_the_same_examples_whatever_their_order_and_a_smaller_one_keeps_a_part(many: Any) -> None:
    examples = tasks.get("tiny/choice").examples("test")
    ten, five = subset(examples, 10), subset(examples, 5)
    assert len(ten) == 10
    assert {e.id for e in five} < {e.id for e in ten}
    assert {e.id for e in subset(examples[::-1], 10)} == {e.id for e in ten}
    places = [examples.index(e) for e in ten]
    assert places == sorted(places)
    assert places != list(range(10))
    assert subset(examples, None) == subset(examples, 1000) == examples


def test_a_family_may_have_a_limit_of_its_own_and_the_smaller_one_holds(many: Any, tmp_path: Path) -> None:
    given = SUITE.model_dump(mode="json", by_alias=True)
    given["family"][1]["limit"] = 7
    suite = Suite.model_validate(given)
    for limit, asked in ((None, 7), (3, 3), (9, 7)):
        oracle = Oracle()
        run(oracle, suite, tmp_path / f"{limit}.jsonl", limit=limit, verifier=Here())
        structures = {example.id for example in tasks.get("tiny/structure").examples("test")}
        assert len(structures.intersection(oracle.answered)) == asked
    everything = list(tasks.get("tiny/structure").examples("test"))
    assert suite.families[0].least(None) is None and len(everything) > 7


class Sure:
    """Gives every example the same probabilities."""

    name = "sure"

    def predict(self, examples: Sequence[Example], n: int, seed: int) -> list[Prediction]:
        table = {"yes": 0.2, "no": 0.6, "maybe": 0.2}
        return [Prediction(e.id, (Completion("<answer>no</answer>"),), table) for e in examples]


def test_where_every_class_is_paid_alike_answers_are_weighed_against_base_rates_and_the_record_says_so(
    many: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = {"yes": 0.1, "no": 0.7, "maybe": 0.2}
    monkeypatch.setattr(many["tiny/choice"], "base_rates", lambda example: rates)
    header, *rows = map(json.loads, _run(tmp_path / "r.jsonl", Sure(), limit=4).read_text().splitlines())
    assert header["config"]["over_base_rates"] == ["tiny/choice"]
    given = {(row["task"], row["verdicts"][0]["answer"]) for row in rows if row["model"] == "sure"}
    assert {answer for task, answer in given if task == "tiny/choice"} == {"yes"}
    assert {answer for task, answer in given if task == "tiny/pair"} == {"no"}


def test_two_examples_with_one_id_are_refused(many: Any) -> None:
    example = tasks.get("tiny/choice").examples("test")[0]
    with pytest.raises(DataError, match="same id"):
        subset([example, example], 1)


def test_all_models_answer_the_same_examples(many: Any, tmp_path: Path) -> None:
    lines = _run(tmp_path / "r.jsonl", limit=7).read_text().splitlines()
    rows = [json.loads(line) for line in lines[1:]]
    asked: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        asked.setdefault((row["model"], row["task"]), set()).add(row["id"])
    assert asked["oracle", "tiny/choice"] == asked["baseline:constant", "tiny/choice"]
    assert all(len(ids) == 7 for ids in asked.values())
    assert ("baseline:copy", "tiny/choice") not in asked
    assert ("baseline:copy", "tiny/structure") in asked


def test_a_killed_run_goes_on_and_ends_with_the_same_table(
    many: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = to_json(table(_run(tmp_path / "whole.jsonl")))
    monkeypatch.setattr(runner_module, "SEQUENCES_PER_CHUNK", 16)
    path = tmp_path / "killed.jsonl"
    first = Oracle(calls=3)
    with pytest.raises(KeyboardInterrupt):
        _run(path, first)
    with path.open("ab") as stream:
        stream.write(b'{"model": "oracle", "task": "tiny/ch')  # the line a kill cut short
    second = Oracle()
    _run(path, second)
    assert len(first.answered) > 0
    assert not set(first.answered) & set(second.answered)
    resumed = to_json(table(path))
    assert (resumed["rows"], resumed["families"]) == (whole["rows"], whole["families"])
    third = Oracle()
    _run(path, third)
    assert third.answered == []


def test_a_record_begun_with_other_settings_is_refused(many: Any, tmp_path: Path) -> None:
    path = _run(tmp_path / "r.jsonl", limit=5)
    with pytest.raises(UsageError, match=r"config\.limit"):
        _run(path, limit=6)
    with pytest.raises(UsageError, match=r"seeds\.bench"):
        _run(path, limit=5, seed=1)
    changed = Oracle()
    changed.checksums = {"model.safetensors": "0" * 64}  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match=r"model\.safetensors"):
        _run(path, changed, limit=5)


def test_the_table_holds_the_hand_counted_numbers(many: Any, tmp_path: Path) -> None:
    found = table(_run(tmp_path / "r.jsonl"))
    assert found.models == ("oracle", "baseline:constant", "baseline:copy")
    oracle, constant = found.headline("tiny/choice", "oracle"), found.headline("tiny/choice", "baseline:constant")
    assert oracle is not None and constant is not None
    assert (oracle.estimate.value, oracle.n, oracle.undecided) == (1.0, 40, 0)
    assert constant.estimate.value == 0.5  # half of the examples have the majority's answer
    summaries = {summary.family: summary for summary in found.families}
    assert summaries["choice"].n_separated == 2
    assert summaries["choice"].beaten
    # Constant's first structure is right for one half, copy's never.
    assert summaries["structure"].contests[0].trivial_name == "baseline:constant"
    assert found.headline("tiny/choice", "baseline:copy") is None


def test_validity_counts_every_completion_of_structure_tasks_only(many: Any, tmp_path: Path) -> None:
    class Judge(Here):
        def verify(self, items: Sequence[tuple[str, Example, str]]) -> list[Verdict]:
            broken = Verdict(0.0, Reason.INVALID_MOLECULE, "C1")
            verdicts = super().verify(items)
            return [broken if "C1<" in i[2] else v for i, v in zip(items, verdicts, strict=True)]

    validity = table(_run(tmp_path / "r.jsonl", verifier=Judge())).validity
    assert validity["oracle"].value == 0.5  # one of its two completions
    assert validity["oracle"].n == 40
    assert validity["baseline:copy"].value == 1.0


def test_a_family_without_separated_intervals_is_reported_as_not_beaten(many: Any, tmp_path: Path) -> None:
    class Constant(Oracle):
        def predict(self, examples: Sequence[Example], n: int, seed: int) -> list[Prediction]:
            return [Prediction(e.id, (Completion("<answer>no</answer>"),)) for e in examples]

    found = table(_run(tmp_path / "r.jsonl", Constant()))
    assert not any(summary.beaten for summary in found.families)
    assert "NOT beaten" in render_text(found)


def test_a_record_without_baselines_claims_no_contest(many: Any, tmp_path: Path) -> None:
    alone = SUITE.model_copy(update={"baselines": ()})
    text = render_text(table(run(Oracle(), alone, tmp_path / "r.jsonl", verifier=Here())))
    assert "choice: no trivial baseline in this record to compare with" in text
    assert "beaten" not in text and "better than the best" not in text


def test_undecided_verdicts_are_counted_shown_and_left_out_of_the_metric(many: Any, tmp_path: Path) -> None:
    judge = Here(frozenset({"<answer>no</answer>"}))
    found = table(_run(tmp_path / "r.jsonl", verifier=judge))
    row = found.headline("tiny/choice", "oracle")
    assert row is not None
    assert (row.undecided, row.n, row.estimate.value) == (20, 20, 1.0)
    assert "undecided: 20 completions of oracle on tiny/choice" in render_text(found)


def test_a_task_not_answered_yet_counts_against_the_family(many: Any, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with pytest.raises(KeyboardInterrupt):
        _run(path, Oracle(calls=1))
    found = table(path)
    choice = found.families[0]
    assert [contest.separated for contest in choice.contests] == [False, False]
    assert not choice.beaten
    assert "-" in render_text(found)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_text_fits_its_width_and_is_plain(many: Any, tmp_path: Path, width: int) -> None:
    text = render_text(table(_run(tmp_path / "r.jsonl")), width=width)
    grid = text.split("\n\n")[0]
    assert max(map(len, grid.splitlines())) <= width
    assert text.isascii()
    assert "\x1b" not in text
    assert "families beaten: 2 of 2" in text


def test_json_and_markdown_hold_every_metric_and_no_nan(many: Any, tmp_path: Path) -> None:
    found = table(_run(tmp_path / "r.jsonl"))
    data = json.loads(json.dumps(to_json(found), allow_nan=False))
    assert data["model"] == "oracle"
    assert len(data["rows"]) == len(found.rows)
    assert {"value", "low", "high", "n", "unit"} <= data["rows"][0].keys()
    text = to_markdown(found)
    assert all(f"| {row.task} | {row.model} | {row.metric} |" in text for row in found.rows)


class Guesser(Oracle):
    """Right on every second example of each kind."""

    name = "guesser"

    def predict(self, examples: Sequence[Example], n: int, seed: int) -> list[Prediction]:
        return [
            Prediction(
                e.id, (Completion(f"<answer>{e.gold if len(e.inputs['smiles']) % 4 < 2 else '?'}</answer>"),)
            )
            for e in examples
        ]


def test_the_comparison_pairs_shared_examples_and_names_the_better_model(many: Any, tmp_path: Path) -> None:
    first = _run(tmp_path / "a.jsonl", limit=30)
    second = _run(tmp_path / "b.jsonl", Guesser(), limit=20)
    rows = compare(contestant([first]), contestant([second]))
    assert [row.task for row in rows] == ["tiny/choice", "tiny/pair", "tiny/structure"]
    row = rows[0]
    assert row.difference.n == 20
    assert row.first == 1.0
    assert row.difference.value == pytest.approx(1.0 - row.second)
    assert row.better == "oracle"
    assert row.as_dict()["better"] == "oracle"
    assert "oracle is better" in render_comparison(rows)


def test_a_model_compared_with_itself_shows_no_difference(many: Any, tmp_path: Path) -> None:
    path = _run(tmp_path / "a.jsonl")
    rows = compare(contestant([path]), contestant([path]))
    assert all((row.difference.value, row.better) == (0.0, "") for row in rows)


def test_records_without_a_common_example_cannot_be_compared(many: Any, tmp_path: Path) -> None:
    first = _run(tmp_path / "a.jsonl", limit=3)
    second = _run(tmp_path / "b.jsonl", Guesser(), split="train", limit=3)
    with pytest.raises(UsageError, match="no example in common"):
        compare(contestant([first]), contestant([second]))


def test_progress_ends_with_everything_done(many: Any, tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    _run(tmp_path / "r.jsonl", progress=lambda done, total, what: seen.append((done, total, what)))
    assert seen[-1][0] == seen[-1][1] == 40 * (3 + 3 + 1)
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)


def test_a_comparison_resamples_together_what_a_task_says_is_shared(
    many: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _run(tmp_path / "a.jsonl")
    second = _run(tmp_path / "b.jsonl", Guesser())
    alone = compare(contestant([first]), contestant([second]))[0]
    task = tasks.get(alone.task)
    monkeypatch.setattr(task, "clusters", lambda results: [i // 10 for i in range(len(results))])
    together = compare(contestant([first]), contestant([second]))[0]
    assert together.difference.value == alone.difference.value
    assert together.difference.n == -(-alone.difference.n // 10)


class Seeded(Oracle):
    """A baseline whose fit depends on the seed: it is right on more examples the higher its seed."""

    name = "baseline:seeded"
    seeded = True

    def predict(self, examples: Sequence[Example], n: int, seed: int) -> list[Prediction]:
        texts = [str(e.gold) if len(e.inputs["smiles"]) <= 8 * seed else "?" for e in examples]
        return [
            Prediction(e.id, (Completion(f"<answer>{t}</answer>"),)) for e, t in zip(examples, texts, strict=True)
        ]


def test_a_baseline_with_seeds_is_one_row_with_mean_and_standard_deviation(many: Any, tmp_path: Path) -> None:
    suite = SUITE.model_copy(update={"families": (SUITE.families[0].model_copy(update={"seeds": 3}),)})
    path = run(Seeded(), suite, tmp_path / "r.jsonl", verifier=Here())
    names = {json.loads(line)["model"] for line in path.read_text().splitlines()[1:]}
    assert names == {"baseline:seeded#1", "baseline:seeded#2", "baseline:seeded#3", "baseline:constant"}
    found = table(path)
    assert found.models == ("baseline:seeded", "baseline:constant")
    row = found.headline("tiny/choice", "baseline:seeded")
    assert row is not None
    rates = [row_rate(path, f"baseline:seeded#{seed}") for seed in (1, 2, 3)]
    assert row.runs == 3
    assert row.estimate.value == pytest.approx(sum(rates) / 3)
    # Of the population, as TDC's evaluation computes it.
    assert row.spread == pytest.approx((sum((r - row.estimate.value) ** 2 for r in rates) / 3) ** 0.5)
    assert "3 seeds" in row.estimate.method
    text = render_text(found, width=200)
    assert f"{row.estimate.value:.3g}+-{row.spread:.3g}" in text
    assert "standard deviation over seeds, of seeded (3); every other model is one run" in text
    assert contestant([path]).results.keys() == {"tiny/choice", "tiny/pair"}


def row_rate(path: Path, model: str) -> float:
    found = contestant([path], model).results["tiny/choice"]
    return sum(result.first.reason is Reason.CORRECT for result in found) / len(found)


def test_the_model_with_test_augmentation_has_a_row_of_its_own(many: Any, tmp_path: Path) -> None:
    family = SUITE.families[1].model_copy(update={"augmented": 4})
    suite = SUITE.model_copy(update={"families": (SUITE.families[0], family)})
    path = run(Oracle(), suite, tmp_path / "r.jsonl", verifier=Here(), limit=5)
    found = table(path)
    assert found.models == ("oracle", "oracle x4", "baseline:constant", "baseline:copy")
    assert found.headline("tiny/choice", "oracle x4") is None
    assert found.headline("tiny/structure", "oracle x4") is not None
    assert found.header.config["variants"] == ["oracle x4"]


def test_a_model_is_asked_side_by_side_what_it_reads_together(many: Any, tmp_path: Path) -> None:
    class Reader(Oracle):
        def opening(self, example: Example) -> str:
            return "acid" if "=O" in example.inputs["smiles"] else "alkane"

    one = SUITE.model_copy(update={"families": SUITE.families[1:], "baselines": ()})
    plain, reader = Oracle(), Reader()
    for model, name in ((plain, "plain"), (reader, "reader")):
        run(model, one, tmp_path / f"{name}.jsonl", verifier=Here())
    assert sorted(plain.answered) == sorted(reader.answered) and len(plain.answered) == 40
    smiles = {example.id: example.inputs["smiles"] for example in tasks.get("tiny/structure").examples("test")}
    kinds = ["=O" in smiles[name] for name in reader.answered]
    assert kinds == sorted(kinds, reverse=True)
    assert ["=O" in smiles[name] for name in plain.answered] != kinds
