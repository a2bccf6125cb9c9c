"""torchrl: its losses of a policy, and of completions that are given."""

from torch import Tensor

from reference import objectives as ours

from ..cases import FAR, HOLES, KL_COEF, ORDINARY, Case
from ..records import Row
from .entry import entries_of
from .kl import K3
from .policy import ppo
from .tokens import ENTROPY, LOGPROBS

TORCHRL = entries_of("torchrl")
BOTH = ("ragged", "full")
FLOAT32_BOUND = 1e-7  # its clip is a float32, all else is float64. In its GAE and its residuals gamma is one.


def row_mean(x: Tensor, case: Case) -> Tensor:
    """Over all rows: one without a token counts as 0."""
    return ours.sequence_mean(x, case.mask, num_sequences=len(case.mask))


def padded_mean(x: Tensor, case: Case) -> Tensor:
    """Over all positions: one that the mask leaves out counts as 0."""
    return ours.fixed_length(x, case.mask, max_length=case.mask.shape[1])


def ppo_of_kept_tokens(logprobs: Tensor, case: Case) -> Tensor:
    stays = ours.rejection_mask(logprobs.detach(), case.old, case.mask, most=0.05, estimator="k2")
    return ours.token_mean(ppo(logprobs, case), stays)


def ppo_of_its_clip(logprobs: Tensor, case: Case) -> Tensor:
    return ours.token_mean(ours.ppo_clip_loss(logprobs, case.old, case.advantages), case.mask)


def kl_of_ref(logprobs: Tensor, case: Case) -> Tensor:
    return KL_COEF * padded_mean(ours.kl_k3(logprobs, case.ref), case)


def kl_of_old(logprobs: Tensor, case: Case) -> Tensor:
    return KL_COEF * padded_mean(ours.kl_k3(logprobs, case.old), case)


POLICY = [
    TORCHRL(
        "GRPOLoss",
        Row("logprobs", lambda x, c: ours.token_mean(ppo(x, c), c.mask), (*FAR, "tools")),
        "ppo_clip_loss",
        "`GRPOLoss`, `clip_epsilon`",
        rtol=FLOAT32_BOUND,
    ),
    TORCHRL(
        "GRPOLoss",
        Row("logprobs", lambda x, c: ours.token_mean(ppo(x, c), c.mask)),
        "token_mean",
        "`token_mean`",
        rtol=FLOAT32_BOUND,
    ),
    TORCHRL(
        "GRPOLoss, prompt_mean",
        Row("logprobs", lambda x, c: row_mean(ppo(x, c), c)),
        "sequence_mean",
        "`prompt_mean`, ours with `num_sequences=batch`",
        rtol=FLOAT32_BOUND,
    ),
    TORCHRL(
        "GRPOLoss, none",
        Row("logprobs", lambda x, c: ppo(x, c) * c.mask, ("ragged",)),
        "ppo_clip_loss",
        '`aggregation="none"`',
        rtol=FLOAT32_BOUND,
    ),
    TORCHRL(
        "GRPOLoss, kl_mask_threshold",
        Row("logprobs", ppo_of_kept_tokens, HOLES),
        "rejection_mask",
        '`kl_mask_threshold`, ours with `estimator="k2"` of the policy and the old log-probs; the mean is over what stays',
        rtol=FLOAT32_BOUND,
    ),
    *(
        TORCHRL(record, Row("logprobs", ppo_of_its_clip, cases), "ppo_clip_loss", theirs, rtol=FLOAT32_BOUND)
        for record, cases, theirs in [
            ("GRPOLoss, its clip", ("ragged",), "`GRPOLoss`, `clip_epsilon`"),
            ("DAPO", ORDINARY, "`DAPO`, which is `GRPOLoss`: its clip stays 0.2 on both sides"),
        ]
    ),
    TORCHRL(
        "GRPOLoss loss_kl_to_ref",
        Row("logprobs", kl_of_ref),
        "fixed_length",
        "`kl_to_ref_coeff`: the KL is a mean over the padded width, in all aggregations",
    ),
    TORCHRL("GRPOLoss loss_kl_to_ref", Row("logprobs", kl_of_ref), "kl_k3", "`kl_to_ref_coeff`"),
    TORCHRL(
        "GRPOLoss loss_kl_to_inference",
        Row("logprobs", kl_of_old, ("ragged",)),
        "kl_k3",
        "`kl_to_inference_coeff`, to the old log-probs",
    ),
    TORCHRL(
        "GRPOLoss loss_entropy",
        Row("logits", lambda x, c: -0.01 * ours.token_mean(ours.entropy(x), c.mask), BOTH),
        "entropy",
        "`entropy_bonus`, on by default",
    ),
    TORCHRL(
        "LLMMaskedCategorical.log_prob",
        Row("logits", LOGPROBS.function, BOTH),
        "token_logprobs",
        "`LLMMaskedCategorical`",
    ),
    TORCHRL("LLMMaskedCategorical.entropy", Row("logits", ENTROPY.function, BOTH), "entropy", "`LLMMaskedCategorical`"),
]
DEMONSTRATIONS = [
    TORCHRL("k3_kl_token_estimate", Row("logprobs", K3.function, FAR), "kl_k3"),
    TORCHRL(
        "SFTLoss",
        Row("logprobs", lambda x, c: row_mean(ours.token_nll(x), c), HOLES),
        "token_nll",
        "`SFTLoss`, under `sequence_mean` with `num_sequences=batch`",
    ),
    TORCHRL(
        "SFTLoss, normalize_by_seq_length=False",
        Row("logprobs", lambda x, c: ours.sequence_sum(ours.token_nll(x), c.mask).mean(), HOLES),
        "sequence_sum",
        "`SFTLoss` with `normalize_by_seq_length=False`: mean of the rows' sums",
    ),
    TORCHRL(
        "SFTLoss loss_kl_to_ref",
        Row("logprobs", kl_of_ref, BOTH),
        "fixed_length",
        "`kl_to_ref_coeff` of `SFTLoss`: the KL is a mean over all positions, prompt included",
    ),
    TORCHRL(
        "DistillationLoss",
        Row("logprobs", lambda x, c: row_mean(ours.kl_k3(x, c.ref), c), ("ragged", "full", "tools")),
        "kl_k3",
        "`DistillationLoss`, under `sequence_mean`",
    ),
    TORCHRL(
        "DistillationLoss, sum",
        Row(
            "logprobs",
            lambda x, c: ours.sequence_sum(ours.kl_k3(x, c.ref), c.mask).sum(),
            ("ragged", "full", "tools"),
        ),
        "kl_k3",
        '`DistillationLoss` with `reduction="sum"`',
    ),
    TORCHRL(
        "DistillationLoss, forward",
        Row("logprobs", lambda x, c: row_mean(ours.kl_k3(c.ref, x), c), ("ragged", "full", "tools")),
        "kl_k3",
        '`DistillationLoss` with `kl_direction="forward"`: teacher and student swapped',
    ),
]
