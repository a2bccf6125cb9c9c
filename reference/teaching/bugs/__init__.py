"""The bug catalogue: named wrong implementations, with the place where each was seen in the wild, if we know one.

One list, several uses: ``check`` names the mistake when a learner's function behaves like an entry, and the tests make
sure that every entry is caught. An entry is a function with the right signature and one thing wrong with it.

    masking      masked_mean; aggregate in masking_aggregate
    alignment    token_logprobs; completion_mask in alignment_masks; position_ids, encode_pair in alignment_positions
    kl           kl_k1, kl_k2, kl_k3; kl_full in a file of its own
    value        value_loss; discounted_returns in value_returns, gae in value_gae
    clipping     ppo_clip_loss (with clipping_ratio), clip_frac
    advantages   group_advantages (with advantages_eps); rloo_advantages and dead_group_share in advantages_rloo
    aggregation  token_mean, sequence_mean; fixed_length in aggregation_fixed
    kl_place     kl_penalised_rewards, token_rewards
    preference   dpo_loss; implicit_reward and ipo_loss in preference_rewards
"""

from reference.teaching.bug import BUGS, Bug, bug

from . import (  # noqa: F401  (importing them fills the catalogue)
    advantages,
    advantages_eps,
    advantages_rloo,
    aggregation,
    aggregation_fixed,
    alignment,
    alignment_masks,
    alignment_positions,
    clipping,
    clipping_ratio,
    kl,
    kl_full,
    kl_place,
    masking,
    masking_aggregate,
    preference,
    preference_rewards,
    value,
    value_gae,
    value_returns,
)

__all__ = ["BUGS", "Bug", "bug"]
