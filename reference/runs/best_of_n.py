"""The command ``best-of-n``: completions of a policy, chosen by a reward model, for every n from the same samples."""

import random
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.proxy import proxy_rewards
from reference.evaluation.best_of_n import best_of_n, best_of_n_kl, best_of_n_kl_measured
from reference.evaluation.by_length import Bucket, accuracy_by_length
from reference.objectives.shapes import InputError
from reference.world.completions import complete, draw_problems
from reference.world.rollout import Rollout, row_seeds

NS = (1, 2, 4, 8, 16, 32, 64)
ROWS_AT_ONCE = 512


class Samples(NamedTuple):
    """What is known of each sample, (problems, samples) each."""

    proxy: Tensor
    gold: Tensor  # the verifier's word, 1.0 or 0.0
    logprobs: Tensor  # of the whole completion, in nats
    lengths: Tensor  # tokens, the EOS among them


class BestOfN(NamedTuple):
    """Means over problems of what the best of n by the proxy is."""

    n: int
    kl_bound: float  # log n - (n - 1) / n, in nats per completion
    kl: float  # measured
    proxy: float
    gold: float
    length: float


def draw_samples(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    reward_model: PreTrainedModel,
    *,
    problems: int,
    samples: int,
    max_new_tokens: int = 96,
    seed: int = 12345,
) -> Samples:
    """Completions of held-out problems at temperature 1, with what the reward model and the verifier say of them."""
    rng, parts = random.Random(f"{seed}/best-of-n"), []
    at_once = max(1, ROWS_AT_ONCE // samples)
    for first in tqdm(range(0, problems, at_once), desc="best of n", unit="batch", leave=False):
        drawn = draw_problems("chains", rng, min(at_once, problems - first), held_out=True)
        found = complete(
            policy, tokenizer, drawn, task="chains", group_size=samples, max_new_tokens=max_new_tokens, max_calls=1,
            seeds=row_seeds(rng, len(drawn) * samples),
        )  # fmt: skip
        rollout = found.rollout
        rows = (
            same_for_equal(proxy_rewards(reward_model, rollout), rollout),
            found.correct,
            rollout.sampler_logprobs.sum(dim=1),
            rollout.completion_mask.sum(dim=1).float(),
        )
        parts.append(torch.stack([row.cpu().view(-1, samples) for row in rows]))
    return Samples(*torch.cat(parts, dim=1))


def same_for_equal(proxy: Tensor, rollout: Rollout) -> Tensor:
    """(rows,) of equal prompts and completions the first one's reward: computed in other company it is rounded otherwise."""
    kept = zip(rollout.tokens, rollout.attention_mask, strict=True)
    texts = [tuple(row[mask].tolist()) for row, mask in kept]
    first: dict[tuple[int, ...], int] = {}
    return proxy[torch.tensor([first.setdefault(text, row) for row, text in enumerate(texts)], device=proxy.device)]


def best_of_n_curve(found: Samples, ns: Sequence[int] = NS) -> list[BestOfN]:
    """Proxy, gold, length and distance of the best of n. Raises ``InputError`` for an n above half of the samples."""
    if max(ns) > (half := found.proxy.shape[1] // 2):
        raise InputError(
            f"n is {max(ns)}, expected at most {half}, half of the samples of a problem: draw more samples"
        )
    return [
        BestOfN(
            n,
            best_of_n_kl(n),
            best_of_n_kl_measured(found.proxy, found.logprobs, n).mean().item(),
            *(best_of_n(found.proxy, of, n).mean().item() for of in (found.proxy, found.gold, found.lengths)),
        )
        for n in ns
    ]


def right_against_wrong(found: Samples) -> list[Bucket]:
    """What the reward model makes of a right and a wrong sample, by length: the first of each, of problems that have both."""
    both = found.gold.any(dim=1) & (found.gold == 0).any(dim=1)
    ranks = torch.stack([found.gold.argmax(dim=1), (found.gold == 0).int().argmax(dim=1)], dim=1)  # of the first ones
    (proxy, lengths) = (of.gather(1, ranks)[both] for of in (found.proxy, found.lengths))
    return accuracy_by_length(proxy[:, 0] - proxy[:, 1], (lengths[:, 0] - lengths[:, 1]).long())


def curve_table(rows: Sequence[BestOfN]) -> str:
    """The curve as text, a line for each n."""
    lines = [f"{'n':>4}  {'KL bound':>8}  {'KL':>6}  {'proxy':>7}  {'gold':>6}  {'length':>6}"]
    lines += [f"{r.n:4}  {r.kl_bound:8.2f}  {r.kl:6.2f}  {r.proxy:+7.2f}  {r.gold:6.1%}  {r.length:6.1f}" for r in rows]
    return "\n".join(lines)
