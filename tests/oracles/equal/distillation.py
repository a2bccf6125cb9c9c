"""A teacher: the divergence to its whole distribution, and its log-probs of the sampled tokens."""

from torch import Tensor

from reference import objectives as ours

from ..cases import CLIP_HIGH, CLIP_LOW, PAIRED, Case
from ..claims import F32
from ..records import Row
from .entry import verl


def forward_kl(logits: Tensor, case: Case) -> Tensor:
    return ours.generalised_jsd(logits, case.logits.flip(2), teacher_share=0.0)


def clipped(logprobs: Tensor, case: Case, advantages: Tensor) -> Tensor:
    loss = ours.ppo_clip_loss(logprobs, case.old, advantages, clip_low=CLIP_LOW, clip_high=CLIP_HIGH, dual_clip=3.0)
    return ours.token_mean(loss, case.mask)


def rewarded(logprobs: Tensor, case: Case) -> Tensor:
    return clipped(logprobs, case, ours.distillation_rewards(logprobs, case.ref, case.mask))


VERL = [
    verl(
        "compute_forward_kl_topk",
        Row("logits", forward_kl, ("full",)),
        "generalised_jsd",
        "`forward_kl_topk` with a k of the whole vocabulary, ours with `teacher_share=0`",
        rtol=F32,
    ),
    verl(
        "distillation_loss k3",
        Row("logprobs", lambda x, c: ours.token_mean(ours.kl_k3(x, c.ref), c.mask), PAIRED),
        "kl_k3",
        "`distillation_loss` with `k3`, its default: the reference is the teacher",
    ),
    verl(
        "distillation_loss k2",
        Row("logprobs", lambda x, c: ours.token_mean(ours.kl_k2(x, c.ref), c.mask), PAIRED),
        "kl_k2",
        "`distillation_loss` with `k2`: the reference is the teacher",
    ),
    verl(
        "distillation_loss k1, use_policy_gradient",
        Row("logprobs", rewarded, PAIRED),
        "distillation_rewards",
        "`use_policy_gradient` with `k1`: the advantages of its clipped loss",
    ),
]
OPENRLHF: list = []
