"""torchrl: its estimators of advantages and its critic, and all entries. Its other losses are in torchrl_policy.py."""

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import COMPLETION, GAMMA, GROUP, HOLES, LAMBDA, VALUE_CLIP, Case
from ..claims import F32
from ..records import Row
from .credit import gae
from .torchrl_policy import BOTH, DEMONSTRATIONS, POLICY, TORCHRL


def advantages_of_returns(scores: Tensor, case: Case) -> Tensor:
    advantages = ours.group_advantages(scores, group_size=len(scores), eps=0.0)
    return advantages[:, None] * (torch.arange(COMPLETION) < case.lengths[:, None])


def whitened_prompts(values: Tensor, case: Case) -> Tensor:
    prompts = zip(values.split(2), case.mask.split(2), strict=True)
    return torch.cat([ours.whiten(x, mask, eps=0.0) for x, mask in prompts])


def critic(values: Tensor, case: Case, **options: float | Tensor) -> Tensor:
    return 2 * ours.value_loss(values, case.returns, **options)[case.mask]


GROUP_ADVANTAGES = Row("rewards", lambda x, c: ours.group_advantages(x, group_size=GROUP, eps=0.0))
CREDIT = [
    TORCHRL("MCAdvantage", GROUP_ADVANTAGES, "group_advantages", "`MCAdvantage` of one step each, ours with `eps=0`"),
    TORCHRL(
        "MCAdvantage, trajectory_return",
        Row("rewards", GROUP_ADVANTAGES.function, ("full",)),
        "group_advantages",
        "`MCAdvantage` with `trajectory_return`, ours with `eps=0`",
    ),
    TORCHRL(
        "MCAdvantage, steps, trajectory_return",
        Row("scores", advantages_of_returns, ("ragged", "tools")),
        "group_advantages",
        "`MCAdvantage` with `trajectory_return`, ours with `eps=0`",
    ),
    TORCHRL("generalized_advantage_estimate", Row("values", gae), "gae", rtol=F32),
    TORCHRL(
        "generalized_advantage_estimate, value_target",
        Row(
            "values",
            lambda x, c: ours.gae(c.token_rewards, x, c.mask, gamma=GAMMA, gae_lambda=LAMBDA) + x.detach() * c.mask,
        ),
        "gae",
        "`generalized_advantage_estimate`",
        rtol=F32,
    ),
    TORCHRL("vec_generalized_advantage_estimate", Row("values", gae), "gae", rtol=F32),
    TORCHRL(
        "td0_advantage_estimate",
        Row("values", lambda x, c: ours.td_residuals(c.token_rewards, x, c.mask, gamma=GAMMA)),
        "td_residuals",
        rtol=F32,
    ),
    TORCHRL(
        "reward2go",
        Row("token_rewards", lambda x, c: ours.discounted_returns(x, c.mask, gamma=GAMMA), BOTH),
        "discounted_returns",
    ),
    TORCHRL(
        "GAE._normalize_advantage",
        Row("values", lambda x, c: ours.whiten(x, torch.ones_like(c.mask), eps=0.0), ("ragged",)),
        "whiten",
        "`average_gae` where nothing says what is valid: over all positions, ours with `eps=0`",
    ),
    TORCHRL(
        "GAE._normalize_advantage, valid",
        Row("values", lambda x, c: ours.whiten(x, c.mask, ddof=0, eps=0.0), HOLES),
        "whiten",
        "`average_gae` with `shifted_valid`, ours with `ddof=0, eps=0`",
    ),
    TORCHRL(
        "GAE._normalize_advantage, valid, groups",
        Row("values", whitened_prompts, ("ragged",)),
        "whiten",
        "`average_gae` with `shifted_valid` and `group_key`, ours of each group with `ddof=1, eps=0`",
    ),
    TORCHRL(
        "ClipPPOLoss.loss_critic, l2",
        Row("values", critic, BOTH),
        "value_loss",
        '`loss_critic_type="l2"` is twice ours',
    ),
    TORCHRL(
        "ClipPPOLoss.loss_critic, l2, clip_value",
        Row("values", lambda x, c: critic(x, c, old_values=c.old_values, clip=VALUE_CLIP), BOTH),
        "value_loss",
        '`loss_critic_type="l2"` with `clip_value` is twice ours',
    ),
    TORCHRL(
        "ClipPPOLoss explained_variance",
        Row("values", lambda x, c: ours.explained_variance(x, c.returns, c.mask), BOTH),
        "explained_variance",
    ),
]
ENTRIES = POLICY + CREDIT + DEMONSTRATIONS
