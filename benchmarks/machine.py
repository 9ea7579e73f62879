"""The machine and the libraries behind a benchmark's figures."""

from __future__ import annotations

import os
import platform
import resource
from importlib.metadata import version
from pathlib import Path

import torch

_SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "ONEDNN_MAX_CPU_ISA")


def describe() -> dict[str, object]:
    """Processor, cores, threads, load of the last minute, libraries, and the GPU if there is one."""
    described: dict[str, object] = {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": version("transformers"),
    }
    described |= {name: os.environ[name] for name in _SETTINGS if name in os.environ}
    if torch.cuda.is_available():
        described["gpu"] = torch.cuda.get_device_name()
    return described


def peak_memory() -> float:
    """The most resident memory that this process has had, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _cpu() -> str:
    """The processor's name, with the widest vectors it has where that is known."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = dict(line.split(":", 1) for line in information.read_text().splitlines() if ":" in line)
        fields = {key.strip(): value.strip() for key, value in lines.items()}
        name = fields.get("model name", name)
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"
