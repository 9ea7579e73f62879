"""How well training uses the machine: operations per row, what the machine could do, and the memory taken."""

from __future__ import annotations

import functools
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch

from mmai_gym.training.batches import Indices

PEAKS = {
    "H200": 989e12, "H100 PCIe": 756e12, "H100": 989e12, "GH200": 989e12, "B200": 2250e12, "A100": 312e12,
    "A10G": 70e12, "A10": 125e12, "L40S": 362e12, "L4": 121e12, "RTX 4090": 165e12, "RTX 3090": 71e12, "A6000": 155e12,
}  # fmt: skip
"""Dense bfloat16 operations per second with float32 accumulation, by a part of the device's name (NVIDIA's data sheets).
The first match holds."""


def row_flops(config: Any, body: int, lengths: Indices, supervised: Indices) -> Indices:
    """Floating-point operations that one training step needs per row, forward and backward; shape (n_rows,).

    6 per weight of the body and token, 6 per weight of the output layer (vocabulary x hidden) and supervised token, and
    6 x hidden x length^2 per attention layer: two causal products of 2 x hidden x length^2 / 2 each, three times
    (Kaplan et al. 2020; Chowdhery et al. 2022, appendix B). Padding, norms and the convolution's kernels of three count
    nothing, so utilisation is that of useful work.

    Args:
        body: parameters without the embedding, which is also the output layer.
    """
    attention = config.layer_types.count("full_attention") * config.hidden_size
    head = config.vocab_size * config.hidden_size
    return 6 * (body * lengths + head * supervised + attention * lengths**2)


@functools.cache
def peak_flops(bfloat16: bool) -> float | None:
    """What the device of training can do per second; None for a GPU that `PEAKS` does not know.

    Of a processor, what a product of matrices reaches with the threads that torch uses, the best of six. Of a GPU, the
    bfloat16 peak, whatever it is asked to compute in.
    """
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        return next((peak for part, peak in PEAKS.items() if part in name), None)
    side = 1024
    # Drawn apart: numbers taken from torch's own generator would change the dropout of the steps to come.
    matrix = torch.rand(side, side, generator=torch.Generator().manual_seed(0))
    matrix = matrix.to(torch.bfloat16 if bfloat16 else torch.float32)
    seconds = []
    for _ in range(6):
        began = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - began)
    return 2 * side**3 / min(seconds)


def native_bfloat16() -> bool:
    """Whether the device of training multiplies bfloat16 in hardware: GPUs since Ampere, processors with AVX-512 BF16 or
    AMX. On others it is emulated, at a tenth of the speed of float32."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    known = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name)() for name in known if hasattr(torch.cpu, name))


def peak_memory() -> int:
    """Bytes: the most that was allocated on the GPU, or that this process had resident."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    # The kernel's own count of this program: getrusage starts from the memory of whoever started it.
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(
            line.split(":", 1) for line in status.read_text(encoding="ascii", errors="replace").splitlines()
        )
        return int(lines["VmHWM"].split()[0]) * 1024
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024


def body_parameters(model: torch.nn.Module) -> int:
    """Parameters without those of the embedding, which is tied to the output layer."""
    total = sum(weight.numel() for weight in model.parameters())
    return total - model.get_input_embeddings().weight.numel()
