"""Solutions written in other ways than the reference, right ones and wrong ones that are on no list."""

import math
from decimal import Decimal
from fractions import Fraction

import torch


def one_after_another(policy_loss, *, value_loss, vf_coef, kl, kl_coef, sft_loss, sft_coef, entropy, entropy_coef):
    loss = policy_loss.clone()
    for term, coef in ((value_loss, vf_coef), (kl, kl_coef), (sft_loss, sft_coef), (entropy, -entropy_coef)):
        loss += coef * term
    return loss


def stacked(policy_loss, *, value_loss, vf_coef, kl, kl_coef, sft_loss, sft_coef, entropy, entropy_coef):
    terms = torch.stack([policy_loss, value_loss, kl, sft_loss, -entropy])
    return terms @ torch.tensor([1.0, vf_coef, kl_coef, sft_coef, entropy_coef], dtype=terms.dtype)


def in_float32(policy_loss, **terms):
    return one_after_another(
        policy_loss.float(), **{k: v if k.endswith("coef") else v.float() for k, v in terms.items()}
    )


def with_a_tensor(n):
    return torch.log(torch.tensor(float(n))) - 1 + 1 / n  # a tensor in float32 is as good as a number


def integrated(n):
    """The mean of the log density under the best of n, from its inverse distribution u = q^(1/n), at many points."""
    points = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    return (math.log(n) + (n - 1) * points.log().mean() / n).item()


def in_decimals(n):
    return Decimal(n).ln() - (Decimal(n) - 1) / n


def as_a_fraction(n):
    return Fraction(math.log(n)) - Fraction(n - 1, n)


def exact_fraction(n):
    return math.log(n) - float(1 - Fraction(1, n))


def loop_over_completions(rewards, baselines):
    columns = [[float(r) - float(b) for r, b in zip(column, baselines, strict=True)] for column in rewards.T]
    return torch.tensor([min(column) for column in columns])


def running_minimum(rewards, baselines):
    worst = rewards[0] - baselines[0]
    for row, baseline in zip(rewards[1:], baselines[1:], strict=True):
        worst = torch.minimum(worst, row - baseline)
    return worst


def sorted_members(rewards, baselines):
    return (rewards.T - baselines).sort(dim=1).values[:, 0]


def three_branches(lengths, *, max_length, buffer):
    def charge(length):
        if length <= max_length - buffer:
            return 0.0
        return (max_length - buffer - length) / buffer if length <= max_length else -1.0

    return torch.tensor([charge(length) for length in lengths.tolist()])


def with_where(lengths, *, max_length, buffer):
    excess = lengths.double() - (max_length - buffer)
    return torch.where(excess <= 0, 0.0, torch.where(excess > buffer, -1.0, -excess / buffer))


def cut_first(lengths, *, max_length, buffer):
    return -(lengths.clamp(max_length - buffer, max_length) - max_length + buffer) / buffer


SOLUTIONS = {
    "total_loss": [one_after_another, stacked, in_float32],
    "best_of_n_kl": [with_a_tensor, integrated, exact_fraction, in_decimals, as_a_fraction],
    "worst_of": [loop_over_completions, running_minimum, sorted_members],
    "soft_length_penalty": [three_branches, with_where, cut_first],
}


WRONG = {
    "total_loss": [
        lambda policy_loss, **terms: policy_loss,
        lambda policy_loss, **terms: one_after_another(policy_loss, **terms).detach(),
        lambda policy_loss, **terms: one_after_another(-policy_loss, **terms),
        lambda policy_loss, **terms: one_after_another(policy_loss, **terms)[None],
        lambda policy_loss, **terms: one_after_another(policy_loss, **terms | {"kl": terms["kl"] ** 2}),
        lambda policy_loss, **terms: one_after_another(policy_loss, **terms).item(),
    ],
    "best_of_n_kl": [
        lambda n: 2 * exact_fraction(n),
        lambda n: exact_fraction(n) ** 2,
        lambda n: exact_fraction(n) / n,
        lambda n: str(exact_fraction(n)),
        lambda n: math.log(n) - (n - 1) / (n + 1),
        lambda n: math.sqrt(2 * math.log(n)),
    ],
    "worst_of": [
        lambda rewards, baselines: running_minimum(rewards, baselines)[None],
        lambda rewards, baselines: running_minimum(rewards, baselines) - running_minimum(rewards, baselines).mean(),
        lambda rewards, baselines: (rewards - baselines[:, None]).min(dim=0),
        lambda rewards, baselines: (rewards - baselines[:, None]).abs().amin(dim=0),
        lambda rewards, baselines: (rewards / baselines[:, None]).amin(dim=0),
        lambda rewards, baselines: rewards - baselines[:, None],
    ],
    "soft_length_penalty": [
        lambda lengths, *, max_length, buffer: 2 * with_where(lengths, max_length=max_length, buffer=buffer),
        lambda lengths, *, max_length, buffer: -(with_where(lengths, max_length=max_length, buffer=buffer) ** 2),
        lambda lengths, *, max_length, buffer: with_where(lengths, max_length=max_length, buffer=max_length),
        lambda lengths, *, max_length, buffer: with_where(lengths, max_length=max_length - buffer, buffer=buffer),
        lambda lengths, *, max_length, buffer: torch.zeros(len(lengths)),
        lambda lengths, *, max_length, buffer: with_where(lengths, max_length=max_length, buffer=buffer)[:, None],
    ],
}
