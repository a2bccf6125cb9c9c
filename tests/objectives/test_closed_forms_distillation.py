"""Distillation: results that a reader can work out on paper, and expected gradients by going through every sample."""

from itertools import product
from math import log

import pytest
import torch
from float64 import f64, normal
from paper import LN2, LN3, assert_is

from reference.objectives import (
    discounted_returns,
    distillation_loss,
    distillation_rewards,
    generalised_jsd,
    kl_full,
    kl_k1,
    kl_k2,
    kl_k3,
    reinforce_loss,
)


def one_position(*probabilities: float) -> torch.Tensor:
    """Logits with one prediction, which has these probabilities; the second position predicts nothing."""
    return f64(probabilities).log().expand(1, 2, len(probabilities)).clone().requires_grad_()


@pytest.mark.parametrize(
    ("beta", "value", "slope"),
    [
        # KL(Q || S), and S - Q
        (0, log(1 / 2) / 4 + 3 * log(3 / 2) / 4, 1 / 4),
        # m = (7/16, 9/16): 1/4 KL(Q || m) + 3/4 KL(S || m), and 3/4 1/2 (ln 8/7 - (ln 8/7 + ln 8/9) / 2)
        (1 / 4, log(4 / 7) / 16 + 3 * log(4 / 3) / 16 + 3 * log(8 / 7) / 8 + 3 * log(8 / 9) / 8, 3 * log(9 / 7) / 16),
        # m = (3/8, 5/8): 1/2 KL(Q || m) + 1/2 KL(S || m), and 1/2 1/2 (ln 4/3 - (ln 4/3 + ln 4/5) / 2)
        (1 / 2, log(2 / 3) / 8 + 3 * log(6 / 5) / 8 + log(4 / 3) / 4 + log(4 / 5) / 4, log(5 / 3) / 8),
        # KL(S || Q), and 1/2 (ln 2 - (ln 2 + ln 2/3) / 2)
        (1, LN2 / 2 + log(2 / 3) / 2, LN3 / 4),
    ],
)
def test_a_fair_student_and_a_teacher_of_one_to_three(beta, value, slope):
    student = one_position(1 / 2, 1 / 2)
    jsd = generalised_jsd(student, one_position(1 / 4, 3 / 4), teacher_share=beta)
    jsd.sum().backward()
    assert_is(jsd, value)
    assert_is(student.grad, slope, -slope, 0, 0)


def test_the_teacher_has_a_gradient_unless_it_is_detached():
    """1/2 Q (log Q/m - KL(Q || m)) with Q = (1/4, 3/4), m = (3/8, 5/8): 1/2 1/4 3/4 (ln 2/3 - ln 6/5)."""
    teacher = one_position(1 / 4, 3 / 4)
    generalised_jsd(one_position(1 / 2, 1 / 2), teacher).sum().backward()
    assert_is(teacher.grad, 3 * log(5 / 9) / 32, -3 * log(5 / 9) / 32, 0, 0)


STUDENT = f64([1, 0, -1], [0.5, 0.5, 0], [0, 2, 1], [0, 0, 0], [2, -1, 0], [0, 0, 0])[None]
TEACHER = f64([2, 0, 0], [0, 1, 0], [0, 1, 2], [1, 0, -1], [0, 0, 1], [0, 0, 0])[None]


@pytest.mark.parametrize(
    ("beta", "mean"), [(0, 0.3639), (0.1, 0.0319), (0.5, 0.0851), (0.9, 0.0319), (1, 0.3625)]
)  # what TRL 1.16, ms-swift 4.6 and liger 0.8.5 return
def test_the_ends_are_no_limits(beta, mean):
    assert round(generalised_jsd(STUDENT, TEACHER, teacher_share=beta).mean().item(), 4) == mean


def test_divided_by_its_weight_it_goes_to_the_two_kls():
    near = 1e-6
    forward, reverse = kl_full(TEACHER, STUDENT), kl_full(STUDENT, TEACHER)
    torch.testing.assert_close(generalised_jsd(STUDENT, TEACHER, teacher_share=near) / near, forward, rtol=1e-4, atol=0)
    torch.testing.assert_close(
        generalised_jsd(STUDENT, TEACHER, teacher_share=1 - near) / near, reverse, rtol=1e-4, atol=0
    )


def test_the_two_change_places_with_one_minus_beta():
    there = generalised_jsd(STUDENT, TEACHER, teacher_share=0.3)
    torch.testing.assert_close(generalised_jsd(TEACHER, STUDENT, teacher_share=0.7), there, rtol=1e-12, atol=0)


def test_what_share_no_token_are_as_far_apart_as_a_coin_is_uncertain():
    student = torch.tensor([[[0.0, -torch.inf, -torch.inf]] * 2], dtype=torch.float64, requires_grad=True)
    teacher = torch.tensor([[[-torch.inf, 0.0, -torch.inf]] * 2], dtype=torch.float64)  # nobody gives the third token
    jsd = generalised_jsd(student, teacher, teacher_share=0.25)
    jsd.sum().backward()
    assert_is(jsd, log(4) / 4 + 3 * log(4 / 3) / 4)
    assert_is(student.grad, *[0] * 6)
    assert (
        generalised_jsd(student, teacher, teacher_share=1).item()
        == generalised_jsd(student, teacher, teacher_share=0).item()
        == torch.inf
    )


# ---- of a sampled token --------------------------------------------------------------------------------------------------


def test_rewards_of_a_token_are_the_log_ratio_to_the_teacher():
    student, teacher = f64([0.6, 0.3, 0.25]).log(), f64([0.8, 0.1, 0.5]).log()
    assert_is(distillation_rewards(student, teacher, f64([1, 1, 0])), log(4 / 3), -LN3, 0)
    assert_is(distillation_rewards(student, teacher, f64([1, 1, 1])), *(-kl_k1(student, teacher))[0].tolist())


def gradient_of(token_logprobs: torch.Tensor, teacher: torch.Tensor, **options) -> tuple[torch.Tensor, torch.Tensor]:
    """Each token's loss, and its gradient in that token's log-prob."""
    token_logprobs = token_logprobs.clone().requires_grad_()
    loss = distillation_loss(token_logprobs, teacher, **options)
    loss.sum().backward()
    return loss.detach(), token_logprobs.grad


P, Q, OLD = f64([0.6, 0.25, 0.5]).log(), f64([0.8, 0.5, 0.25]).log(), f64([0.5, 0.05, 1.0]).log()  # r: 1.2, 5, 1/2


def test_the_loss_pushes_each_token_by_its_log_ratio():
    loss, gradient = gradient_of(P, Q)
    assert_is(gradient, log(3 / 4), -LN2, LN2)
    assert_is(loss, log(3 / 4) * log(0.6), LN2 * log(4), -LN2 * LN2)


def test_samples_of_an_older_policy_are_weighted_and_the_weight_has_a_cap_but_no_floor():
    assert_is(gradient_of(P, Q, old_logprobs=OLD)[1], 1.2 * log(3 / 4), -5 * LN2, LN2 / 2)
    assert_is(gradient_of(P, Q, old_logprobs=OLD, max_ratio=2.0)[1], 1.2 * log(3 / 4), -2 * LN2, LN2 / 2)
    assert_is(gradient_of(P, Q, old_logprobs=OLD, max_ratio=1.0)[1], log(3 / 4), -LN2, LN2 / 2)


def test_the_teacher_s_log_probs_have_no_gradient():
    teacher = Q.clone().requires_grad_()
    distillation_loss(P.clone().requires_grad_(), teacher, old_logprobs=OLD).sum().backward()
    assert teacher.grad is None


# ---- expected gradients --------------------------------------------------------------------------------------------------

LOGITS, TEACHER_LOGITS = f64(1, 0, -1), f64(-1, 0.5, 1)


def expected_gradient(loss, sampler: torch.Tensor = LOGITS) -> torch.Tensor:
    """Over every token, each as often as the sampler draws it."""
    logits = LOGITS.clone().requires_grad_()
    logp, teacher = logits.log_softmax(0)[None], TEACHER_LOGITS.log_softmax(0)[None]
    old = sampler.log_softmax(0)[None]
    return torch.autograd.grad((old.exp() * loss(logp, teacher, old)).sum(), logits)[0]


REVERSE, FORWARD = (0.6466, -0.3740, -0.2726), (0.5875, -0.1035, -0.4841)  # of the logits above


@pytest.mark.parametrize(
    ("loss", "gradient"),
    [
        (lambda new, teacher, old: distillation_loss(new, teacher), REVERSE),
        (lambda new, teacher, old: distillation_loss(new, teacher, old_logprobs=old), REVERSE),
        (lambda new, teacher, old: kl_k2(new, teacher), REVERSE),
        (lambda new, teacher, old: kl_k3(new, teacher), FORWARD),
        (lambda new, teacher, old: kl_k1(new, teacher), (0, 0, 0)),
    ],
)
def test_what_a_loss_of_sampled_tokens_teaches(loss, gradient):
    assert expected_gradient(loss).round(decimals=4).tolist() == pytest.approx(gradient, abs=1e-12)


def test_on_samples_of_an_older_policy_the_weight_is_what_makes_it_the_reverse_kl():
    old = f64(0, 1, 0.5)
    logits = LOGITS.clone().requires_grad_()
    kl = kl_full(logits.expand(1, 2, 3), TEACHER_LOGITS.expand(1, 2, 3))
    right = torch.autograd.grad(kl.sum(), logits)[0]
    weighted = expected_gradient(lambda new, q, old: distillation_loss(new, q, old_logprobs=old), old)
    torch.testing.assert_close(weighted, right, rtol=1e-10, atol=1e-12)
    plain = expected_gradient(lambda new, q, old: distillation_loss(new, q), old)
    assert not torch.allclose(plain, right, rtol=0.1)


def test_rewards_to_go_have_the_gradient_of_the_kl_of_whole_completions_and_those_of_one_token_the_myopic_one():
    """Two tokens out of three each, the second given the first: nine completions."""
    first, second = normal(3, seed=1).requires_grad_(), normal(3, 3, seed=2).requires_grad_()
    teacher = normal(3, seed=3).log_softmax(0), normal(3, 3, seed=4).log_softmax(1)
    logp = first.log_softmax(0), second.log_softmax(1)
    pairs = [*product(range(3), repeat=2)]
    new = torch.stack([torch.stack([logp[0][a], logp[1][a, b]]) for a, b in pairs])
    q = torch.stack([torch.stack([teacher[0][a], teacher[1][a, b]]) for a, b in pairs])
    weights, mask = new.sum(dim=1, keepdim=True).exp(), torch.ones(9, 2)

    rewards = distillation_rewards(new, q, mask)
    to_go = (weights.detach() * reinforce_loss(new, discounted_returns(rewards, mask))).sum()
    of_completions = (weights * (new - q)).sum()  # KL(S || Q), as a function of both tables
    states = kl_full(torch.stack([first, first])[None], torch.stack([teacher[0]] * 2)[None]).sum()
    for a in range(3):
        kl = kl_full(torch.stack([second[a]] * 2)[None], torch.stack([teacher[1][a]] * 2)[None]).sum()
        states = states + logp[0][a].exp().detach() * kl  # the first token is not told what it leads to
    for mine, theirs in (
        (to_go, of_completions),
        ((weights.detach() * reinforce_loss(new, rewards)).sum(), states),
        ((weights.detach() * distillation_loss(new, q)).sum(), states),
    ):
        pair = [torch.autograd.grad(x, (first, second), retain_graph=True) for x in (mine, theirs)]
        for a, b in zip(*pair, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    assert not torch.allclose(
        *[torch.autograd.grad(x, first, retain_graph=True)[0] for x in (to_go, states)], rtol=0.01
    )
