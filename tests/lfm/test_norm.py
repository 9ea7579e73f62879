"""The normalisation with a gradient of its own: upstream's numbers, forwards and backwards."""

from __future__ import annotations

import pytest
import torch
from transformers.models.lfm2.modeling_lfm2 import Lfm2RMSNorm

from mmai_gym.lfm.norm import RMSNorm


def both(size: int) -> tuple[RMSNorm, Lfm2RMSNorm]:
    torch.manual_seed(0)
    ours, theirs = RMSNorm(size, eps=1e-5), Lfm2RMSNorm(size, eps=1e-5)
    torch.nn.init.normal_(ours.weight)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize("shape", [(8,), (5, 8), (2, 3, 8), (2, 3, 4, 8), (0, 8)], ids=str)
@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e4, 0.0])
def test_values_and_gradients_are_upstreams(shape: tuple[int, ...], scale: float) -> None:
    ours, theirs = both(8)
    x = scale * torch.randn(shape)
    a, b = (x.clone().requires_grad_() for _ in range(2))
    mine, other = ours(a), theirs(b)
    assert torch.equal(mine, other)
    weights = torch.randn_like(mine)
    (mine * weights).sum().backward()
    (other * weights).sum().backward()
    torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad, rtol=1e-4, atol=1e-5)


def test_the_gradient_is_not_written_into_what_came_from_above() -> None:
    ours, _ = both(8)
    x = torch.randn(3, 8, requires_grad=True)
    above = torch.randn(3, 8)
    kept = above.clone()
    ours(x).backward(above)
    assert torch.equal(above, kept)


def test_frozen_parts_get_no_gradient() -> None:
    ours, _ = both(8)
    ours.weight.requires_grad_(False)
    x = torch.randn(3, 8, requires_grad=True)
    ours(x).sum().backward()
    assert ours.weight.grad is None and x.grad is not None
    ours.weight.requires_grad_(True)
    ours(x.detach()).sum().backward()
    assert ours.weight.grad is not None


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float64])
def test_other_types_are_left_to_upstream(kind: torch.dtype) -> None:
    ours, theirs = (one.to(kind) for one in both(8))
    x = torch.randn(3, 8, dtype=kind, requires_grad=True)
    assert torch.equal(ours(x), theirs(x))
    assert "_Normalised" not in type(ours(x).grad_fn).__name__
