"""Matrix products of float32 on a processor, by oneDNN.

Torch gives them to the library that it was built with, and on some processors that one is slow: on AMD Zen 5 oneDNN
takes half the time, forwards and backwards. Elsewhere the two are alike. The operation is the one that torch's own
compiler emits for a frozen layer; there is no public name for it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable


class Linear(nn.Linear):
    """`x @ weight.T + bias`, for training on a processor; wherever oneDNN is not called for, torch's own layer."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        plain = torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu") or self.bias is not None
        # oneDNN refuses an input without rows, such as that of the output layer where nothing is supervised.
        if plain or not for_onednn(self.weight) or input.dtype != torch.float32 or not input.numel():
            return super().forward(input)
        return _Product.apply(input, self.weight)


def for_onednn(weight: torch.Tensor) -> bool:
    """Whether products with a matrix should go to oneDNN."""
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and _has_onednn()


def packed(weight: torch.Tensor) -> torch.Tensor:
    """A matrix in the layout that oneDNN likes best, for `multiply` only."""
    return torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous())


def multiply(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """`x @ weight.T + bias` for `x` (..., inputs) and `weight` (outputs, inputs), as it is or packed; no gradient."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


class _Product(torch.autograd.Function):
    """`multiply` with the two products that its gradient takes."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        return multiply(x, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        x, weight = ctx.saved_tensors
        by_x = multiply(gradient, weight.t()) if ctx.needs_input_grad[0] else None
        by_weight = None
        if ctx.needs_input_grad[1]:
            rows, inputs = (of.reshape(-1, of.shape[-1]) for of in (gradient, x))
            by_weight = multiply(rows.t(), inputs.t())
        return by_x, by_weight


def use_onednn(model: nn.Module) -> None:
    """Let a model's linear layers be of this module's class; parameters and their names stay."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = Linear


def _has_onednn() -> bool:
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
