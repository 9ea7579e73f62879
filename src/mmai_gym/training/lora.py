"""LoRA (Hu et al. 2021) on a released model, by peft: which weights are trained, and what is left of it at the end."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from mmai_gym.contracts import UsageError
from mmai_gym.extras import require

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

ADAPTER_WEIGHTS = "adapter_model.safetensors"


class Lora(BaseModel):
    """The section `[lora]` of a recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    rank: int = Field(default=16, ge=1, le=1024)
    alpha: float = Field(default=32.0, gt=0)
    """The update is scaled by `alpha / rank`."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: tuple[str, ...] = Field(
        default=(
            "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj",
            "conv.in_proj", "conv.out_proj", "feed_forward.w1", "feed_forward.w2", "feed_forward.w3",
        ),
        min_length=1,
    )  # fmt: skip
    """Ends of the names of linear layers. By default all of LFM2, which calls them otherwise than most models do."""


def adapted(model: PreTrainedModel, lora: Lora, seed: int, base: str, revision: str | None) -> PeftModel:
    """`model` with fresh adapters on it, drawn by `seed`; nothing but they will be trained.

    Raises:
        UsageError: a target names no linear layer.
        MissingExtra: peft is not installed.
    """
    require("peft")
    import torch
    from peft import LoraConfig, TaskType, get_peft_model

    _check_targets(model, lora)
    configuration = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
        task_type=TaskType.CAUSAL_LM,
        base_model_name_or_path=base,
        revision=revision,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return get_peft_model(model, configuration)


def save_adapter(model: PeftModel, folder: Path) -> None:
    """Write the adapter in peft's layout, which `PeftModel.from_pretrained` puts onto the base model again."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        model.save_pretrained(str(fresh))
        # A page of headings without content; card.json of the merged model says where the weights come from.
        (fresh / "README.md").unlink(missing_ok=True)
        for path in fresh.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        fresh.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def load_adapter_weights(model: PeftModel, state: Path) -> None:
    """Put the adapter weights that a saved state of training holds into `model`."""
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    set_peft_model_state_dict(model, load_file(state / ADAPTER_WEIGHTS))


def _check_targets(model: PreTrainedModel, lora: Lora) -> None:
    from torch import nn

    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    for target in lora.targets:
        if not any(name == target or name.endswith("." + target) for name in names):
            known = sorted({".".join(name.split(".")[-2:]) for name in names if "layers." in name})
            raise UsageError(f"lora.targets: no linear layer is called {target!r}; there are {', '.join(known)}")
