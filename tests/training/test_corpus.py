from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import toy_tasks as toy
from transformers import PreTrainedTokenizerFast

from mmai_gym import tasks
from mmai_gym.contracts import Count, DataError, Example, Molecule, Property, Question, Split, Words, row_id
from mmai_gym.lfm.dialect import COMPACT, Turn
from mmai_gym.lfm.tokenizer import FIXED_TOKENS, build_tokenizer
from mmai_gym.tasks.rendering import compact_row, property_token, protein_name
from mmai_gym.training import Corpus, Recipe, build, parse_recipe
from mmai_gym.training.choosing import choose
from mmai_gym.training.corpus import DTYPES
from mmai_gym.training.starting import Fresh


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    with pytest.MonkeyPatch.context() as patch:
        toy.install(patch.setattr, patch.setitem)
        return Fresh(parse_recipe(toy.RECIPE, "toy.toml")).tokenizer


@pytest.fixture
def corpora(recipe: Recipe, tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> tuple[Corpus, Corpus]:
    return build(recipe, recipe.stages[0], tmp_path / "corpus", tokenizer, toy.quiet)


def test_the_supervised_tokens_of_every_row_are_its_target(
    recipe: Recipe, corpora: tuple[Corpus, Corpus], tokenizer: PreTrainedTokenizerFast
) -> None:
    train, valid = corpora
    for corpus, split in ((train, "train"), (valid, "valid")):
        expected = {
            (task.name, compact_row(task.question(written), task.answer(written)))
            for task in recipe.tasks()
            for example in task.examples(split)  # type: ignore[arg-type]
            for written in (example, task.augment(example, 1))
        }
        names = [task.name for task in corpus.manifest.tasks]
        for i in range(len(corpus)):
            tokens, mask = corpus.row(i)
            prompt = tokenizer.decode(tokens[mask == 0])
            target = tokenizer.decode(tokens[mask == 1])
            assert (names[corpus.tasks[i]], (prompt, target)) in expected
            assert np.all(np.diff(mask.astype(int)) >= 0), "the target stands behind the prompt"


def test_what_training_lacks_is_said_before_any_row_is_made(
    recipe: Recipe, tokenizer: PreTrainedTokenizerFast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unmapped(self: toy.Length, split: Split) -> None:
        raise DataError(f"no maps of {split}; run: map")

    monkeypatch.setattr(toy.Length, "check_training", unmapped)
    with pytest.raises(DataError, match="no maps of train; run: map"):
        build(recipe, recipe.stages[0], tmp_path / "corpus", tokenizer, toy.quiet)
    assert not (tmp_path / "corpus").exists()


def test_counts_views_and_limits_are_what_the_recipe_says(corpora: tuple[Corpus, Corpus]) -> None:
    train, valid = corpora
    assert [task.rows for task in train.manifest.tasks] == [2 * 60, 2 * 60]
    assert [task.rows for task in valid.manifest.tasks] == [10, 10]
    assert train.manifest.counts["tokens"] == len(train.tokens) == train.lengths.sum()
    assert train.manifest.counts["supervised_tokens"] == train.mask.sum() == train.supervised.sum()
    assert [train.row(i)[1].sum() for i in range(20)] == train.supervised[:20].tolist()


def test_shared_questions_about_a_molecule_stand_in_one_row_and_only_answers_are_supervised(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    text = toy.RECIPE.replace("limit = 60", "shared = true").replace("max_length = 40", "max_length = 250")
    recipe = parse_recipe(text, "toy.toml")
    train, valid = build(recipe, recipe.stages[0], tmp_path / "shared", tokenizer, toy.quiet)
    counts = train.manifest.tasks
    assert [task.questions for task in counts] == [2 * 120, 2 * 120]
    assert len(train) == sum(task.rows for task in counts) < sum(task.questions for task in counts) / 8
    assert valid.manifest.counts["rows"] == 20, "validation asks one question a row, as a benchmark does"
    for i in range(len(train)):
        tokens, mask = train.row(i)
        row = tokenizer.decode(tokens)
        assert row.count("<|smiles|>") == 1
        assert row.count("<answer>") == row.count("</answer>") >= 1
        answers = [part.split("</answer>")[0] for part in row.split("<answer>")[1:]]
        smiles = row.split("<|smiles|>")[1].split("<|")[0]
        length = str(smiles.count("C"))
        assert set(answers) <= {length, "<|no|>" if int(length) % 2 else "<|yes|>"}
        assert tokenizer.decode(tokens[mask == 1]) == "".join(f"{a}</answer>" for a in answers) + "<|eos|>"


def test_a_language_stage_supervises_the_molecules_too_but_never_the_request(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    recipe = parse_recipe(toy.RECIPE.replace("epochs = 1", "epochs = 1\nlanguage = true"), "toy.toml")
    train, valid = build(recipe, recipe.stages[0], tmp_path / "language", tokenizer, toy.quiet)
    for i in range(len(train)):
        tokens, mask = train.row(i)
        learned, hidden = tokenizer.decode(tokens[mask == 1]), tokenizer.decode(tokens[mask == 0])
        smiles = tokenizer.decode(tokens).split("<|smiles|>")[1].split("<|")[0]
        assert learned.startswith(f"<|smiles|>{smiles}")
        assert learned.endswith("</answer><|eos|>")
        assert hidden.startswith("<|bos|><|") and hidden.endswith("<answer>") and smiles not in hidden
    assert valid.mask.sum() < train.mask.sum() / len(train) * len(valid), "validation judges answers only"


def test_the_same_recipe_gives_the_same_bytes(
    recipe: Recipe, corpora: tuple[Corpus, Corpus], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    again = build(recipe, recipe.stages[0], tmp_path / "again", tokenizer, toy.quiet)
    other = build(
        recipe.model_copy(update={"seed": 6}), recipe.stages[0], tmp_path / "other", tokenizer, toy.quiet
    )
    for first, second in zip(corpora, again, strict=True):
        for name in (*DTYPES, "corpus.json"):
            assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()
    assert (other[0].folder / "tokens.bin").read_bytes() != (corpora[0].folder / "tokens.bin").read_bytes()


def test_rows_do_not_depend_on_how_many_are_written_at_once(
    recipe: Recipe,
    corpora: tuple[Corpus, Corpus],
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mmai_gym.training.building._CHUNK", 7)
    again, _ = build(recipe, recipe.stages[0], tmp_path / "again", tokenizer, toy.quiet)
    assert again.manifest == corpora[0].manifest


def test_a_smaller_limit_chooses_a_part_of_a_larger_one() -> None:
    task = tasks.get("toy/length")
    small, large = (choose(task, "train", limit, seed=3).positions for limit in (10, 40))
    assert len(small) == 10
    assert set(small) < set(large)
    assert small == sorted(small)
    assert choose(task, "train", 10, seed=4).positions != small


def test_a_row_that_is_too_long_is_left_out_and_counted(
    recipe: Recipe, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    whole, _ = build(recipe, recipe.stages[0], tmp_path / "whole", tokenizer, toy.quiet)
    limit = int(np.median(whole.lengths))
    short = recipe.model_copy(update={"batch": recipe.batch.model_copy(update={"max_length": limit})})
    part, _ = build(short, recipe.stages[0], tmp_path / "part", tokenizer, toy.quiet)
    assert part.lengths.max() == limit
    assert part.manifest.counts["too_long"] == (whole.lengths > limit).sum() > 0
    assert len(part) + part.manifest.counts["too_long"] == len(whole)


def test_a_task_whose_rows_are_all_too_long_is_an_error(
    recipe: Recipe, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    short = recipe.model_copy(update={"batch": recipe.batch.model_copy(update={"max_length": 4})})
    with pytest.raises(
        DataError,
        match=r"toy/length has no training rows: all 120 rows are longer than 4 tokens; raise max_length",
    ):
        build(short, recipe.stages[0], tmp_path, tokenizer, toy.quiet)


def test_a_row_without_anything_supervised_names_its_task_and_example(
    recipe: Recipe, tokenizer: PreTrainedTokenizerFast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = tasks.get("toy/length")
    example = task.examples("train")[choose(task, "train", 60, 5).positions[0]]
    monkeypatch.setattr(COMPACT, "turns", lambda turns: [Turn("<|bos|>", "", "", ("",))], raising=False)
    with pytest.raises(DataError, match=rf"toy/length.*{example.id} has no supervised token"):
        build(recipe, recipe.stages[0], tmp_path, tokenizer, toy.quiet)


def test_an_empty_answer_names_its_task_and_example(
    recipe: Recipe, tokenizer: PreTrainedTokenizerFast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(self: toy.Length, example: Example) -> str:
        return ""

    monkeypatch.setattr(toy.Length, "answer", answer)
    with pytest.raises(DataError, match=r"toy/length: example \w{16} has no answer"):
        build(recipe, recipe.stages[0], tmp_path, tokenizer, toy.quiet)


@pytest.mark.parametrize("name", [*DTYPES, "corpus.json"])
def test_a_file_cut_short_or_missing_is_named(corpora: tuple[Corpus, Corpus], name: str) -> None:
    path = corpora[0].folder / name
    path.write_bytes(path.read_bytes()[:-1].rstrip(b"}\n"))
    with pytest.raises(DataError, match=rf"{name}.*delete the folder"):
        Corpus.open(corpora[0].folder)
    path.unlink()
    with pytest.raises(DataError, match=name):
        Corpus.open(corpora[0].folder)


def test_a_flipped_bit_is_found_before_the_corpus_is_used_again(
    recipe: Recipe, corpora: tuple[Corpus, Corpus], tokenizer: PreTrainedTokenizerFast
) -> None:
    folder = corpora[0].folder
    data = bytearray((folder / "tokens.bin").read_bytes())
    data[100] ^= 1
    (folder / "tokens.bin").write_bytes(data)
    with pytest.raises(DataError, match=r"tokens\.bin does not have the sha256"):
        build(recipe, recipe.stages[0], folder.parent, tokenizer, toy.quiet)


def test_another_format_version_is_refused(corpora: tuple[Corpus, Corpus]) -> None:
    path = corpora[0].folder / "corpus.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 2}))
    with pytest.raises(DataError, match="corpus format 2, this gym reads 1"):
        Corpus.open(path.parent)


def test_what_decides_how_examples_are_written_is_stated_and_must_agree(
    recipe: Recipe, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(toy.Length, "written_with", lambda self, split: {"reactants": f"aligned in {split}"})
    train, valid = build(recipe, recipe.stages[0], tmp_path / "corpus", tokenizer, toy.quiet)
    name = recipe.tasks()[0].name
    assert train.manifest.made_from["written_with"][name] == {"reactants": "aligned in train"}
    assert valid.manifest.made_from["written_with"][name] == {"reactants": "aligned in valid"}
    monkeypatch.setattr(toy.Length, "written_with", lambda self, split: {"reactants": "canonical"})
    with pytest.raises(DataError, match="made from other written_with"):
        build(recipe, recipe.stages[0], tmp_path / "corpus", tokenizer, toy.quiet)


def test_a_complete_corpus_is_used_again_and_another_one_is_refused(
    recipe: Recipe,
    corpora: tuple[Corpus, Corpus],
    tokenizer: PreTrainedTokenizerFast,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stamp = (corpora[0].folder / "tokens.bin").stat().st_mtime_ns
    build(recipe, recipe.stages[0], corpora[0].folder.parent, tokenizer, toy.quiet)
    assert (corpora[0].folder / "tokens.bin").stat().st_mtime_ns == stamp
    monkeypatch.setattr(toy.Length, "version", "2")
    with pytest.raises(DataError, match="made from other tasks"):
        build(recipe, recipe.stages[0], corpora[0].folder.parent, tokenizer, toy.quiet)


def test_a_build_that_stops_half_way_leaves_no_corpus(
    recipe: Recipe, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    def stop(done: int, total: int, what: str) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(recipe, recipe.stages[0], tmp_path, tokenizer, stop)
    assert not (tmp_path / "train").exists()
    train, _ = build(recipe, recipe.stages[0], tmp_path, tokenizer, toy.quiet)
    train.verify()


class Binding(toy.Length):
    """A number for a molecule and one of two proteins."""

    name = "toy/binding"
    properties = ("binding",)
    sequences = ("MKVLA", "GGSHWW")

    def _example(self, split: Split, number: int) -> Example:
        sequence = self.sequences[number % 2]
        inputs = {"smiles": "C" * (1 + number % 9) + "O", "sequence": sequence}
        return Example(row_id("toy", number), self.name, split, inputs, number % 9)

    def question(self, example: Example) -> Question:
        return (
            Words("How well", "affinity"), Property("binding"), Molecule(example.inputs["smiles"]),
            Molecule(example.inputs["sequence"], view="protein"), Count(),
        )  # fmt: skip

    def proteins(self) -> tuple[str, ...]:
        return self.sequences

    def augment(self, example: Example, seed: int) -> Example:
        return example


def test_many_molecules_share_one_protein_and_each_branch_is_the_question_of_a_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_registry", lambda: {"toy/binding": Binding()})
    tokenizer = build_tokenizer([property_token("binding")])
    text = toy.RECIPE.replace('"toy" = { views = 2, limit = 60 }', '"toy/binding" = { shared = true }')
    recipe = parse_recipe(text.replace("max_length = 40", "max_length = 200"), "toy.toml")
    train, valid = build(recipe, recipe.stages[0], tmp_path / "branches", tokenizer, toy.quiet)
    (count,) = train.manifest.tasks
    assert (count.questions, count.too_long) == (120, 0)
    assert len(train) < 30
    solo = {tokenizer.decode(valid.row(i)[0]) for i in range(len(valid))}
    assert all(row.count("<|protein|>") == row.count("<|smiles|>") == 1 for row in solo)
    for i in range(len(train)):
        tokens, mask = train.row(i)
        assert len(tokens) <= 200
        opening, *branches = tokenizer.decode(tokens).split("<|smiles|>")
        assert opening.removeprefix("<|bos|><|protein|>") in Binding.sequences
        for branch in branches:
            assert branch.endswith("</answer><|eos|>") and branch.count("<answer>") == 1
        learned = tokenizer.decode(tokens[mask == 1])
        assert learned == "".join(branch.split("<answer>")[1] for branch in branches)
        # What a benchmark asks is the opening with one branch.
        example = next(e for e in Binding().examples("train") if e.inputs["sequence"] in opening)
        assert COMPACT.prompt(Binding().question(example)).startswith(opening + "<|smiles|>")


def test_many_named_proteins_share_one_molecule_and_each_branch_is_the_question_of_a_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_registry", lambda: {"toy/binding": Binding()})
    text = toy.RECIPE.replace('"toy" = { views = 2, limit = 60 }', '"toy/binding" = { shared = true }')
    text = text.replace("max_length = 40", "max_length = 200").replace("seed =", "name_proteins = true\nseed =")
    recipe = parse_recipe(text, "toy.toml")
    start = Fresh(recipe)
    names = {property_token(protein_name(sequence)) for sequence in Binding.sequences}
    assert names | {property_token("binding")} == set(start.tokenizer.get_vocab()) - set(FIXED_TOKENS)
    train, valid = build(
        recipe, recipe.stages[0], tmp_path / "branches", start.tokenizer, toy.quiet, start.dialect
    )
    (count,) = train.manifest.tasks
    assert (count.questions, count.too_long) == (120, 0)
    assert len(train) < 40
    assert all("<|protein|>" not in start.tokenizer.decode(valid.row(i)[0]) for i in range(len(valid)))
    asked = {start.dialect.prompt(Binding().question(example)) for example in Binding().examples("train")}
    several = 0
    for i in range(len(train)):
        opening, *branches = start.tokenizer.decode(train.row(i)[0]).split("<|affinity|>")
        several += len({branch.split("<answer>")[0] for branch in branches}) > 1
        for branch in branches:
            prompt, _, answered = branch.partition("<answer>")
            assert f"{opening}<|affinity|>{prompt}<answer>" in asked
            assert answered.endswith("</answer><|eos|>")
    assert several
