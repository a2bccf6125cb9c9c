"""What the names in a recipe stand for: one line for each, with the objective that it calls.

A slot takes one of these names or a function of the same form:

    advantage(experience, recipe) -> (rows,), (rows, 1) or (rows, pred)
    loss(token_logprobs, experience, recipe) -> (rows, pred)            for reinforcement learning
    loss(pair_logprobs, recipe) -> (pairs,)                             for preferences
    kl(token_logprobs, ref_logprobs, old_logprobs) -> (rows, pred)
    aggregation(token_loss, mask, counts) -> a scalar
"""

import difflib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from reference.algorithms.data import Counts, Experience, PairLogprobs
from reference.algorithms.recipes import Recipe
from reference.objectives import (
    cdpo_loss,
    cispo_loss,
    clip_frac,
    dpo_loss,
    fixed_length,
    gae,
    group_advantages,
    gspo_loss,
    hinge_loss,
    ipo_loss,
    kl_abs,
    kl_k1,
    kl_k2,
    kl_k3,
    kl_unbiased,
    kto_loss,
    orpo_loss,
    ppo_clip_loss,
    reinforce_loss,
    reinforce_plus_plus_advantages,
    reinforce_plus_plus_baseline_advantages,
    rloo_advantages,
    robust_dpo_loss,
    sequence_mean,
    sequence_ratio,
    simpo_loss,
    token_mean,
    whiten,
)
from reference.objectives.shapes import InputError

ADVANTAGES: dict[str, Callable[[Experience, Recipe], Tensor]] = {
    "group": lambda e, r: group_advantages(e.rewards, group_size=r.group_size),
    "group_mean": lambda e, r: group_advantages(e.rewards, group_size=r.group_size, scale="none"),
    "group_mean_batch_std": lambda e, r: group_advantages(e.rewards, group_size=r.group_size, scale="batch"),
    "leave_one_out": lambda e, r: rloo_advantages(e.rewards, group_size=r.group_size),
    "reinforce_plus_plus": lambda e, r: reinforce_plus_plus_advantages(e.token_rewards, e.mask, gamma=r.gamma),
    "reinforce_plus_plus_baseline": lambda e, r: reinforce_plus_plus_baseline_advantages(
        e.rewards, e.mask, group_size=r.group_size
    ),
    "gae": lambda e, r: whiten(lambda_advantages(e, r), e.mask),
}

LOSSES: dict[str, Callable[[Tensor, Experience, Recipe], Tensor]] = {
    "reinforce": lambda logp, e, r: reinforce_loss(logp, e.advantages),
    "ppo_clip": lambda logp, e, r: ppo_clip_loss(
        logp, e.old_logprobs, e.advantages, clip_low=r.clip_low, clip_high=r.clip_high, dual_clip=r.dual_clip
    ),
    "gspo": lambda logp, e, r: gspo_loss(
        logp, e.old_logprobs, e.advantages, e.mask, clip_low=r.clip_low, clip_high=r.clip_high
    ),
    "cispo": lambda logp, e, r: cispo_loss(
        logp, e.old_logprobs, e.advantages, clip_low=r.clip_low, clip_high=r.clip_high
    ),
}

KL: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "k1": lambda logp, ref, old: kl_k1(logp, ref),
    "k2": lambda logp, ref, old: kl_k2(logp, ref),
    "k3": lambda logp, ref, old: kl_k3(logp, ref),
    "abs": lambda logp, ref, old: kl_abs(logp, ref),
    "k3_unbiased": lambda logp, ref, old: kl_unbiased(logp, ref, old, estimator="k3"),
}

AGGREGATIONS: dict[str, Callable[[Tensor, Tensor, Counts], Tensor]] = {
    "sequence_mean": lambda loss, mask, n: sequence_mean(loss, mask, num_sequences=n.num_kept),
    "token_mean": lambda loss, mask, n: token_mean(loss, mask, num_tokens=n.num_tokens),
    "fixed_length": lambda loss, mask, n: fixed_length(
        loss, mask, max_length=n.max_length, num_sequences=n.num_sequences
    ),
}


def lambda_advantages(e: Experience, r: Recipe) -> Tensor:
    """GAE before whitening; with the values added to it, what the critic is fitted to.

    A completion that is cut off has failed, since the budget is part of the task: nothing is bootstrapped behind its end.
    """
    return gae(e.token_rewards, e.values, e.mask, gamma=r.gamma, gae_lambda=r.gae_lambda)


def chosen(slot: dict[str, Callable], choice: str | Callable | None, name: str) -> Callable:
    """The function that a recipe's entry stands for: itself, or the one of that name."""
    if callable(choice):
        return choice
    if choice not in slot:
        near = [known for known in slot if str(choice) in known] or difflib.get_close_matches(str(choice), slot, 1, 0)
        raise InputError(f"{name} is {choice!r}; did you mean {near[0]!r}? There are: {', '.join(slot)}")
    return slot[choice]


def clipped_share(logp: Tensor, e: Experience, r: Recipe) -> Tensor:
    """clip_frac as the recipe's loss clips: tokens without gradient, for GSPO those of clipped completions (as in its
    paper), for CISPO those whose weight is capped. 0 for a loss of which it is not written down here."""
    bounds: dict[str, Any] = {"clip_low": r.clip_low, "clip_high": r.clip_high}
    if r.loss == "ppo_clip":
        return clip_frac(logp, e.old_logprobs, e.advantages, e.mask, **bounds)
    if r.loss == "gspo":
        s = sequence_ratio(logp, e.old_logprobs, e.mask).log().expand(e.mask.shape)
        return clip_frac(s, torch.zeros_like(s), e.advantages, e.mask, **bounds)
    if r.loss == "cispo":
        bounds["clip_low"] = 1 - 1e-9 if r.clip_low is None else r.clip_low
        return clip_frac(logp, e.old_logprobs, e.advantages, e.mask, definition="outside", **bounds)
    return torch.zeros((), device=logp.device)  # nothing is clipped (reinforce), or nobody has said how


def kto_of_pairs(p: PairLogprobs, r: Recipe) -> Tensor:
    """KTO knows no pairs, so this is the mean over both completions; as many are good as bad, so their weights are 1."""
    good = torch.ones_like(p.chosen, dtype=torch.bool)
    chosen_loss = kto_loss(p.chosen, p.ref_chosen, good, p.kl, beta=r.beta)
    return (chosen_loss + kto_loss(p.rejected, p.ref_rejected, ~good, p.kl, beta=r.beta)) / 2


PREFERENCE_LOSSES: dict[str, Callable[[PairLogprobs, Recipe], Tensor]] = {
    "dpo": lambda p, r: dpo_loss(p.chosen, p.rejected, p.ref_chosen, p.ref_rejected, beta=r.beta),
    "ipo": lambda p, r: ipo_loss(
        p.chosen, p.rejected, p.ref_chosen, p.ref_rejected, beta=r.beta
    ),  # summed: the paper's
    "cdpo": lambda p, r: cdpo_loss(
        p.chosen, p.rejected, p.ref_chosen, p.ref_rejected, beta=r.beta, label_smoothing=r.label_smoothing
    ),
    "robust_dpo": lambda p, r: robust_dpo_loss(
        p.chosen, p.rejected, p.ref_chosen, p.ref_rejected, beta=r.beta, label_smoothing=r.label_smoothing
    ),
    "hinge": lambda p, r: hinge_loss(p.chosen, p.rejected, p.ref_chosen, p.ref_rejected, beta=r.beta),
    "simpo": lambda p, r: simpo_loss(p.chosen_average, p.rejected_average, beta=r.beta, gamma=r.target_margin),
    "orpo": lambda p, r: orpo_loss(p.chosen_average, p.rejected_average, beta=r.beta),
    "kto": kto_of_pairs,
}
