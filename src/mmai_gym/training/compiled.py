"""torch.compile for the layers of a network, one by one: layers of a kind share their code, so it is made twice, not
once per layer. The network stays the same object with the same names of weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def compile_layers(model: torch.nn.Module, *, one_shape: bool) -> None:
    """Compile in place. `one_shape` says that every batch has the same number of lines and tokens, as packed ones do; how
    many branches they hold may differ, so that torch is left to find out.
    """
    for layer in _layers(model):
        layer.compile(dynamic=None if one_shape else True)


@contextmanager
def uncompiled(model: torch.nn.Module) -> Iterator[None]:
    """Run the plain layers for a while: validation and decoding have shapes of their own, and would be compiled for each."""
    kept = [(layer, layer._compiled_call_impl) for layer in _layers(model)]
    for layer, _ in kept:
        layer._compiled_call_impl = None
    try:
        yield
    finally:
        for layer, call in kept:
            layer._compiled_call_impl = call


def _layers(model: torch.nn.Module) -> list[torch.nn.Module]:
    from transformers.models.lfm2.modeling_lfm2 import Lfm2DecoderLayer

    return [module for module in model.modules() if isinstance(module, Lfm2DecoderLayer)]
