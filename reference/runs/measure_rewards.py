"""What ``python -m reference evaluate`` prints of a reward model: whom it agrees with, what it has learned, some rewards."""

import random
from dataclasses import replace

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.data import Pairs
from reference.algorithms.pairs import draw_pairs
from reference.algorithms.proxy import proxy_rewards
from reference.algorithms.recipes import Recipe
from reference.algorithms.reward_model import pair_accuracy, rewards_of
from reference.evaluation.by_length import Bucket, accuracy_by_length


def rewards_report(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    policy: PreTrainedModel,
    recipe: Recipe,
    *,
    prompts: int,
    show: int,
    seed: int,
) -> str:
    """Held-out pairs of the policy as the raters of the recipe compare them; right against wrong ones by length; and
    ``show`` pairs with their rewards."""
    lines = [str(pair_accuracy(model, tokenizer, policy, recipe, prompts=prompts, seed=seed))]
    lines += ["", "A right against a wrong completion, by length:"]
    lines += [str(bucket) for bucket in buckets_of(model, tokenizer, policy, recipe, prompts=prompts, seed=seed)]
    if show:
        rng = random.Random(f"{seed}/shown")
        pairs = draw_pairs(policy, tokenizer, recipe, rng, prompts=4 * show, held_out=True)
        lines += shown_pairs(model, tokenizer, pairs.take(list(range(min(show, len(pairs))))), recipe)
    return "\n".join(lines)


def buckets_of(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    policy: PreTrainedModel,
    recipe: Recipe,
    *,
    prompts: int = 400,
    seed: int = 12345,
) -> list[Bucket]:
    """Accuracy by length on a right and a wrong completion of each held-out problem, whoever rated what was learned from."""
    rng = random.Random(f"{seed}/pairs")
    pairs = draw_pairs(
        policy,
        tokenizer,
        replace(recipe, raters="verifier", group_size=max(4, recipe.group_size)),
        rng,
        prompts=prompts,
        held_out=True,
    )
    right, wrong = proxy_rewards(model, pairs.completions, bf16=recipe.bf16).view(-1, 2).unbind(dim=1)
    lengths = pairs.completions.completion_mask.sum(dim=1).view(-1, 2)
    return accuracy_by_length(right - wrong, lengths[:, 0] - lengths[:, 1])


@torch.no_grad()
def shown_pairs(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Pairs, recipe: Recipe) -> list[str]:
    """Question, both completions and their rewards, as lines."""
    lines = []
    verdicts = ("preferred", "rejected") if recipe.raters == "people" else ("right", "wrong")
    rewards = rewards_of(model, pairs.completions).view(-1, 2).tolist()
    for problem, texts, both in zip(pairs.problems, pairs.texts(tokenizer), rewards, strict=True):
        lines += ["", problem.question]
        for verdict, text, reward in zip(verdicts, texts, both, strict=True):
            lines += [f"  [{verdict}, reward {reward:+.2f}]", *(f"    {line}" for line in text.splitlines())]
    return lines
