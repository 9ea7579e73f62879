from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import toy_tasks as toy
from safetensors.torch import load_file

from mmai_gym import tasks
from mmai_gym.contracts import Example, GymError, Molecule, Number, Question, UsageError, Words
from mmai_gym.lfm import checkpoint, presets
from mmai_gym.training import (
    Corpus,
    Recipe,
    build_corpora,
    parse_recipe,
    plan_stage,
    read_log,
    resume,
    train,
)
from mmai_gym.training.feed import IGNORED, Collator, validation_loss
from mmai_gym.training.starting import Fresh

TOY = Path(toy.__file__)


def with_(recipe: Recipe, section: str, **values: object) -> Recipe:
    return recipe.model_copy(update={section: getattr(recipe, section).model_copy(update=values)})


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoint" / "model.safetensors")


def losses(folder: Path) -> list[tuple[int, float]]:
    return [
        (line["step"], line.get("loss", line.get("validation_loss"))) for line in read_log(folder / "log.jsonl")
    ]


def assert_same_run(one: Path, other: Path) -> None:
    assert losses(one) == losses(other)
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


class Stop(Exception):
    """Raised by a progress callback, as a crash in the middle of training."""


def crash_at(step: int) -> object:
    def progress(done: int, total: int, what: str) -> None:
        if done >= step and "loss" in what:
            raise Stop

    return progress


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    with pytest.MonkeyPatch.context() as patch:
        toy.install(patch.setattr, patch.setitem)
        train(parse_recipe(toy.RECIPE, "toy.toml"), folder, toy.quiet)
    return folder


class Weight(toy.Length):
    """A number for a chain."""

    def question(self, example: Example) -> Question:
        grid = tuple(float(step) for step in range(12))
        return Words("How heavy", "measure"), Molecule(example.inputs["smiles"]), Number("", grid)


# --------------------------------------------------------------------------------------------------- the result


def test_the_loss_goes_down_and_the_curve_is_logged(finished: Path) -> None:
    lines = read_log(finished / "log.jsonl")
    training = [line for line in lines if "loss" in line]
    validation = [line for line in lines if "validation_loss" in line]
    assert training[-1]["loss"] < 0.5 * training[0]["loss"]
    assert validation[-1]["validation_loss"] < validation[0]["validation_loss"]
    assert set(validation[-1]["validation_by_task"]) == {"toy/length", "toy/parity"}
    assert {"stage", "step", "learning_rate", "tokens", "tokens_per_second", "supervised_per_second",
            "wall_seconds"} < set(training[0])  # fmt: skip
    corpus = Corpus.open(finished / "corpus" / "first" / "train")
    assert training[-1]["tokens"] == len(corpus.tokens)


def test_the_first_logged_loss_is_that_of_the_untrained_model(recipe: Recipe, run_folder: Path) -> None:
    """Nats per supervised token over the batches since the last line; the first step's learning rate is zero."""
    recipe = with_(with_(recipe, "schedule", log_steps=1), "optimizer", warmup=0.5)
    train(recipe, run_folder, toy.quiet)
    logged = read_log(run_folder / "log.jsonl")[0]
    tokenizer = Fresh(recipe).tokenizer
    model = presets.new_model("toy", tokenizer, recipe.seed)
    corpus = Corpus.open(run_folder / "corpus" / "first" / "train")
    plan = plan_stage(corpus.lengths, recipe.batch.tokens, 1, recipe.seed, "first")
    total, count = 0.0, 0
    for row in plan[0]:
        tokens, mask = corpus.row(row)
        ids = torch.tensor(tokens.astype(int))[None]
        logp = model(ids).logits[0, :-1].detach().log_softmax(-1)
        for position in np.flatnonzero(mask):
            total -= float(logp[position - 1, int(tokens[position])])
            count += 1
    assert logged["learning_rate"] == 0
    assert logged["loss"] == pytest.approx(total / count, rel=1e-4)


def test_padding_does_not_change_what_a_row_is_worth(finished: Path) -> None:
    model, tokenizer = checkpoint.load(finished / "checkpoint")
    corpus = Corpus.open(finished / "corpus" / "first" / "valid")
    collate = Collator(corpus, tokenizer.pad_token_id)
    short, long = int(corpus.lengths.argmin()), int(corpus.lengths.argmax())
    alone, together = collate([short]), collate([short, long])
    n = alone["input_ids"].shape[1]
    assert together["input_ids"].shape[1] > n
    assert (together["labels"][0, n:] == IGNORED).all()
    with torch.no_grad():
        solo = model(input_ids=alone["input_ids"]).logits[0]
        padded = model(input_ids=together["input_ids"]).logits[0, :n]
    torch.testing.assert_close(solo, padded, rtol=1e-4, atol=1e-5)


def test_validation_loss_does_not_depend_on_the_batches(finished: Path) -> None:
    model, tokenizer = checkpoint.load(finished / "checkpoint")
    corpus = Corpus.open(finished / "corpus" / "first" / "valid")
    one, overall = validation_loss(model, corpus, 1, tokenizer.pad_token_id)
    many, _ = validation_loss(model, corpus, 10_000, tokenizer.pad_token_id)
    assert one == pytest.approx(many, rel=1e-4)
    assert overall == pytest.approx(sum(one.values()) / 2)
    assert read_log(finished / "log.jsonl")[-1]["validation_by_task"] == pytest.approx(one, rel=1e-4)


def test_the_checkpoint_loads_and_its_card_says_where_it_comes_from(finished: Path) -> None:
    model, tokenizer = checkpoint.load(finished / "checkpoint")
    card = checkpoint.read_card(finished / "checkpoint")
    assert model.config.use_cache
    assert len(tokenizer) == model.config.vocab_size
    assert card["recipe"]["name"] == "toy"
    assert card["steps"] == read_log(finished / "log.jsonl")[-1]["step"]
    assert card["parameters"] == model.num_parameters()
    assert card["data"]["first/train"]["files"]["tokens.bin"]["sha256"]
    assert card["loss"] == pytest.approx(losses(finished)[-2][1])


def test_a_finished_run_says_so_and_does_nothing(recipe: Recipe, finished: Path) -> None:
    before = (finished / "checkpoint" / "model.safetensors").stat().st_mtime_ns
    said: list[str] = []
    assert train(recipe, finished, lambda done, total, what: said.append(what)) == finished / "checkpoint"
    assert len(said) == 1
    assert "trained already" in said[0]
    assert (finished / "checkpoint" / "model.safetensors").stat().st_mtime_ns == before


def test_progress_counts_steps_and_shows_loss_speed_and_time(recipe: Recipe, run_folder: Path) -> None:
    said: list[tuple[int, int, str]] = []
    train(recipe, run_folder, lambda *call: said.append(call))
    training = [call for call in said if "loss" in call[2]]
    assert [done for done, _, _ in training] == sorted(done for done, _, _ in training)
    assert training[-1][0] == training[-1][1]
    assert all(re.fullmatch(r"loss \d+\.\d\d · [\d,]+ tok/s · \d+ (s|min) left", what) for _, _, what in training)


# --------------------------------------------------------------------------------------------------- going on


def test_a_crashed_run_goes_on_to_the_same_weights_and_the_same_curve(
    recipe: Recipe, finished: Path, run_folder: Path
) -> None:
    often = with_(recipe, "schedule", checkpoint_minutes=0.0)
    with pytest.raises(Stop):
        train(often, run_folder, crash_at(10))  # type: ignore[arg-type]
    with pytest.raises(Stop):
        train(often, run_folder, crash_at(14))  # type: ignore[arg-type]
    assert losses(run_folder)[-1][0] == 14
    train(often, run_folder, toy.quiet)
    assert_same_run(run_folder, finished)


def test_a_half_written_state_is_ignored_and_the_one_before_is_used(
    recipe: Recipe, finished: Path, run_folder: Path
) -> None:
    often = with_(recipe, "schedule", checkpoint_minutes=0.0)
    with pytest.raises(Stop):
        train(often, run_folder, crash_at(12))  # type: ignore[arg-type]
    states = run_folder / "stages" / "first"
    newest = resume.latest(states)
    assert newest is not None
    (newest / "optimizer.pt").write_bytes(b"half")
    unsealed = states / "checkpoint-999"
    unsealed.mkdir()
    (unsealed / "model.safetensors").write_bytes(b"")
    before = resume.latest(states)
    assert before is not None
    assert resume.step_of(before) == resume.step_of(newest) - 1
    resume.remove_unsealed(states)
    assert sorted(path.name for path in states.iterdir()) == [before.name]
    train(often, run_folder, toy.quiet)
    assert_same_run(run_folder, finished)


def test_the_stages_of_a_curriculum_follow_each_other(recipe: Recipe, finished: Path, run_folder: Path) -> None:
    second = recipe.stages[0].model_copy(update={"name": "second"})
    two = recipe.model_copy(update={"stages": (*recipe.stages, second)})
    n = losses(finished)[-1][0]
    with pytest.raises(Stop):
        train(two, run_folder, crash_at(n + 4))  # type: ignore[arg-type]
    assert losses(run_folder)[: len(losses(finished))] == losses(finished), "the first stage is the one-stage run"
    train(two, run_folder, toy.quiet)
    lines = read_log(run_folder / "log.jsonl")
    assert lines[-1]["stage"] == "second"
    steps = [line["step"] for line in lines]
    assert steps == sorted(steps)
    assert steps[-1] > n
    tokens = [line["tokens"] for line in lines if "loss" in line]
    assert tokens == sorted(tokens)
    assert lines[-1]["validation_loss"] < losses(finished)[-1][1]
    assert checkpoint.read_card(run_folder / "checkpoint")["tokens"] == tokens[-1]


def start(folder: Path, minutes: float, epochs: int) -> subprocess.Popen[bytes]:
    """A process that trains the toy recipe."""
    return subprocess.Popen(
        [sys.executable, str(TOY), str(folder), str(minutes), str(epochs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for_step(folder: Path, step: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        if any(line["step"] >= step for line in read_log(folder / "log.jsonl")):
            return
        time.sleep(0.02)
    out = process.communicate(timeout=10)
    raise AssertionError(f"step {step} was not reached: {out}")


@pytest.mark.slow
def test_a_killed_process_loses_nothing_that_was_saved(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for step in (8, 24):
        process = start(killed, 0.0, 3)
        wait_for_step(killed, step, process)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert resume.latest(killed / "stages" / "first") is not None
    for folder in (killed, whole):
        process = start(folder, 0.0, 3)
        out, err = process.communicate(timeout=180)
        assert process.returncode == 0, err.decode()
        assert (out, err) == (b"", b""), "training is silent but for its callback"
    assert_same_run(killed, whole)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_saves_first_and_says_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path, 1000, 200)
    wait_for_step(tmp_path, 6, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert b"run the same command again to go on" in err
    state = resume.latest(tmp_path / "stages" / "first")
    assert state is not None
    assert resume.step_of(state) >= 6


# --------------------------------------------------------------------------------------------------- bad input


def test_a_folder_of_another_recipe_is_refused_with_the_keys(recipe: Recipe, finished: Path) -> None:
    other = with_(recipe, "optimizer", learning_rate=0.5)
    with pytest.raises(UsageError, match=r"optimizer\.learning_rate: 0\.01 is not 0\.5.*another --out"):
        train(other, finished, toy.quiet)


def test_a_second_process_is_refused(recipe: Recipe, run_folder: Path) -> None:
    run_folder.mkdir()
    with (run_folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(str(os.getpid()))
        lock.flush()
        with pytest.raises(UsageError, match=rf"another process \(pid {os.getpid()}\) works in"):
            train(recipe, run_folder, toy.quiet)
    build_corpora(recipe, run_folder, toy.quiet)


def test_an_unknown_preset_is_refused_before_any_work(recipe: Recipe, run_folder: Path) -> None:
    with pytest.raises(UsageError, match="no LFM preset 'nono'"):
        train(recipe.model_copy(update={"preset": "nono"}), run_folder, toy.quiet)
    assert not (run_folder / "corpus").exists()


def test_a_loss_that_is_not_finite_stops_the_run(recipe: Recipe, run_folder: Path) -> None:
    with pytest.raises(GymError, match=r"loss is (nan|inf) at step \d+ of stage 'first'; lower"):
        train(with_(recipe, "optimizer", learning_rate=1e30, warmup=0.0), run_folder, toy.quiet)


def test_corpora_built_beforehand_are_the_ones_trained_on(recipe: Recipe, run_folder: Path) -> None:
    folders = build_corpora(recipe, run_folder, toy.quiet)
    assert [folder.name for folder in folders] == ["train", "valid"]
    stamp = (folders[0] / "tokens.bin").stat().st_mtime_ns
    with contextlib.suppress(Stop):
        train(recipe, run_folder, crash_at(1))  # type: ignore[arg-type]
    assert (folders[0] / "tokens.bin").stat().st_mtime_ns == stamp


def test_a_log_line_cut_short_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"step": 1}) + '\n{"step": 2, "lo')
    assert read_log(path) == [{"step": 1}]


def test_naming_the_room_costs_no_torch() -> None:
    code = "import sys, mmai_gym.training; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_number_may_be_learned_with_the_steps_around_it(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_registry", lambda: {"toy/length": Weight()})
    sharp = losses(train(recipe, tmp_path / "sharp", toy.quiet).parent)
    smooth = losses(train(recipe.model_copy(update={"smoothing": 1.5}), tmp_path / "smooth", toy.quiet).parent)
    assert [step for step, _ in sharp] == [step for step, _ in smooth]
    assert smooth[-1] != sharp[-1]
    assert smooth[-1][1] < smooth[0][1]
