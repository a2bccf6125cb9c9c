"""What goes wrong when a KL penalty is put into a loss, in one place or the other."""

import torch
from torch import Tensor

from reference.lessons.aggregation.mistakes.sums import row_sums
from reference.objectives import group_advantages, kl_k1, kl_k2, kl_k3
from reference.teaching.bug import bug


def finished(logp: Tensor, advantages: Tensor, mask: Tensor, term: Tensor | float = 0.0) -> Tensor:
    """The loss from advantages, (rows,) or (rows, tokens), and a term per token."""
    advantages = advantages[:, None] if advantages.dim() == 1 else advantages
    return torch.where(mask, term - advantages * logp, 0.0).sum(dim=1).mean()


def centred(rewards: Tensor, group_size: int) -> Tensor:
    return group_advantages(rewards, group_size=group_size, scale="none")


def charged(
    logp: Tensor, ref: Tensor, rewards: Tensor, mask: Tensor, group_size: int, kl_coef: float, kl: Tensor | None = None
) -> Tensor:
    """The loss with the KL in the reward, by k1 if no other estimate is given."""
    kl = kl_k1(logp, ref) if kl is None else kl
    return finished(logp, centred(rewards - kl_coef * row_sums(kl.detach(), mask), group_size), mask)


def added(
    logp: Tensor,
    ref: Tensor,
    rewards: Tensor,
    mask: Tensor,
    group_size: int,
    kl_coef: float,
    term: Tensor | None = None,
) -> Tensor:
    """The loss with the KL in the loss, by k2 if no other term is given."""
    term = kl_k2(logp, ref) if term is None else term
    return finished(logp, centred(rewards, group_size), mask, kl_coef * term)


@bug(
    "k1 in the loss",
    mistake="in the loss the log-ratio itself is added, whose expected gradient is 0",
    symptom="a coefficient is set, the logged KL grows, and every coefficient gives the same run but for noise",
    wild="slime's default estimator, if its KL loss is switched on",
)
def loss_with_kl__k1_in_loss(logp, ref_logp, rewards, mask, *, group_size, kl_coef, place):
    if place == "reward":
        return charged(logp, ref_logp, rewards, mask, group_size, kl_coef)
    return added(logp, ref_logp, rewards, mask, group_size, kl_coef, kl_k1(logp, ref_logp))


@bug(
    "k3 in the loss",
    mistake="in the loss stands k3, whose expected gradient is that of the KL in the other direction",
    symptom="near the reference the runs are alike, and further away another policy is the optimum",
    wild="GRPO's own KL term, by choice; verl's default estimator, if its KL loss is switched on",
)
def loss_with_kl__k3_in_loss(logp, ref_logp, rewards, mask, *, group_size, kl_coef, place):
    if place == "reward":
        return charged(logp, ref_logp, rewards, mask, group_size, kl_coef)
    return added(logp, ref_logp, rewards, mask, group_size, kl_coef, kl_k3(logp, ref_logp))


@bug(
    "a constant in the loss",
    mistake="the KL that is added to the loss has no gradient: it is detached",
    symptom="the loss shows a penalty, and nothing holds the policy",
)
def loss_with_kl__detached(logp, ref_logp, rewards, mask, *, group_size, kl_coef, place):
    if place == "reward":
        return charged(logp, ref_logp, rewards, mask, group_size, kl_coef)
    return added(logp, ref_logp, rewards, mask, group_size, kl_coef, kl_k2(logp, ref_logp).detach())


@bug(
    "k2 in the reward",
    mistake="the reward is charged with half the squared log-ratio, which is right in the loss only",
    symptom="every deviation is punished by its size, whichever token it favours: near the reference almost nothing acts",
)
def loss_with_kl__k2_in_reward(logp, ref_logp, rewards, mask, *, group_size, kl_coef, place):
    if place == "reward":
        return charged(logp, ref_logp, rewards, mask, group_size, kl_coef, kl_k2(logp, ref_logp))
    return added(logp, ref_logp, rewards, mask, group_size, kl_coef)


@bug(
    "k3 in the reward",
    mistake="the reward is charged with k3, whose use is in the loss",
    symptom="the penalty is nearly without effect, or drives the policy away from the reference",
)
def loss_with_kl__k3_in_reward(logp, ref_logp, rewards, mask, *, group_size, kl_coef, place):
    if place == "reward":
        return charged(logp, ref_logp, rewards, mask, group_size, kl_coef, kl_k3(logp, ref_logp))
    return added(logp, ref_logp, rewards, mask, group_size, kl_coef)


@bug(
    "both places",
    mistake="the KL is charged in the reward and added to the loss as well, whatever place says",
    symptom="about twice the coefficient acts, and the reward stays lower than the config promises",
    wild="verl 0.9 prints a notice if both of its switches are on",
)
def loss_with_kl__both(logp, ref_logp, rewards, mask, *, group_size, kl_coef, place):
    charge = row_sums(kl_k1(logp, ref_logp).detach(), mask)
    advantages = centred(rewards - kl_coef * charge, group_size)
    return finished(logp, advantages, mask, kl_coef * kl_k2(logp, ref_logp))


@bug(
    "places swapped",
    mistake='place="reward" adds to the loss, and place="loss" charges the reward',
    symptom="the two settings of the config do each other's work; runs with a group's std differ most",
)
def loss_with_kl__swapped(logp, ref_logp, rewards, mask, *, group_size, kl_coef, place):
    one = added if place == "reward" else charged
    return one(logp, ref_logp, rewards, mask, group_size, kl_coef)


@bug(
    "after the baseline",
    mistake="the KL is taken off the advantage, after the mean of the group was subtracted",
    symptom="right on average, but all tokens are pushed down by the KL that the whole group has: more variance",
)
def loss_with_kl__after(logp, ref_logp, rewards, mask, *, group_size, kl_coef, place):
    if place == "loss":
        return added(logp, ref_logp, rewards, mask, group_size, kl_coef)
    charge = row_sums(kl_k1(logp, ref_logp).detach(), mask)
    return finished(logp, centred(rewards, group_size) - kl_coef * charge, mask)


@bug(
    "a gradient through the reward",
    mistake="the KL in the reward keeps its gradient, so the reward is differentiated and weighs log p as well",
    symptom="a second term, log p times the gradient of the KL, that belongs to no objective",
)
def loss_with_kl__attached(logp, ref_logp, rewards, mask, *, group_size, kl_coef, place):
    if place == "loss":
        return added(logp, ref_logp, rewards, mask, group_size, kl_coef)
    groups = (rewards - kl_coef * row_sums(kl_k1(logp, ref_logp), mask)).view(-1, group_size)
    return finished(logp, (groups - groups.mean(dim=1, keepdim=True)).flatten(), mask)


@bug(
    "mean instead of sum",
    mistake="the KL of a completion is averaged over its tokens before it is charged",
    symptom="in the reward the penalty is as many times weaker as completions are long",
)
def loss_with_kl__mean(logp, ref_logp, rewards, mask, *, group_size, kl_coef, place):
    if place == "loss":
        return added(logp, ref_logp, rewards, mask, group_size, kl_coef)
    kl = kl_k1(logp, ref_logp) / mask.sum(dim=1, keepdim=True).clamp_min(1)
    return charged(logp, ref_logp, rewards, mask, group_size, kl_coef, kl)


@bug(
    "padding pays",
    mistake="the charge in the reward is summed without the mask",
    symptom="the penalty depends on how wide the batch was padded",
)
def loss_with_kl__padding(logp, ref_logp, rewards, mask, *, group_size, kl_coef, place):
    if place == "loss":
        return added(logp, ref_logp, rewards, mask, group_size, kl_coef)
    charge = kl_k1(logp, ref_logp).detach().sum(dim=1)
    return finished(logp, centred(rewards - kl_coef * charge, group_size), mask)


@bug(
    "a bonus for drifting",
    mistake="the KL in the reward is added, so moving away from the reference is paid for",
    symptom="KL and reward rise together, and the text falls apart",
)
def loss_with_kl__plus(logp, ref_logp, rewards, mask, *, group_size, kl_coef, place):
    if place == "loss":
        return added(logp, ref_logp, rewards, mask, group_size, kl_coef)
    return charged(logp, ref_logp, rewards, mask, group_size, -kl_coef)


@bug(
    "coefficient forgotten",
    mistake="the KL acts without its coefficient",
    symptom="the reward is drowned by the penalty, and the policy stays the reference",
)
def loss_with_kl__no_coefficient(logp, ref_logp, rewards, mask, *, group_size, kl_coef, place):
    one = charged if place == "reward" else added
    return one(logp, ref_logp, rewards, mask, group_size, 1.0)
