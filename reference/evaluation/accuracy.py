"""Accuracy on held-out problems, sampled and greedy, with its uncertainty."""

import random
from dataclasses import dataclass

import torch
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.evaluation.statistics import wilson_interval
from reference.world.rollout import encode_prompts, sample
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
        def told(share: float) -> str:
            low, high = wilson_interval(share, self.problems)
            return f"{share:6.1%} [{low:.1%}, {high:.1%}]"

        return (
            f"sampled {told(self.sampled)}   greedy {told(self.greedy)}   pass@{self.samples} {self.pass_at_k:.1%}"
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
    generator = torch.Generator(model.device).manual_seed(seed)
    jobs = [(problem, False) for problem in held_out for _ in range(samples)] + [
        (problem, True) for problem in held_out
    ]
    scores: list[float] = []
    with tqdm(total=len(jobs), desc="evaluate", unit="completion", disable=not progress, leave=False) as bar:
        for greedy in (False, True):
            batch = [problem for problem, is_greedy in jobs if is_greedy == greedy]
            for first in range(0, len(batch), ROWS_AT_ONCE):
                part = batch[first : first + ROWS_AT_ONCE]
                scores += score(
                    model, tokenizer, part, max_new_tokens=max_new_tokens, generator=generator, greedy=greedy
                )
                bar.update(len(part))
    sampled = torch.tensor(scores[: problems * samples]).view(problems, samples)
    return Accuracy(
        sampled=sampled.mean().item(),
        greedy=sum(scores[problems * samples :]) / problems,
        pass_at_k=(sampled.amax(dim=1) > 0).float().mean().item(),
        problems=problems,
        samples=samples,
    )


def score(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: list[Problem],
    *,
    max_new_tokens: int,
    generator: torch.Generator,
    greedy: bool,
) -> list[float]:
    """The verifier's verdict on one completion per problem. A truncated completion is wrong."""
    rollout = sample(
        model, tokenizer, encode_prompts(tokenizer, problems),
        max_new_tokens=max_new_tokens, generator=generator, greedy=greedy,
    )  # fmt: skip
    texts = rollout.texts(tokenizer)
    return [verify(p, t) * (not cut) for p, t, cut in zip(problems, texts, rollout.truncated.tolist(), strict=True)]
