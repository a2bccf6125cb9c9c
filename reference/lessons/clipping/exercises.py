"""The exercises ppo_clip_loss, clip_frac."""

from collections.abc import Callable

import torch
from torch import Tensor

from reference.objectives import clip_frac, ppo_clip_loss
from reference.teaching.exercise import Case, Exercise, numbers, ragged_mask


def two_policies(generator: torch.Generator, ratios: list[list[float]]) -> dict[str, Tensor]:
    """Log-probs of a new and an old policy whose ratios are about these, a little off so that none is on a corner."""
    r = torch.tensor(ratios, dtype=torch.float64)
    old = -numbers(generator, *r.shape).abs() - 1
    noise = 1 + 0.02 * torch.rand(r.shape, generator=generator, dtype=torch.float64)
    return {"token_logprobs": old + (r * noise).log(), "old_logprobs": old}


def sizes(generator: torch.Generator, signs: list[list[float]]) -> Tensor:
    """Advantages with these signs, 0 where the sign is 0."""
    signs_ = torch.tensor(signs, dtype=torch.float64)
    return signs_ * (0.5 + torch.rand(signs_.shape, generator=generator, dtype=torch.float64))


# Below, inside and above the clip range, for a good and for a bad completion, small and far moves, a dead group on both
# sides of the range, ratios that a range around their logarithm would judge otherwise, one bad token in a good row.
BATCHES: list[tuple[list[list[float]], list[list[float]], float, float]] = [
    ([[0.9, 1.1]], [[1.0]], 0.2, 0.2),
    ([[0.5, 1.0, 1.5]], [[1.0]], 0.2, 0.2),
    ([[0.5, 1.0, 1.5]], [[-1.0]], 0.2, 0.2),
    ([[0.6, 0.9, 1.24, 1.7], [0.6, 0.9, 1.24, 1.7]], [[1.0], [-1.0]], 0.2, 0.28),
    ([[0.3, 0.74, 1.1, 4.5], [0.2, 0.95, 1.32, 5.0], [0.7, 1.05, 1.4, 2.0]], [[1.0], [-1.0], [0.0]], 0.3, 0.4),
    ([[0.4, 1.6, 0.85, 1.15, 6.0]] * 2, [[1.0, -1.0, -1.0, 1.0, -1.0], [-1.0, 1.0, 1.0, 0.0, 1.0]], 0.1, 0.2),
    ([[0.4, 1.7, 0.9, 1.0], [1.42, 1.44, 0.5, 0.62]], [[0.0] * 4, [1.0, 1.0, -1.0, -1.0]], 0.4, 0.4),
    ([[1.0, 1.1, 0.9, 1.05, 0.5]], [[1.0, 1.0, 1.0, 1.0, -1.0]], 0.2, 0.2),
]
MASKS = [
    *(ragged_mask(lengths, max(lengths)) for lengths in ([2], [3], [3])),
    ragged_mask([4, 3], 4),
    ragged_mask([2, 4, 3], 4),
    ragged_mask([4, 5], 5),
    torch.ones(2, 4, dtype=torch.bool),
    torch.tensor([[0, 1, 0, 1, 1]]).bool(),  # a prompt before it, a tool in between
]


def ppo_clip_loss_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    return [
        Case(
            two_policies(g, ratios) | {"advantages": sizes(g, signs)},
            {"clip_low": low, "clip_high": high},
            ("token_logprobs",),
        )
        for ratios, signs, low, high in BATCHES
    ]


def clip_frac_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for (ratios, signs, low, high), mask in zip(BATCHES, MASKS, strict=True):
        arguments = two_policies(g, ratios) | {"advantages": sizes(g, signs), "mask": mask}
        cases.append(Case(arguments, {"clip_low": low, "clip_high": high}))
    return cases


def trains_the_critic(solution: Callable) -> str:
    """A remark on a solution that is right about the policy and lets the loss reach the advantages as well."""
    zero = torch.zeros(1, 1, requires_grad=True)
    advantages = torch.ones(1, 1, requires_grad=True)
    try:
        loss = solution(zero, zero.detach(), advantages, clip_low=0.2, clip_high=0.2).sum()
        reached = torch.autograd.grad(loss, advantages, allow_unused=True)[0] is not None
    except Exception:  # advantages without a graph are fine; whatever else happens, the cases have passed
        return ""
    return (
        "\n  A thought: if the advantages came from a critic that still carries a graph, this loss would train the critic."
        "\n  The reference detaches them."
        if reached
        else ""
    )


EXERCISES = {
    "ppo_clip_loss": Exercise(
        ppo_clip_loss,
        ppo_clip_loss_cases,
        (
            "You have log-probs and need a ratio of probabilities. And a loss is minimised: what is the sign of the loss "
            "of a token that was better than expected?",
            "There are two losses per token: -advantages * ratio, and -advantages * clipped ratio. The clipped ratio is the "
            "ratio, cut off at 1 - clip_low and 1 + clip_high. Which of the two losses does PPO take?",
            "torch.clamp(ratio, 1 - clip_low, 1 + clip_high) clips, and torch.maximum takes the larger LOSS, token by "
            "token. No mean yet: return one number per token.",
        ),
        """
def ppo_clip_loss(token_logprobs, old_logprobs, advantages, *, clip_low, clip_high):
    ratio = (token_logprobs - old_logprobs).exp()
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    advantages = advantages.detach()
    return torch.maximum(-advantages * ratio, -advantages * clipped)
""",
        remark=trains_the_critic,
    ),
    "clip_frac": Exercise(
        clip_frac,
        clip_frac_cases,
        (
            "In two of the four corners the clip switches the gradient off. Which two? Look at the picture of the loss.",
            "Too far up counts where the advantage is positive, too far down where it is negative.",
            "Combine (ratio > 1 + clip_high) & (advantages > 0) with its counterpart by |, turn it into floats, and take "
            "the mean over the kept tokens only.",
        ),
        """
def clip_frac(token_logprobs, old_logprobs, advantages, mask, *, clip_low, clip_high):
    ratio = (token_logprobs - old_logprobs).exp()
    too_high = (ratio > 1 + clip_high) & (advantages > 0)
    too_low = (ratio < 1 - clip_low) & (advantages < 0)
    return (too_high | too_low)[mask].double().mean()
""",
    ),
}
