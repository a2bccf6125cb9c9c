"""Every objective as a pure function: tensors in, tensors out. Shapes in the signature, the rest in the docstring.

| file | question it answers |
|---|---|
| logprobs | how likely was each token? (and the prediction axis, defined once) |
| masking | which tokens count, and what is the sum divided by? |
| supervised | how is a demonstration imitated? |
| returns | what came after each token? |
| advantages | how much better than expected was a completion? |
| advantages_newer | and if the likelihood of success is to grow, or there are several rewards? |
| policy | how far may one batch of samples move the policy? |
| policy_newer | and with a smooth gate, or a bound on probabilities, in the place of the clip? |
| policy_covariance | and without the tokens that lower the entropy most? |
| policy_sequences | and when a completion moves as a whole? |
| rejection | which tokens and rows are left out, being too far off-policy, or sure already? |
| value | what is the critic fitted to? |
| kl | how far is the policy from the reference, and what does a penalty on it really do? |
| distillation | how is a teacher's distribution learned? |
| preference | how is one completion made more likely than another? |
| preference_variants | and without a reference, or without pairs? |
| preference_absolute | and which of the two is to move, and which way? |
| preference_newer | and where labels are sometimes wrong, or pairs count together? |
| steering | what is added to the loss, what to the reward, and with which sign? |
| ensembles | what is a completion worth to several reward models together? |
| tool_use | which tokens of a trajectory with tool calls train, what does it earn, and which self-labelled call is kept? |
| scalars | what should I watch? |

Each docstring has one example that runs. It leaves out ``import torch`` and ``from reference.objectives import NAME``:
type these two lines, then paste it.
"""

from .advantages import (
    batch_advantages,
    group_advantages,
    reinforce_plus_plus_advantages,
    reinforce_plus_plus_baseline_advantages,
    rloo_advantages,
    whiten,
)
from .advantages_newer import gdpo_advantages, maxrl_advantages
from .distillation import distillation_loss, distillation_rewards, generalised_jsd
from .ensembles import mean_of, worst_of
from .kl import (
    kl_abs,
    kl_full,
    kl_k1,
    kl_k2,
    kl_k3,
    kl_penalty,
    kl_straight_through,
    kl_unbiased,
)
from .logprobs import chunked_token_logprobs, entropy, position_ids, sequence_logprobs, token_logprobs
from .masking import (
    aggregate,
    completion_mask,
    fixed_length,
    masked_mean,
    overlong_mask,
    prediction_mask,
    sequence_mean,
    sequence_sum,
    token_mean,
)
from .policy import (
    cispo_loss,
    gspo_loss,
    ppo_clip_loss,
    ratio,
    reinforce_loss,
    sampler_correction,
    sequence_ratio,
)
from .policy_covariance import clip_cov_loss, kl_cov_loss
from .policy_newer import dppo_loss, sapo_loss
from .policy_sequences import gmpo_loss, luspo_loss, vespo_loss
from .preference import (
    bradley_terry_loss,
    cdpo_loss,
    dpo_loss,
    hinge_loss,
    implicit_reward,
    ipo_loss,
    preference_margin,
    robust_dpo_loss,
)
from .preference_absolute import apo_down_loss, apo_zero_loss, bco_loss, nca_loss, sppo_loss
from .preference_newer import aot_loss, exo_loss, ld_dpo_loss
from .preference_variants import kto_kl, kto_loss, orpo_loss, simpo_loss
from .rejection import off_policy_mask, rejection_mask, top_entropy_mask
from .returns import discounted_returns, gae, td_residuals, token_rewards
from .scalars import (
    approx_kl,
    clip_frac,
    dead_group_share,
    grad_norm,
    group_reward_std,
    mean_entropy,
    mean_kl,
    mean_length,
    mean_ratio,
    reward_mean,
    truncated_share,
)
from .shapes import InputError
from .steering import (
    adaptive_kl_coef,
    kl_charge,
    kl_penalised_rewards,
    length_penalised_rewards,
    soft_overlong_penalty,
    total_loss,
)
from .supervised import sft_loss, token_nll
from .tool_use import future_loss, keep_call, tool_mask, trajectory_reward
from .value import explained_variance, value_loss

__all__ = [
    "InputError",
    "adaptive_kl_coef",
    "aggregate",
    "aot_loss",
    "apo_down_loss",
    "apo_zero_loss",
    "approx_kl",
    "batch_advantages",
    "bco_loss",
    "bradley_terry_loss",
    "cdpo_loss",
    "chunked_token_logprobs",
    "cispo_loss",
    "clip_cov_loss",
    "clip_frac",
    "completion_mask",
    "dead_group_share",
    "discounted_returns",
    "distillation_loss",
    "distillation_rewards",
    "dpo_loss",
    "dppo_loss",
    "entropy",
    "exo_loss",
    "explained_variance",
    "fixed_length",
    "future_loss",
    "gae",
    "gdpo_advantages",
    "generalised_jsd",
    "gmpo_loss",
    "grad_norm",
    "group_advantages",
    "group_reward_std",
    "gspo_loss",
    "hinge_loss",
    "implicit_reward",
    "ipo_loss",
    "keep_call",
    "kl_abs",
    "kl_charge",
    "kl_cov_loss",
    "kl_full",
    "kl_k1",
    "kl_k2",
    "kl_k3",
    "kl_penalised_rewards",
    "kl_penalty",
    "kl_straight_through",
    "kl_unbiased",
    "kto_kl",
    "kto_loss",
    "ld_dpo_loss",
    "length_penalised_rewards",
    "luspo_loss",
    "masked_mean",
    "maxrl_advantages",
    "mean_entropy",
    "mean_kl",
    "mean_length",
    "mean_of",
    "mean_ratio",
    "nca_loss",
    "off_policy_mask",
    "orpo_loss",
    "overlong_mask",
    "position_ids",
    "ppo_clip_loss",
    "prediction_mask",
    "preference_margin",
    "ratio",
    "reinforce_loss",
    "reinforce_plus_plus_advantages",
    "reinforce_plus_plus_baseline_advantages",
    "rejection_mask",
    "reward_mean",
    "rloo_advantages",
    "robust_dpo_loss",
    "sampler_correction",
    "sapo_loss",
    "sequence_logprobs",
    "sequence_mean",
    "sequence_ratio",
    "sequence_sum",
    "sft_loss",
    "simpo_loss",
    "soft_overlong_penalty",
    "sppo_loss",
    "td_residuals",
    "token_logprobs",
    "token_mean",
    "token_nll",
    "token_rewards",
    "tool_mask",
    "top_entropy_mask",
    "total_loss",
    "trajectory_reward",
    "truncated_share",
    "value_loss",
    "vespo_loss",
    "whiten",
    "worst_of",
]
