"""What ``check`` says on the exercises of the lesson on over-optimisation, and that their cases are what they say."""

import math

import pytest
import torch

from reference.evaluation.best_of_n import best_of_n_kl
from reference.lessons import BUGS
from reference.lessons.over_optimisation.cases import (
    TERMS,
    best_of_n_kl_cases,
    nats_of,
    soft_length_penalty_cases,
    total_loss_cases,
    worst_of_cases,
)
from reference.lessons.over_optimisation.exercises import EXERCISES
from reference.objectives import soft_overlong_penalty, total_loss
from reference.teaching.check import judge
from reference.teaching.compare import outcome

from .solutions import one_after_another, running_minimum, with_where

HERE = [bug for bug in BUGS if bug.breaks in EXERCISES]


def named(name, function, seed=0):
    """The name of the mistake that ``check`` finds."""
    found = judge(EXERCISES[name], HERE, function, seed).bug
    return found and found.name


@pytest.mark.slow
@pytest.mark.parametrize("bug", HERE, ids=lambda bug: f"{bug.breaks}: {bug.name}")
def test_every_version_of_a_mistake_is_named(bug):
    assert {named(bug.breaks, version, seed) for version in bug.versions for seed in range(2)} == {bug.name}


def test_the_gradient_of_the_whole_loss_is_its_coefficients():
    for case in total_loss_cases(0):
        coefs = case.options
        expected = [1.0, coefs["vf_coef"], coefs["kl_coef"], coefs["sft_coef"], -coefs["entropy_coef"]]
        assert case.differentiable == TERMS
        assert [round(g.item(), 9) for g in outcome(total_loss, case).gradients] == expected


def test_the_terms_have_their_natural_signs_and_a_sampled_kl_has_both():
    cases = [case for seed in range(5) for case in total_loss_cases(seed)]
    terms = [case.arguments | case.options for case in cases]
    assert all(t[name] > 0 for t in terms for name in ("value_loss", "sft_loss", "entropy"))
    for name in ("kl", "policy_loss"):
        assert {(t[name] > 0).item() for t in terms} == {True, False}


def test_a_term_without_a_gradient_is_named_although_the_value_is_right():
    def detached(policy_loss, **terms):
        return one_after_another(policy_loss, **terms | {"kl": terms["kl"].detach()})

    assert named("total_loss", detached) == "KL without a gradient"
    assert (
        named("total_loss", lambda p, **t: one_after_another(p, **t | {"kl": t["kl"].item()}))
        == "KL without a gradient"
    )


def test_a_number_is_a_number_whatever_its_type():
    for value in (best_of_n_kl(4), torch.tensor(best_of_n_kl(4)), best_of_n_kl(4) + 1e-6):
        assert nats_of(lambda n, v=value: v, 4) == 0.6363
    assert nats_of(lambda n: -0.0, 1) == 0 and math.copysign(1, nats_of(lambda n: -0.0, 1)) == 1
    assert nats_of(lambda n: 0.6365, 4) == 0.6365 and nats_of(lambda n: "0.6", 4) == "0.6"
    assert nats_of(lambda n: None, 4) is None  # so that it is asked for the return statement


def test_the_best_of_one_is_among_the_cases_and_alone_at_the_edge():
    ns = [case.arguments["n"] for case in best_of_n_kl_cases(3)]
    assert ns == sorted(ns) and len(set(ns)) == len(ns)
    assert [case.arguments["n"] for case in best_of_n_kl_cases(3) if case.edge] == [1]


@pytest.mark.parametrize("seed", range(20))
def test_every_member_is_the_worst_one_of_some_completion_and_baselines_decide_which(seed):
    differs, several = [], []
    for case in worst_of_cases(seed):
        rewards, baselines = case.arguments.values()
        worst, lowest = (rewards - baselines[:, None]).argmin(dim=0), rewards.argmin(dim=0)
        assert set(worst.tolist()) == set(range(len(rewards)))
        differs.append(not torch.equal(worst, lowest))
        several.append(len(lowest.unique()) > 1)
    assert sum(differs) >= 2 and any(several)


def test_one_origin_by_hand():
    """The first member says 1 and 3 with 2 as its origin, the second 7 and 6 with 6.5."""
    rewards, baselines = torch.tensor([[1.0, 3.0], [7.0, 6.0]]), torch.tensor([2.0, 6.5])
    assert running_minimum(rewards, baselines).tolist() == [-1.0, -0.5]
    assert EXERCISES["worst_of"].reference(rewards, baselines).tolist() == [-1.0, -0.5]


@pytest.mark.parametrize("seed", range(5))
def test_lengths_lie_on_every_part_of_the_line(seed):
    for case in soft_length_penalty_cases(seed):
        lengths, options = case.arguments["lengths"], case.options
        charge = with_where(lengths, **options)
        assert torch.allclose(charge, soft_overlong_penalty(lengths, **options).double())
        assert (charge == 0).sum() == 2 and (charge == -1).sum() == 3 and len(lengths) == 8
        assert (lengths == options["max_length"]).any() and (lengths > options["max_length"]).sum() == 2


def test_the_soft_penalty_by_hand():
    """A budget of 100 with a buffer of 20: free up to 80, half way down at 90."""
    charge = EXERCISES["soft_length_penalty"].reference(torch.tensor([80, 85, 90, 100, 101]), max_length=100, buffer=20)
    assert charge.tolist() == [0.0, -0.25, -0.5, -1.0, -1.0]


def test_what_is_shown_of_a_wrong_formula():
    message = judge(EXERCISES["best_of_n_kl"], HERE, lambda n: 2 * math.log(n)).message
    assert "n=2" in message and "target 0.1931 nats" in message and "yours  1.3863 nats" in message
