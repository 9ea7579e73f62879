"""An LFM2's weights as the decode step wants them: projections fused, matrices packed for the processor.

A decode step is mostly matrix products over a few hundred rows. Query, key and value projections become one product,
and so do the two halves of the feed-forward. On a CPU in float32 the products go to oneDNN with its weights packed
beforehand. The copies are as large as the model, and are made anew whenever its parameters have changed: reinforcement
learning samples from a model that it trains.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from mmai_gym.lfm import product
from mmai_gym.lfm.norm import RMSNorm

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PROBES = 4
"""Elements of each parameter that are compared, for changes made through `.data`, which count no version."""


class Dense:
    """A matrix product `x @ weight.T + bias` for `x` (..., inputs)."""

    def __init__(self, *layers: nn.Linear) -> None:
        """One product in place of several over the same inputs; their outputs lie side by side."""
        self._weight = torch.cat([layer.weight.detach() for layer in layers]) if layers[1:] else layers[0].weight
        bias = [layer.bias.detach() for layer in layers if layer.bias is not None]
        self._bias = torch.cat(bias) if bias else None
        self._packed = None
        if product.for_onednn(self._weight):
            self._packed = product.packed(self._weight)
            self._weight = None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self._packed is None:
            return functional.linear(x, self._weight, self._bias)
        return product.multiply(x, self._packed, self._bias)


class Norm:
    """Root mean square normalisation of the last axis."""

    def __init__(self, weight: torch.Tensor, eps: float) -> None:
        self._weight, self._eps = weight, eps

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        size = self._weight.shape[-1]
        if (
            x.device.type != "cpu" or x.dtype != torch.float32
        ):  # one kernel on a GPU, and one rounding in half precision
            return functional.rms_norm(x, (size,), None, self._eps).mul_(self._weight)
        # Torch's own function writes every square down: twice the time on a processor.
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        scale = length.square_().div_(size).add_(self._eps).rsqrt_()
        return torch.mul(x, scale).mul_(self._weight)


class Attention:
    """Grouped-query attention: queries, keys and values in one product."""

    def __init__(self, module: Any) -> None:
        config = module.config
        self.heads, self.kv_heads, self.head_dim = (
            config.num_attention_heads,
            config.num_key_value_heads,
            module.head_dim,
        )
        self._qkv = Dense(module.q_proj, module.k_proj, module.v_proj)
        # Each head is normalised by itself; queries take the scale of the scores along.
        weight = torch.cat(
            [
                (module.q_layernorm.weight.detach() * module.scaling).expand(self.heads, -1),
                module.k_layernorm.weight.detach().expand(self.kv_heads, -1),
            ]
        )
        self._norm = Norm(weight, module.q_layernorm.variance_epsilon)
        self.out = Dense(module.out_proj)

    def project(
        self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Scaled and rotated queries (..., heads, head_dim), rotated keys and values (..., kv_heads, head_dim).

        Args:
            cos: with `sin`, the rotation at each place of `x` (..., hidden), shape (..., 1, head_dim).
        """
        heads = self._qkv(x).unflatten(-1, (-1, self.head_dim))
        rotated = heads.shape[-2] - self.kv_heads
        turning = self._norm(heads[..., :rotated, :])
        first, second = turning.chunk(2, dim=-1)
        turned = torch.cat((-second, first), dim=-1).mul_(sin).add_(turning.mul_(cos))
        return turned[..., : self.heads, :], turned[..., self.heads :, :], heads[..., rotated:, :]


class ShortConvolution:
    """Gated depthwise convolution; `taps` (kernel, hidden), the last one for the newest token."""

    def __init__(self, module: Any) -> None:
        self.inputs, self.out = Dense(module.in_proj), Dense(module.out_proj)
        self.taps = module.conv.weight.detach()[:, 0].t().contiguous()
        self.bias = module.conv.bias


class Layer:
    """One block: `operator` on the normalised residual stream, then the feed-forward."""

    def __init__(self, module: Any) -> None:
        self.norm = _norm(module.operator_norm)
        self.operator: Attention | ShortConvolution = (
            Attention(module.self_attn) if module.is_attention_layer else ShortConvolution(module.conv)
        )
        self._feed_norm = _norm(module.ffn_norm)
        self._gate_up = Dense(module.feed_forward.w1, module.feed_forward.w3)
        self._down = Dense(module.feed_forward.w2)

    def feed(self, x: torch.Tensor) -> torch.Tensor:
        """Add the feed-forward to the residual stream `x` (..., hidden), in place."""
        gate, up = self._gate_up(self._feed_norm(x)).chunk(2, dim=-1)
        return x.add_(self._down(functional.silu(gate).mul_(up)))


class Weights:
    """All that a forward pass needs, made from a model that `supports` accepts."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._stamp = _stamp(model)
        decoder = model.model
        self.device, self.dtype = model.device, model.dtype
        self.config = model.config
        self.embedding = decoder.embed_tokens.weight.detach()
        self.layers = [Layer(module) for module in decoder.layers]
        self.norm = _norm(decoder.embedding_norm)
        self.head = Dense(model.lm_head)
        positions = torch.arange(model.config.max_position_embeddings, device=model.device)
        cos, sin = decoder.rotary_emb(self.embedding, positions[None])
        self.cos, self.sin = cos[0], sin[0]

    def of(self, kind: type[Any]) -> Iterator[Any]:
        """The operators of one kind, in their order."""
        return (layer.operator for layer in self.layers if isinstance(layer.operator, kind))

    def match(self, model: PreTrainedModel) -> bool:
        """Whether the model's parameters are still those that these weights were made from."""
        layout, probes = _stamp(model)
        return layout == self._stamp[0] and torch.equal(probes, self._stamp[1])


def supports(model: Any) -> bool:
    """Whether the model is a plain LFM2, transformers' or ours: all its parts known, in one type, on one device.

    A model of another architecture, with adapters in its layers, quantised or spread out, is not.
    """
    from transformers.models.lfm2 import modeling_lfm2 as lfm2

    from mmai_gym.lfm import attention, network

    known = {
        lfm2.Lfm2ForCausalLM, lfm2.Lfm2Model, lfm2.Lfm2DecoderLayer, lfm2.Lfm2Attention, lfm2.Lfm2ShortConv,
        lfm2.Lfm2MLP, lfm2.Lfm2RMSNorm, lfm2.Lfm2RotaryEmbedding, nn.Linear, nn.Embedding, nn.Conv1d, nn.ModuleList,
        network.Lfm2ForCausalLM, network.SegmentedShortConv, attention.Attention, product.Linear, RMSNorm,
    }  # fmt: skip
    parameters = list(model.parameters())
    return (
        isinstance(model, lfm2.Lfm2ForCausalLM)
        and {type(module) for module in model.modules()} <= known
        and model.model.rotary_emb.rope_type == "default"
        and len({(parameter.device, parameter.dtype) for parameter in parameters}) == 1
        and parameters[0].is_floating_point()
    )


def _norm(module: Any) -> Norm:
    return Norm(module.weight.detach(), module.variance_epsilon)


def _stamp(model: PreTrainedModel) -> tuple[list[tuple[int, int]], torch.Tensor]:
    """What tells one state of the parameters from another: storage and version of each, and a few of their elements."""
    parameters = [parameter.detach() for parameter in model.parameters()]
    layout = [(weight.data_ptr(), 0 if weight.is_inference() else weight._version) for weight in parameters]
    probes = [weight.flatten()[:: max(1, weight.numel() // _PROBES)] for weight in parameters]
    return layout, torch.cat(probes).clone()
