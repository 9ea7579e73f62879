"""What a run starts from: a fresh LFM of a preset, or the weights that others released.

The rest of training asks for a tokenizer, a dialect and a model, and is told at the end what to keep; it does not know
which of the two it trains. A run on released weights notes their checksums when it begins (RUN/base.json) and takes
none others when it goes on: a branch of the hub may have moved since.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmai_gym.contracts import UsageError
from mmai_gym.lfm.dialect import COMPACT, Chat, Dialect
from mmai_gym.records import file_sha256
from mmai_gym.tasks.rendering import property_token
from mmai_gym.training.lora import adapted, save_adapter
from mmai_gym.training.recipe import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

BASE, ADAPTER = "base.json", "adapter"


def starting_point(recipe: Recipe, folder: Path) -> StartingPoint:
    """What `recipe` starts from, in the run folder `folder`, which must be there.

    Raises:
        UsageError: the preset or the base does not exist, or the run was begun with other weights.
        CheckpointError: the released model cannot be fetched, or is no chat model.
    """
    if recipe.base is None:
        return Fresh(recipe)
    return FromReleased.pinned(recipe, folder)


@dataclass(frozen=True)
class Fresh:
    """A preset, initialised by the recipe's seed."""

    recipe: Recipe
    dialect = COMPACT

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The gym's tokenizer with a token for each property that the recipe's tasks name."""
        from mmai_gym.lfm.tokenizer import build_tokenizer

        names = {property_token(name) for task in self.recipe.tasks() for name in task.properties}
        return build_tokenizer(sorted(names))

    def model(self) -> PreTrainedModel:
        """The network before its first step (float32, CPU)."""
        from mmai_gym.lfm import presets

        return presets.new_model(self.recipe.preset or "", self.tokenizer, self.recipe.seed, self.recipe.arch)

    def finish(self, model: PreTrainedModel) -> tuple[PreTrainedModel, dict[str, Any]]:
        """The trained network as it is saved, and what its card says of where it started."""
        return model, {}


@dataclass(frozen=True)
class FromReleased:
    """Weights of a released model, trained in full or through adapters."""

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
    def pinned(cls, recipe: Recipe, folder: Path) -> FromReleased:
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
        return cls(recipe, folder, found.name, found.commit, found.folder, weights)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The released model's own."""
        from mmai_gym.lfm import released

        return released.load_tokenizer(self._released)

    @cached_property
    def dialect(self) -> Dialect:
        """The chat template of the model, on the recipe's date."""
        from mmai_gym.lfm.chat import DEFAULT_DATE

        return Chat(self.tokenizer, self.recipe.date or DEFAULT_DATE)

    def model(self) -> PreTrainedModel:
        """The released network (float32, CPU), with adapters on it where the recipe has `[lora]`."""
        from mmai_gym.lfm import released
        from mmai_gym.lfm.network import adopt

        model = adopt(released.load(self._released))
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
        return model, {"base": base, "dialect": self.dialect.describe()}

    @property
    def _released(self) -> Any:
        from mmai_gym.lfm.released import Released

        return Released(self.name, self.files, self.commit)


StartingPoint = Fresh | FromReleased
