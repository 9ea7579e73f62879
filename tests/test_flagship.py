"""The checkpoint that comes with the gym is an ordinary one: it needs nothing of the gym to answer as it does here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from mmai_gym.lfm import checkpoint
from mmai_gym.lfm.decode import Decoder
from mmai_gym.tasks.prototypes import filled
from mmai_gym.tasks.rendering import compact_prompt

CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "flagship"
JOBS = ("retrosynthesis/uspto-50k", "optimization/edits/bdq")
MOLECULES = ("CC(=O)Nc1ccc(O)cc1", "CCN(CC)CC(=O)Nc1c(C)cccc1C", "O=C(O)c1ccccc1OC(C)=O")
NEW = 48

PLAIN = """
import json, sys

sys.modules["mmai_gym"] = None  # whoever imports it now gets an ImportError, as where it is not installed
try:
    import mmai_gym
except ImportError:
    pass
else:
    sys.exit("the gym can be imported")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, new, *prompts = json.load(sys.stdin)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
tokenizer = AutoTokenizer.from_pretrained(folder)
written = []
for prompt in prompts:
    ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
    tokens = model.generate(ids, do_sample=False, max_new_tokens=new, stop_strings=["</answer>"], tokenizer=tokenizer)
    written.append(tokens[0, ids.shape[1] :].tolist())
json.dump(written, sys.stdout)
"""


def asked() -> list[str]:
    """Prompts whose answers are written token by token."""
    questions = checkpoint.read_card(CHECKPOINT)["questions"]
    return [compact_prompt(filled(questions[name], {"smiles": text})) for name in JOBS for text in MOLECULES]


def test_it_writes_the_same_tokens_in_plain_transformers_without_the_gym() -> None:
    prompts = asked()
    written = subprocess.run(
        [sys.executable, "-c", PLAIN],
        input=json.dumps([str(CHECKPOINT), NEW, *prompts]),
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )
    theirs = json.loads(written.stdout)
    decoder = Decoder(*checkpoint.load(CHECKPOINT))
    # All but greedy. A beam of one is not: it also remembers where an answer could have ended sooner, and may prefer that.
    drawn = decoder.sample(prompts, 1, max_new_tokens=NEW, temperature=1e-4, seeds=[0] * len(prompts))
    ours = [list(best.token_ids) for (best,) in drawn]
    assert len({tuple(tokens) for tokens in ours}) == len(prompts)
    assert ours == theirs
