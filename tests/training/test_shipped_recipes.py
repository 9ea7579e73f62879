"""The shipped recipes against the real registry, which the other tests of this room replace."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from mmai_gym import tasks
from mmai_gym.lfm.presets import PRESETS, new_model
from mmai_gym.lfm.tokenizer import build_tokenizer
from mmai_gym.oracles import admet_ai
from mmai_gym.training import load_recipe, shipped_recipes

REGISTRY = tasks._registry
ROUNDS = ("flagship", "flagship-second", "flagship-third", "flagship-fourth")


@pytest.fixture(autouse=True)
def real_registry(toy_tasks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_registry", REGISTRY)


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_recipe_names_known_tasks_and_a_known_preset_or_trunk(name: str) -> None:
    if name in (*ROUNDS, "flagship-twin") and not admet_ai.installed():
        pytest.skip("the tests of the flagship need ADMET-AI: pip install 'mmai-gym[oracles]'")
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.preset in PRESETS or recipe.base in shipped_recipes()
    assert recipe.tasks()


def test_every_round_of_the_flagship_protects_the_test_sets_of_its_forks_and_reads_no_activity() -> None:
    if not admet_ai.installed():
        pytest.skip("the tests of the flagship need ADMET-AI: pip install 'mmai-gym[oracles]'")
    rounds = [load_recipe(name) for name in ROUNDS]
    assert [recipe.base for recipe in rounds] == [None, *ROUNDS[:-1]]
    forks = [
        recipe
        for recipe in map(load_recipe, shipped_recipes())
        if recipe.base in ROUNDS and recipe.name not in ROUNDS
    ]
    assert {fork.name.removeprefix("flagship-") for fork in forks} == {
        "davis-random", "kiba-random", "cold-drug", "forward"
    }  # fmt: skip
    for trunk in rounds:
        assert trunk.tests() == rounds[0].tests()
        assert {test for fork in forks for test in fork.tests()} <= set(trunk.tests())
        assert not any(task.family == "activity" for task in trunk.tasks())
        assert "admet-ai" not in {teacher for task in trunk.tasks() for teacher in task.teachers}


@pytest.mark.parametrize("name", ["nano-core", "nano-embedded"])
def test_the_recipes_for_all_jobs_train_on_all_jobs(name: str) -> None:
    families = {task.family for task in load_recipe(name).tasks()}
    assert families >= {"functional-groups", "properties", "retrosynthesis", "optimization", "activity"}


def test_the_core_recipe_trains_on_every_admet_endpoint() -> None:
    assert sum(task.family == "admet" for task in load_recipe("nano-core").tasks()) == 22


def test_the_pilot_trains_on_retrosynthesis_alone() -> None:
    recipe = load_recipe("micro-retro")
    assert [task.name for task in recipe.tasks()] == ["retrosynthesis/uspto-50k"]
    assert recipe.schedule.probe_minutes


def test_the_configuration_for_sharded_weights_is_one_that_accelerate_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sharding itself needs GPUs: accelerate turns it on for no other device."""
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.utils import FullyShardedDataParallelPlugin
    from transformers.models.lfm2.modeling_lfm2 import Lfm2DecoderLayer

    folder = resources.files("mmai_gym") / "recipes" / "accelerate"
    config = load_config_from_file(str(folder / "fsdp.yaml"))
    assert str(config.distributed_type).endswith("FSDP")
    for name, value in config.fsdp_config.items():
        # As accelerate's launcher hands them to the processes.
        variable = name.upper().replace("TRANSFORMER_LAYER_CLS", "TRANSFORMER_CLS")
        monkeypatch.setenv(variable, str(value))
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2
    assert "FULL_STATE_DICT" in str(plugin.state_dict_type), "a state must hold model.safetensors"
    plugin.set_auto_wrap_policy(new_model("nano", build_tokenizer([]), 0))
    assert plugin.auto_wrap_policy.keywords["transformer_layer_cls"] == {Lfm2DecoderLayer}


@pytest.mark.slow
def test_sharded_layers_give_the_gradient_of_whole_ones(tmp_path: Path) -> None:
    """FSDP2 itself, on two processes without a GPU."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
               str(Path(__file__).with_name("sharded_step.py"))]  # fmt: skip
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("equal") == 2
