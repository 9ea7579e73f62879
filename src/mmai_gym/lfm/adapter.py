"""LoRA adapters in peft's layout, put onto the base model that they name and merged into it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmai_gym.contracts import CheckpointError
from mmai_gym.extras import require
from mmai_gym.lfm import checkpoint, released

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds an adapter and not a whole model."""
    return (folder / CONFIG).is_file() and not (folder / checkpoint.CONFIG).is_file()


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter and the files of its base."""

    folder: Path
    base: released.Released

    @classmethod
    def at(cls, folder: Path) -> Adapter:
        """The adapter in a folder; its base is looked up as any model is, and fetched unless it is in the cache.

        Raises:
            CheckpointError: the configuration is damaged or names no base, the weights are missing or no safetensors, or the
                base cannot be had.
        """
        if not (folder / WEIGHTS).is_file():
            raise CheckpointError(f"{folder} lacks the adapter's weights ({WEIGHTS}); pickled ones are not read")
        try:
            said = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            base, revision = said["base_model_name_or_path"], said.get("revision")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{folder / CONFIG} names no base model ({error}); restore it") from error
        return cls(folder, released.find(f"{base}@{revision}" if revision else str(base)))

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
        """The merged model (float32, on the CPU, in evaluation mode) and the tokenizer of the base.

        Raises:
            CheckpointError: a part is damaged, or the adapter does not fit the base.
            MissingExtra: peft is not installed.
        """
        require("peft", "safetensors")
        from peft import PeftConfig, get_peft_model, set_peft_model_state_dict
        from safetensors.torch import load_file

        model, tokenizer = checkpoint.load(self.base.folder)
        try:
            configuration: Any = PeftConfig.from_pretrained(str(self.folder))
            adapted = get_peft_model(model, configuration)
            report = set_peft_model_state_dict(adapted, load_file(self.folder / WEIGHTS))
        except Exception as error:  # a wrong type, a target that the base lacks, a tensor of another shape
            raise CheckpointError(
                f"the adapter in {self.folder} cannot be put onto {self.base.name}: {error}"
            ) from error
        wrong = [*report.unexpected_keys, *(name for name in report.missing_keys if "lora_" in name)]
        if wrong:
            raise CheckpointError(
                f"the adapter in {self.folder} does not fit {self.base.name}: {len(wrong)} tensors are missing or left "
                f"over, such as {wrong[0]}; use the base that it was trained on"
            )
        return adapted.merge_and_unload().eval(), tokenizer
