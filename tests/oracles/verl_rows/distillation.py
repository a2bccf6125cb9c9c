"""What verl distils: the divergence to a teacher's whole distribution, and estimates from sampled tokens."""

import torch
from torch import Tensor
from verl.trainer.distillation import losses
from verl.trainer.distillation.fsdp.losses import compute_forward_kl_topk
from verl.workers.config import DistillationConfig, DistillationLossConfig

from ..cases import CLIP_HIGH, CLIP_LOW, PAIRED, VOCAB, Case
from ..records import Row
from .losses import Batch, actor_config

losses.no_padding_2_padding = lambda x, data: x  # everything here has its padding already
CLAMPS = {"loss_max_clamp": None, "log_prob_min_clamp": None}  # as in its configuration files


def settings(**options: object) -> DistillationConfig:
    return DistillationConfig(distillation_loss=DistillationLossConfig(**CLAMPS | options))


def forward_kl(logits: Tensor, case: Case) -> Tensor:
    """With a k of the whole vocabulary. The teacher's logits are the student's, in reverse order."""
    teacher = case.logits[:, :-1].flip(2).log_softmax(dim=-1)
    top = teacher.topk(VOCAB)
    nested = [torch.nested.as_nested_tensor(list(x), layout=torch.jagged) for x in (top.values, top.indices)]
    rows = logits[:, :-1].reshape(1, -1, VOCAB)
    config = settings(loss_mode="forward_kl_topk", topk=VOCAB, use_policy_gradient=False)
    found = compute_forward_kl_topk(rows, *nested, config, "thd")["distillation_losses"]
    return found.view(case.mask.shape)


def sampled_row(name: str, *, policy_gradient: bool = False) -> Row:
    """The loss from a teacher's log-probs of the sampled tokens. The reference is the teacher."""

    def function(logprobs: Tensor, case: Case) -> Tensor:
        bounds = {"clip_ratio_low": CLIP_LOW, "clip_ratio_high": CLIP_HIGH}
        config = settings(loss_mode=name, use_policy_gradient=policy_gradient, **bounds)
        data = Batch(
            response_mask=case.mask.long(),
            teacher_logprobs=case.ref[..., None],
            old_log_probs=case.old,
            dp_size=1,
            batch_num_tokens=None,
            global_batch_size=None,
        )
        return losses.distillation_loss(actor_config(), config, {"log_probs": logprobs}, data)[0]

    return Row("logprobs", function, PAIRED)


DISTILLATION = {
    "compute_forward_kl_topk": Row("logits", forward_kl, ("full",)),
    "distillation_loss k3": sampled_row("k3"),
    "distillation_loss k2": sampled_row("k2"),
    "distillation_loss k1, use_policy_gradient": sampled_row("k1", policy_gradient=True),
    "distillation_loss k3, use_policy_gradient": sampled_row("k3", policy_gradient=True),
}
