"""Decoding speed of an untrained LFM: samples, beams and read-outs. Prints one JSON object.

    python benchmarks/decode.py --preset nano --rows 256 --new 48 --threads 2

An untrained model does not end early, so every row runs for the full length and the figures compare across
changes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import torch
import transformers

from mmai_gym.lfm.decode import Decoder
from mmai_gym.lfm.presets import PRESETS, new_model
from mmai_gym.lfm.tokenizer import build_tokenizer


def seconds(work: Callable[[], object], device: str) -> tuple[float, float]:
    """Wall and CPU seconds of one call, after a call that warms up."""
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=PRESETS, default="nano")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--per-prompt", type=int, default=8, help="samples, or beam width, of one prompt")
    parser.add_argument("--prompt", type=int, default=48, help="tokens of a prompt")
    parser.add_argument("--new", type=int, default=48, help="new tokens of a row")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    tokenizer = build_tokenizer()
    model = new_model(options.preset, tokenizer, seed=0).to(options.device)
    decoder = Decoder(model, tokenizer)
    groups = options.rows // options.per_prompt
    # Lengths differ by up to an eighth, as they do in a bucket of real prompts.
    prompts = ["<|bos|>" + "CN"[i % 2] * (options.prompt - 1 - i % (options.prompt // 8)) for i in range(groups)]
    tokens = groups * options.per_prompt * options.new

    def sample() -> object:
        return decoder.sample(prompts, options.per_prompt, max_new_tokens=options.new, seeds=range(groups))

    def beam() -> object:
        return decoder.beam(prompts, options.per_prompt, max_new_tokens=options.new)

    result: dict[str, object] = {
        **vars(options),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    for name, work in (("sample", sample), ("beam", beam)):
        wall, cpu = seconds(work, options.device)
        result[f"{name}_tokens_per_second"] = round(tokens / wall)
        result[f"{name}_tokens_per_cpu_second"] = round(tokens / cpu)
    wall, _ = seconds(lambda: decoder.bin_probabilities(prompts), options.device)
    result["readouts_per_second"] = round(groups / wall)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
