"""The exercises of the lesson on the value head: what passing remarks on, and wrong solutions."""

import pytest
import torch
from verdicts import judge

from reference import objectives
from reference.lessons import EXERCISES

SEEDS = range(5)


def test_advantages_with_a_graph_pass_and_are_told_so():
    def live(rewards, values, mask, *, gamma, gae_lambda, bootstrap):
        constants = EXERCISES["gae"].reference(
            rewards, values, mask, gamma=gamma, gae_lambda=gae_lambda, bootstrap=bootstrap
        )
        return constants + 0 * values

    assert judge("gae", live).passed and "detach" in judge("gae", live).message
    assert "detach" not in judge("gae", EXERCISES["gae"].reference).message


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
