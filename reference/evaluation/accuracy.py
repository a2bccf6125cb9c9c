"""Accuracy on held-out problems, sampled and greedy, with its uncertainty."""

import random
from dataclasses import dataclass

import torch
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.evaluation.statistics import wilson_interval
from reference.world.rollout import encode_prompts, row_seeds, sample
from reference.world.tasks import Problem, draw_problem, verify

ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Accuracy:
    """Accuracy of one model on ``problems`` held-out problems, ``samples`` completions each plus one greedy."""

    sampled: float  # mean over all samples: pass@1
    greedy: float
    pass_at_k: float  # share of problems that at least one of the samples solves, k = samples
    problems: int
    samples: int

    def __str__(self) -> str:
        def with_interval(share: float) -> str:
            low, high = wilson_interval(share, self.problems)
            return f"{share:6.1%} [{low:.1%}, {high:.1%}]"

        return (
            f"sampled {with_interval(self.sampled)}   greedy {with_interval(self.greedy)}   pass@{self.samples} {self.pass_at_k:.1%}"
            f"   (n = {self.problems} problems, 95 % intervals)"
        )


def evaluate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    problems: int = 400,
    samples: int = 8,
    max_new_tokens: int = 96,
    seed: int = 12345,
    progress: bool = True,
) -> Accuracy:
    """Verify ``samples`` completions at temperature 1 and one greedy completion for each held-out problem."""
    rng = random.Random(seed)
    held_out = [draw_problem(rng, held_out=True) for _ in range(problems)]
    seeds = row_seeds(rng, problems * samples)
    scores: list[float] = []
    with tqdm(
        total=problems * (samples + 1), desc="evaluate", unit="completion", disable=not progress, leave=False
    ) as bar:
        for group_size, greedy in ((samples, False), (1, True)):
            at_once = max(1, ROWS_AT_ONCE // group_size)
            for first in range(0, problems, at_once):
                part = held_out[first : first + at_once]
                rows = slice(first * group_size, (first + len(part)) * group_size)
                scores += sample_and_verify(
                    model, tokenizer, part, group_size=group_size, max_new_tokens=max_new_tokens,
                    seeds=None if greedy else seeds[rows],
                )  # fmt: skip
                bar.update(rows.stop - rows.start)
    sampled = torch.tensor(scores[: problems * samples]).view(problems, samples)
    return Accuracy(
        sampled=sampled.mean().item(),
        greedy=sum(scores[problems * samples :]) / problems,
        pass_at_k=(sampled.amax(dim=1) > 0).float().mean().item(),
        problems=problems,
        samples=samples,
    )


def sample_and_verify(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: list[Problem],
    *,
    group_size: int,
    max_new_tokens: int,
    seeds: list[int] | None,
) -> list[float]:
    """The verifier's verdict on ``group_size`` completions per problem, greedy without seeds. A truncated one is wrong."""
    rollout = sample(
        model, tokenizer, encode_prompts(tokenizer, problems),
        group_size=group_size, max_new_tokens=max_new_tokens, seeds=seeds, greedy=seeds is None,
    )  # fmt: skip
    row_problems = [problem for problem in problems for _ in range(group_size)]
    texts = rollout.texts(tokenizer)
    return [verify(p, t) * (not cut) for p, t, cut in zip(row_problems, texts, rollout.truncated.tolist(), strict=True)]
