"""Every objective as a pure function: tensors in, tensors out. Shapes in the signature, formula and source in the docstring.

| file | question it answers |
|---|---|
| logprobs | how likely was each token? (and the prediction axis, defined once) |
| masking | which tokens count, and what is the sum divided by? |
| supervised | how is a demonstration imitated? |
| advantages | how much better than expected was a completion? |
| policy | how far may one batch of samples move the policy? |
| kl | how far is the policy from the reference? |
| scalars | what should I watch? |
"""

from .advantages import group_advantages
from .kl import kl_k3
from .logprobs import chunked_token_logprobs, entropy, position_ids, sequence_logprobs, token_logprobs
from .masking import (
    aggregate,
    completion_mask,
    fixed_length,
    masked_mean,
    prediction_mask,
    sequence_mean,
    token_mean,
)
from .policy import ppo_clip_loss, ratio
from .scalars import approx_kl, clip_frac, dead_group_share, group_reward_std
from .shapes import InputError
from .supervised import sft_loss

__all__ = [
    "InputError",
    "aggregate",
    "approx_kl",
    "chunked_token_logprobs",
    "clip_frac",
    "completion_mask",
    "dead_group_share",
    "entropy",
    "fixed_length",
    "group_advantages",
    "group_reward_std",
    "kl_k3",
    "masked_mean",
    "position_ids",
    "ppo_clip_loss",
    "prediction_mask",
    "ratio",
    "sequence_logprobs",
    "sequence_mean",
    "sft_loss",
    "token_logprobs",
    "token_mean",
]
