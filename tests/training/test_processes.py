"""Several processes, several passes: the same training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
import toy_tasks as toy
from safetensors.torch import load_file

from mmai_gym.contracts import GymError
from mmai_gym.lfm import checkpoint
from mmai_gym.training import Recipe, parse_recipe, read_log, resume, train
from mmai_gym.training.ranks import Ranks

PACKED = toy.RECIPE.replace("[batch]", '[batch]\nrows = "packed"')


def curve(folder: Path) -> list[float]:
    return [line["loss"] for line in read_log(folder / "log.jsonl") if "loss" in line]


def trained(text: str, folder: Path) -> Path:
    train(parse_recipe(text, "toy.toml"), folder, toy.quiet)
    return folder


@pytest.mark.parametrize("text", [toy.RECIPE, PACKED], ids=["grouped", "packed"])
def test_passes_within_a_step_change_no_number(text: str, tmp_path: Path) -> None:
    whole = trained(text, tmp_path / "whole")
    parts = trained(text.replace("tokens = 256", "tokens = 256\nmicro_tokens = 64"), tmp_path / "parts")
    assert len(curve(whole)) > 5
    assert curve(parts) == pytest.approx(curve(whole), rel=1e-4)


def test_packed_rows_are_learned_from_as_well(tmp_path: Path) -> None:
    folder = trained(PACKED, tmp_path)
    assert curve(folder)[-1] < 0.6 * curve(folder)[0]
    card = checkpoint.read_card(folder / "checkpoint")
    assert card["fill"][0] > 0.8


def test_the_transformer_twin_is_one_switch(tmp_path: Path) -> None:
    folder = trained(toy.RECIPE.replace('preset = "toy"', 'preset = "toy"\narch = "transformer"'), tmp_path)
    model, _ = checkpoint.load(folder / "checkpoint")
    assert set(model.config.layer_types) == {"full_attention"}
    assert checkpoint.read_card(folder / "checkpoint")["recipe"]["arch"] == "transformer"


def test_a_probe_answers_validation_examples_and_its_time_is_logged(tmp_path: Path) -> None:
    folder = trained(
        toy.RECIPE.replace("[schedule]", "[schedule]\nprobe_minutes = 0\nprobe_examples = 5"), tmp_path
    )
    probes = [line for line in read_log(folder / "log.jsonl") if "exact_match" in line]
    assert set(probes[-1]["exact_match"]) == {"toy/length", "toy/parity"}
    assert probes[-1]["exact_match_n"] == {"toy/length": 5, "toy/parity": 5}
    assert all(0 <= value <= 1 for value in probes[-1]["exact_match"].values())
    assert probes[-1]["probe_seconds"] >= 0
    assert probes[-1]["step"] == read_log(folder / "log.jsonl")[-1]["step"]
    plain = trained(toy.RECIPE, tmp_path / "plain")
    assert curve(plain) == curve(folder), "a probe leaves training as it was"


def test_a_single_process_asks_nobody() -> None:
    ranks = Ranks.join()
    assert ranks.main and ranks.count == 1
    assert ranks.any(True) and not ranks.any(False)
    with pytest.raises(GymError, match="mine"), ranks.together():
        raise GymError("mine")


def test_the_log_tells_how_well_the_machine_was_used(tmp_path: Path) -> None:
    line = next(line for line in read_log(trained(toy.RECIPE, tmp_path) / "log.jsonl") if "loss" in line)
    assert 0 < line["model_flops_utilisation"] < 1
    assert line["peak_memory_mb"] > 50


# --------------------------------------------------------------------------------------------- real processes


def environment() -> dict[str, str]:
    """Not more than one thread for each process, and no device."""
    return os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def launch(arguments: Sequence[str], processes: int) -> subprocess.Popen[bytes]:
    """Two processes on processors by the command that starts one per GPU elsewhere."""
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes),
        "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0",
        str(Path(toy.__file__)), *arguments,
    ]  # fmt: skip
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), start_new_session=True
    )


def finish(process: subprocess.Popen[bytes], timeout: float) -> str:
    """What it said; the whole session is ended where it hangs."""
    try:
        return process.communicate(timeout=timeout)[1].decode()
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def test_a_signal_that_arrives_during_a_vote_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vote was cast before the signal; the next one counts it."""
    told = []

    def any_(self: Ranks, flag: bool) -> bool:
        if not told and any(line["step"] > 3 for line in read_log(tmp_path / "log.jsonl")):
            told.append(flag)
            os.kill(os.getpid(), signal.SIGTERM)
        return flag

    monkeypatch.setattr(Ranks, "any", any_)
    with pytest.raises(KeyboardInterrupt, match="run the same command again"):
        trained(toy.RECIPE, tmp_path)
    assert told == [False]


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    one, two = trained(toy.RECIPE, tmp_path / "one"), tmp_path / "two"
    process = launch([str(two), "1000", "1"], 2)
    said = finish(process, 150)
    assert process.returncode == 0, said
    assert checkpoint.read_card(two / "checkpoint")["processes"] == 2
    assert [line["step"] for line in read_log(two / "log.jsonl")] == [
        line["step"] for line in read_log(one / "log.jsonl")
    ]
    assert curve(two) == pytest.approx(curve(one), rel=1e-3)
    mine, theirs = (load_file(folder / "checkpoint" / "model.safetensors") for folder in (one, two))
    assert all(torch.allclose(mine[name], theirs[name], atol=2e-3) for name in mine)


@pytest.mark.slow
def test_an_interrupt_of_one_process_stops_and_saves_all(tmp_path: Path) -> None:
    process = launch([str(tmp_path), "1000", "300"], 2)
    until = time.monotonic() + 90
    while time.monotonic() < until and not any(line["step"] > 5 for line in read_log(tmp_path / "log.jsonl")):
        time.sleep(0.05)
    os.kill(int((tmp_path / ".lock").read_text()), signal.SIGTERM)
    said = finish(process, 90)
    assert "run the same command again to go on" in said
    state = resume.latest(tmp_path / "stages" / "first")
    assert state is not None
    assert {path.name for path in state.glob("rng_state*")} == {"rng_state_0.pth", "rng_state_1.pth"}


@pytest.mark.slow
def test_packed_training_killed_at_any_moment_goes_on_with_the_same_curve(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", trained(PACKED.replace("epochs = 1", "epochs = 4"), tmp_path / "whole")
    command = [sys.executable, str(Path(toy.__file__)), str(killed), "0.0", "4", "packed"]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE)
    until = time.monotonic() + 90
    while time.monotonic() < until and not any(line["step"] > 9 for line in read_log(killed / "log.jsonl")):
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert resume.latest(killed / "stages" / "first") is not None
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE)
    said = finish(process, 120)
    assert process.returncode == 0, said
    assert curve(killed) == pytest.approx(curve(whole), rel=1e-6)


def test_bfloat16_is_used_only_where_it_is_native(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmai_gym.training import throughput

    monkeypatch.setattr(throughput, "native_bfloat16", lambda: False)
    folder = trained(toy.RECIPE.replace("seed = 5", 'seed = 5\nprecision = "bfloat16"'), tmp_path)
    assert checkpoint.read_card(folder / "checkpoint")["precision"] == "float32"
