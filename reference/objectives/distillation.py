"""Distillation: a teacher says how likely each token is, and the student learns its distribution.

With S the student and Q the teacher there are two ways to be told. The teacher's whole distribution at each prefix gives
an exact divergence, ``generalised_jsd``. Its log-prob of the sampled token alone gives a sample of KL(S || Q), with the
student's own samples: ``distillation_rewards`` for the reward, ``distillation_loss`` for the loss.

| term | expected gradient on the student's samples |
|---|---|
| ``distillation_rewards`` summed to go, as advantages | of minus the KL(S || Q) of whole completions |
| ``distillation_rewards`` of its own token, as advantages; ``distillation_loss``; ``kl_k2`` to the teacher | of KL(S || Q) at each visited prefix |
| ``kl_k3`` to the teacher, in the loss | of KL(Q || S) at each visited prefix |
| ``kl_k1`` to the teacher, in the loss | 0: nothing of the teacher is learned |
"""

import math

import torch

from .kl import kl_full
from .policy import cispo_loss, reinforce_loss
from .shapes import (
    Float,
    InputError,
    Shaped,
    Tensor,
    at_least_float32,
    kept,
    require_at_least,
    require_finite,
    require_no_nan,
    scaled,
    typed,
)


@typed
def generalised_jsd(
    logits: Float[Tensor, "batch time vocab"],
    teacher_logits: Float[Tensor, "batch time vocab"],
    *,
    teacher_share: float = 0.5,
    temperature: float = 1.0,
) -> Float[Tensor, "batch time-1"]:
    """Generalised Jensen-Shannon divergence of student and teacher at each prefix, in nats; a KL for a share of 0 or 1.

        b = 0:    KL(Q || S), forward          b = 1:  KL(S || Q), reverse
        between:  b * KL(Q || m) + (1 - b) * KL(S || m)          m = (1 - b) * S + b * Q

    S = softmax(logits / temperature), Q = softmax(teacher_logits / temperature), b = teacher_share, the paper's beta.
    Never negative; a loss to minimise. Gradient in the student's scaled logits: S - Q for 0, S (log S/Q - KL) for 1,
    (1 - b) S (log S/m - KL(S || m)) between; the teacher's logits get one too, unless they are detached. The KLs at 0 and 1
    are conventions, not limits: the value between goes to 0 at both ends. Divided by b, it goes to KL(Q || S) as b goes to 0; divided by 1 - b, to
    KL(S || Q) as b goes to 1. So b also changes the size of the gradient. Between, it is at most the entropy of a coin of
    weight b, also where one of the two forbids a token; at 0 and 1 it can be inf. ``kl_full`` is b = 1.

    GKD (2306.13649, eq. 1). TRL 1.16 ``generalized_jsd_loss`` of GKD and GOLD: 0.5 by default; its DistillationTrainer has 1.
    No factor temperature^2, here or there. TRL's GKD samples at 0.9 and has its loss at 1; GOLD divides by 0.9 in the loss.
    Raises ``InputError`` for a share outside [0, 1], a temperature not above 0, and NaN logits.

    Student and teacher share no token, so a fair mixture of them tells one bit, ln 2 (either KL would be inf):
    >>> logits = torch.tensor([0.0, -torch.inf]).expand(1, 2, 2)
    >>> generalised_jsd(logits, logits.flip(2)).round(decimals=2)
    tensor([[0.6900]])
    """
    require_at_least(teacher_share, "teacher_share", 0, 1)
    if teacher_share == 1:
        return kl_full(logits, teacher_logits, temperature=temperature)
    if teacher_share == 0:
        return kl_full(teacher_logits, logits, temperature=temperature)
    student = scaled(logits[:, :-1], temperature).log_softmax(dim=-1)
    teacher = scaled(teacher_logits[:, :-1], temperature).log_softmax(dim=-1)
    mixture = log_sum(student + math.log1p(-teacher_share), teacher + math.log(teacher_share))
    result = teacher_share * kl_of_logprobs(teacher, mixture) + (1 - teacher_share) * kl_of_logprobs(student, mixture)
    require_no_nan(result, "JSD (from the logits)")
    return result


@typed
@torch.no_grad()
def distillation_rewards(
    token_logprobs: Float[Tensor, "batch pred"],
    teacher_logprobs: Float[Tensor, "batch pred"],
    mask: Shaped[Tensor, "batch pred"],
) -> Float[Tensor, "batch pred"]:
    """What each sampled token earns in on-policy distillation: the teacher's log-prob minus the student's, in nats.

        reward = m * (teacher_logp - logp)

    Higher is better: above 0 the teacher finds the token likelier than the student does. A constant, 0 where the mask is 0.
    On the student's samples its mean is -KL(S || Q). As ``rewards`` of ``discounted_returns``, and the returns as
    advantages, it has the gradient of the KL of whole completions; as advantages themselves, the gradient at each
    visited prefix ("myopic"). It is minus ``kl_k1`` with the teacher as the reference, so a teacher and a reference
    can be charged in one way. ms-swift 4.6 (``OPD-RL``) adds it to an advantage, with the trainer's log-prob before
    the update in the place of today's; verl 0.9.1 (``use_policy_gradient``, k1) takes it as the advantage of a clipped
    loss. With k3, which is its ``loss_mode`` unless set, the advantage is -k3, never above 0. The expected gradient is
    then that of KL(S || Q) - KL(Q || S), and can lead away from the teacher, as shown by
    ``findings/verl_k3_reward_leads_away_from_the_teacher.sh``. Gu et al. (2306.08543) minimise the reverse KL of whole
    completions. Raises ``InputError`` for a kept NaN, and a kept infinity: a token that the teacher forbids has no
    finite reward.

    The teacher finds the first token twice as likely, the second half as likely; the third is padding:
    >>> student, teacher = torch.tensor([[0.25, 0.5, 0.5]]).log(), torch.tensor([[0.5, 0.25, 0.1]]).log()
    >>> distillation_rewards(student, teacher, torch.tensor([[1, 1, 0]])).round(decimals=2)
    tensor([[ 0.6900, -0.6900,  0.0000]])
    """
    keep = kept(mask)
    require_finite(token_logprobs, "token_logprobs", mask=keep)
    require_finite(teacher_logprobs, "teacher_logprobs", mask=keep)
    return torch.where(keep, at_least_float32(teacher_logprobs) - at_least_float32(token_logprobs), 0.0)


@typed
def distillation_loss(
    token_logprobs: Float[Tensor, "batch pred"],
    teacher_logprobs: Float[Tensor, "batch pred"],
    *,
    old_logprobs: Float[Tensor, "batch pred"] | None = None,
    max_ratio: float | None = None,
) -> Float[Tensor, "batch pred"]:
    """On-policy distillation as a loss per sampled token, whose expected gradient is that of KL(S || Q).

        loss = detach(w * (logp - teacher_logp)) * logp          w = min(exp(logp - old_logp), max_ratio), else 1

    In nats; its gradient, not its value, means something: w (logp - teacher_logp) grad(logp), less where the teacher
    finds the token likelier. ``old_logprobs``: of the policy that sampled, if that is an older one; ``max_ratio`` caps the
    weight, and the token still trains. None is no weight, and no cap. Myopic: at the visited prefixes only, as ``kl_k2`` to
    the teacher. It is ``reinforce_loss`` of ``distillation_rewards``, or ``cispo_loss`` of them.

    TRL 1.16's SDPO (``sampled_token``, its default) and SDFT: this, with ``max_ratio`` 2 wherever old log-probs are known.
    areal 1.0.4 with ``rl_loss_weight=0``: the same gradient without a cap, of -r (teacher_logp - logp); with a weight above
    0, its default, it adds the mean of logp - teacher_logp undetached, whose expected gradient is 0 for every teacher. verl
    0.9.1's default is k3, differentiated: the forward KL. The name of an option does not tell which of these it is. A token
    that the teacher forbids has an infinite loss and no gradient. Raises ``InputError`` for a ``max_ratio`` below 1 or
    without ``old_logprobs``.

    A token that the teacher finds twice as likely is made likelier, with ln 2; the other one less likely:
    >>> token_logprobs = torch.tensor([[0.25, 0.5]]).log().requires_grad_()
    >>> distillation_loss(token_logprobs, torch.tensor([[0.5, 0.25]]).log()).sum().backward()
    >>> token_logprobs.grad.round(decimals=2)
    tensor([[-0.6900,  0.6900]])
    """
    rewards = (teacher_logprobs - token_logprobs).detach()
    if max_ratio is not None:
        require_at_least(max_ratio, "max_ratio", 1)
        if old_logprobs is None:
            raise InputError("max_ratio caps a ratio to old_logprobs, which are not given: pass both, or neither")
    known = (rewards if old_logprobs is None else rewards - old_logprobs).isfinite()
    token_logprobs = torch.where(known, token_logprobs, token_logprobs.detach())  # a mask's 0 times NaN is NaN
    if old_logprobs is None:
        return reinforce_loss(token_logprobs, rewards)
    return cispo_loss(token_logprobs, old_logprobs, rewards, clip_high=None if max_ratio is None else max_ratio - 1)


def kl_of_logprobs(logp: Tensor, logq: Tensor) -> Tensor:
    """sum_v p (log p - log q), over the last axis; a token of probability 0 adds 0."""
    p = logp.exp()
    return (p * torch.where(p == 0, 0.0, logp - logq)).sum(dim=-1)


def log_sum(a: Tensor, b: Tensor) -> Tensor:
    """log(exp(a) + exp(b)) with a finite gradient, also where both are 0: log 2 stands there, and nothing weighs it."""
    neither = (a == -torch.inf) & (b == -torch.inf)
    return torch.logaddexp(torch.where(neither, 0.0, a), torch.where(neither, 0.0, b))
