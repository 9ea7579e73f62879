"""A trained LFM as a folder that plain transformers loads.

The layout is transformers' own (`config.json`, `model.safetensors`, `tokenizer.json`,
`tokenizer_config.json`) plus `card.json`, which says where the weights come from. A folder is written under
another name beside its place, flushed, and renamed when it is complete: a save that is killed leaves the old
checkpoint, or none, never half of one. Loading checks that the parts are there and fit together before it
hands out a model, since transformers itself fills missing weights with random numbers and only warns.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmai_gym.contracts import CheckpointError
from mmai_gym.extras import require

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

RUNS, IN_RUN = Path("runs"), "checkpoint"
"""Where runs lie unless they are told otherwise, and the folder of a run that holds its result."""
WEIGHTS, CONFIG, TOKENIZER, CARD = "model.safetensors", "config.json", "tokenizer.json", "card.json"


def save(
    folder: str | Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, card: Mapping[str, Any]
) -> Path:
    """Write a checkpoint; an older one in the same place is replaced once the new one is complete.

    Args:
        folder: where the checkpoint shall stand; parents are made.
        card: where the weights come from (the recipe as an object, data checksums, steps, ...); anything JSON can write.

    Raises:
        CheckpointError: `folder` is a file, or holds something that is not a checkpoint.
        TypeError: the card cannot be written as JSON. Nothing has been touched then.
    """
    folder = Path(folder)
    text = json.dumps(dict(card), indent=2, sort_keys=True)
    _check_replaceable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        model.save_pretrained(fresh, max_shard_size="1TB")
        tokenizer.save_pretrained(fresh)
        (fresh / CARD).write_text(text + "\n", encoding="utf-8")
        fresh.chmod(0o755)
        for path in fresh.iterdir():
            path.chmod(0o644)  # safetensors writes for its owner alone
        _flush(fresh)
        _swap(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def load(folder: str | Path, device: str = "cpu") -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """A checkpoint's model (float32, in evaluation mode, on `device`) and tokenizer.

    Raises:
        CheckpointError: the folder or one of its parts is missing or corrupt, or the parts do not fit together.
        MissingExtra: torch or transformers is not installed.
    """
    require("torch", "transformers", "safetensors")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = Path(folder)
    _check_parts(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model, report = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    # transformers and tokenizers raise bare Exceptions of many kinds for a damaged file.
    except Exception as error:
        raise CheckpointError(
            f"cannot load the checkpoint in {folder}: {error}; save it again, or copy it again from its source"
        ) from error
    _check_fit(folder, model, tokenizer, report)
    return model.to(device).eval(), tokenizer


def read_card(folder: str | Path) -> dict[str, Any]:
    """What `save` was told about the weights; empty for a checkpoint that others wrote.

    Raises:
        CheckpointError: the card is not a JSON object.
    """
    path = Path(folder) / CARD
    if not path.is_file():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON ({error}); delete it or save the checkpoint again") from error
    if not isinstance(card, dict):
        raise CheckpointError(f"{path} holds no JSON object; delete it or save the checkpoint again")
    return card


def _check_replaceable(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CONFIG).is_file():
        raise CheckpointError(
            f"{folder} holds files that are no checkpoint, saving would delete them; choose another folder"
        )
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder} is a file; choose a folder for the checkpoint")


def _flush(folder: Path) -> None:
    """Bring the bytes to the disk: a rename may otherwise survive a power cut that the contents do not."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _swap(fresh: Path, folder: Path) -> None:
    """Put `fresh` in the place of `folder`; a folder cannot be renamed onto a full one, so that steps aside."""
    if not folder.exists():
        fresh.rename(folder)
        return
    aside = fresh.with_name(fresh.name + "-old")
    folder.rename(aside)
    try:
        fresh.rename(folder)
    except OSError:
        with contextlib.suppress(OSError):
            aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _check_parts(folder: Path) -> None:
    if not folder.is_dir():
        raise CheckpointError(
            f"there is no folder {folder}; give the folder of a trained model, as `train` wrote it"
        )
    parts = {
        CONFIG: "the configuration",
        WEIGHTS: "the weights",
        TOKENIZER: "the tokenizer",
    }
    for name, what in parts.items():
        sharded = name == WEIGHTS and (folder / f"{WEIGHTS}.index.json").is_file()
        if not (folder / name).is_file() and not sharded:
            raise CheckpointError(
                f"{folder} lacks {what} ({name}); give the folder that holds config.json, model.safetensors "
                "and tokenizer.json, or train again"
            )


def _check_fit(
    folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, report: Mapping[str, Any]
) -> None:
    wrong = [*report["missing_keys"], *report["unexpected_keys"], *report["mismatched_keys"]]
    if wrong:
        raise CheckpointError(
            f"the weights in {folder / WEIGHTS} do not fit {CONFIG}: {len(wrong)} tensors are missing, "
            f"left over or of another shape, such as {wrong[0]}; restore the {CONFIG} that was saved with them"
        )
    rows = model.get_input_embeddings().weight.shape[0]
    # Released models pad their embedding to a round number, so more rows than tokens are fine.
    if len(tokenizer) > rows:
        raise CheckpointError(
            f"the tokenizer in {folder} has {len(tokenizer)} tokens but the model embeds {rows}; "
            f"restore the {TOKENIZER} that was saved with the weights"
        )
