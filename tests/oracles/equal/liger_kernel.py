"""Liger: its GRPO loss, and all entries. The other losses are in files of their own."""

from torch import Tensor

from reference import objectives as ours

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
from ..claims import F32
from ..records import Row
from .liger_kernel_heads import HEADS
from .liger_kernel_preference import LIGER, PREFERENCE
from .policy import correction, gspo


def row_advantages(case: Case) -> Tensor:
    return case.advantages[:, :1]


def row_mean(x: Tensor, case: Case) -> Tensor:
    """Over all rows: one without a token counts as 0."""
    return ours.sequence_mean(x, case.mask, num_sequences=len(case.mask))


def ppo(logprobs: Tensor, case: Case, **options: float) -> Tensor:
    return ours.ppo_clip_loss(
        logprobs, case.old, row_advantages(case), clip_low=CLIP_LOW, clip_high=CLIP_HIGH, **options
    )


def corrected_with_kl(logprobs: Tensor, case: Case) -> Tensor:
    """The weight is on the policy's loss, and not on the KL."""
    loss = ppo(logprobs, case) * correction(case, high=SAMPLER_HIGH)
    return ours.total_loss(
        ours.token_mean(loss, case.mask), kl=token_kl(logprobs, case), kl_coef=KL_COEF, entropy_coef=0.0
    )


def token_kl(logprobs: Tensor, case: Case) -> Tensor:
    return ours.token_mean(ours.kl_k3(logprobs, case.ref), case.mask)


def cispo(logprobs: Tensor, case: Case) -> Tensor:
    return ours.cispo_loss(logprobs, case.old, row_advantages(case), clip_high=CLIP_HIGH)


def sapo(logprobs: Tensor, case: Case) -> Tensor:
    return ours.sapo_loss(logprobs, case.old, row_advantages(case))


def vespo(logprobs: Tensor, case: Case, old: Tensor) -> Tensor:
    return ours.token_mean(ours.vespo_loss(logprobs, old, row_advantages(case), case.mask), case.mask)


def luspo(logprobs: Tensor, case: Case) -> Tensor:
    bounds = {"clip_low": GSPO_LOW, "clip_high": GSPO_HIGH}
    return ours.luspo_loss(logprobs, case.old, row_advantages(case), case.mask, **bounds)


def unbiased_kl(logprobs: Tensor, case: Case) -> Tensor:
    return ours.kl_unbiased(logprobs, case.ref, case.old)


def clip_frac(logprobs: Tensor, case: Case) -> Tensor:
    bounds = {"clip_low": CLIP_LOW, "clip_high": CLIP_HIGH}
    return ours.clip_frac(logprobs, case.old, row_advantages(case), case.mask, **bounds)


PPO_TOKEN = Row("logprobs", lambda x, c: ours.token_mean(ppo(x, c), c.mask))
POLICY = [
    LIGER("k3_loss_fn", Row("logprobs", lambda x, c: ours.kl_k3(x, c.ref), FAR), "kl_k3"),
    LIGER(
        "ppo_loss_fn grpo",
        Row("logprobs", lambda x, c: row_mean(ppo(x, c), c), FAR),
        "sequence_mean",
        "`grpo`, ours with `num_sequences=batch`",
    ),
    LIGER("ppo_loss_fn bnpo", PPO_TOKEN, "token_mean", "`bnpo`"),
    LIGER(
        "ppo_loss_fn dr_grpo",
        Row("logprobs", lambda x, c: ours.fixed_length(ppo(x, c), c.mask, max_length=BUDGET)),
        "fixed_length",
        "`dr_grpo`, `max_completion_length`",
    ),
    LIGER(
        "ppo_loss_fn dapo",
        Row("logprobs", PPO_TOKEN.function, (*FAR, "tools")),
        "ppo_clip_loss",
        "`epsilon_low`, `epsilon_high`",
    ),
    LIGER("ppo_loss_fn dapo", Row("logprobs", PPO_TOKEN.function), "token_mean", "`dapo`"),
    LIGER(
        "ppo_loss_fn dapo, num_items_in_batch",
        Row("logprobs", lambda x, c: ours.token_mean(ppo(x, c), c.mask, num_tokens=GLOBAL_TOKENS)),
        "token_mean",
        "`dapo` with `num_items_in_batch`",
    ),
    LIGER(
        "ppo_loss_fn dapo, delta",
        Row("logprobs", lambda x, c: ours.token_mean(ppo(x, c, dual_clip=DUAL_CLIP), c.mask), ("ragged", "far")),
        "ppo_clip_loss",
        "`delta` from 1 + `epsilon_high` on is our `dual_clip`",
    ),
    LIGER(
        "ppo_loss_fn dapo, vllm_is_ratio",
        Row("logprobs", corrected_with_kl, HOLES),
        "total_loss",
        "`vllm_is_ratio` is on the policy loss and not on the KL",
    ),
    LIGER(
        "ppo_loss_fn dapo, vllm_is_ratio", Row("logprobs", corrected_with_kl), "sampler_correction", "`vllm_is_ratio`"
    ),
    LIGER(
        "ppo_loss_fn dapo, sequence",
        Row("logprobs", lambda x, c: ours.token_mean(gspo(x, c), c.mask)),
        "gspo_loss",
        '`importance_sampling_level="sequence"`',
    ),
    LIGER(
        "ppo_loss_fn grpo, sequence",
        Row("logprobs", lambda x, c: row_mean(gspo(x, c), c), HOLES),
        "gspo_loss",
        '`importance_sampling_level="sequence"`',
    ),
    LIGER(
        "ppo_loss_fn cispo",
        Row("logprobs", lambda x, c: ours.token_mean(cispo(x, c), c.mask), (*FAR, "tools")),
        "cispo_loss",
        "`cispo`, whose `epsilon_high` is 1 + `clip_high`",
    ),
    LIGER(
        "ppo_loss_fn sapo",
        Row("logprobs", lambda x, c: row_mean(sapo(x, c), c), FAR),
        "sapo_loss",
        "`sapo`, `sequence_mean` of ours",
    ),
    LIGER(
        "ppo_loss_fn vespo",
        Row("logprobs", lambda x, c: vespo(x, c, c.old), HOLES),
        "vespo_loss",
        "`vespo`, `token_mean` of ours",
    ),
    LIGER(
        "ppo_loss_fn vespo, vllm_is_ratio",
        Row("logprobs", lambda x, c: vespo(x, c, c.sampler), HOLES),
        "vespo_loss",
        "`vespo` with an unbounded `vllm_is_ratio`, ours with the sampler's log-probs as the old ones",
    ),
    LIGER(
        "ppo_loss_fn luspo, sequence",
        Row("logprobs", lambda x, c: row_mean(luspo(x, c), c), HOLES),
        "luspo_loss",
        '`luspo` with `importance_sampling_level="sequence"`, `sequence_mean` of ours',
    ),
    LIGER(
        "ppo_loss_fn grpo, beta",
        Row("logprobs", lambda x, c: row_mean(ppo(x, c) + BETA * ours.kl_k3(x, c.ref), c)),
        "kl_k3",
        "`beta`",
    ),
    LIGER(
        "ppo_loss_fn dapo, beta",
        Row("logprobs", lambda x, c: PPO_TOKEN.function(x, c) + BETA * token_kl(x, c)),
        "kl_k3",
        "`beta`",
    ),
    LIGER(
        "ppo_loss_fn dapo, use_bias_correction_kl",
        Row("logprobs", lambda x, c: ours.token_mean(ppo(x, c) + BETA * unbiased_kl(x, c), c.mask)),
        "kl_unbiased",
        "`use_bias_correction_kl`, off by default",
    ),
    LIGER("ppo_loss_fn kl", Row("logprobs", token_kl, ORDINARY), "mean_kl", "its metric `kl`"),
    LIGER("ppo_loss_fn clip_ratio", Row("logprobs", clip_frac), "clip_frac", "its metric of clipped tokens", rtol=F32),
]
ENTRIES = POLICY + PREFERENCE + HEADS
