"""A released model in miniature: LFM2's layout, layer kinds and special tokens, with random weights.

The tokenizer is a byte-level BPE whose pieces may begin with punctuation, as those of released models do, so that
letters can merge across the border of tag and answer. It adds a start token of its own where it is let to. The
templates are written for these tests: one like LFM2's, one that writes the date as LFM2.5's does, one that makes the
model think.
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import Lfm2Config, Lfm2ForCausalLM, PreTrainedTokenizerFast

SPECIAL = (
    "<|pad|>", "<|startoftext|>", "<|endoftext|>", "<|fim_pre|>", "<|fim_mid|>", "<|fim_suf|>", "<|im_start|>",
    "<|im_end|>",
)  # fmt: skip
BOS, IM_START, EOS = 1, 6, 7
_PIECES = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_PROSE = [
    "How long chain length", "Is it even parity", "SMILES: CCCCCO", "Give an integer, between <answer> and </answer>.",
    "Give one of: yes, no, between <answer> and </answer>.", "<answer>yes</answer>", "<answer>no</answer>",
    "<answer>7</answer>", "system", "user", "assistant", "Today is", "What is the acidity",
]  # fmt: skip

PLAIN = """{{- bos_token -}}
{%- for message in messages -%}
    {{- "<|im_start|>" + message["role"] + "\\n" + message["content"] + "<|im_end|>\\n" -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- "<|im_start|>assistant\\n" -}}
{%- endif -%}
"""
DATED = PLAIN.replace(
    "{{- bos_token -}}\n",
    "{{- bos_token -}}\n"
    '{%- macro today() -%}{{- strftime_now("%Y-%m-%d") + ", " + strftime_now("%-d %B") -}}{%- endmacro -%}\n'
    '{{- "<|im_start|>system\\nToday is " + today() + "<|im_end|>\\n" -}}\n',
)
THINKING = PLAIN.replace("assistant\\n", "assistant\\n<think>")
MARKED = PLAIN.replace(
    'message["content"] + "<|im_end|>\\n" -}}',
    '"" -}}{%- generation -%}{{- message["content"] + "<|im_end|>" -}}{%- endgeneration -%}{{- "\\n" -}}',
)
"""With the marks that released templates put around what a model says."""
TEMPLATES = {"plain": PLAIN, "dated": DATED, "thinking": THINKING, "marked": MARKED}


def tokenizer(template: str | None = "plain") -> PreTrainedTokenizerFast:
    """The tokenizer, with the template of that name or none."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(_PIECES), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(_PROSE, trainer)
    core.post_processor = processors.TemplateProcessing(
        single="<|startoftext|> $A", special_tokens=[("<|startoftext|>", BOS)]
    )
    made = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<|pad|>",
        bos_token="<|startoftext|>",
        eos_token="<|im_end|>",
        clean_up_tokenization_spaces=False,
    )
    assert [made.convert_tokens_to_ids(token) for token in SPECIAL] == list(range(8))
    if template == "thinking":
        made.add_tokens(["<think>", "</think>"])
    if template is not None:
        made.chat_template = TEMPLATES[template]
    return made


def network(vocabulary: int, eos: int = EOS) -> Lfm2ForCausalLM:
    """Three layers of both kinds; weights are scaled up, so that its distributions are not flat."""
    configuration = Lfm2Config(
        vocab_size=-(-vocabulary // 64) * 64,
        hidden_size=32,
        intermediate_size=96,
        block_multiple_of=16,
        block_auto_adjust_ff_dim=True,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        layer_types=["conv", "full_attention", "conv"],
        conv_L_cache=3,
        max_position_embeddings=4096,
        pad_token_id=0,
        bos_token_id=BOS,
        eos_token_id=eos,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        model = Lfm2ForCausalLM(configuration).eval()
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "norm" not in name:
                    weight.normal_(std=0.4 if "conv.conv" in name else 0.15)
    return model


def make(folder: Path, template: str | None = "plain", eos: int = EOS) -> Path:
    """Write a model into `folder`, in the layout of a release."""
    words = tokenizer(template)
    network(len(words), eos).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def into_hub_cache(home: Path, name: str, commit: str, template: str = "plain") -> None:
    """Put a model where huggingface_hub keeps what it has fetched (HF_HUB_CACHE = `home`), as its branch main."""
    repository = home / f"models--{name.replace('/', '--')}"
    make(repository / "snapshots" / commit, template)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
