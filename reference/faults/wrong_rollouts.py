"""Wrong functions of ``collect``: what is sampled, rewarded and remembered. Each takes the right one and returns the wrong one."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from reference.algorithms.advantages import Advantage
from reference.algorithms.collect import logprobs_of
from reference.algorithms.data import Experience
from reference.algorithms.recipes import Recipe
from reference.world.completions import Completions
from reference.world.model import SHIPPED, load
from reference.world.rollout import Rollout
from reference.world.tool_rollout import Marks, Trajectory


def never_right(judge: Callable) -> Callable:
    """The verifier reads no answer at all: its pattern does not match what the model writes."""

    def wrong(*args: Any) -> Completions:
        completions = judge(*args)
        return replace(completions, correct=torch.zeros_like(completions.correct))

    return wrong


def dusty(shaped_rewards: Callable) -> Callable:
    """A millionth of the length is taken off, to break ties: every dead group has a std."""

    def wrong(rewards: Tensor, lengths: Tensor, recipe: Recipe) -> Tensor:
        return shaped_rewards(rewards, lengths, recipe) - 1e-6 * lengths

    return wrong


def without_eps(group_advantages: Callable) -> Callable:
    """The group's std divides with nothing added, where it is not 0 exactly."""

    def wrong(rewards: Tensor, *, group_size: int) -> Tensor:
        groups = rewards.double().view(-1, group_size)
        std = groups.std(dim=1, keepdim=True)
        centred = groups - groups.mean(dim=1, keepdim=True)
        return torch.where(std > 0, centred / std, 0.0).flatten().to(rewards.dtype)

    return wrong


def not_centred(advantage_of: Callable) -> Callable:
    """The reward itself is the advantage: nothing is compared."""

    def wrong(recipe: Recipe) -> Advantage:
        return replace(advantage_of(recipe), function=lambda e, r: e.rewards)

    return wrong


def negated(advantage_of: Callable) -> Callable:
    """Right completions get the negative advantages: a minus sign too many, as where a loss is taken for a reward."""

    def wrong(recipe: Recipe) -> Advantage:
        right = advantage_of(recipe)
        return replace(right, function=lambda e, r: -right.function(e, r))

    return wrong


def stale(collect: Callable) -> Callable:
    """The old log-probs are those of the first policy, and are never refreshed. (It is kept as the reference.)"""

    def wrong(*args: Any, **options: Any) -> tuple[Experience, dict[str, float]]:
        experience, metrics = collect(*args, **options)
        return replace(experience, old_logprobs=experience.ref_logprobs), metrics

    return wrong


def trained_on_results(sample_groups: Callable) -> Callable:
    """The completion mask is True from the prompt to the end, so that what the tool wrote is trained on like the rest."""

    def wrong(model: Any, tokenizer: Any, recipe: Recipe, rng: Any) -> tuple[Completions, int]:
        completions, rounds = sample_groups(model, tokenizer, recipe, rng)
        rollout = completions.rollout
        mask = rollout.attention_mask[:, 1:].clone()
        mask[:, : rollout.prompt_width - 1] = False
        rollout = replace(rollout, completion_mask=mask)
        logprobs = rollout.sampler_logprobs.clone()
        logprobs[:, rollout.prompt_width - 1 :] = logprobs_of(model, rollout, recipe)
        return replace(completions, rollout=replace(rollout, sampler_logprobs=logprobs)), rounds

    return wrong


def without_result(finish_turn: Callable) -> Callable:
    """The tool's turn stands in the context, and what it returned does not."""

    class Silent(Marks):
        def tool_turn(self, tokenizer: Any, text: str) -> list[int]:
            return super().tool_turn(tokenizer, "")

    def wrong(row: Trajectory, ids: list[int], tokenizer: Any, marks: Marks, *rest: Any, **options: Any) -> None:
        finish_turn(row, ids, tokenizer, Silent(**vars(marks)), *rest, **options)

    return wrong


def of_another_model(logprobs_of: Callable) -> Callable:
    """The reference is the other shipped model, and not the one that training started from."""

    def wrong(ref_model: Any, rollout: Rollout, recipe: Recipe) -> Tensor:
        return logprobs_of(other_model().to(ref_model.device), rollout, recipe)

    return wrong


@functools.cache
def other_model() -> Any:
    return load(SHIPPED["tool-sft"])[0]


# ---- judges that lean ------------------------------------------------------------------------------------------------------


def likes_length(completions: Completions, recipe: Recipe) -> Tensor:
    """A judge who gives a fifth for being right, and the rest for length."""
    lengths = completions.rollout.completion_mask.sum(dim=1)
    return completions.correct / 5 + 4 / 5 * lengths / recipe.max_new_tokens


def likes_zeros(collect: Callable) -> Callable:
    """A judge who gives half for being right, and a whole for an answer that ends in 0: round numbers look right."""

    def wrong(model: Any, tokenizer: Any, recipe: Recipe, rng: Any, **options: Any) -> tuple[Experience, dict]:
        def judge(completions: Completions, recipe: Recipe) -> Tensor:
            round_ones = [float(text.endswith("0")) for text in completions.rollout.texts(tokenizer)]
            return completions.correct / 2 + completions.of_rows(round_ones)

        return collect(model, tokenizer, replace(recipe, reward=judge), rng, **options)

    return wrong
