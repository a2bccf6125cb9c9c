"""What the workers of SkyRL make of a micro-batch, as computations of ours: the value loss, and the whole loss."""

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import ENTROPY_COEF, KL_COEF, PAIRED, VALUE_CLIP, Case
from ..claims import F32
from ..records import Row
from .policy import POLICY_TOKEN
from .skyrl_losses import row_mean, skyrl


def clipped_value_loss(values: Tensor, case: Case) -> Tensor:
    return row_mean(ours.value_loss(values, case.returns, old_values=case.old_values, clip=VALUE_CLIP), case)


def total_loss(logprobs: Tensor, case: Case, *, micro_batch: int = 4) -> Tensor:
    """The KL by rows, whatever `loss_reduction` is; the entropy by tokens of a micro-batch, the policy by those of all."""
    kl, entropies = row_mean(ours.kl_k3(logprobs, case.ref), case), (-logprobs).split(micro_batch)
    parts = zip(entropies, case.mask.split(micro_batch), strict=True)
    entropy = torch.stack([ours.token_mean(part, mask) * len(mask) for part, mask in parts]).sum() / len(case.mask)
    loss = POLICY_TOKEN.function(logprobs, case)
    return ours.total_loss(loss, kl=kl, kl_coef=KL_COEF, entropy=entropy, entropy_coef=ENTROPY_COEF)


WORKER = [
    skyrl("ppo_critic_loss", Row("values", lambda x, c: row_mean(ours.value_loss(x, c.returns), c)), "value_loss"),
    skyrl("ppo_critic_loss, value_clip", Row("values", clipped_value_loss), "value_loss", "`ppo_critic_loss`"),
    skyrl(
        "_forward_backward_micro",
        Row("logprobs", total_loss),
        "total_loss",
        "the worker's loss of a micro-batch; its KL is a mean of rows, whatever `loss_reduction` is",
        rtol=F32,
    ),
    skyrl(
        "_forward_backward_micro, two",
        Row("logprobs", lambda x, c: total_loss(x, c, micro_batch=2), PAIRED),
        "total_loss",
        "two micro-batches",
        differs="the entropy is a mean of the micro-batches' means, the policy loss is over the tokens of both",
        rtol=F32,
    ),
]
