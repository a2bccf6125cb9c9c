"""The rollouts that every framework makes a batch of: two prompts, three completions each, and a model without context.

A token's log-prob depends on the token alone, so each log-prob in a batch says which token it is about. Imports nothing but
torch, so that the environments of the frameworks can use it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

VOCAB, PAD, EOS = 64, 3, 2
GROUP = 3


@dataclass(frozen=True)
class Row:
    """One completion: what the model wrote is 1 in ``mask``, what a tool wrote 0."""

    prompt: list[int]
    completion: list[int]
    mask: list[int]
    reward: float


FIRST, SECOND = [10, 11, 12], [13, 14]
ROWS = (
    Row(FIRST, [20, 21, EOS], [1, 1, 1], 1.0),
    Row(FIRST, [22, 23, 30, 31, 24, EOS], [1, 1, 0, 0, 1, 1], 0.0),  # 30 and 31 are a tool's
    Row(FIRST, [25, EOS], [1, 1], 0.0),
    Row(SECOND, [26, 27, 28, EOS], [1, 1, 1, 1], 1.0),
    Row(SECOND, [29, EOS], [1, 1], 1.0),
    Row(SECOND, [40, 41, 42, 43, 44], [1, 1, 1, 1, 1], 0.0),  # cut before its end
)


def logits(scale: float) -> Tensor:
    """(vocab,). Token v has the logit v * scale, wherever it stands."""
    return torch.arange(VOCAB) * scale


def logprob(token: int, scale: float) -> float:
    return logits(scale).log_softmax(dim=0)[token].item()


POLICY, REFERENCE = 0.05, 0.02  # the scales


def sampled(token: int) -> float:
    """What the sampler says of a token: another number than the policy's."""
    return -token / 100
