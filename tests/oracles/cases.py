"""Small fixed inputs for the oracles, and the options that the frameworks and ours are given.

Imports torch only, so that the recording scripts can use it where `reference` is not installed.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

VOCAB, PROMPT, COMPLETION, GROUP = 5, 2, 5, 4
EOS = 1  # also the padding: masks must find the end by position, not by value
CLIP_LOW, CLIP_HIGH = 0.2, 0.28  # unequal, so that swapping them shows
GSPO_LOW, GSPO_HIGH = 0.05, 0.08  # a mean over tokens moves less: narrower, so that the clip is visited
DUAL_CLIP, VALUE_CLIP = 1.5, 0.5
SAMPLER_LOW, SAMPLER_HIGH = 0.8, 1.5  # 1 / 0.8 is not 1.5: a bound on the inverse ratio shows
TEMPERATURE = 0.7
GAMMA, LAMBDA = 0.9, 0.8
KL_COEF, KL_TARGET, KL_HORIZON = 0.3, 0.1, 20
ENTROPY_COEF = 0.2
BETA, SMOOTHING = 0.3, 0.1
BUFFER = 3  # of the soft overlong penalty, in tokens
GLOBAL_TOKENS, GLOBAL_SEQUENCES, PROCESSES, BUDGET = 40, 16, 2, 11

ORDINARY = ("ragged", "full", "empty row")
HOLES = (*ORDINARY, "tools")  # and masks with holes
FAR = (*ORDINARY, "far")  # and log-ratios beyond the clamps
PAIRED = ("ragged", "tools")  # four rows, two completions of each of two prompts


@dataclass(frozen=True)
class Case:
    """One batch. Everything per token is on the prediction axis, length PROMPT + COMPLETION - 1."""

    tokens: Tensor
    start: Tensor
    mask: Tensor
    logits: Tensor
    logprobs: Tensor
    old: Tensor
    ref: Tensor
    advantages: Tensor
    token_loss: Tensor
    rewards: Tensor  # of more completions than there are rows, in groups of GROUP
    lengths: Tensor  # tokens of each completion, whoever wrote them
    scores: Tensor  # one per row
    token_rewards: Tensor
    values: Tensor
    old_values: Tensor
    returns: Tensor
    sampler: Tensor
    pairs: Tensor  # (chosen, rejected, the reference's chosen and rejected), summed log-probs
    margins: Tensor


def make_case(seed: int, lengths: tuple[int, ...]) -> Case:
    """A batch with completions of these lengths, old and ref some tenths of a nat away from the policy."""
    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64).round(decimals=4)

    rows, preds = len(lengths), PROMPT + COMPLETION - 1
    ends = torch.tensor(lengths)[:, None]
    position = torch.arange(COMPLETION)
    words = torch.randint(2, VOCAB, (rows, PROMPT + COMPLETION), generator=random)
    words[:, PROMPT:][position >= ends - 1] = EOS
    words[:, -1] = torch.where(ends[:, 0] == COMPLETION, 2, words[:, -1])  # full rows are truncated: they have no EOS
    mask = torch.cat([torch.zeros(rows, PROMPT - 1, dtype=torch.bool), position < ends], dim=1)
    logprobs = -(normal(rows, preds).abs() + 0.1)
    lone_success = torch.tensor([1.0, 0, 0, 0], dtype=torch.float64)
    all_equal = torch.full((GROUP,), 0.5, dtype=torch.float64)
    return Case(
        tokens=words,
        start=torch.full((rows,), PROMPT),
        mask=mask,
        logits=2 * normal(rows, PROMPT + COMPLETION, VOCAB),
        logprobs=logprobs,
        old=(old := (logprobs + 0.4 * normal(rows, preds)).round(decimals=4)),
        ref=(logprobs + 0.4 * normal(rows, preds)).round(decimals=4),
        advantages=normal(rows, preds),
        token_loss=torch.where(mask, normal(rows, preds), 77.0),  # a value that shows when the mask is forgotten
        rewards=torch.cat([lone_success, all_equal, normal(GROUP)]),
        lengths=torch.tensor(lengths),
        scores=normal(rows),
        token_rewards=torch.where(mask, normal(rows, preds), 55.0),
        values=(values := normal(rows, preds)),
        old_values=(values + 0.7 * normal(rows, preds)).round(decimals=4),
        returns=normal(rows, preds),
        sampler=(old + 0.5 * normal(rows, preds)).round(decimals=4),
        pairs=-2 * normal(4, rows).abs() - 0.1,
        margins=normal(rows).abs(),
    )


def make_cases() -> dict[str, Case]:
    return {
        "ragged": make_case(1, (5, 2, 4, 1)),
        "full": make_case(2, (5, 5, 5)),
        "empty row": make_case(3, (3, 0, 5)),
        "far": make_far(),
        "tools": make_tools(),
    }


def make_tools() -> Case:
    """A tool or the environment wrote some of the tokens: the mask has holes, and may end before the row does."""
    case = make_case(5, (5, 5, 4, 2))
    written = torch.tensor([[1, 1, 0, 0, 1], [1, 0, 1, 1, 0], [1, 0, 1, 0, 0], [1, 0, 0, 0, 0]], dtype=torch.bool)
    mask = case.mask.clone()
    mask[:, PROMPT - 1 :] &= written
    return replace(
        case,
        mask=mask,
        token_loss=torch.where(mask, case.token_loss, 77.0),
        token_rewards=torch.where(mask, case.token_rewards, 55.0),
    )


def make_far() -> Case:
    """Log-ratios beyond the clamps of verl and OpenRLHF, with the advantages for which they matter."""
    case = make_case(4, (5, 3))
    from_old = [[0, 25, -25, 2, 0.1, -2], [0, -30, 22, 1.5, 0, 0]]
    from_ref = [[0, -3, 12, 0.5, -25, 9], [0, 15, -2, -12, 0, 0]]
    advantages = [[1, -1, 1, -0.5, 0.7, -0.3], [1, 0.4, -1.2, -0.8, 1, 1]]
    return replace(
        case,
        old=(case.logprobs - torch.tensor(from_old, dtype=torch.float64)).round(decimals=4),
        ref=(case.logprobs - torch.tensor(from_ref, dtype=torch.float64)).round(decimals=4),
        advantages=torch.tensor(advantages, dtype=torch.float64),
    )


def without_longest(case: Case) -> Case:
    """Its rows but the longest, in a batch as wide as they need: what was given, and what there is per token or row."""
    rows = case.lengths < case.lengths.max()
    preds = PROMPT - 1 + int(case.lengths[rows].max())
    per_token = ("mask", "logprobs", "ref", "values", "old_values")
    return replace(
        case,
        tokens=case.tokens[rows, : preds + 1],
        lengths=case.lengths[rows],
        scores=case.scores[rows],
        **{name: getattr(case, name)[rows, :preds] for name in per_token},
    )


def observed_kls(rewards: Tensor) -> list[float]:
    """A KL around the target for each reward: what an adaptive controller sees step by step."""
    return [KL_TARGET * (1 + 0.3 * float(reward)) for reward in rewards.detach()]
