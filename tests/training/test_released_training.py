"""Fine-tuning a released model, in full and by LoRA."""

from __future__ import annotations

import datetime
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("peft")

import torch
import toy_tasks as toy
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import chat_template_utils

import small_released as small
from mmai_gym.contracts import DataError, UsageError
from mmai_gym.lfm import checkpoint
from mmai_gym.lfm.chat import pinned
from mmai_gym.tasks.rendering import chat_prompt
from mmai_gym.training import Corpus, Recipe, build, build_corpora, parse_recipe, read_log, train
from mmai_gym.training.corpus import DTYPES

LORA = "[lora]\nrank = 8\nalpha = 16\ndropout = 0.1\n"


def text(base: Path, lora: str = LORA, rate: str = "1e-2") -> str:
    return (
        toy.RECIPE.replace('preset = "toy"', f"base = {json.dumps(str(base))}\ndate = 2026-03-09")
        .replace("[optimizer]", lora + "[optimizer]")
        .replace("1e-2", rate)
        .replace("tokens = 256", "tokens = 1024")
        .replace("max_length = 40", "max_length = 200")
    )


def recipe_of(base: Path, lora: str = LORA, rate: str = "1e-2") -> Recipe:
    return parse_recipe(text(base, lora, rate), "released.toml")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.make(tmp_path_factory.mktemp("released") / "tiny-lfm", "dated")


def trained(base: Path, folder: Path, lora: str) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        toy.install(patch.setattr, patch.setitem)
        train(recipe_of(base, lora), folder, toy.quiet)
    return folder


@pytest.fixture(scope="module")
def by_lora(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(base, tmp_path_factory.mktemp("by-lora") / "run", LORA)


@pytest.fixture(scope="module")
def in_full(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(base, tmp_path_factory.mktemp("in-full") / "run", "")


class Stop(Exception):
    """Raised by a progress callback, as a crash in the middle of training."""


def crash_at(step: int) -> Callable[[int, int, str], None]:
    def progress(done: int, total: int, what: str) -> None:
        if done >= step and "loss" in what:
            raise Stop

    return progress


def weights(folder: Path, name: str = "model.safetensors") -> dict[str, torch.Tensor]:
    return load_file(folder / name)


# --------------------------------------------------------------------------------------------------- the result


@pytest.mark.parametrize("run", ["by_lora", "in_full"])
def test_the_loss_goes_down(run: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(run)
    log = read_log(folder / "log.jsonl")
    losses = [line["loss"] for line in log if "loss" in line]
    validation = [line["validation_loss"] for line in log if "validation_loss" in line]
    assert losses[-1] < 0.6 * losses[0]
    assert validation[-1] < validation[0]


def test_lora_changes_its_targets_only_and_what_it_changes_is_of_low_rank(base: Path, by_lora: Path) -> None:
    before, after = weights(base), weights(by_lora / "checkpoint")
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    projections = ("q_proj", "k_proj", "v_proj", "out_proj", "in_proj", "w1", "w2", "w3")
    assert changed == {name for name in before if name.removesuffix(".weight").endswith(projections)}
    for name in changed:
        assert torch.linalg.matrix_rank((after[name] - before[name]).double(), rtol=1e-4) <= 8


def test_only_the_adapter_is_saved_to_go_on_from(by_lora: Path) -> None:
    (state,) = sorted((by_lora / "stages" / "first").glob("checkpoint-*"))[-1:]
    saved = load_file(state / "adapter_model.safetensors")
    assert saved and all(".lora_" in name for name in saved)
    assert not (state / "model.safetensors").exists()


def test_the_merged_model_answers_as_the_base_with_its_adapter(base: Path, by_lora: Path) -> None:
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    adapter = PeftModel.from_pretrained(plain, by_lora / "adapter").eval()
    merged, _ = checkpoint.load(by_lora / "checkpoint")
    ordinary = AutoModelForCausalLM.from_pretrained(by_lora / "checkpoint", dtype=torch.float32)
    ids = torch.arange(8, 72).reshape(2, 32)
    with torch.no_grad():
        expected = adapter(input_ids=ids).logits
        # W + BA rounds otherwise than Wx + BAx, by as much as the processor's way of multiplying has it.
        assert (merged(ids).logits - expected).abs().max() < 5e-5
        assert (ordinary(ids).logits - expected).abs().max() < 5e-5
        untouched = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        assert (untouched(ids).logits - expected).abs().max() > 1e-2
    assert sorted(path.name for path in (by_lora / "adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


def test_full_training_changes_every_weight_and_leaves_no_adapter(base: Path, in_full: Path) -> None:
    before, after = weights(base), weights(in_full / "checkpoint")
    assert before.keys() == after.keys()
    assert not [name for name in before if torch.equal(before[name], after[name])]
    assert not (in_full / "adapter").exists()


def test_the_card_names_base_weights_lora_and_date(base: Path, by_lora: Path, in_full: Path) -> None:
    card = checkpoint.read_card(by_lora / "checkpoint")
    assert card["base"]["model"] == str(base)
    assert card["base"]["revision"] is None
    assert len(card["base"]["weights"]["model.safetensors"]) == 64
    assert card["base"]["lora"]["rank"] == 8
    assert card["base"]["lora"]["targets"][0] == "self_attn.q_proj"
    adapter = weights(by_lora, "adapter/adapter_model.safetensors")
    assert card["base"]["trained_parameters"] == sum(weight.numel() for weight in adapter.values())
    assert card["dialect"]["date"] == "2026-03-09"
    full = checkpoint.read_card(in_full / "checkpoint")
    assert full["base"]["lora"] is None
    assert full["base"]["trained_parameters"] == full["parameters"] == card["parameters"]


def test_the_checkpoint_keeps_the_models_tokenizer_template_and_ends(base: Path, by_lora: Path) -> None:
    ours, theirs = (AutoTokenizer.from_pretrained(folder) for folder in (by_lora / "checkpoint", base))
    assert ours.chat_template == theirs.chat_template == small.DATED
    assert (ours.pad_token_id, ours.bos_token_id, ours.eos_token_id) == (0, small.BOS, small.EOS)
    assert json.loads((by_lora / "checkpoint" / "config.json").read_text())["eos_token_id"] == small.EOS


# --------------------------------------------------------------------------------------------------- the corpus


def test_exactly_the_answer_and_the_end_of_the_turn_are_supervised(base: Path, by_lora: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    for split in ("train", "valid"):
        corpus = Corpus.open(by_lora / "corpus" / "first" / split)
        expected = set()
        for task in (toy.Length(), toy.Parity()):
            for example in task.examples(split):  # type: ignore[arg-type]
                for written in (example, task.augment(example, 1)):
                    asked = tokenizer.apply_chat_template(
                        [{"role": "user", "content": chat_prompt(task.question(written))}],
                        chat_template=pinned(small.DATED, "2026-03-09"),
                        add_generation_prompt=True,
                        tokenize=False,
                    )
                    expected.add((asked, f"<answer>{task.answer(written)}</answer><|im_end|>"))
        assert len(corpus) > 0
        for i in range(len(corpus)):
            tokens, mask = corpus.row(i)
            assert (tokenizer.decode(tokens[mask == 0]), tokenizer.decode(tokens[mask == 1])) in expected
            assert np.all(np.diff(mask.astype(int)) >= 0)
            assert (tokens[0], tokens[-1], mask[-1]) == (small.BOS, small.EOS, 1)
            assert list(tokens).count(small.BOS) == 1


def test_the_manifest_names_date_and_template(by_lora: Path) -> None:
    made_from = Corpus.open(by_lora / "corpus" / "first" / "train").manifest.made_from
    assert made_from["dialect"]["date"] == "2026-03-09"
    assert made_from["dialect"]["end_of_turn"] == "<|im_end|>"
    assert len(made_from["dialect"]["chat_template"]) == 12


def test_the_same_recipe_gives_the_same_bytes_on_another_day(
    base: Path, by_lora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Clock:
            return cls(2031, 12, 24, 18, 0)

    monkeypatch.setattr(chat_template_utils, "datetime", Clock)
    for folder in build_corpora(recipe_of(base), tmp_path, toy.quiet):
        for name in (*DTYPES, "corpus.json"):
            assert (folder / name).read_bytes() == (by_lora / "corpus" / "first" / folder.name / name).read_bytes()


def test_shared_questions_of_a_released_model_stand_in_rows_of_their_own(base: Path, tmp_path: Path) -> None:
    alone = build_corpora(recipe_of(base), tmp_path / "alone", toy.quiet)
    text_ = text(base).replace("limit = 60", "limit = 60, shared = true")
    shared = build_corpora(parse_recipe(text_, "shared.toml"), tmp_path / "shared", toy.quiet)
    counts = [Corpus.open(folders[0]).manifest.counts["rows"] for folders in (alone, shared)]
    assert counts == [240, 240]


def test_a_row_that_is_too_long_is_left_out_and_counted(base: Path, tmp_path: Path) -> None:
    whole = Corpus.open(build_corpora(recipe_of(base), tmp_path / "whole", toy.quiet)[0])
    limit = int(np.median(whole.lengths))
    short = parse_recipe(text(base).replace("max_length = 200", f"max_length = {limit}"), "short.toml")
    part = Corpus.open(build_corpora(short, tmp_path / "part", toy.quiet)[0])
    assert part.manifest.counts["too_long"] == (whole.lengths > limit).sum() > 0
    assert len(part) + part.manifest.counts["too_long"] == len(whole)
    assert part.supervised.min() > 0
    none = parse_recipe(text(base).replace("max_length = 200", "max_length = 20"), "none.toml")
    with pytest.raises(DataError, match="all 120 rows are longer than 20 tokens; raise max_length"):
        build_corpora(none, tmp_path / "none", toy.quiet)


def test_a_vocabulary_beyond_16_bits_is_refused_and_one_that_just_fits_is_not(
    base: Path, recipe: Recipe, tmp_path: Path
) -> None:
    recipe = recipe.model_copy(update={"batch": recipe.batch.model_copy(update={"max_length": 250})})
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens([f"<|extra_{i}|>" for i in range(65_536 - len(tokenizer))])
    assert max(tokenizer.get_vocab().values()) == 65_535
    build(recipe, recipe.stages[0], tmp_path / "fits", tokenizer, toy.quiet)
    tokenizer.add_tokens(["<|one more|>"])
    with pytest.raises(UsageError, match=r"65537 tokens with ids up to 65536; use a model"):
        build(recipe, recipe.stages[0], tmp_path / "too-large", tokenizer, toy.quiet)


# --------------------------------------------------------------------------------------------------- going on


@pytest.mark.parametrize(("lora", "whole"), [(LORA, "by_lora"), ("", "in_full")])
def test_a_crashed_run_goes_on_to_the_same_weights_and_the_same_curve(
    base: Path, tmp_path: Path, lora: str, whole: str, request: pytest.FixtureRequest
) -> None:
    expected: Path = request.getfixturevalue(whole)
    recipe = recipe_of(base, lora)
    often = recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update={"checkpoint_minutes": 0.0})})
    for step in (4, 8):
        with pytest.raises(Stop):
            train(often, tmp_path, crash_at(step))
    train(often, tmp_path, toy.quiet)

    def curve(folder: Path) -> list[object]:
        return [line.get("loss", line.get("validation_loss")) for line in read_log(folder / "log.jsonl")]

    assert curve(tmp_path) == curve(expected)
    one, other = weights(tmp_path / "checkpoint"), weights(expected / "checkpoint")
    assert all(torch.equal(one[name], other[name]) for name in one)


KILLED = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
import torch
import toy_tasks as toy
from mmai_gym.training import load_recipe, train
torch.set_num_threads(1)
toy.install(setattr, dict.__setitem__)
train(load_recipe(Path(sys.argv[3])), Path(sys.argv[4]), toy.quiet)
"""


@pytest.mark.slow
def test_a_killed_process_goes_on_to_the_same_weights(base: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(text(base).replace("minutes = 1000", "minutes = 0").replace("epochs = 1", "epochs = 3"))
    tests = Path(toy.__file__).parent

    def start(run: str) -> subprocess.Popen[bytes]:
        given = [str(tests), str(tests.parent), str(recipe), str(tmp_path / run)]
        return subprocess.Popen([sys.executable, "-c", KILLED, *given], stderr=subprocess.PIPE)

    process, until = start("killed"), time.monotonic() + 120
    while not any(line["step"] >= 6 for line in read_log(tmp_path / "killed" / "log.jsonl")):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    for run in ("killed", "whole"):
        process = start(run)
        _, error = process.communicate(timeout=180)
        assert process.returncode == 0, error.decode()
    one, other = (weights(tmp_path / run / "checkpoint") for run in ("killed", "whole"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_that_was_stopped_after_its_first_stage_goes_on_from_its_adapter(base: Path, tmp_path: Path) -> None:
    recipe = recipe_of(base)
    second = recipe.stages[0].model_copy(update={"name": "second"})
    two = recipe.model_copy(update={"stages": (*recipe.stages, second)})
    train(two, tmp_path / "whole", toy.quiet)
    steps = sum(
        1 for line in read_log(tmp_path / "whole" / "log.jsonl") if line["stage"] == "first" and "loss" in line
    )
    with pytest.raises(Stop):
        train(two, tmp_path / "stopped", crash_at(2 * steps + 2))
    train(two, tmp_path / "stopped", toy.quiet)
    one, other = (weights(tmp_path / run / "checkpoint") for run in ("whole", "stopped"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_refuses_to_go_on_with_other_weights_of_its_base(base: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(base, own)
    recipe = recipe_of(own)
    with pytest.raises(Stop):
        train(recipe, tmp_path / "run", crash_at(2))
    other = small.network(len(small.tokenizer("dated")))
    with torch.no_grad():
        other.model.embed_tokens.weight[9] += 1
    other.save_pretrained(own)
    with pytest.raises(UsageError, match=r"begun with other weights.*model\.safetensors.*restore them"):
        train(recipe, tmp_path / "run", toy.quiet)


# --------------------------------------------------------------------------------------------------- the recipe


@pytest.mark.parametrize(
    ("given", "instead", "message"),
    [
        ('name = "toy"', 'name = "toy"\npreset = "nano"', "not both"),
        ("date = 2026-03-09", 'date = "March"', "`date` is 'March'; write it like 2026-01-01"),
        ("rank = 8", "rnak = 8", "unknown key 'lora.rnak' (did you mean 'rank'?)"),
        ("rank = 8", "rank = 0", "lora.rank"),
    ],
)
def test_a_wrong_key_of_a_released_recipe_is_named(base: Path, given: str, instead: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_recipe(text(base).replace(given, instead), "mine.toml")
    assert message in str(caught.value)


def test_a_released_model_learns_from_its_answers_only(base: Path, tmp_path: Path) -> None:
    recipe = parse_recipe(text(base).replace("epochs = 1", "epochs = 1\nlanguage = true"), "mine.toml")
    with pytest.raises(UsageError, match="stage 'first' has language = true; a released model learns"):
        train(recipe, tmp_path / "run", toy.quiet)


@pytest.mark.parametrize("key", ["date = 2026-01-01", "lora = {}"])
def test_keys_of_a_base_are_refused_beside_a_preset(key: str) -> None:
    with pytest.raises(UsageError, match="goes with `base`; a preset has none"):
        parse_recipe(toy.RECIPE.replace("seed = 5", f"seed = 5\n{key}"), "mine.toml")


def test_defaults_are_those_of_released_weights_and_are_written_out(base: Path) -> None:
    bare = text(base, lora="[lora]\n").replace("date = 2026-03-09", "").replace("learning_rate = 1e-2", "")
    recipe = parse_recipe(bare, "bare.toml")
    assert recipe.date == "2026-01-01"
    assert recipe.lora is not None and "conv.in_proj" in recipe.lora.targets
    assert recipe.optimizer.learning_rate == 2e-4
    assert parse_recipe(recipe.to_toml(), "again.toml") == recipe
    assert "[lora]" in recipe.to_toml() and 'date = "2026-01-01"' in recipe.to_toml()
    assert parse_recipe(bare.replace("[lora]", ""), "full.toml").optimizer.learning_rate == 2e-5


def test_a_target_that_is_no_layer_is_refused_with_those_there_are(base: Path, tmp_path: Path) -> None:
    recipe = recipe_of(base, '[lora]\ntargets = ["self_attn.o_proj"]\n')
    with pytest.raises(UsageError, match=r"'self_attn.o_proj'; there are conv.in_proj, .*self_attn.out_proj"):
        train(recipe, tmp_path, toy.quiet)
