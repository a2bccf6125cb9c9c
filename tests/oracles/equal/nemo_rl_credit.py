"""NeMo-RL: advantages, and penalties of rewards."""

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import GAMMA, GROUP, HOLES, KL_COEF, LAMBDA, PAIRED, Case
from ..claims import F32
from ..records import Row
from .credit import NO_EPS, RLOO, group_advantages_row
from .entry import entries_of
from .preference import penalised_rewards

nemo_rl = entries_of("nemo_rl")


def own_k3(case: Case) -> Tensor:
    return KL_COEF * ours.kl_charge(ours.kl_k3(case.logprobs, case.ref), case.mask, credit="own")


def gdpo_row(*weights: float) -> Row:
    def function(rewards: Tensor, case: Case) -> Tensor:
        kinds = torch.stack([rewards, rewards.flip(0)], dim=1)
        mask, given = torch.ones(len(rewards), 1), torch.tensor(weights) if weights else None
        return ours.gdpo_advantages(kinds, mask, group_size=GROUP, weights=given, eps=1e-6)[:, 0]

    return Row("rewards", function)


def whitened(per_row: Tensor, case: Case, charge: Tensor | float = 0.0) -> Tensor:
    return ours.whiten(per_row[:, None].expand(case.mask.shape) - charge, case.mask, **NO_EPS)


def gae(values: Tensor, case: Case, gae_lambda: float = LAMBDA, **kl: Tensor | float) -> Tensor:
    """The score is on the last kept token."""
    rewards = ours.token_rewards(case.scores, case.mask, **kl)
    return ours.gae(rewards, values, case.mask, gamma=GAMMA, gae_lambda=gae_lambda)


def lambda_returns(values: Tensor, case: Case, gae_lambda: float = LAMBDA) -> Tensor:
    return gae(values, case, gae_lambda) + values.detach() * case.mask


def length_adaptive_gae(values: Tensor, case: Case, alpha: float = 0.5) -> Tensor:
    """Each row with a lambda of its own, 1 - 1 / (alpha * length), and 0 for rows shorter than 1 / alpha."""
    lambdas = [max(0.0, 1 - 1 / max(1.0, alpha * int(n))) for n in case.mask.sum(dim=1)]
    return torch.stack([gae(values, case, lam)[row] for row, lam in enumerate(lambdas)])


def score_to_go(scores: Tensor, case: Case) -> Tensor:
    return ours.discounted_returns(ours.token_rewards(scores, case.mask), case.mask)


CREDIT = [
    nemo_rl(
        "GRPOAdvantageEstimator, normalize_rewards=False",
        RLOO,
        "rloo_advantages",
        "`normalize_rewards=False`",
        rtol=F32,
    ),
    nemo_rl(
        "GRPOAdvantageEstimator, use_leave_one_out_baseline=False",
        group_advantages_row(eps=1e-6),
        "group_advantages",
        "`use_leave_one_out_baseline=False`, ours with `eps=1e-6`",
        rtol=F32,
    ),
    nemo_rl(
        "GRPOAdvantageEstimator, neither",
        group_advantages_row(scale="none"),
        "group_advantages",
        "`use_leave_one_out_baseline=False` and `normalize_rewards=False`",
        rtol=F32,
    ),
    nemo_rl(
        "GDPOAdvantageEstimator, use_leave_one_out_baseline=False",
        gdpo_row(),
        "gdpo_advantages",
        "`use_leave_one_out_baseline=False`, ours with `eps=1e-6`",
        rtol=F32,
    ),
    nemo_rl(
        "GDPOAdvantageEstimator, reward_weights",
        gdpo_row(1.0, 0.25),
        "gdpo_advantages",
        "`reward_weights`",
        rtol=F32,
    ),
    nemo_rl(
        "ReinforcePlusPlusAdvantageEstimator",
        Row("scores", lambda x, c: whitened(ours.group_advantages(x, group_size=2, scale="none"), c), PAIRED),
        "reinforce_plus_plus_baseline_advantages",
        "`reinforce_plus_plus`, `minus_baseline` (the default)",
        differs="whitens with `ddof=0`",
    ),
    nemo_rl(
        "ReinforcePlusPlusAdvantageEstimator, minus_baseline=False",
        Row("scores", whitened, HOLES),
        "reinforce_plus_plus_advantages",
        "`minus_baseline=False`",
        differs="no return: the whole score for each token, whitened with `ddof=0`",
    ),
    nemo_rl(
        "ReinforcePlusPlusAdvantageEstimator, use_kl_in_reward",
        Row("scores", lambda x, c: whitened(x, c, own_k3(c)), HOLES),
        "kl_charge",
        '`use_kl_in_reward` of `reinforce_plus_plus`: k3 by default, ours with `credit="own"`',
        rtol=F32,
    ),
    nemo_rl("RawRewardAdvantageEstimator", Row("scores", score_to_go), "discounted_returns", "`raw_reward`"),
    nemo_rl(
        "RawRewardAdvantageEstimator, normalize_advantages",
        Row("scores", whitened),
        "whiten",
        "`raw_reward`, ours with `ddof=0, eps=0`",
    ),
    nemo_rl("GeneralizedAdvantageEstimator", Row("values", gae, HOLES), "gae"),
    nemo_rl(
        "GeneralizedAdvantageEstimator, returns",
        Row("values", lambda_returns, HOLES),
        "gae",
        "`GeneralizedAdvantageEstimator`",
    ),
    nemo_rl(
        "GeneralizedAdvantageEstimator, gae_lambda=0",
        Row(
            "values",
            lambda x, c: ours.td_residuals(ours.token_rewards(c.scores, c.mask), x, c.mask, gamma=GAMMA),
            HOLES,
        ),
        "td_residuals",
        "`gae_lambda=0`",
    ),
    nemo_rl(
        "GeneralizedAdvantageEstimator, use_kl_in_reward",
        Row("values", lambda x, c: gae(x, c, kl=ours.kl_k3(c.logprobs, c.ref), kl_coef=KL_COEF), HOLES),
        "token_rewards",
        "`use_kl_in_reward` of `gae`: k3 by default",
    ),
    nemo_rl(
        "GeneralizedAdvantageEstimator, normalize_advantages",
        Row("values", lambda x, c: ours.whiten(gae(x, c), c.mask), HOLES),
        "whiten",
        "`gae` with `normalize_advantages`",
        rtol=F32,
    ),
    nemo_rl(
        "GeneralizedAdvantageEstimator, gae_lambda_value, returns",
        Row("values", lambda x, c: lambda_returns(x, c, 1.0), HOLES),
        "gae",
        "returns with `gae_lambda_value`",
    ),
    nemo_rl(
        "GeneralizedAdvantageEstimator, length_adaptive_alpha",
        Row("values", length_adaptive_gae, HOLES),
        "gae",
        "`length_adaptive_alpha`: a lambda of 1 - 1 / (alpha * length) for each row",
        rtol=F32,
    ),
    nemo_rl(
        "OPDAdvantageEstimator",
        Row("logprobs", lambda x, c: ours.distillation_rewards(x, c.ref, c.mask), HOLES),
        "distillation_rewards",
    ),
    nemo_rl("apply_reward_shaping", Row("scores", penalised_rewards, HOLES), "soft_overlong_penalty", rtol=F32),
]
