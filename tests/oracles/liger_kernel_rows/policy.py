"""What Liger's GRPO loss makes of log-probs: its loss types, what each is divided by, corrections, KL and metrics."""

from collections.abc import Callable

import torch
from liger_kernel.chunked_loss.grpo_loss import LigerFusedLinearGRPOFunction, k3_loss_fn
from torch import Tensor

from ..cases import (
    BETA,
    BUDGET,
    CLIP_HIGH,
    CLIP_LOW,
    DUAL_CLIP,
    FAR,
    GLOBAL_TOKENS,
    GSPO_HIGH,
    GSPO_LOW,
    HOLES,
    KL_COEF,
    ORDINARY,
    SAMPLER_HIGH,
    Case,
)
from ..records import Row

SEQUENCE = {"importance_sampling_level": "sequence", "epsilon_low": GSPO_LOW, "epsilon_high": GSPO_HIGH}
OUTPUT = {
    "loss": lambda result: result[0],
    "kl": lambda result: result[1][0],
    "clip_ratio": lambda result: result[1][1],
}


def sampler_ratio(case: Case) -> Tensor:
    """The policy that was updated last over the sampler, 1 where no token counts: what TRL hands over."""
    return torch.where(case.mask, (case.old - case.sampler).exp(), 1.0)


def capped(case: Case) -> Tensor:
    return sampler_ratio(case).clamp_max(SAMPLER_HIGH)


def dropped(case: Case) -> Tensor:
    """TRL's mode "token_mask": a token beyond the bound has the weight 0."""
    return torch.where(sampler_ratio(case) > SAMPLER_HIGH, 0.0, sampler_ratio(case))


def grpo_row(
    loss_type: str,
    *,
    output: str = "loss",
    weight: Callable[[Case], Tensor] | None = None,
    cases: tuple = ORDINARY,
    **options: float | str,
) -> Row:
    given = {"epsilon_low": CLIP_LOW, "epsilon_high": CLIP_HIGH, "beta": 0.0, **options}

    def function(logprobs: Tensor, case: Case) -> Tensor:
        mask = case.mask.long()
        result = LigerFusedLinearGRPOFunction.ppo_loss_fn(
            logprobs,
            mask,
            case.advantages[:, 0],
            mask,
            case.ref,
            case.old,
            loss_type=loss_type,
            vllm_is_ratio=weight and weight(case),
            **given,
        )
        return OUTPUT[output](result)

    return Row("logprobs", function, cases)


def cispo_with_its_defaults(logprobs: Tensor, case: Case) -> Tensor:
    """Nothing is set but the loss type, and a `beta` of 0."""
    loss_fn = LigerFusedLinearGRPOFunction.ppo_loss_fn
    mask = case.mask.long()
    terms = {"old_per_token_logps": case.old, "loss_type": "cispo", "beta": 0.0}
    return loss_fn(logprobs, mask, case.advantages[:, 0], mask, **terms)[0]


POLICY = {
    "k3_loss_fn": Row("logprobs", lambda x, c: k3_loss_fn(c.ref, x), FAR),
    "ppo_loss_fn grpo": grpo_row("grpo", cases=FAR),
    "ppo_loss_fn bnpo": grpo_row("bnpo"),
    "ppo_loss_fn dr_grpo": grpo_row("dr_grpo", max_completion_length=BUDGET),
    "ppo_loss_fn dapo": grpo_row("dapo", cases=(*FAR, "tools")),
    "ppo_loss_fn dapo, num_items_in_batch": grpo_row("dapo", num_items_in_batch=GLOBAL_TOKENS),
    "ppo_loss_fn dapo, delta": grpo_row("dapo", delta=DUAL_CLIP, cases=("ragged", "far")),
    "ppo_loss_fn dapo, delta below the clip": grpo_row("dapo", delta=1.1, cases=("ragged", "full")),
    "ppo_loss_fn dapo, vllm_is_ratio": grpo_row("dapo", weight=capped, beta=KL_COEF, cases=HOLES),
    "ppo_loss_fn dapo, sequence": grpo_row("dapo", **SEQUENCE),
    "ppo_loss_fn grpo, sequence": grpo_row("grpo", cases=HOLES, **SEQUENCE),
    "ppo_loss_fn cispo": grpo_row("cispo", epsilon_high=1 + CLIP_HIGH, cases=(*FAR, "tools")),
    "ppo_loss_fn cispo, defaults": Row("logprobs", cispo_with_its_defaults, ("ragged",)),
    "ppo_loss_fn sapo": grpo_row("sapo", cases=FAR),
    "ppo_loss_fn vespo": grpo_row("vespo", cases=HOLES),
    "ppo_loss_fn vespo, vllm_is_ratio": grpo_row("vespo", weight=sampler_ratio, cases=HOLES),
    "ppo_loss_fn vespo, a token dropped": grpo_row("vespo", weight=dropped, cases=("ragged", "full")),
    "ppo_loss_fn luspo, sequence": grpo_row("luspo", cases=HOLES, **SEQUENCE),
    "ppo_loss_fn luspo": grpo_row("luspo", cases=("ragged", "full")),
    "ppo_loss_fn luspo, sequence, beta": grpo_row("luspo", beta=BETA, cases=("ragged", "full"), **SEQUENCE),
    "ppo_loss_fn grpo, beta": grpo_row("grpo", beta=BETA),
    "ppo_loss_fn dapo, beta": grpo_row("dapo", beta=BETA),
    "ppo_loss_fn dapo, use_bias_correction_kl": grpo_row("dapo", beta=BETA, use_bias_correction_kl=True),
    "ppo_loss_fn dapo, sequence, use_bias_correction_kl": grpo_row(
        "dapo", beta=BETA, use_bias_correction_kl=True, cases=("ragged", "full"), **SEQUENCE
    ),
    "ppo_loss_fn kl": grpo_row("dapo", output="kl", beta=BETA),
    "ppo_loss_fn kl, use_bias_correction_kl": grpo_row(
        "dapo", output="kl", beta=BETA, use_bias_correction_kl=True, cases=("ragged",)
    ),
    "ppo_loss_fn clip_ratio": grpo_row("dapo", output="clip_ratio", beta=BETA),
}
