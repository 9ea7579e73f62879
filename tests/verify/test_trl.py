"""The reward function inside TRL's own trainer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mmai_gym import tasks
from mmai_gym.tasks.rendering import compact_prompt
from mmai_gym.verify import RewardFunction, VerificationService

pytest.importorskip("trl", reason="the reward function inside TRL: pip install trl datasets")
pytest.importorskip("datasets", reason="the reward function inside TRL: pip install trl datasets")

TASK = "functional-groups/embedded/detect"


@pytest.fixture
def service() -> Iterator[VerificationService]:
    with VerificationService(workers=1) as started:
        yield started


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_grpo_learns_from_verdicts(service: VerificationService, tmp_path: Path) -> None:
    """Two steps of GRPO with an untrained network: the trainer hands over its columns, and gets rewards that differ."""
    import torch
    from datasets import Dataset
    from transformers import Lfm2ForCausalLM
    from trl import GRPOConfig, GRPOTrainer

    from mmai_gym.lfm.presets import Preset, config
    from mmai_gym.lfm.tokenizer import build_tokenizer

    tokenizer = build_tokenizer([])
    torch.manual_seed(0)
    model = Lfm2ForCausalLM(
        config(Preset(hidden=32, layers=3, feed_forward=64, heads=2, kv_heads=1), len(tokenizer))
    )
    task = tasks.get(TASK)
    rows = [
        {
            "prompt": compact_prompt(task.question(task.examples("train")[i])),
            "task": TASK,
            "split": "train",
            "index": i,
        }
        for i in range(8)
    ]
    seen: list[Any] = []
    function = RewardFunction(service, {"readable": 1.0})

    class Watched:
        __name__ = "verdict"

        def __call__(self, **columns: Any) -> list[float | None]:
            rewards = function(**columns)
            seen.append((columns, rewards))
            return rewards

    arguments = GRPOConfig(
        str(tmp_path), max_steps=2, per_device_train_batch_size=4, num_generations=4, max_completion_length=6,
        use_cpu=True, report_to="none", save_strategy="no", logging_steps=1, disable_tqdm=True, bf16=False,
        temperature=1.0,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=[Watched()],
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    trainer.train()
    assert len(seen) == 2
    for columns, rewards in seen:
        assert len(rewards) == len(columns["completions"]) == len(columns["index"]) == 4
        assert len(set(columns["index"])) == 1, "the four samples of one question"
        assert all(reward is None or 0.0 <= reward <= 1.0 for reward in rewards)
    logged = [line for line in trainer.state.log_history if "rewards/verdict/mean" in line]
    assert len(logged) == 2 and all("verdict/undecided" in line for line in logged)
