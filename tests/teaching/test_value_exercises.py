"""Notebook 03's exercises: right solutions pass however they are written, wrong ones do not."""

import pytest
import torch

from reference import objectives
from reference.teaching.check import judge
from reference.teaching.exercises import EXERCISES

SEEDS = range(5)

# ---- right answers, written differently ------------------------------------------------------------------------------


def kept_only_returns(rewards, mask, *, gamma):
    out = torch.zeros_like(rewards)
    for b in range(len(rewards)):
        places = mask[b].nonzero()[:, 0].tolist()
        for i, t in enumerate(places):
            out[b, t] = sum(gamma**n * rewards[b, s] for n, s in enumerate(places[i:]))
    return out


def float32_returns(rewards, mask, *, gamma):
    rewards, running = rewards.float(), torch.zeros(len(rewards))
    out = []
    for t in range(rewards.shape[1] - 1, -1, -1):
        keep = mask[:, t].float()
        running = keep * (rewards[:, t] + gamma * running) + (1 - keep) * running
        out.append(running * keep)
    return torch.stack(out[::-1], dim=1)


def kept_only_gae(rewards, values, mask, *, gamma, gae_lambda, bootstrap):
    out = torch.zeros_like(rewards)
    for b in range(len(rewards)):
        after, advantage = bootstrap[b], 0.0
        for t in reversed(mask[b].nonzero()[:, 0].tolist()):
            advantage = rewards[b, t] + gamma * after - values[b, t] + gamma * gae_lambda * advantage
            out[b, t], after = advantage, values[b, t]
    return out


def verl_like_gae(rewards, values, mask, *, gamma, gae_lambda, bootstrap):
    keep, after, running, out = mask.double(), bootstrap, 0.0, []
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * after - values[:, t]
        step = delta + gamma * gae_lambda * running
        after = values[:, t] * keep[:, t] + (1 - keep[:, t]) * after
        running = step * keep[:, t] + (1 - keep[:, t]) * running
        out.append(running)
    return torch.stack(out[::-1], dim=1) * keep


def where_loss(values, returns, *, old_values=None, clip=None):
    returns = returns.detach()
    plain = (values - returns).pow(2) / 2
    if clip is None:
        return plain
    old_values = old_values.detach()
    moved = torch.min(torch.max(values, old_values - clip), old_values + clip)
    clipped = torch.nn.functional.mse_loss(moved, returns, reduction="none") / 2
    return torch.where(clipped > plain, clipped, plain)


def halved_difference(values, returns, *, old_values=None, clip=None):
    target = returns.data
    losses = [(values - target).square()]
    if clip:
        losses.append((torch.clamp(values, old_values.data - clip, old_values.data + clip) - target).square())
    return torch.stack(losses).max(dim=0).values * 0.5


@pytest.mark.parametrize(
    ("name", "solution"),
    [
        ("discounted_returns", kept_only_returns),
        ("discounted_returns", float32_returns),
        ("gae", kept_only_gae),
        ("gae", verl_like_gae),
        ("value_loss", where_loss),
        ("value_loss", halved_difference),
    ],
)
def test_a_right_solution_passes_however_it_is_written(name, solution):
    for seed in SEEDS:
        assert judge(name, solution, seed).passed, judge(name, solution, seed).message


def test_advantages_with_a_graph_pass_and_are_told_so():
    def live(rewards, values, mask, *, gamma, gae_lambda, bootstrap):
        constants = EXERCISES["gae"].reference(
            rewards, values, mask, gamma=gamma, gae_lambda=gae_lambda, bootstrap=bootstrap
        )
        return constants + 0 * values

    assert judge("gae", live).passed and "detach" in judge("gae", live).message
    assert "detach" not in judge("gae", EXERCISES["gae"].reference).message


# ---- wrong ones ------------------------------------------------------------------------------------------------------


def returns_with_gamma_everywhere(rewards, mask, *, gamma):  # a named mistake, written without looking at the mask
    out, running = torch.zeros_like(rewards), 0.0
    for t in reversed(range(rewards.shape[1])):
        out[:, t] = running = rewards[:, t] + running
    return out


def gae_from_returns(rewards, values, mask, *, gamma, gae_lambda, bootstrap):
    returns = objectives.discounted_returns(rewards, mask, gamma=gamma, bootstrap=bootstrap)
    return (returns - values) * mask * gae_lambda


def huber(values, returns, *, old_values=None, clip=None):
    return torch.nn.functional.huber_loss(values, returns.detach(), reduction="none", delta=clip or 1.0)


def clip_before_the_square(values, returns, *, old_values=None, clip=None):
    error = values - returns.detach()
    if clip is not None:
        error = torch.maximum(error, old_values + (values - old_values).clamp(-clip, clip) - returns)
    return 0.5 * error**2


@pytest.mark.parametrize(
    ("name", "solution", "bug"),
    [
        ("discounted_returns", returns_with_gamma_everywhere, "gamma forgotten"),
        ("value_loss", lambda v, r, *, old_values, clip: (v - r) ** 2, None),
        ("gae", gae_from_returns, None),
        ("value_loss", huber, None),
        ("value_loss", clip_before_the_square, None),
        ("gae", lambda r, v, m, *, gamma, gae_lambda, bootstrap: torch.zeros_like(r), None),
    ],
)
def test_a_wrong_solution_is_refused_and_named_where_it_is_known(name, solution, bug):
    for seed in SEEDS:
        verdict = judge(name, solution, seed)
        assert verdict.status in ("wrong", "mistake")
        assert bug is None or verdict.bug.name == bug, verdict.message
