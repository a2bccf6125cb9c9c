"""Policy losses: how far samples may move the policy. One entry for each, with all that is true of it.

``clip_low`` and ``clip_high`` mean what the entry's words say: distances from ratio 1, changes of a probability (dppo), or
nats of a log-ratio (gmpo). Clip-Cov and KL-Cov have no entry: they choose among all tokens of a batch, and a loss here sees
one micro-batch, so its size would change the gradient.
"""

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
    dppo_loss,
    generalised_jsd,
    gmpo_loss,
    gspo_loss,
    luspo_loss,
    masked_mean,
    ppo_clip_loss,
    reinforce_loss,
    sapo_loss,
    sequence_ratio,
    vespo_loss,
)

CLIP = ("clip_low", "clip_high")
NO_BOUND = 1e6  # in nats, or of a probability: nothing moves so far


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


def sapo(logp: Tensor, e: Experience, r: Recipe) -> Tensor:
    return sapo_loss(logp, e.old_logprobs, e.advantages)


def vespo(logp: Tensor, e: Experience, r: Recipe) -> Tensor:
    return vespo_loss(logp, e.old_logprobs, e.advantages, e.mask)


def dppo(logp: Tensor, e: Experience, r: Recipe) -> Tensor:
    low, high = unbounded(r)
    return dppo_loss(logp, e.old_logprobs, e.advantages, delta_low=low, delta_high=high)


def dppo_clip_frac(logp: Tensor, e: Experience, r: Recipe) -> Tensor:
    """Tokens without gradient: those whose probability has moved too far, in the direction of the advantage."""
    low, high = unbounded(r)
    moved = logp.detach().clamp(max=0).exp() - e.old_logprobs.clamp(max=0).exp()
    stopped = ((e.advantages > 0) & (moved > high)) | ((e.advantages < 0) & (-moved > low))
    return masked_mean(stopped.float(), e.mask)


def gmpo(logp: Tensor, e: Experience, r: Recipe) -> Tensor:
    low, high = unbounded(r)
    return gmpo_loss(logp, e.old_logprobs, e.advantages, e.mask, log_clip_low=low, log_clip_high=high)


def gmpo_clip_frac(logp: Tensor, e: Experience, r: Recipe) -> Tensor:
    """Tokens without gradient; they still count in the mean of their completion."""
    low, high = unbounded(r)
    moved = logp.detach() - e.old_logprobs
    stopped = ((e.advantages > 0) & (moved > high)) | ((e.advantages < 0) & (-moved > low))
    return masked_mean(stopped.float(), e.mask)


def unbounded(r: Recipe) -> tuple[float, float]:
    """Both clips as numbers, for a loss that has no word for none."""
    low, high = (NO_BOUND if clip is None else clip for clip in (r.clip_low, r.clip_high))
    return low, high


def luspo(logp: Tensor, e: Experience, r: Recipe) -> Tensor:
    return luspo_loss(logp, e.old_logprobs, e.advantages, e.mask, clip_low=r.clip_low, clip_high=r.clip_high)


def jsd(logp: Tensor, e: Experience, r: Recipe) -> Tensor:
    return generalised_jsd(e.logits, e.teacher_logits, teacher_share=r.teacher_share, temperature=r.temperature)


LOSSES = {
    "reinforce": PolicyLoss(reinforce, no_clip_frac, "no ratio"),
    "ppo_clip": PolicyLoss(ppo_clip, ppo_clip_frac, "the ratio of each token, clipped", (*CLIP, "dual_clip")),
    "gspo": PolicyLoss(
        gspo, gspo_clip_frac, "one ratio per completion, clipped", CLIP, per_completion=True
    ),
    "cispo": PolicyLoss(cispo, cispo_clip_frac, "the ratio of each token as a weight, capped", CLIP),
    "sapo": PolicyLoss(sapo, no_clip_frac, "the ratio of each token through a smooth gate, without a clip"),
    "vespo": PolicyLoss(
        vespo, no_clip_frac, "a smooth weight for the whole ratio of a completion, without a clip", per_completion=True
    ),
    "dppo": PolicyLoss(
        dppo, dppo_clip_frac, "the ratio of each token, until its probability has moved by more than the clip", CLIP
    ),
    "gmpo": PolicyLoss(
        gmpo, gmpo_clip_frac, "the geometric mean of a completion's ratios, each log-ratio clipped, in nats", CLIP,
        per_completion=True,
    ),
    "luspo": PolicyLoss(
        luspo, gspo_clip_frac, "one ratio per completion, clipped, times its length", CLIP, per_completion=True
    ),
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
