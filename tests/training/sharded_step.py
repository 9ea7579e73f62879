"""One process of a test: the loss and the gradients of a packed step, with whole and with sharded weights."""

from __future__ import annotations

import copy

import torch
import torch.distributed as dist
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from mmai_gym.lfm.network import Lfm2ForCausalLM
from mmai_gym.lfm.presets import Preset, config
from mmai_gym.training.ranks import part


def main() -> None:
    dist.init_process_group("gloo")
    try:
        compare()
    finally:
        part()


def compare() -> None:
    mesh = dist.device_mesh.init_device_mesh("cpu", (dist.get_world_size(),))
    torch.manual_seed(0)
    whole = Lfm2ForCausalLM(config(Preset(hidden=32, layers=4, feed_forward=64, heads=4, kv_heads=2), 50))
    sharded = copy.deepcopy(whole)
    for layer in sharded.model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(sharded, mesh=mesh)
    ids = torch.randint(3, 50, (2, 12))
    batch = {"input_ids": ids, "labels": ids, "segments": torch.tensor([[1] * 7 + [2] * 5] * 2)}
    losses = [model(**batch).loss for model in (whole, sharded)]
    for loss in losses:
        loss.backward()
    torch.testing.assert_close(losses[1], losses[0])
    for (name, one), other in zip(whole.named_parameters(), sharded.parameters(), strict=True):
        assert isinstance(other.grad, DTensor), name
        torch.testing.assert_close(other.grad.full_tensor(), one.grad, rtol=1e-4, atol=1e-6)
    print("equal", flush=True)


if __name__ == "__main__":
    main()
