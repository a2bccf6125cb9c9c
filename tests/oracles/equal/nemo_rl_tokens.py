"""NeMo-RL: log-probs, means, KL, distillation."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import FAR, GLOBAL_TOKENS, Case
from ..claims import F32
from ..records import Row
from .entry import entries_of
from .kl import K1, K2, K3
from .tokens import LOGPROBS, MASKED_MEAN

nemo_rl = entries_of("nemo_rl")

# --- KL ---


def kl_penalty_row(estimator: str) -> Row:
    return Row(
        "logprobs", lambda x, c: ours.kl_penalty(x, c.ref, estimator=estimator, max_log_ratio=20, max_kl=10), FAR
    )


def unbiased_kl_row(estimator: str) -> Row:
    return Row("logprobs", lambda x, c: ours.kl_unbiased(x, c.ref, c.sampler, estimator=estimator))


# --- distillation ---


def teacher_of(case: Case) -> Tensor:
    return case.logits.roll(1, dims=0)


def top_logits(logits: Tensor, case: Case) -> Tensor:
    return logits.gather(-1, teacher_of(case).topk(2, dim=-1).indices)


def top_teacher(case: Case, elsewhere: float) -> Tensor:
    """The teacher's log-probs among its two likeliest tokens, and ``elsewhere`` for all others."""
    top = teacher_of(case).topk(2, dim=-1)
    return torch.full_like(case.logits, elsewhere).scatter(-1, top.indices, top.values.log_softmax(dim=-1))


def distillation_row(divergence: Callable[[Tensor, Case], Tensor]) -> Row:
    return Row("logits", lambda x, c: ours.token_mean(divergence(x, c), c.mask))


def jsd_row(teacher_share: float) -> Row:
    return distillation_row(lambda x, c: ours.generalised_jsd(x, teacher_of(c), teacher_share=teacher_share))


def mixed(logits: Tensor, case: Case) -> Tensor:
    teacher = teacher_of(case)
    return (ours.kl_full(logits, teacher) + ours.kl_full(teacher, logits)) / 2


TOKENS = [
    nemo_rl("get_next_token_logprobs_from_logits", LOGPROBS, "token_logprobs", rtol=F32),
    nemo_rl(
        "get_next_token_logprobs_from_logits, bfloat16",
        Row("logits", lambda x, c: ours.token_logprobs(x.bfloat16(), c.tokens), ("ragged",)),
        "token_logprobs",
        "bfloat16 logits are summed in float32",
        rtol=F32,
    ),
    nemo_rl("masked_mean", MASKED_MEAN, "masked_mean"),
    nemo_rl(
        "masked_mean, global_normalization_factor",
        Row("token_loss", lambda x, c: ours.token_mean(x, c.mask, num_tokens=GLOBAL_TOKENS)),
        "token_mean",
        "`masked_mean` with `global_normalization_factor`",
    ),
    nemo_rl("calculate_kl k1", K1, "kl_k1", "`k1`"),
    nemo_rl("calculate_kl k2", K2, "kl_k2", "`k2` of `calculate_kl`"),
    nemo_rl("calculate_kl k3, no clamps", replace(K3, cases=FAR), "kl_k3", "`k3` without its two clamps"),
    *(
        nemo_rl(
            f"calculate_kl {name}",
            kl_penalty_row(name),
            "kl_penalty",
            "`calculate_kl`, ours with `max_log_ratio=20, max_kl=10`",
        )
        for name in ("k1", "k2", "k3")
    ),
    *(
        nemo_rl(
            f"calculate_kl {name}, importance_sampling_weights",
            unbiased_kl_row(name),
            "kl_unbiased",
            "`calculate_kl` with `importance_sampling_weights`, k1 and k3",
        )
        for name in ("k1", "k3")
    ),
    nemo_rl("DistillationLossFn forward", jsd_row(0), "generalised_jsd", "`kl_type` forward", rtol=F32),
    nemo_rl("DistillationLossFn reverse", jsd_row(1), "generalised_jsd", "`kl_type` reverse", rtol=F32),
    nemo_rl("DistillationLossFn reverse", jsd_row(1), "kl_full", "`kl_type` reverse", rtol=F32),
    nemo_rl(
        "DistillationLossFn mixed", distillation_row(mixed), "kl_full", "`kl_type` mixed: half of each KL", rtol=F32
    ),
    nemo_rl(
        "DistillationLossFn forward, top 2",
        distillation_row(lambda x, c: ours.kl_full(top_logits(teacher_of(c), c), top_logits(x, c))),
        "kl_full",
        "`topk_logits_k`: both sides normalised among the teacher's likeliest",
        rtol=F32,
    ),
    nemo_rl(
        "DistillationLossFn forward, top 2, zero_outside_topk",
        distillation_row(lambda x, c: ours.kl_full(top_teacher(c, -torch.inf), x)),
        "kl_full",
        "forward with `zero_outside_topk`: a teacher with no other token",
        rtol=F32,
    ),
    nemo_rl(
        "DistillationLossFn reverse, top 2, zero_outside_topk",
        distillation_row(lambda x, c: ours.kl_full(x, top_teacher(c, -100))),
        "kl_full",
        "reverse with `zero_outside_topk`: a teacher with a log-prob of -100 for all other tokens",
        rtol=F32,
    ),
]
