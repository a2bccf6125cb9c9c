"""Peak memory and CPU seconds of the log-probs of hidden states, forward and backward, computed in four ways.

    python tests/memory/logprobs.py            # the table of README.md: a quarter of an hour, 6 GB of memory
    python tests/memory/logprobs.py --quick    # rows of 256 tokens in the place of 2048

README.md beside this file says what is measured, and how to get Liger.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec

import torch
from torch import Tensor

from reference.lessons.alignment.memory import peak_megabytes
from reference.objectives import chunked_token_logprobs, token_logprobs

WIDTH = 512
BATCH_AND_VOCAB = [(1, 32_768), (4, 32_768), (1, 131_072), (4, 131_072)]
MOST = 1.2e9  # bytes of logits up to which all of them at once are tried: four such tensors are held
KNOWN = 25_000_000  # numbers of float32: a tensor of 100 MB, on which the two measures are tried

# The ways. Each takes the states of what it scores, the head, the tokens and a weight per row, and gives the loss
# -mean(weight * logp). Its gradient is that of GRPO while the policy has not moved, so that Liger's loss can be compared.


def whole(hidden: Tensor, head: Tensor, tokens: Tensor, weight: Tensor) -> Tensor:
    return -(weight[:, None] * token_logprobs(hidden @ head.T, tokens)).mean()


def ours(hidden: Tensor, head: Tensor, tokens: Tensor, weight: Tensor) -> Tensor:
    return -(weight[:, None] * chunked_token_logprobs(hidden, head, tokens)).mean()


def liger(hidden: Tensor, head: Tensor, tokens: Tensor, weight: Tensor) -> Tensor:
    from liger_kernel.chunked_loss import LigerFusedLinearGRPOLoss

    loss = LigerFusedLinearGRPOLoss(beta=0.0, use_ref_model=False, compiled=False)
    return loss(hidden, head, tokens[:, 1:], torch.ones_like(tokens[:, 1:]), weight)[0]


def trl(hidden: Tensor, head: Tensor, tokens: Tensor, weight: Tensor) -> Tensor:
    from trl.kernels import ChunkedLogProbFunction
    from trl.trainer.utils import _CHUNKED_LOGPROB_CHUNK_SIZE as WORDS

    scored = tokens[:, 1:]
    logp = ChunkedLogProbFunction.apply(hidden.flatten(0, 1), head, None, scored.flatten(), 1.0, WORDS, None, 1.0, ())
    return -(weight[:, None] * logp[0].view_as(scored)).mean()


WHOLE = "`token_logprobs(hidden @ lm_head.T)`"
WAYS: dict[str, Callable] = {
    WHOLE: whole,
    "`chunked_token_logprobs`": ours,
    "Liger's GRPO loss": liger,
    "TRL's `ChunkedLogProbFunction`": trl,
}
NEEDS: dict[Callable, str] = {liger: "liger_kernel", trl: "trl"}


def inputs(way: Callable, batch: int, time: int, vocab: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The same numbers for every way. Liger and TRL get no state for the last token: cutting it off is not their cost."""
    made = torch.Generator().manual_seed(0)
    hidden = torch.randn(batch, time, WIDTH, generator=made).mul_(WIDTH**-0.5)
    head = torch.randn(vocab, WIDTH, generator=made)
    tokens = torch.randint(vocab, (batch, time), generator=made)
    hidden = hidden[:, :-1].contiguous() if way in NEEDS else hidden
    return hidden.requires_grad_(), head.requires_grad_(), tokens, torch.randn(batch, generator=made)


def resident_megabytes() -> float:
    """The most memory that this process has ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3 / 1.024)


def measured(name: str, size: tuple[int, int, int]) -> dict[str, float]:
    """Forward and backward three times: small, to load what is loaded once; with the process watched; with torch watched."""
    torch.set_num_threads(1)
    way = WAYS[name]
    way(*inputs(way, 1, 8, 64)).backward()
    case = inputs(way, *size)
    gradients = sum(x.numel() * x.element_size() for x in case[:2]) / 1e6
    before, began = resident_megabytes(), time.process_time()
    way(*case).backward()
    found = {"seconds": time.process_time() - began, "process": resident_megabytes() - before - gradients}
    found |= {f"slope {i}": x.grad.norm().item() for i, x in enumerate(case[:2])}
    case[0].grad = case[1].grad = None
    return found | {"torch": peak_megabytes(lambda: way(*case).backward()) - gradients}


def known() -> dict[str, float]:
    """The two measures of a tensor whose size is known."""
    before = resident_megabytes()
    torch.ones(KNOWN)
    return {"process": resident_megabytes() - before, "torch": peak_megabytes(lambda: torch.ones(KNOWN))}


def in_a_process(*arguments: object) -> dict[str, float]:
    """Each measurement has a process of its own: what an earlier one took and kept would hide what this one takes."""
    command = [sys.executable, __file__, "--one", json.dumps(arguments)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def rows(ways: list[str], batch: int, length: int, vocab: int) -> None:
    """A row of the table for each way, after seeing that they compute the same gradients."""
    slopes = []
    for name in ways:
        begin, logits = f"| {name} | {vocab:,} | {batch} x {length:,} |", batch * length * vocab * 4
        if name == WHOLE and logits > MOST:
            print(begin, f"the logits alone are {logits / 1e9:.1f} GB | | |")
            continue
        found = in_a_process(name, (batch, length, vocab))
        print(begin, f"{found['torch']:,.0f} | {found['process']:,.0f} | {found['seconds']:.1f} |", flush=True)
        slopes.append((found["slope 0"], found["slope 1"]))
        same = all(math.isclose(a, b, rel_tol=1e-4) for a, b in zip(slopes[-1], slopes[0], strict=True))
        assert same, f"{name} computes other gradients than {ways[0]}: {slopes}"


def table(length: int) -> None:
    ways = [name for name in WAYS if WAYS[name] not in NEEDS or find_spec(NEEDS[WAYS[name]])]
    for name in WAYS.keys() - ways:
        print(f"{name} is left out: {NEEDS[WAYS[name]]} is not installed. tests/memory/README.md says how to get it.\n")
    print("| | vocab | positions | MB, torch | MB, process | CPU seconds |\n|---|---|---|---|---|---|", flush=True)
    for batch, vocab in BATCH_AND_VOCAB:
        rows(ways, batch, length, vocab)


def main() -> None:
    parser = argparse.ArgumentParser(description="Peak memory of log-probs of hidden states, forward and backward.")
    parser.add_argument("--quick", action="store_true", help="rows of 256 tokens in the place of 2048")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # what in_a_process passes on
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(measured(*one) if (one := json.loads(options.one)) else known()))
        return
    found = in_a_process()
    others = [
        f"{package} {version(package)}" for package in ("liger-kernel", "trl") if find_spec(package.replace("-", "_"))
    ]
    print(f"torch {torch.__version__}, {', '.join(others)}, one thread, float32, width {WIDTH}.")
    print(
        f"A tensor of {KNOWN * 4 / 1e6:.1f} MB: {found['torch']:.1f} by torch, {found['process']:.1f} by the process.\n"
    )
    table(256 if options.quick else 2048)


if __name__ == "__main__":
    main()
