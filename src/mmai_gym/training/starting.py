"""What a run starts from: a fresh LFM of a preset, or weights that were trained before, by others or by the gym.

The rest of training asks for a tokenizer, a dialect and a model, and is told at the end what to keep; it does not know
which of them it trains. A run on trained weights notes their checksums when it begins (RUN/base.json) and takes
none others when it goes on: a branch of the hub may have moved since.

A run that goes on from one of the gym is a *fork* of that trunk. What the trunk has read is in its weights, so it must
have kept the fork's test sets out of its own corpora, and its teachers are the fork's, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmai_gym import lineage, tasks
from mmai_gym.contracts import UsageError
from mmai_gym.lfm import checkpoint
from mmai_gym.lfm.dialect import Chat, Compact, Dialect, is_compact
from mmai_gym.records import file_sha256
from mmai_gym.tasks.rendering import property_token, protein_name
from mmai_gym.training.lora import adapted, save_adapter
from mmai_gym.training.recipe import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from mmai_gym.lfm.released import Released

BASE, ADAPTER = "base.json", "adapter"


def starting_point(recipe: Recipe, folder: Path) -> StartingPoint:
    """What `recipe` starts from, in the run folder `folder`, which must be there.

    Raises:
        UsageError: the preset or the base does not exist, the run was begun with other weights, the base may know the
            recipe's test sets, or it cannot be taught what the recipe asks.
        CheckpointError: the base cannot be fetched, or it is neither a chat model nor one of the gym.
    """
    return Fresh(recipe) if recipe.base is None else FromBase.pinned(recipe, folder)


@dataclass(frozen=True)
class Fresh:
    """A preset, initialised by the recipe's seed."""

    recipe: Recipe

    @cached_property
    def dialect(self) -> Dialect:
        """The gym's own."""
        return Compact(self.tokenizer.get_vocab())

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The gym's tokenizer with a token for each property of the recipe's tasks, and for proteins that it names."""
        from mmai_gym.lfm.tokenizer import build_tokenizer

        return build_tokenizer(_names(self.recipe))

    def model(self) -> PreTrainedModel:
        """The network before its first step (float32, CPU)."""
        from mmai_gym.lfm import presets

        return presets.new_model(self.recipe.preset or "", self.tokenizer, self.recipe.seed, self.recipe.arch)

    def finish(self, model: PreTrainedModel) -> tuple[PreTrainedModel, dict[str, Any]]:
        """The trained network as it is saved, and what its card says of where it started."""
        return model, {}


def _names(recipe: Recipe) -> list[str]:
    """The tokens of all properties that the recipe's tasks name, and of the proteins where they have names, sorted."""
    found = {name for task in recipe.tasks() for name in task.properties}
    if recipe.name_proteins:
        found |= {protein_name(sequence) for task in recipe.tasks() for sequence in task.proteins()}
    return sorted(map(property_token, found))


@dataclass(frozen=True)
class FromBase:
    """Trained weights, of which all are trained further, or adapters on them."""

    recipe: Recipe
    folder: Path
    """The run folder."""
    name: str
    commit: str | None
    files: Path
    """The folder with the model's files."""
    weights: dict[str, str]
    """SHA-256 of its weights, by file name."""

    @classmethod
    def pinned(cls, recipe: Recipe, folder: Path) -> FromBase:
        """The base of a recipe; the one that the run was begun with, if it was begun."""
        from mmai_gym.lfm import released

        note, spec = folder / BASE, recipe.base or ""
        begun = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
        if begun.get("commit"):
            spec = f"{begun['model']}@{begun['commit']}"
        found = released.find(spec)
        weights = {path.name: file_sha256(path) for path in sorted(found.folder.glob("*.safetensors"))}
        if not begun:
            begun = {"model": found.name, "commit": found.commit, "weights": weights}
            partial = note.with_name(f".{BASE}.partial")
            partial.write_text(json.dumps(begun, indent=1) + "\n", encoding="utf-8")
            partial.replace(note)
        if begun["weights"] != weights:
            raise UsageError(
                f"{folder} was begun with other weights than those in {found.folder} (sha256 of "
                f"{', '.join(sorted(weights.keys() | begun['weights'].keys()))}); restore them, or give another --out"
            )
        start = cls(recipe, folder, found.name, found.commit, found.folder, weights)
        start.check()
        return start

    def check(self) -> None:
        """Raises UsageError where the base may know the recipe's test sets, or cannot be taught what the recipe asks."""
        card = self._card
        if self._is_ours and "recipe" not in card:
            raise UsageError(
                f"{self.name} has no {checkpoint.CARD} that says what it was trained on; go on from a folder that `train` "
                "wrote"
            )
        _check_lineage(self.recipe, self.name, card)
        if self._new_names and self.recipe.lora is not None:
            raise UsageError(
                f"{self.name} has no tokens for {', '.join(self._new_names)}, and adapters teach none; take [lora] out"
            )
        compact = [key for key in ("name_proteins", "smoothing") if getattr(self.recipe, key)]
        if compact and not self._is_ours:
            raise UsageError(
                f"`{compact[0]}` is for models that were trained from scratch; a released one reads sequences and writes "
                "numbers out, take it out"
            )
        taught = [stage.name for stage in self.recipe.stages if stage.language]
        if taught and not self._is_ours:
            raise UsageError(
                f"stage {taught[0]!r} has language = true; a released model learns from its answers only, take it out"
            )

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The base's own; in a fork, with tokens behind them for the properties that the trunk has none for."""
        from mmai_gym.lfm.tokenizer import lengthened

        return lengthened(self._own_tokenizer, self._new_names) if self._new_names else self._own_tokenizer

    @cached_property
    def dialect(self) -> Dialect:
        """The chat template of a released model, on the recipe's date; the gym's own for what it trained from scratch."""
        from mmai_gym.lfm.chat import DEFAULT_DATE

        if self._is_ours:
            return Compact(self.tokenizer.get_vocab())
        return Chat(self.tokenizer, self.recipe.date or DEFAULT_DATE)

    def model(self) -> PreTrainedModel:
        """The base's network (float32, CPU), with adapters on it where the recipe has `[lora]`."""
        from mmai_gym.lfm import presets, released
        from mmai_gym.lfm.network import adopt

        model = adopt(released.load(self._released))
        if self._new_names:
            presets.lengthen(model, len(self.tokenizer), self.recipe.seed)
        if self.recipe.lora is None:
            return model
        return adapted(model, self.recipe.lora, self.recipe.seed, self.name, self.commit)

    def finish(self, model: PreTrainedModel) -> tuple[PreTrainedModel, dict[str, Any]]:
        """The trained network as it is saved, adapters merged, and what its card says of where it started.

        The adapters alone are written into RUN/adapter first.
        """
        lora = self.recipe.lora
        trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        if lora is not None:
            save_adapter(model, self.folder / ADAPTER)
            model = model.merge_and_unload()
        base = {
            "model": self.name,
            "revision": self.commit,
            "weights": self.weights,
            "lora": None if lora is None else lora.model_dump(mode="json"),
            "trained_parameters": trained,
        }
        if self._card:
            base["card"] = self._card
        return model, {"base": base, "dialect": self.dialect.describe()}

    @property
    def _released(self) -> Released:
        from mmai_gym.lfm.released import Released

        return Released(self.name, self.files, self.commit)

    @cached_property
    def _own_tokenizer(self) -> PreTrainedTokenizerFast:
        from mmai_gym.lfm import released

        return released.load_tokenizer(self._released)

    @cached_property
    def _card(self) -> dict[str, Any]:
        """What the gym noted when it trained the base; empty for weights of others."""
        return checkpoint.read_card(self.files)

    @cached_property
    def _is_ours(self) -> bool:
        """Whether the base was trained from scratch here, and reads control tokens."""
        return is_compact(self._own_tokenizer)

    @cached_property
    def _new_names(self) -> list[str]:
        """Tokens of the recipe's properties that a trunk lacks."""
        known = self._own_tokenizer.get_vocab()
        return [name for name in _names(self.recipe) if name not in known] if self._is_ours else []


def _check_lineage(recipe: Recipe, name: str, card: Mapping[str, Any]) -> None:
    """Raises UsageError where what a base was taught, by its card and those of its own bases, may betray a test set."""
    while "recipe" in card:
        trunk = Recipe.model_validate(card["recipe"])
        lineage.check({teacher for task in trunk.tasks() for teacher in task.teachers}, recipe.tests())
        if recipe.exclude.rules:
            kept = set(trunk.tests()) if set(recipe.exclude.rules) <= set(trunk.exclude.rules) else set()
            open_ = [
                test
                for test in recipe.tests()
                if test not in kept and not lineage.computed(tasks.get(test).teachers)
            ]
            if open_:
                raise UsageError(
                    f"{name} was trained without keeping out the test sets of {', '.join(open_[:3])}"
                    f"{' ...' if len(open_) > 3 else ''}; train it with them in exclude.tests, or take them out here"
                )
        card = card.get("base", {}).get("card", {})


StartingPoint = Fresh | FromBase
