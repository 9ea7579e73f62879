"""Trained checkpoints: from a hub id, a folder or a run to the files of one model, and to the model.

`LiquidAI/LFM2-350M` or `LiquidAI/LFM2-350M@COMMIT` is looked up by huggingface_hub, which keeps what it fetched in
its own cache (HF_HOME) and goes to the network only for what is not there. Configuration, safetensors and tokenizer
files are all that is ever asked for: neither code nor pickles reach this machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmai_gym.contracts import CheckpointError, UsageError
from mmai_gym.extras import require
from mmai_gym.lfm import checkpoint

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

MODEL_TYPE = "lfm2"
_HUB_ID = re.compile(r"(?P<id>[A-Za-z0-9][\w.-]*/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_FILES = (
    "config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "adapter_config.json",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Released:
    """The files of a model: `name` without revision, and the commit where it came from the hub."""

    name: str
    folder: Path
    commit: str | None = None


def is_hub_id(spec: str) -> bool:
    """Whether `spec` is written like OWNER/NAME or OWNER/NAME@REVISION. A folder of that name comes first in `find`."""
    return _HUB_ID.fullmatch(spec) is not None


def find(spec: str) -> Released:
    """The model in the folder `spec`, of the run that is called so, or with that id on the hub; what is not in the cache is
    downloaded.

    Raises:
        UsageError: `spec` is neither a folder nor written like a hub id.
        CheckpointError: the hub does not know it, or it is neither in the cache nor can be fetched.
        MissingExtra: huggingface_hub is not installed.
    """
    for folder in (Path(spec), checkpoint.RUNS / spec):
        if folder.is_dir():
            result = folder / checkpoint.IN_RUN
            return Released(spec, result if result.is_dir() else folder)
    match = _HUB_ID.fullmatch(spec)
    if match is None:
        raise UsageError(
            f"{spec!r} is neither a folder, nor a run under {checkpoint.RUNS}/, nor a hub id; give the folder of a trained "
            "model, or an id such as LiquidAI/LFM2-350M, with @REVISION behind it to fix the commit"
        )
    return _from_hub(match["id"], match["revision"])


def load_tokenizer(released: Released) -> PreTrainedTokenizerFast:
    """The model's own tokenizer. Raises CheckpointError where it is missing or damaged."""
    require("transformers", "tokenizers")
    from transformers import AutoTokenizer

    if not (released.folder / checkpoint.TOKENIZER).is_file():
        raise CheckpointError(f"{released.name} lacks the tokenizer ({checkpoint.TOKENIZER} in {released.folder})")
    try:
        return AutoTokenizer.from_pretrained(released.folder, local_files_only=True)
    except Exception as error:  # transformers and tokenizers raise bare Exceptions of many kinds
        raise CheckpointError(f"cannot load the tokenizer of {released.name}: {error}") from error


def load(released: Released) -> PreTrainedModel:
    """The model (float32, on the CPU, in evaluation mode), ready to be trained further.

    Raises:
        CheckpointError: a part is missing or damaged, it is no LFM2, or tokenizer and configuration name different
            end tokens.
    """
    model, tokenizer = checkpoint.load(released.folder)
    if model.config.model_type != MODEL_TYPE:
        raise CheckpointError(
            f"{released.name} is a {model.config.model_type!r} model; a recipe starts from a dense LFM2 or LFM2.5, "
            "such as LiquidAI/LFM2-350M"
        )
    ends = model.config.eos_token_id
    if tokenizer.eos_token_id not in (ends if isinstance(ends, list) else [ends]):
        raise CheckpointError(
            f"{released.name}: the tokenizer ends on {tokenizer.eos_token!r} ({tokenizer.eos_token_id}), "
            f"config.json on {ends}; restore the files that were released together"
        )
    return model


def _from_hub(name: str, revision: str | None) -> Released:
    require("huggingface_hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(_FILES)))
    except GatedRepoError as error:
        raise CheckpointError(
            f"the hub gives {name} only to accounts that have accepted its terms; accept them on its page and set HF_TOKEN"
        ) from error
    except RevisionNotFoundError as error:
        raise CheckpointError(f"the hub has {name}, but no revision {revision!r} of it") from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(
            f"the hub has no model {name} that this account may see; check the id, set HF_TOKEN for a private one, "
            "or give a local folder"
        ) from error
    except HFValidationError as error:
        raise UsageError(f"{name!r} is no hub id: {error}") from error
    except Exception as error:  # no network, a proxy, a full disk: every layer below has errors of its own
        wanted = f"{name}@{revision}" if revision else name
        reason = (str(error).splitlines() or [""])[0]
        raise CheckpointError(
            f"no folder is called {wanted}, and the hub model of that id is not in the cache of huggingface_hub and cannot "
            f"be fetched ({type(error).__name__}: {reason}); give a local folder with its files, or set HF_HOME to a "
            "cache that holds it"
        ) from error
    return Released(name, folder, folder.name if _COMMIT.fullmatch(folder.name) else None)
