"""Decoding speed against transformers' `generate`: samples, samples that end early, and beams. Prints a table.

    python benchmarks/decode.py --out docs/results/decode.json
    python benchmarks/decode.py --device cuda --preset mini --rows 512

The model is untrained: prompts and lengths decide the cost, not what is written. Both sides get the same prompts, the
same settings and the same chance to end: in the case `ending` the bias of the end token makes about one row in forty
end at each step. `generate` gets one batch of all rows (`num_return_sequences`, its cache). Sides take
turns, and a ratio is that of neighbouring runs, so that a busy machine slows both. Only real tokens count: those up to
the end token.

    python benchmarks/decode.py --memory

samples 512 sequences of 128 tokens in this process, nothing else, and prints its peak resident memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import Lfm2ForCausalLM, PreTrainedTokenizerFast

import machine
from mmai_gym.lfm.decode import STOP, Decoder
from mmai_gym.lfm.presets import PRESETS, new_model
from mmai_gym.lfm.quiet import quiet
from mmai_gym.lfm.tokenizer import build_tokenizer

ENDING = 1 / 40
"""The share of rows that end at each step in the case `ending`."""


class Run(NamedTuple):
    """One timed call: the real tokens that it wrote."""

    seconds: float
    tokens: int


Work = Callable[[int], int]
"""Decodes with a seed and returns the number of real tokens."""


class Bench:
    """The two sides, over the same model and prompts."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.tokenizer = build_tokenizer()
        self.model = _sharp_model(options.preset, self.tokenizer).to(options.device)
        self.decoder = Decoder(self.model, self.tokenizer, max_batch_tokens=options.max_batch_tokens)
        self.prompts = options.rows // options.per_prompt
        heads = [f"<|bos|>{'CN'[i % 2]}{i}"[:14] for i in range(self.prompts)]
        texts = [head + "C" * (options.prompt - len(self.tokenizer.encode(head))) for head in heads]
        self.texts = texts
        ids = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        self.ids = torch.tensor(ids, device=options.device)

    def sample(self, seed: int) -> int:
        drawn = self.decoder.sample(
            self.texts,
            self.options.per_prompt,
            max_new_tokens=self.options.new,
            top_p=self.options.top_p,
            seeds=range(seed, seed + self.prompts),
        )
        return sum(len(one.token_ids) for row in drawn for one in row)

    def generate(self, seed: int) -> int:
        torch.manual_seed(seed)
        written = self._generate(
            do_sample=True, top_k=0, top_p=self.options.top_p, num_return_sequences=self.options.per_prompt
        )
        ended = (written == self.tokenizer.eos_token_id).cumsum(1)
        # The end token is a real one; what pads the row behind it is not.
        return int(((ended == 0) | ((ended == 1) & (written == self.tokenizer.eos_token_id))).sum())

    def beam(self, seed: int) -> int:
        return self._beam_tokens(self.decoded_beams())

    def generate_beam(self, seed: int) -> int:
        return self._beam_tokens(self.generated_beams())

    def decoded_beams(self) -> list[list[list[int]]]:
        found = self.decoder.beam(self.texts, self.options.beam, max_new_tokens=self.options.new)
        return [[list(one.token_ids) for one in row] for row in found]

    def generated_beams(self) -> list[list[list[int]]]:
        written = self._generate(
            do_sample=False,
            num_beams=self.options.beam,
            num_return_sequences=self.options.beam,
            length_penalty=0.0,
            early_stopping=False,
        )
        return written.view(self.prompts, self.options.beam, -1).tolist()

    def _generate(self, **settings: object) -> torch.Tensor:
        with torch.inference_mode():
            written = self.model.generate(
                self.ids,
                attention_mask=torch.ones_like(self.ids),
                max_new_tokens=self.options.new,
                use_cache=True,
                **settings,
            )
        return written[:, self.ids.shape[1] :]

    def _beam_tokens(self, beams: list[list[list[int]]]) -> int:
        return sum(len(ids) for row in beams for ids in row)


def _sharp_model(preset: str, tokenizer: PreTrainedTokenizerFast) -> Lfm2ForCausalLM:
    """The untrained model as transformers has it, with an output layer of its own, scaled so that it prefers some tokens as
    a trained one does.

    Among thousands of continuations of nearly the same probability, rounding would decide which is a beam. The layer has
    a bias, through which `end_at` decides how often a row ends.
    """
    ours = new_model(preset, tokenizer, seed=0)
    model = Lfm2ForCausalLM(ours.config)
    model.load_state_dict(ours.state_dict())
    model.config.tie_word_embeddings = False
    head = torch.nn.Linear(model.config.hidden_size, len(tokenizer))
    with torch.no_grad():
        head.weight.copy_(8.0 * model.lm_head.weight)
        head.weight[tokenizer.eos_token_id] = 0.0
        head.bias.zero_()
        # Only the decoder would end at the stop text.
        head.bias[tokenizer.convert_tokens_to_ids(STOP)] = -1000.0
    model.lm_head = head
    return model


def end_at(bench: Bench, share: float) -> None:
    """Give the end token a probability of about `share` at every step, for both sides, through the output bias."""
    model, end = bench.model, bench.tokenizer.eos_token_id
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, len(bench.tokenizer), (64, 64), generator=generator)
    with torch.no_grad():
        model.lm_head.bias[end] = -1000.0
        others = model(ids.to(model.device)).logits.logsumexp(-1).mean()
        if share > 0.0:
            model.lm_head.bias[end] = others + torch.logit(torch.tensor(share))


def timed(work: Work, seed: int, device: str) -> Run:
    """One call on the wall clock."""
    if device != "cpu":
        torch.cuda.synchronize()
    started = time.perf_counter()
    tokens = work(seed)
    if device != "cpu":
        torch.cuda.synchronize()
    return Run(time.perf_counter() - started, tokens)


def compare(name: str, ours: Work, theirs: Work, options: argparse.Namespace) -> dict[str, object]:
    """Both sides in turn, after one call each that warms up."""
    for work in (ours, theirs):
        work(0)
    pairs = [
        (timed(ours, seed, options.device), timed(theirs, seed, options.device))
        for seed in range(1, options.repeats + 1)
    ]
    ratios = sorted((a.tokens / a.seconds) / (b.tokens / b.seconds) for a, b in pairs)
    row: dict[str, object] = {
        "case": name,
        "decoder_tokens_per_second": round(statistics.median(a.tokens / a.seconds for a, _ in pairs)),
        "generate_tokens_per_second": round(statistics.median(b.tokens / b.seconds for _, b in pairs)),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_range": [round(ratios[0], 2), round(ratios[-1], 2)],
        "tokens": pairs[0][0].tokens,
    }
    low, high = ratios[0], ratios[-1]
    print(
        f"{name:10} {row['decoder_tokens_per_second']:>10} {row['generate_tokens_per_second']:>10} "
        f"{row['ratio']:>7} {low:>7.2f} to {high:.2f}",
        flush=True,
    )
    return row


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=PRESETS, default="micro")
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--per-prompt", type=int, default=8, help="samples of one prompt")
    parser.add_argument("--beam", type=int, default=10, help="beam width")
    parser.add_argument("--prompt", type=int, default=48, help="tokens of a prompt")
    parser.add_argument("--new", type=int, default=64, help="new tokens of a row")
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--max-batch-tokens", type=int, default=2**17)
    parser.add_argument("--cases", nargs="+", default=["full", "ending", "beam"])
    parser.add_argument("--memory", action="store_true", help="only the memory of 512 sequences of 128 tokens")
    parser.add_argument("--out", type=Path, help="a file for the result as JSON")
    return parser.parse_args()


def memory(options: argparse.Namespace) -> None:
    """512 sequences of 128 tokens, and the peak of this process."""
    tokenizer = build_tokenizer()
    decoder = Decoder(new_model(options.preset, tokenizer, seed=0), tokenizer)
    prompts = ["<|bos|>" + "C" * (options.prompt - 1) + str(i) for i in range(64)]
    decoder.sample(prompts, 8, max_new_tokens=128, seeds=range(64))
    print(f"{options.preset}: 512 sequences of 128 tokens, peak resident {machine.peak_memory():.2f} GB")


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    if options.memory:
        memory(options)
        return
    load = machine.describe()
    bench = Bench(options)
    print(f"{'case':10} {'decoder':>10} {'generate':>10} {'ratio':>7}   range    (real tokens per second)")
    rows = []
    with quiet():
        for case in options.cases:
            end_at(bench, ENDING if case == "ending" else 0.0)
            if case != "beam":
                rows.append(compare(case, bench.sample, bench.generate, options))
                continue
            same = bench.decoded_beams() == bench.generated_beams()
            rows.append({**compare(case, bench.beam, bench.generate_beam, options), "identical": same})
            print(f"{'':10} sequences identical: {same}")
    print(f"peak resident memory of this process: {machine.peak_memory():.2f} GB")
    settings = {name: value for name, value in vars(options).items() if name not in ("out", "memory")}
    result = {"settings": settings, "machine": load, "cases": rows}
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
