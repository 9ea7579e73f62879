"""Matrix products of float32 on a processor, by oneDNN.

Torch gives them to the library that it was built with, and on some processors that one is slow: on AMD Zen 5 oneDNN
takes half the time, forwards and backwards. On Intel's the library is MKL, which is as quick forwards and quicker
backwards. The operation is the one that torch's own compiler emits for a frozen layer; there is no public name for it.
"""

from __future__ import annotations

import platform
from pathlib import Path
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


def use_quicker_products(model: nn.Module) -> None:
    """Let a model's linear layers be of this module's class where that is quicker; parameters and their names stay."""
    if not quicker_in_training():
        return
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = Linear


def quicker_in_training() -> bool:
    """Whether oneDNN multiplies quicker than torch's library, gradients included.

    Not on Intel's processors: both sides of the product that makes a weight's gradient are transposed, oneDNN writes them
    down anew, and takes 1.5 to 2 times as long as MKL.
    """
    return _has_onednn() and not (torch.backends.mkl.is_available() and "Intel" in _vendor())


def _vendor() -> str:
    """Who made the processor, as it says itself; '' where it does not."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")), "")


def _has_onednn() -> bool:
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
