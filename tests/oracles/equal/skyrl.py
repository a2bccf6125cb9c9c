"""What SkyRL makes of tokens and whom it credits, as computations of ours; and all of its entries."""

from dataclasses import replace

from torch import Tensor

from reference import objectives as ours

from ..cases import BUDGET, COMPLETION, FAR, GAMMA, GROUP, HOLES, ORDINARY, PAIRED, PROMPT, Case
from ..claims import F32
from ..records import Row
from .credit import RLOO, gae, group_advantages_row, whitened_row
from .kl import ADAPTIVE, K1, K2, K3, k1, kl_penalty_row, rloo_of_kl_penalised_rewards, token_rewards
from .skyrl_corrections import CORRECTIONS
from .skyrl_losses import LOSSES, row_mean, skyrl
from .skyrl_worker import WORKER
from .tokens import ENTROPY, LOGPROBS, LOGPROBS_TEMPERED, MASKED_MEAN, TOKEN_MEAN

MEAN_OF_ROWS = "the mean over rows of each row's mean {}, an empty row counting as 0"


def overlong_mask(mask: Tensor, case: Case) -> Tensor:
    return ours.overlong_mask(case.mask, case.lengths == COMPLETION)[:, PROMPT - 1 :].long()


def prompt_mean(token_loss: Tensor, case: Case) -> Tensor:
    return (ours.token_mean(token_loss[:2], case.mask[:2]) + ours.token_mean(token_loss[2:], case.mask[2:])) / 2


def cross_entropy(logits: Tensor, case: Case) -> Tensor:
    """A divergence of the two, plus the teacher's entropy, which has no gradient here."""
    teacher = case.logits.roll(-1, dims=1)
    divergence = ours.generalised_jsd(logits, teacher, teacher_share=0)
    return ours.masked_mean(divergence + ours.entropy(teacher), case.mask)


DEAD_GROUP_SHARE = Row("rewards", lambda x, c: ours.dead_group_share(x, group_size=GROUP))

TOKENS = [
    skyrl("logprobs_from_logits", LOGPROBS, "token_logprobs"),
    skyrl("logprobs_from_logits, temperature", LOGPROBS_TEMPERED, "token_logprobs", "`logprobs_from_logits`"),
    skyrl("chunked_entropy_from_logits", replace(ENTROPY, cases=("ragged", "full")), "entropy"),
    skyrl(
        "masked_mean of chunked_entropy_from_logits",
        Row("logits", lambda x, c: ours.mean_entropy(x, c.mask)),
        "mean_entropy",
        "`policy_entropy`",
    ),
    skyrl("masked_mean", MASKED_MEAN, "masked_mean"),
    skyrl("apply_overlong_filtering", Row("mask", overlong_mask, HOLES), "overlong_mask"),
    skyrl("reduce_loss token_mean", replace(TOKEN_MEAN, cases=HOLES), "token_mean", "`token_mean`"),
    skyrl("reduce_loss sequence_mean", Row("token_loss", row_mean, HOLES), "sequence_mean", "`sequence_mean`"),
    skyrl(
        "reduce_loss seq_mean_token_sum_norm",
        Row("token_loss", lambda x, c: ours.fixed_length(x, c.mask, max_length=BUDGET), HOLES),
        "fixed_length",
        "`seq_mean_token_sum_norm`",
    ),
    skyrl(
        "reduce_loss prompt_mean",
        Row("token_loss", prompt_mean, PAIRED),
        "token_mean",
        "`prompt_mean`: the mean over prompts of ours on the rows of each",
    ),
    skyrl("compute_approx_kl k1", replace(K1, cases=FAR), "kl_k1", "`k1`"),
    skyrl("compute_approx_kl k2", replace(K2, cases=FAR), "kl_k2", "`k2`"),
    skyrl("compute_approx_kl k3", K3, "kl_k3", "`k3`"),
    skyrl("compute_approx_kl abs", Row("logprobs", lambda x, c: ours.kl_abs(x, c.ref), FAR), "kl_abs", "`abs`"),
    skyrl(
        "compute_approx_kl k3",
        kl_penalty_row("k3", max_log_ratio=20),
        "kl_penalty",
        "`k3`, ours with `max_log_ratio=20, max_kl=10`",
    ),
    skyrl(
        "_forward_backward_micro policy_kl",
        Row("logprobs", lambda x, c: row_mean(ours.kl_k3(x, c.ref), c).detach()),
        "mean_kl",
        "`policy_kl`",
        differs=MEAN_OF_ROWS.format("k3"),
        rtol=F32,
    ),
    skyrl(
        "draft_soft_ce",
        Row("logits", cross_entropy),
        "generalised_jsd",
        "`draft_soft_ce`: ours with `teacher_share=0`, plus the teacher's entropy",
        rtol=F32,
    ),
    skyrl("AdaptiveKLController", ADAPTIVE, "adaptive_kl_coef"),
]

CREDIT = [
    skyrl("apply_reward_kl_penalty", Row("scores", token_rewards), "token_rewards"),
    skyrl(
        "apply_reward_kl_penalty avg_kl",
        Row("scores", lambda x, c: row_mean(k1(c), c)),
        "mean_kl",
        "`avg_kl`",
        differs=MEAN_OF_ROWS.format("k1"),
        rtol=F32,
    ),
    skyrl(
        "apply_reward_kl_penalty, then rloo",
        Row("scores", rloo_of_kl_penalised_rewards, PAIRED),
        "kl_penalised_rewards",
        "`use_kl_in_reward` with `rloo`: before the baseline",
    ),
    skyrl(
        "compute_gae_advantage_return",
        Row("values", lambda x, c: ours.whiten(gae(x, c), c.mask)),
        "whiten",
        "`compute_gae_advantage_return`",
        rtol=F32,
    ),
    skyrl(
        "compute_gae_advantage_return returns",
        Row("values", lambda x, c: gae(x, c) + x.detach() * c.mask),
        "gae",
        "returns of `compute_gae_advantage_return`",
    ),
    skyrl(
        "compute_reinforce_plus_plus_outcome_advantage",
        Row("token_rewards", lambda x, c: ours.reinforce_plus_plus_advantages(x, c.mask, gamma=GAMMA)),
        "reinforce_plus_plus_advantages",
        "`reinforce++`",
        rtol=F32,
    ),
    skyrl(
        "compute_reinforce_plus_plus_outcome_advantage returns",
        Row("token_rewards", lambda x, c: ours.discounted_returns(x, c.mask, gamma=GAMMA)),
        "discounted_returns",
        "returns of `reinforce++`",
    ),
    skyrl("masked_whiten", whitened_row(), "whiten", rtol=F32),
    skyrl(
        "masked_whiten, shift_mean=False", replace(whitened_row(shift_mean=False), cases=ORDINARY), "whiten", rtol=F32
    ),
    skyrl(
        "compute_grpo_outcome_advantage",
        group_advantages_row(eps=1e-6),
        "group_advantages",
        "`grpo`, ours with `eps=1e-6`",
    ),
    skyrl(
        "compute_grpo_outcome_advantage, no std",
        group_advantages_row(scale="none"),
        "group_advantages",
        "`grpo_norm_by_std=False`",
    ),
    skyrl("compute_rloo_outcome_advantage", RLOO, "rloo_advantages", "`rloo`"),
    *(
        skyrl(name, DEAD_GROUP_SHARE, "dead_group_share", "what `zero_variance_filter` drops")
        for name in ("zero_variance_filter", "postprocess_generator_output zero_variance_filter")
    ),
]

ENTRIES = TOKENS + CREDIT + LOSSES + WORKER + CORRECTIONS
