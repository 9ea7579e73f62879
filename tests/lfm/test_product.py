"""Products by oneDNN: the numbers of torch's own layer, forwards and backwards, and where they are not used."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmai_gym.lfm import product
from mmai_gym.lfm.network import Lfm2ForCausalLM, adopt
from mmai_gym.lfm.presets import Preset, config

needs_onednn = pytest.mark.skipif(
    not product.for_onednn(torch.zeros(1, 1)), reason="this build of torch has no oneDNN"
)
SMALL = config(Preset(hidden=32, layers=4, feed_forward=64, heads=4, kv_heads=2), 50)


@needs_onednn
@pytest.mark.parametrize("shape", [(7,), (3, 7), (2, 3, 7), (0, 7)], ids=str)
def test_values_and_gradients_are_those_of_torchs_layer(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    ours, theirs = product.Linear(7, 5, bias=False), nn.Linear(7, 5, bias=False)
    theirs.load_state_dict(ours.state_dict())
    inputs = torch.randn(shape)
    a, b = (inputs.clone().requires_grad_() for _ in range(2))
    out = ours(a)
    assert ("_Product" in type(out.grad_fn).__name__) == (0 not in shape)
    torch.testing.assert_close(out, theirs(b))
    weights = torch.randn_like(out)
    (out * weights).sum().backward()
    (theirs(b) * weights).sum().backward()
    torch.testing.assert_close(a.grad, b.grad)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)


def test_the_gradient_is_the_derivative() -> None:
    torch.manual_seed(0)
    layer, x = product.Linear(6, 4, bias=False), torch.randn(5, 6, requires_grad=True)
    direction = torch.randn(5, 6)
    (slope,) = torch.autograd.grad(layer(x).square().sum(), x)
    with torch.no_grad():
        high, low = (layer(x + step * direction).square().sum() for step in (1e-2, -1e-2))
    assert float((slope * direction).sum()) == pytest.approx(float(high - low) / 2e-2, rel=1e-3)


@pytest.mark.parametrize("change", ["bfloat16", "float64", "bias", "autocast"])
def test_everything_else_is_left_to_torch(change: str) -> None:
    layer = product.Linear(6, 4, bias=change == "bias")
    x = torch.randn(5, 6)
    if change in ("bfloat16", "float64"):
        layer, x = layer.to(getattr(torch, change)), x.to(getattr(torch, change))
    with torch.autocast("cpu", torch.bfloat16, enabled=change == "autocast"):
        out = layer(x)
        assert torch.equal(out, nn.functional.linear(x, layer.weight, layer.bias))
    assert "_Product" not in type(out.grad_fn).__name__


@pytest.mark.parametrize(
    ("vendor", "mkl", "quicker"), [("GenuineIntel", True, False), ("AuthenticAMD", True, True), ("", False, True)]
)
def test_intels_processors_train_with_torchs_own_library(
    vendor: str, mkl: bool, quicker: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "_vendor", lambda: vendor)
    monkeypatch.setattr(product, "_has_onednn", lambda: True)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: mkl)
    assert product.quicker_in_training() is quicker
    linear = {type(m) for m in Lfm2ForCausalLM(SMALL).modules() if isinstance(m, nn.Linear)}
    assert linear == {product.Linear if quicker else nn.Linear}


@pytest.mark.parametrize("quicker", [True, False])
def test_a_model_keeps_its_parameters_and_its_gradient(quicker: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "quicker_in_training", lambda: quicker)
    from transformers.models.lfm2 import modeling_lfm2 as upstream

    torch.manual_seed(0)
    theirs = upstream.Lfm2ForCausalLM(SMALL)
    ours = Lfm2ForCausalLM(SMALL)
    ours.load_state_dict(theirs.state_dict())
    adopted = adopt(upstream.Lfm2ForCausalLM(SMALL))
    for model in (ours, adopted):
        linear = {type(m) for m in model.modules() if isinstance(m, nn.Linear)}
        assert linear == {product.Linear if quicker else nn.Linear}
        assert model.state_dict().keys() == theirs.state_dict().keys()
    ids = torch.randint(3, 50, (2, 12))
    for model in (ours, theirs):
        model(input_ids=ids, labels=ids).loss.backward()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-6)
