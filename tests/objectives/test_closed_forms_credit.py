"""Which token gets what: rewards, returns, advantages, the critic and what steers a run, as worked out on paper."""

import math

import pytest
import torch
from float64 import f64
from paper import assert_is

from reference.objectives import (
    batch_advantages,
    discounted_returns,
    explained_variance,
    gae,
    group_advantages,
    kl_penalised_rewards,
    length_penalised_rewards,
    reinforce_plus_plus_advantages,
    reinforce_plus_plus_baseline_advantages,
    rloo_advantages,
    sequence_sum,
    soft_overlong_penalty,
    td_residuals,
    token_rewards,
    total_loss,
    value_loss,
    whiten,
)

# Rewards, returns and advantages of each token


def test_the_score_sits_on_the_last_kept_token_and_every_token_pays_for_its_kl():
    mask = torch.tensor([[0, 1, 1, 0], [1, 0, 1, 1], [0, 0, 0, 0]])
    scores = torch.tensor([5.0, 7.0, 9.0], dtype=torch.float64)
    assert_is(token_rewards(scores, mask), *[0, 0, 5, 0], *[0, 0, 0, 7], *[0] * 4)
    kl = f64([8.0, 2.0, 4.0, 8.0], [2.0, 8.0, 4.0, 6.0], [8.0] * 4)
    charged = token_rewards(scores, mask, kl=kl, kl_coef=0.5)
    assert_is(charged, *[0, -1, 5 - 2, 0], *[-1, 0, -2, 7 - 3], *[0] * 4)
    # Added up it is the score minus the KL of the whole completion, which is what a group baseline is given.
    assert_is(kl_penalised_rewards(scores, kl, mask, kl_coef=0.5), 5 - 0.5 * 6, 7 - 0.5 * 12, 9)
    assert_is(sequence_sum(charged, mask), 5 - 0.5 * 6, 7 - 0.5 * 12, 0)  # an empty row has no token to carry its score


def test_the_return_of_a_token_is_its_reward_and_the_discounted_ones_after_it():
    rewards, mask = f64([1.0, 2.0, 4.0]), torch.ones(1, 3)
    assert_is(discounted_returns(rewards, mask), 7, 6, 4)
    assert_is(discounted_returns(rewards, mask, gamma=0.5), 1 + 1 + 1, 2 + 2, 4)
    assert_is(discounted_returns(rewards, mask, gamma=0.0), 1, 2, 4)
    cut_off = torch.tensor([8.0], dtype=torch.float64)  # the critic expects 8 more where the budget ended
    assert_is(discounted_returns(rewards, mask, gamma=0.5, bootstrap=cut_off), 3 + 8 / 8, 4 + 8 / 4, 4 + 8 / 2)


def test_gae_on_three_tokens():
    """Score 1 at the end; the critic says 1/2, 1/4, 3/4. delta = next value - value, and at the end score - value."""
    rewards, values, mask = f64([0.0, 0.0, 1.0]), f64([0.5, 0.25, 0.75]), torch.ones(1, 3)
    deltas = [0.25 - 0.5, 0.75 - 0.25, 1 - 0.75]
    assert_is(td_residuals(rewards, values, mask), *deltas)
    last = deltas[2]
    middle = deltas[1] + 0.5 * last
    first = deltas[0] + 0.5 * middle
    assert [first, middle, last] == [0.0625, 0.625, 0.25]
    assert_is(gae(rewards, values, mask, gae_lambda=0.5), first, middle, last)
    assert_is(gae(rewards, values, mask, gae_lambda=0.0), *deltas)
    assert_is(gae(rewards, values, mask, gae_lambda=1.0), 1 - 0.5, 1 - 0.25, 1 - 0.75)  # return minus value


def test_gae_discounts_the_next_value_once_and_the_next_advantage_by_gamma_lambda():
    rewards, values, mask = f64([0.0, 2.0]), f64([1.0, 4.0]), torch.ones(1, 2)
    last = 2 - 4
    assert_is(gae(rewards, values, mask, gamma=0.5, gae_lambda=0.25), 0.5 * 4 - 1 + 0.125 * last, last)


def test_a_truncated_completion_is_not_punished_for_being_cut_off():
    """No reward yet; the critic expects 0.8 before the last token and 0.8 after it. Called terminated, that is a loss."""
    rewards, values, mask = f64([0.0]), f64([0.8]), torch.ones(1, 1)
    assert_is(gae(rewards, values, mask), -0.8)
    assert_is(gae(rewards, values, mask, bootstrap=torch.tensor([0.8], dtype=torch.float64)), 0.0)


def test_a_tool_between_two_tokens_is_skipped_or_costs_one_step_per_token():
    """Score 1 at the end, gamma 1/2, two tool tokens in between: one step away, or three."""
    rewards, mask = f64([0.0, 9.0, 9.0, 1.0]), torch.tensor([[1, 0, 0, 1]])
    assert_is(discounted_returns(rewards, mask, gamma=0.5), 1 / 2, 0, 0, 1)
    assert_is(discounted_returns(rewards, mask, gamma=0.5, masked="decay"), 1 / 8, 0, 0, 1)
    values = f64([0.0] * 4)
    assert_is(gae(rewards, values, mask, gae_lambda=0.5), 0.5, 0, 0, 1)
    assert_is(gae(rewards, values, mask, gae_lambda=0.5, masked="decay"), 0.5**3, 0, 0, 1)


def test_rewards_returns_and_advantages_pass_no_gradient_on():
    """A learned reward model, a critic or a policy may have made them: none is trained through them."""
    x = f64([1.0, 2.0], [3.0, 5.0]).requires_grad_()
    rewards = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    mask = torch.ones(2, 2)
    for result in (
        token_rewards(rewards, mask, kl=x, kl_coef=0.1),
        discounted_returns(x, mask, bootstrap=rewards),
        td_residuals(x, x, mask, bootstrap=rewards),
        gae(x, x, mask, bootstrap=rewards),
        group_advantages(rewards, group_size=2),
        batch_advantages(rewards),
        rloo_advantages(rewards, group_size=2),
        whiten(x, mask),
        reinforce_plus_plus_advantages(x, mask),
        reinforce_plus_plus_baseline_advantages(rewards, mask, group_size=2),
        kl_penalised_rewards(rewards, x, mask, kl_coef=0.1),
        length_penalised_rewards(rewards, torch.tensor([1, 2]), length_coef=0.1, max_length=2),
        explained_variance(x, x, mask),
    ):
        assert not result.requires_grad


# Advantages of a completion


def test_rloo_compares_with_the_others():
    rewards = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    assert_is(rloo_advantages(rewards, group_size=4), 1 - 0, *[0 - 1 / 3] * 3)
    of_mean = group_advantages(rewards, group_size=4, scale="none")  # 3/4 and -1/4: too small by (G - 1) / G
    assert_is(rloo_advantages(rewards, group_size=4), *[4 / 3 * a for a in of_mean.tolist()])
    pairs = torch.tensor([3.0, 1.0, 5.0, 5.0], dtype=torch.float64)
    assert_is(rloo_advantages(pairs, group_size=2), 2, -2, 0, 0)


def test_the_batch_std_weighs_an_easy_and_a_hard_prompt_alike():
    """Groups 0, 2 and 4, 4: means 1 and 4. All four: mean 5/2, squares 25/4 + 1/4 + 9/4 + 9/4 = 11, variance 11/3."""
    rewards = torch.tensor([0.0, 2.0, 4.0, 4.0], dtype=torch.float64)
    std = math.sqrt(11 / 3)
    assert_is(group_advantages(rewards, group_size=2, scale="batch", eps=0), -1 / std, 1 / std, 0, 0)
    assert_is(batch_advantages(rewards, eps=0), -2.5 / std, -0.5 / std, 1.5 / std, 1.5 / std)
    population = math.sqrt(11 / 4)
    assert_is(batch_advantages(rewards, ddof=0, eps=1.0), *[d / (population + 1) for d in (-2.5, -0.5, 1.5, 1.5)])


def test_ddof_zero_divides_by_the_number_of_rewards():
    """Rewards 0, 2: deviations -1, 1. Variance 2 / 2 = 1 with ddof 0, 2 / 1 = 2 with ddof 1."""
    rewards = torch.tensor([0.0, 2.0], dtype=torch.float64)
    assert_is(group_advantages(rewards, group_size=2, ddof=0, eps=0), -1, 1)
    assert_is(group_advantages(rewards, group_size=2, eps=0), -1 / math.sqrt(2), 1 / math.sqrt(2))


def test_whitening_takes_its_mean_and_variance_from_the_kept_tokens():
    """Kept 1, 3, 5: mean 3, variance 8 / 2 = 4 (or 8 / 3 with ddof 0)."""
    x, mask = f64([1.0, 3.0], [99.0, 5.0]), torch.tensor([[1, 1], [0, 1]])
    assert_is(whiten(x, mask, eps=0), -2 / 2, 0, 0, 2 / 2)
    assert_is(whiten(x, mask, ddof=0, eps=0), -2 / math.sqrt(8 / 3), 0, 0, 2 / math.sqrt(8 / 3))
    assert_is(whiten(x, mask, eps=5.0), -2 / 3, 0, 0, 2 / 3)  # added to the variance: sqrt(4 + 5)
    assert_is(whiten(x, mask, eps=0, shift_mean=False), 3 - 1, 3, 0, 3 + 1)


def test_reinforce_plus_plus_whitens_the_returns_of_all_tokens():
    """Returns 4, 3 of the first row and 2 of the second: mean 3, variance (1 + 0 + 1) / 2 = 1."""
    rewards, mask = f64([1.0, 3.0], [2.0, 99.0]), torch.tensor([[1, 1], [1, 0]])
    one = 1 / math.sqrt(1 + 1e-8)
    assert_is(reinforce_plus_plus_advantages(rewards, mask), one, 0, -one, 0)


def test_its_baseline_form_spreads_the_centred_reward_over_the_tokens():
    """Rewards 4 and 2 of one prompt: 1 and -1, on 1 and 3 tokens: mean -1/2, variance (9/4 + 3 * 1/4) / 3 = 1."""
    rewards = torch.tensor([4.0, 2.0], dtype=torch.float64)
    mask = torch.tensor([[0, 1, 0], [1, 1, 1]])
    root = math.sqrt(1 + 1e-8)
    ours = reinforce_plus_plus_baseline_advantages(rewards, mask, group_size=2)
    assert_is(ours, 0, 1.5 / root, 0, *[-0.5 / root] * 3)


# The critic


@pytest.mark.parametrize(
    ("value", "old", "target", "loss", "slope"),
    [
        # clip 0.5: the clipped value is old, moved by at most 0.5 towards the value
        (1.25, 1.0, 2.0, 0.75**2 / 2, 1.25 - 2),  # inside: as without the clip
        (3.0, 1.0, 2.0, 1.0**2 / 2, 3.0 - 2),  # clipped to 1.5, which is nearer: the worse error trains
        (3.0, 1.0, 4.0, 2.5**2 / 2, 0.0),  # clipped to 1.5, which is farther: no gradient
        (2.25, 1.0, 2.0, 0.5**2 / 2, 0.0),  # overshot to 2.25, clipped to 1.5: farther than 0.25, no gradient either
    ],
)
def test_the_clipped_value_loss(value, old, target, loss, slope):
    values = f64([value]).requires_grad_()
    ours = value_loss(values, f64([target]), old_values=f64([old]), clip=0.5)
    ours.sum().backward()
    assert_is(ours, loss)
    assert_is(values.grad, slope)


def test_targets_and_old_values_are_constants():
    values, returns, old = (f64([x]).requires_grad_() for x in (1.25, 2.0, 1.0))
    value_loss(values, returns, old_values=old, clip=0.5).sum().backward()
    assert returns.grad is None and old.grad is None
    assert_is(values.grad, 1.25 - 2)


def test_half_the_squared_error_has_the_error_as_its_gradient():
    values = f64([3.0, -1.0]).requires_grad_()
    loss = value_loss(values, f64([1.0, 2.0]))
    loss.sum().backward()
    assert_is(loss, 2**2 / 2, 3**2 / 2)
    assert_is(values.grad, 3 - 1, -1 - 2)


def test_explained_variance_of_a_perfect_a_constant_and_a_wrong_critic():
    """Returns 0, 2, 4 have variance 8/3. V = R + 1 leaves none; V = 7 leaves all; V = 4 - R leaves that of 2 R - 4: four times."""
    returns, mask = f64([0.0, 2.0, 4.0, 50.0]), torch.tensor([[1, 1, 1, 0]])
    assert_is(explained_variance(returns + 1, returns, mask), 1)
    assert_is(explained_variance(torch.full_like(returns, 7.0), returns, mask), 0)
    assert_is(explained_variance(4 - returns, returns, mask), 1 - 4)
    assert explained_variance(returns, torch.ones_like(returns), mask).isnan()  # nothing to explain


# Steering


def test_the_total_loss_adds_everything_but_the_entropy():
    terms = {name: torch.tensor(x, dtype=torch.float64) for name, x in (("value_loss", 4.0), ("kl", -2.0))}
    terms |= {name: torch.tensor(x, dtype=torch.float64) for name, x in (("sft_loss", 3.0), ("entropy", 5.0))}
    policy = torch.tensor(10.0, dtype=torch.float64)
    ours = total_loss(policy, **terms, vf_coef=0.5, kl_coef=0.25, sft_coef=2.0, entropy_coef=0.1)
    assert_is(ours, 10 + 0.5 * 4 + 0.25 * -2 + 2 * 3 - 0.1 * 5)


def test_a_completion_of_the_full_budget_pays_the_whole_length_coefficient():
    rewards = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    ours = length_penalised_rewards(rewards, torch.tensor([0, 25, 100]), length_coef=0.5, max_length=100)
    assert_is(ours, 1, 1 - 0.5 / 4, 0 - 0.5)


def test_the_soft_overlong_penalty_at_its_three_lengths():
    """Budget 100, buffer 20: free up to 80, at 90 half of the buffer is used, at 100 all of it, beyond that no more."""
    ours = soft_overlong_penalty(torch.tensor([0, 80, 90, 100, 500]), max_length=100, buffer=20)
    assert ours.tolist() == [0.0, 0.0, -0.5, -1.0, -1.0]
