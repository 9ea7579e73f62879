"""Sizes of the LFM that is trained from scratch.

LFM2 (Liquid AI, 2025) is a stack of gated short convolutions with a few attention layers between them. On
molecules the convolution carries the local grammar (a kernel of three tokens sees a bond and its two atoms),
attention finds the matching ring digit and copies parts of the question into the answer. Copying takes two
attention layers, one to look one token back and one to find where that token stood before (induction heads,
Olsson et al. 2022), so even the smallest preset has three. The configuration is spelled out in full, because
a bare `Lfm2Config` is 32 layers of attention only, ends on another token and changes the feed-forward width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from mmai_gym.contracts import UsageError
from mmai_gym.extras import require

if TYPE_CHECKING:
    import torch
    from transformers import Lfm2Config, PreTrainedModel, PreTrainedTokenizerFast

    from mmai_gym.lfm.network import Lfm2ForCausalLM

MAX_POSITIONS = 4096
_EMBEDDING = 0.02  # standard deviation of fresh embeddings

Arch = Literal["lfm", "transformer"]


@dataclass(frozen=True, slots=True)
class Preset:
    """One size: widths in features, `heads` of queries and `kv_heads` of keys and values."""

    hidden: int
    layers: int
    feed_forward: int
    heads: int
    kv_heads: int
    arch: Arch = "lfm"

    @property
    def layer_types(self) -> list[str]:
        """Convolution and attention alternate in an LFM, which opens with a convolution and ends with attention."""
        conv = "conv" if self.arch == "lfm" else "full_attention"
        return ["full_attention" if i % 2 else conv for i in range(self.layers)]

    def twin(self) -> Preset:
        """A plain transformer of the same depth, width and, within 2 %, number of parameters.

        Every layer is attention; all else is as in the LFM, which makes it the cleanest control: pre-norm, rotary
        positions, grouped-query attention with normalised queries and keys, SwiGLU. A convolution has more weights than
        an attention layer of these shapes, and the feed-forward layers are wider by the difference.
        """
        convolutions = self.layer_types.count("conv")
        conv = 4 * self.hidden**2 + 3 * self.hidden
        attention = 2 * self.hidden**2 * (self.heads + self.kv_heads) // self.heads + 2 * self.hidden // self.heads
        wider = convolutions * (conv - attention) / (3 * self.hidden * self.layers)
        return replace(self, arch="transformer", feed_forward=8 * round((self.feed_forward + wider) / 8))


PRESETS: dict[str, Preset] = {
    "nano": Preset(hidden=128, layers=6, feed_forward=384, heads=4, kv_heads=2),
    "micro": Preset(hidden=256, layers=8, feed_forward=768, heads=8, kv_heads=4),
    "mini": Preset(hidden=512, layers=8, feed_forward=1408, heads=8, kv_heads=4),
}
"""With a vocabulary of 1,000 tokens: nano 1.4M, micro 6.8M, mini 25.2M parameters."""


def preset(name: str, vocab_size: int, arch: Arch = "lfm") -> Lfm2Config:
    """The configuration of preset `name`, or of its transformer twin, for a vocabulary of `vocab_size` tokens.

    Raises:
        UsageError: no preset has that name.
        MissingExtra: torch or transformers is not installed.
    """
    if name not in PRESETS:
        raise UsageError(f"there is no LFM preset {name!r}; choose one of {', '.join(PRESETS)}")
    size = PRESETS[name]
    return config(size.twin() if arch == "transformer" else size, vocab_size)


def config(size: Preset, vocab_size: int) -> Lfm2Config:
    """The configuration of a size of your own; `pad`, `bos` and `eos` are the gym tokenizer's ids 0, 1 and 2."""
    require("torch", "transformers")
    from transformers import Lfm2Config

    return Lfm2Config(
        vocab_size=vocab_size,
        hidden_size=size.hidden,
        intermediate_size=size.feed_forward,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.kv_heads,
        layer_types=size.layer_types,
        block_auto_adjust_ff_dim=False,
        max_position_embeddings=MAX_POSITIONS,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )


def new_model(name: str, tokenizer: PreTrainedTokenizerFast, seed: int, arch: Arch = "lfm") -> Lfm2ForCausalLM:
    """A freshly initialised LFM of preset `name`, or its transformer twin (float32, CPU, evaluation mode).

    The same seed gives the same weights whatever was drawn before; the caller's random state is left as it was.

    Raises:
        UsageError: no preset has that name.
        MissingExtra: torch or transformers is not installed.
    """
    configuration = preset(name, len(tokenizer), arch)
    import torch

    from mmai_gym.lfm.network import Lfm2ForCausalLM

    with torch.random.fork_rng(devices=[]):
        model = Lfm2ForCausalLM(configuration)
    _initialise(model, torch.Generator().manual_seed(seed))
    return model.eval()


def lengthen(model: PreTrainedModel, vocab_size: int, seed: int) -> None:
    """Give a trained network room for more tokens, in place: their embeddings are drawn as those of a fresh one."""
    import torch

    before = model.config.vocab_size
    model.resize_token_embeddings(vocab_size, mean_resizing=False)
    with torch.no_grad():
        embedding = model.get_input_embeddings().weight
        embedding[before:].normal_(std=_EMBEDDING, generator=torch.Generator().manual_seed(seed))


def _initialise(model: Lfm2ForCausalLM, generator: torch.Generator) -> None:
    """Draw every matrix and kernel with standard deviation 1 / sqrt(inputs) (LeCun et al. 1998).

    The library's 0.02 everywhere suits widths of a thousand and more. In a small LFM it nearly silences the short
    convolution, whose output is a product of three projections and a kernel of three weights. Embeddings (also
    the output layer) keep 0.02, norms keep 1, and the row of the padding token stays zero.
    """
    import torch

    embedding = model.get_input_embeddings().weight
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                inputs = weight[0].numel()
                deviation = _EMBEDDING if weight is embedding else inputs**-0.5
                weight.normal_(std=deviation, generator=generator)
        embedding[model.config.pad_token_id] = 0.0
