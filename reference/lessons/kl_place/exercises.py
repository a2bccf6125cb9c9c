"""The exercises kl_penalised_rewards, token_rewards, loss_with_kl."""

from collections.abc import Callable

import torch
from torch import Tensor

from reference.lessons.aggregation.exercises import HOLES
from reference.objectives import kl_penalised_rewards, token_rewards
from reference.teaching.exercise import Case, Exercise, numbers, ragged_mask

from .places import loss_with_kl

KL_MASKS = (ragged_mask([2, 3], 4), HOLES, ragged_mask([1, 6, 3], 8, start=1), ragged_mask([3, 0, 5], 6))


def kl_penalised_rewards_cases(seed: int) -> list[Case]:
    """The padding of ``kl`` holds numbers too: what two models say about pads is no KL."""
    g = torch.Generator().manual_seed(seed)
    cases = []
    for mask, coef in zip(KL_MASKS, (0.5, 0.1, 0.02, 0.3), strict=True):
        arguments = {"rewards": numbers(g, len(mask)), "kl": numbers(g, *mask.shape), "mask": mask}
        cases.append(Case(arguments, {"kl_coef": coef}, edge=not mask.any(dim=1).all()))
    return cases


def token_rewards_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for mask, coef in zip(KL_MASKS, (0.5, 0.1, 0.02, 0.3), strict=True):
        arguments = {"rewards": numbers(g, len(mask)), "mask": mask}
        options = {"kl": numbers(g, *mask.shape), "kl_coef": coef}
        cases.append(Case(arguments, options, edge=not mask.any(dim=1).all()))
    return cases


def loss_with_kl_cases(seed: int) -> list[Case]:
    """For each place from a group of two short completions to two groups with holes and padding."""
    g = torch.Generator().manual_seed(seed)
    cases = []
    for place in ("reward", "loss"):
        for mask, size in ((ragged_mask([1, 2], 2), 2), (ragged_mask([2, 3, 1, 3], 4), 2), (HOLES.repeat(2, 1), 4)):
            arguments = {name: numbers(g, *mask.shape) for name in ("logp", "ref_logp")}
            arguments |= {"rewards": numbers(g, len(mask)), "mask": mask}
            options = {"group_size": size, "kl_coef": 0.3, "place": place}
            cases.append(Case(arguments, options, ("logp",)))
    return cases


def carries_gradient(call: Callable[..., Tensor]) -> str:
    """Rewards are constants. Where they are made under no_grad, as usual, nobody notices; elsewhere it matters."""
    one, kl = torch.ones(1, dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64, requires_grad=True)
    flows = call(one, kl, torch.ones(1, 2, dtype=torch.bool)).requires_grad
    return " (A gradient would flow through the KL: make rewards under torch.no_grad(), or detach.)" if flows else ""


EXERCISES = {
    "kl_penalised_rewards": Exercise(
        kl_penalised_rewards,
        kl_penalised_rewards_cases,
        (
            "log p(completion) is a sum over tokens. So is the log-ratio of two policies. What follows for its KL sample?",
            "One number per completion: the sum of its kept kl, times kl_coef, taken off its reward. Padding does not count.",
            "rewards - kl_coef * torch.where(mask, kl, 0.0).sum(dim=1)",
        ),
        """
def kl_penalised_rewards(rewards, kl, mask, *, kl_coef):
    return rewards - kl_coef * torch.where(mask, kl, 0.0).sum(dim=1)
""",
        remark=lambda f: carries_gradient(lambda r, kl, mask: f(r, kl, mask, kl_coef=0.1)),
    ),
    "token_rewards": Exercise(
        token_rewards,
        token_rewards_cases,
        (
            "Two things are to be laid on one row of zeros. Which of them is at every kept token, which at one only?",
            "Every kept token pays kl_coef * kl of its own. The score goes to the last kept token: by position, since a "
            "row may have holes, start late or keep nothing.",
            "A kept token is the last one if no kept token comes after it: "
            "mask & (mask.flip(1).cumsum(1).flip(1) == 1), counted from the right.",
        ),
        """
def token_rewards(rewards, mask, *, kl, kl_coef):
    last = mask & (mask.flip(1).cumsum(dim=1).flip(1) == 1)
    return torch.where(last, rewards[:, None], 0.0) - kl_coef * torch.where(mask, kl, 0.0)
""",
        remark=lambda f: carries_gradient(lambda r, kl, mask: f(r, mask, kl=kl, kl_coef=0.1)),
    ),
    "loss_with_kl": Exercise(
        loss_with_kl,
        loss_with_kl_cases,
        (
            "In which of the two places does the value of the estimator do the work, and in which its gradient? So which "
            "estimator belongs where, and which of the two has to be a constant?",
            "Reward: k1 without a gradient, summed over the kept tokens of each completion, taken off the reward before the "
            "mean of the group is. Loss: kl_coef * k2, with its gradient, added to the loss of each token.",
            "objectives.kl_penalised_rewards(rewards, objectives.kl_k1(logp, ref_logp).detach(), mask, kl_coef=kl_coef) "
            "makes the charged rewards; objectives.kl_k2(logp, ref_logp) is the term of the loss.",
        ),
        """
def loss_with_kl(logp, ref_logp, rewards, mask, *, group_size, kl_coef, place):
    d = logp - ref_logp
    if place == "reward":
        rewards = rewards - kl_coef * torch.where(mask, d.detach(), 0.0).sum(dim=1)
    groups = rewards.view(-1, group_size)
    advantages = (groups - groups.mean(dim=1, keepdim=True)).view(-1, 1)
    losses = -advantages * logp
    if place == "loss":
        losses = losses + kl_coef * 0.5 * d**2
    return torch.where(mask, losses, 0.0).sum(dim=1).mean()
""",
    ),
}
