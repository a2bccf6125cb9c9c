"""Advantages: what a completion, or a token of it, is compared with. One entry for each, with all that is true of it."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from reference.algorithms.data import Experience
from reference.algorithms.recipes import Recipe
from reference.algorithms.registry import entry_of, name_of, options_in
from reference.objectives import (
    distillation_rewards,
    gae,
    group_advantages,
    maxrl_advantages,
    reinforce_plus_plus_advantages,
    reinforce_plus_plus_baseline_advantages,
    rloo_advantages,
    whiten,
)


@dataclass(frozen=True)
class Advantage:
    """An advantage: its function, and what the rest of the package asks about it."""

    function: Callable[[Experience, Recipe], Tensor]  # -> (rows,), (rows, 1) or (rows, pred)
    words: str  # for the comparison table
    per_token: bool = False
    reads: tuple[str, ...] = ()  # options of the recipe that not every advantage reads
    needs_group: bool = False  # several completions of one prompt
    needs_critic: bool = False
    reads_critic: bool = False
    reads_reward: bool = True
    needs_success: bool = False  # rewards with nothing taken off: a group without a success has 0
    reads_teacher: bool = False


def group(e: Experience, r: Recipe) -> Tensor:
    return group_advantages(e.rewards, group_size=r.group_size)


def group_mean(e: Experience, r: Recipe) -> Tensor:
    return group_advantages(e.rewards, group_size=r.group_size, scale="none")


def group_mean_batch_std(e: Experience, r: Recipe) -> Tensor:
    return group_advantages(e.rewards, group_size=r.group_size, scale="batch")


def leave_one_out(e: Experience, r: Recipe) -> Tensor:
    return rloo_advantages(e.rewards, group_size=r.group_size)


def reinforce_plus_plus(e: Experience, r: Recipe) -> Tensor:
    return reinforce_plus_plus_advantages(e.token_rewards, e.mask, gamma=discount(r))


def reinforce_plus_plus_baseline(e: Experience, r: Recipe) -> Tensor:
    return reinforce_plus_plus_baseline_advantages(e.rewards, e.mask, group_size=r.group_size)


def maxrl(e: Experience, r: Recipe) -> Tensor:
    return maxrl_advantages(e.rewards, group_size=r.group_size, without_success="zero")


def whitened_gae(e: Experience, r: Recipe) -> Tensor:
    return whiten(e.gae, e.mask)


def teacher(e: Experience, r: Recipe) -> Tensor:
    return distillation_rewards(e.old_logprobs, e.teacher_logprobs, e.mask)


def discount(r: Recipe) -> float:
    """Per token, for what counts returns over time; 1 where the recipe names none."""
    return 1.0 if r.gamma is None else r.gamma


def gae_of(e: Experience, r: Recipe) -> Tensor:
    """GAE before whitening, (rows, pred); with the values added to it, what the critic is fitted to.

    A completion that is cut off has failed, since the budget is part of the task: nothing is bootstrapped behind its end.
    """
    return gae(e.token_rewards, e.values, e.mask, gamma=discount(r), gae_lambda=r.gae_lambda)


ADVANTAGES = {
    "group": Advantage(
        group, "per completion: reward against the group's mean, over its std", needs_group=True
    ),
    "group_mean": Advantage(group_mean, "per completion: reward against the group's mean", needs_group=True),
    "group_mean_batch_std": Advantage(
        group_mean_batch_std, "per completion: reward against the group's mean, over the batch's std", needs_group=True
    ),
    "leave_one_out": Advantage(
        leave_one_out, "per completion: reward against the mean of the others of its group", needs_group=True
    ),
    "reinforce_plus_plus": Advantage(
        reinforce_plus_plus, "per token: reward to go, whitened over the batch", per_token=True, reads=("gamma",)
    ),
    "reinforce_plus_plus_baseline": Advantage(
        reinforce_plus_plus_baseline, "per completion: reward against the group's mean, whitened over the batch",
        needs_group=True,
    ),
    "maxrl": Advantage(
        maxrl, "per completion: reward against the group's mean, over that mean", needs_group=True, needs_success=True
    ),
    "gae": Advantage(
        whitened_gae, "per token: GAE with the critic, whitened over the batch", per_token=True,
        reads=("gamma", "gae_lambda"), needs_critic=True, reads_critic=True,
    ),
    "teacher": Advantage(
        teacher, "per token: the teacher's log-prob less the policy's", per_token=True, reads_reward=False, reads_teacher=True
    ),
}  # fmt: skip


def advantage_of(r: Recipe) -> Advantage:
    """The recipe's advantage. A function of your own may read every option, the critic and the teacher, and needs none of
    them."""
    if callable(r.advantage):
        return Advantage(
            r.advantage, name_of(r.advantage), reads=options_in(ADVANTAGES), reads_critic=True, reads_teacher=True
        )
    return entry_of(ADVANTAGES, r.advantage, "advantage")
