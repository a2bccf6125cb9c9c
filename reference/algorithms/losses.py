"""Policy losses: how far samples may move the policy. One entry for each, with all that is true of it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from reference.algorithms.data import Experience
from reference.algorithms.recipes import Recipe
from reference.algorithms.registry import entry_of, options_in
from reference.objectives import (
    cispo_loss,
    clip_frac,
    generalised_jsd,
    gspo_loss,
    ppo_clip_loss,
    reinforce_loss,
    sequence_ratio,
)

CLIP = ("clip_low", "clip_high")


@dataclass(frozen=True)
class PolicyLoss:
    """A loss per token: its function, and what the rest of the package asks about it."""

    function: Callable[[Tensor, Experience, Recipe], Tensor]  # of token_logprobs (rows, pred) -> (rows, pred)
    clip_frac: Callable[[Tensor, Experience, Recipe], Tensor]  # share of the tokens that its clip concerns, a scalar
    words: str  # for the comparison table
    reads: tuple[str, ...] = ()  # options of the recipe that not every loss reads
    per_completion: bool = False  # one ratio for all tokens of a completion
    reads_advantage: bool = True  # no: it asks at each prefix, and not about the token that was sampled there
    reads_teacher: bool = False


def reinforce(logp: Tensor, e: Experience, r: Recipe) -> Tensor:
    return reinforce_loss(logp, e.advantages)


def no_clip_frac(logp: Tensor, e: Experience, r: Recipe) -> Tensor:
    """0: there is no clip, or nobody has said what it does."""
    return torch.zeros((), device=logp.device)


def ppo_clip(logp: Tensor, e: Experience, r: Recipe) -> Tensor:
    return ppo_clip_loss(
        logp, e.old_logprobs, e.advantages, clip_low=r.clip_low, clip_high=r.clip_high, dual_clip=r.dual_clip
    )


def ppo_clip_frac(logp: Tensor, e: Experience, r: Recipe) -> Tensor:
    """Tokens without gradient."""
    return clip_frac(logp, e.old_logprobs, e.advantages, e.mask, clip_low=r.clip_low, clip_high=r.clip_high)


def gspo(logp: Tensor, e: Experience, r: Recipe) -> Tensor:
    return gspo_loss(logp, e.old_logprobs, e.advantages, e.mask, clip_low=r.clip_low, clip_high=r.clip_high)


def gspo_clip_frac(logp: Tensor, e: Experience, r: Recipe) -> Tensor:
    """Tokens of clipped completions, as in GSPO's paper."""
    s = sequence_ratio(logp, e.old_logprobs, e.mask).log().expand(e.mask.shape)
    return clip_frac(s, torch.zeros_like(s), e.advantages, e.mask, clip_low=r.clip_low, clip_high=r.clip_high)


def cispo(logp: Tensor, e: Experience, r: Recipe) -> Tensor:
    return cispo_loss(logp, e.old_logprobs, e.advantages, clip_low=r.clip_low, clip_high=r.clip_high)


def cispo_clip_frac(logp: Tensor, e: Experience, r: Recipe) -> Tensor:
    """Tokens whose weight is capped; they train all the same."""
    return clip_frac(
        logp, e.old_logprobs, e.advantages, e.mask,
        clip_low=r.clip_low, clip_high=r.clip_high, definition="outside",
    )  # fmt: skip


def jsd(logp: Tensor, e: Experience, r: Recipe) -> Tensor:
    return generalised_jsd(e.logits, e.teacher_logits, teacher_share=r.teacher_share, temperature=r.temperature)


LOSSES = {
    "reinforce": PolicyLoss(reinforce, no_clip_frac, "no ratio"),
    "ppo_clip": PolicyLoss(ppo_clip, ppo_clip_frac, "the ratio of each token, clipped", (*CLIP, "dual_clip")),
    "gspo": PolicyLoss(
        gspo, gspo_clip_frac, "one ratio per completion, clipped", CLIP, per_completion=True
    ),
    "cispo": PolicyLoss(cispo, cispo_clip_frac, "the ratio of each token as a weight, capped", CLIP),
    "jsd": PolicyLoss(
        jsd, no_clip_frac, "divergence from the teacher at each prefix, over the whole vocabulary", ("teacher_share",),
        reads_advantage=False, reads_teacher=True,
    ),
}  # fmt: skip


def loss_of(r: Recipe) -> PolicyLoss:
    """The recipe's policy loss.

    A function of your own may read every option, and the logits of policy and teacher where the recipe has one. What it clips is what its attribute ``clip_frac`` says, a function of
    the same arguments; without one, nobody knows.
    """
    if callable(r.loss):
        clipped = getattr(r.loss, "clip_frac", no_clip_frac)
        return PolicyLoss(r.loss, clipped, "a function of your own", options_in(LOSSES), reads_teacher=True)
    return entry_of(LOSSES, r.loss, "loss")
