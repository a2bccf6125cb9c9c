"""Advantages by exact enumeration: which baseline and which scale leave the policy gradient what it is.

A bandit is a policy of one token: an arm, and its reward. The expected gradient over all groups of G draws is a sum
over all G-tuples of arms.
"""

import itertools
import math

import pytest
import torch
from enumeration import (
    ROWS,
    SEQUENCES,
    all_prefixes,
    all_sequences,
    assert_exact,
    cosine,
    gradient,
    log_probs,
    mean_over,
    probabilities,
    random_policy,
)
from float64 import f64, normal

from reference.objectives import (
    batch_advantages,
    discounted_returns,
    group_advantages,
    reinforce_loss,
    reinforce_plus_plus_advantages,
    reinforce_plus_plus_baseline_advantages,
    rloo_advantages,
    sequence_sum,
    token_rewards,
    whiten,
)


def bandit(*arm_probabilities):
    return f64(list(arm_probabilities)).log().requires_grad_()


def true_gradient(policy, arm_rewards):
    """Of J = sum of pi(arm) * reward(arm)."""
    return gradient((torch.softmax(policy, dim=1)[0] * arm_rewards).sum(), policy)


def expected_gradient(policies, arm_rewards, group_size, advantages_of):
    """Of J, as estimated from batches of one group per policy (prompt): one tensor per policy.

    ``advantages_of`` takes the rewards of a batch, group after group. All batches are summed, each times its
    probability.
    """
    arms = len(arm_rewards)
    draws = all_sequences(arms, len(policies) * group_size)
    which = torch.arange(len(policies)).repeat_interleave(group_size)
    logp = torch.stack([log_probs(policy, all_sequences(arms, 1))[:, 0] for policy in policies])[which, draws]
    advantages = torch.stack([advantages_of(arm_rewards[batch]) for batch in draws])
    weights = logp.sum(dim=1).exp().detach()
    objective = -mean_over(weights, reinforce_loss(logp, advantages)) / group_size
    return [gradient(objective, policy) for policy in policies]


# One prompt, any rewards


@pytest.mark.parametrize("group_size", [2, 3, 4])
def test_leave_one_out_gives_exactly_the_policy_gradient(group_size):
    policy, arm_rewards = random_policy(4, 1, seed=1), f64(1.0, 0.0, 0.0, 0.3)
    (ours,) = expected_gradient([policy], arm_rewards, group_size, lambda r: rloo_advantages(r, group_size=group_size))
    assert_exact(ours, true_gradient(policy, arm_rewards))


@pytest.mark.parametrize("group_size", [2, 3, 4])
def test_leave_one_out_gives_exactly_the_policy_gradient_of_sequences(group_size):
    """Two tokens each, so a policy with states; its reward is any number per sequence."""
    sequences = all_sequences(2, 2)
    policy, rewards = random_policy(2, 2, seed=4), f64(0.3, -1.0, 2.0, 0.1)
    groups = torch.tensor(list(itertools.product(range(4), repeat=group_size)))
    advantages = rloo_advantages(rewards[groups].flatten(), group_size=group_size)
    loss = reinforce_loss(log_probs(policy, sequences)[groups.flatten()], advantages[:, None])
    p = probabilities(policy, sequences)
    per_group = loss.sum(dim=1).view(-1, group_size).mean(dim=1)
    ours = gradient((p[groups].prod(dim=1).detach() * per_group).sum(), policy)
    assert_exact(ours, -gradient((p * rewards).sum(), policy))


def test_leave_one_out_is_the_group_mean_times_g_over_g_minus_one():
    rewards = normal(12, seed=5)
    for group_size in (2, 3, 4, 6, 12):
        minus_mean = group_advantages(rewards, group_size=group_size, scale="none")
        ours = rloo_advantages(rewards, group_size=group_size)
        assert_exact(ours, group_size / (group_size - 1) * minus_mean)


def test_divided_by_the_group_std_each_coordinate_is_scaled_by_its_own_number():
    """Four arms, G = 3. The last arm pays 0.3 and should go one way: on average it is pushed the other way."""
    policy, arm_rewards = random_policy(4, 1, seed=1), f64(1.0, 0.0, 0.0, 0.3)
    (ours,) = expected_gradient([policy], arm_rewards, 3, lambda r: group_advantages(r, group_size=3))
    times = ours / true_gradient(policy, arm_rewards)
    assert times[0].tolist() == pytest.approx([1.31, 1.61, 1.61, -0.17], abs=0.005)


# One prompt, rewards of 0 and 1


def difficulty_factor(p, group_size):
    """What dividing by the group's std makes of the gradient of a prompt that is solved with probability p.

    k successes in G have std sqrt(k (G - k) / (G (G - 1))). What is left of the gradient is, with q = 1 - p,
    the mean over k of sqrt(k (G - k) (G - 1) / G), divided by G p q.
    """
    g, q = group_size, 1 - p
    chance = [math.comb(g, k) * p**k * q ** (g - k) for k in range(g + 1)]
    return sum(c * math.sqrt(k * (g - k) * (g - 1) / g) for k, c in enumerate(chance)) / (g * p * q)


@pytest.mark.parametrize("group_size", [2, 3, 4, 5])
@pytest.mark.parametrize("p", [0.1, 0.5])
def test_with_binary_rewards_the_group_std_scales_a_prompt_by_a_number_that_depends_on_its_difficulty(group_size, p):
    """Parallel after all: there are two advantages only, one for 1 and one for 0, and they average to 0."""
    policy, arm_rewards = bandit(0.3 * p, 0.7 * p, 0.2 * (1 - p), 0.8 * (1 - p)), f64(1.0, 1.0, 0.0, 0.0)
    (ours,) = expected_gradient(
        [policy], arm_rewards, group_size, lambda r: group_advantages(r, group_size=group_size, eps=0.0)
    )
    assert_exact(ours, difficulty_factor(p, group_size) * true_gradient(policy, arm_rewards))


def test_up_to_groups_of_three_the_std_treats_every_difficulty_alike():
    """A mixed group of 2 or 3 always has one odd one out, hence always the same std: there is nothing to weigh with."""
    for p in (0.01, 0.1, 0.5, 0.9):
        assert difficulty_factor(p, 2) == pytest.approx(1 / math.sqrt(2), rel=1e-12)
        assert difficulty_factor(p, 3) == pytest.approx(2 / math.sqrt(3), rel=1e-12)


def test_in_larger_groups_the_std_favours_prompts_that_are_almost_always_or_almost_never_solved():
    """For G = 16 a prompt solved 1 time in 50 weighs 1.86 times as much as one solved every second time. The limit of
    large groups is 1 / std = 1 / sqrt(p q)."""
    assert difficulty_factor(0.02, 16) / difficulty_factor(0.5, 16) == pytest.approx(1.86, abs=0.005)
    assert difficulty_factor(0.02, 16) == pytest.approx(difficulty_factor(0.98, 16), rel=1e-12)
    for p in (0.2, 0.5):
        assert difficulty_factor(p, 900) == pytest.approx(1 / math.sqrt(p * (1 - p)), rel=0.01)


# Several prompts


PROMPTS = [(0.1, 0.2, 0.7), (0.7, 0.2, 0.1)]  # an easy one and a hard one: the last arm is the right answer
ARM_REWARDS = (0.0, 0.3, 1.0)


def over_two_prompts(advantages_of):
    """Expected gradient of each prompt over the true one, by coordinate. Groups of 2, so batches of 4."""
    policies = [bandit(*p) for p in PROMPTS]
    ours = expected_gradient(policies, f64(*ARM_REWARDS), 2, advantages_of)
    return torch.cat([g / true_gradient(p, f64(*ARM_REWARDS)) for g, p in zip(ours, policies, strict=True)])


@pytest.mark.parametrize(
    ("advantages_of", "factor"),
    [
        (lambda r: group_advantages(r, group_size=2, scale="none"), 1 / 2),
        (lambda r: rloo_advantages(r, group_size=2), 1),
        (lambda r: batch_advantages(r, eps=1e15) * 1e15, 3 / 4),  # an eps in which the std drowns: the batch mean alone
    ],
)
def test_a_mean_of_n_rewards_as_baseline_leaves_n_minus_one_nths_of_every_prompts_gradient(advantages_of, factor):
    """Group mean of 2, mean of the others, batch mean of 4: rewards of other prompts are a baseline like any other."""
    assert_exact(over_two_prompts(advantages_of), factor)


@pytest.mark.parametrize(
    "advantages_of",
    [
        lambda r: group_advantages(r, group_size=2, scale="group"),
        lambda r: group_advantages(r, group_size=2, scale="batch"),
        batch_advantages,
    ],
)
def test_any_std_of_the_same_rewards_scales_the_coordinates_of_one_prompt_differently(advantages_of):
    """The std depends on the reward it divides, whether it is the group's or the batch's."""
    factors = over_two_prompts(advantages_of)
    for prompt in factors:
        assert prompt.max() / prompt.min() > 1.05


def test_the_batch_std_distorts_less_than_the_group_std():
    """With 4 rewards instead of 2 in it, it depends less on each."""
    batch = over_two_prompts(lambda r: group_advantages(r, group_size=2, scale="batch"))
    group = over_two_prompts(lambda r: group_advantages(r, group_size=2, scale="group"))
    assert batch.max() / batch.min() < 1.3
    assert group.max() / group.min() > 3


def mean_advantage_per_prompt(advantages_of):
    """E[A | prompt] for the easy and the hard prompt."""
    draws = all_sequences(3, 4)
    p = f64(*PROMPTS)[[0, 0, 1, 1], draws].prod(dim=1)
    advantages = torch.stack([advantages_of(f64(*ARM_REWARDS)[batch]) for batch in draws])
    return (p[:, None] * advantages).sum(dim=0).view(2, 2).mean(dim=1).tolist()


def test_over_the_batch_mean_easy_prompts_look_good_and_hard_ones_bad():
    """J is 0.76 and 0.16: with the batch mean, 0.3 of every advantage is the difficulty of the prompt."""
    easy, hard = mean_advantage_per_prompt(lambda r: batch_advantages(r, eps=1e15) * 1e15)
    assert (easy, hard) == (pytest.approx((0.76 - 0.16) / 2), pytest.approx((0.16 - 0.76) / 2))
    easy, hard = mean_advantage_per_prompt(batch_advantages)
    assert easy > 0.5
    assert hard < -0.5
    for scale in ("none", "group", "batch"):
        of_group = mean_advantage_per_prompt(lambda r, scale=scale: group_advantages(r, group_size=2, scale=scale))
        assert of_group == pytest.approx([0, 0], abs=1e-15)


def test_a_batch_of_one_group_has_batch_statistics_equal_to_the_groups():
    rewards = f64(0.0, 0.3, 1.0, 0.2)
    ours = batch_advantages(rewards)
    for scale in ("group", "batch"):
        assert_exact(ours, group_advantages(rewards, group_size=4, scale=scale))


# Groups of 0 and 1


@pytest.mark.parametrize("group_size", range(2, 17))
def test_a_lone_success_for_every_group_size(group_size):
    """Mean 1/G; variance 1/G with ddof 1 and (G - 1) / G^2 with ddof 0."""
    g = group_size
    rewards = torch.zeros(g, dtype=torch.float64)
    rewards[0] = 1.0
    by_ddof = {d: group_advantages(rewards, group_size=g, ddof=d, eps=0.0) for d in (0, 1)}
    assert_exact(by_ddof[1][:2], f64((g - 1) / math.sqrt(g), -1 / math.sqrt(g)))
    assert_exact(by_ddof[0][:2], f64(math.sqrt(g - 1), -1 / math.sqrt(g - 1)))
    assert_exact(by_ddof[0] / by_ddof[1], math.sqrt(g / (g - 1)))
    assert_exact(rloo_advantages(rewards, group_size=g)[:2], f64(1.0, -1 / (g - 1)))
    assert_exact(group_advantages(rewards, group_size=g, scale="none")[:2], f64((g - 1) / g, -1 / g))


def test_the_two_standard_deviations_of_small_and_large_groups():
    """sqrt(G / (G - 1)): 41 % apart for two completions, 1 % for sixty-four."""
    for g, expected in ((2, 1.414), (4, 1.155), (8, 1.069), (64, 1.008)):
        rewards = f64(1.0, *[0.0] * (g - 1))
        zero, one = (group_advantages(rewards, group_size=g, ddof=d, eps=0.0)[0] for d in (0, 1))
        assert (zero / one).item() == pytest.approx(expected, abs=0.0005)


@pytest.mark.parametrize("group_size", [2, 3, 4, 6])
@pytest.mark.parametrize("ddof", [0, 1])
def test_every_mixed_group_has_the_same_total_weight_however_hard_it_is(group_size, ddof):
    """Squares of z-scores add up to G - ddof for each of the 2^G - 2 mixed groups; those of dead groups to 0."""
    outcomes = all_sequences(2, group_size).double()
    z = group_advantages(outcomes.flatten(), group_size=group_size, ddof=ddof, eps=0.0).view(outcomes.shape)
    mixed = (outcomes.sum(dim=1) > 0) & (outcomes.sum(dim=1) < group_size)
    assert_exact((z**2).sum(dim=1), (group_size - ddof) * mixed.double())
    assert mixed.sum() == 2**group_size - 2


def test_unscaled_a_group_weighs_as_much_as_its_rewards_vary():
    """Squares of r - mean add up to k (G - k) / G: a lone success in 8 weighs 7/8, an even split 2."""
    for k in range(9):
        rewards = f64(*[1.0] * k, *[0.0] * (8 - k))
        a = group_advantages(rewards, group_size=8, scale="none")
        assert_exact((a**2).sum(), k * (8 - k) / 8)


# Baselines


POLICY = random_policy(3, 3, seed=1)
REWARDS = normal(27, seed=3)


def with_baseline(baseline):
    """Expected gradient of J when a baseline (27, 3) is subtracted from the reward at each token."""
    advantages = REWARDS[:, None] - baseline
    return -gradient(
        mean_over(probabilities(POLICY, SEQUENCES), reinforce_loss(log_probs(POLICY, SEQUENCES), advantages)), POLICY
    )


def per_prefix(length):
    """Any number for each prefix up to this length."""
    return normal(len(all_prefixes(3, length)), seed=8)


def test_any_baseline_that_is_known_before_the_token_leaves_the_gradient_unbiased():
    exact = gradient((probabilities(POLICY, SEQUENCES) * REWARDS).sum(), POLICY)
    assert_exact(with_baseline(torch.zeros(27, 3)), exact)
    assert_exact(with_baseline(per_prefix(3)[ROWS]), exact)


def test_a_baseline_read_at_the_token_itself_biases_the_gradient():
    """The same numbers one position late: b(prefix + token). What is lost is the gradient that they would have as a
    reward."""
    longer = all_prefixes(3, 4)
    table = per_prefix(4)
    late = [[table[longer.index(tuple(s[: t + 1]))] for t in range(3)] for s in SEQUENCES.tolist()]
    late = torch.tensor(late, dtype=torch.float64)
    p = probabilities(POLICY, SEQUENCES)
    exact = gradient((p * REWARDS).sum(), POLICY)
    ours = with_baseline(late)
    assert_exact(ours, exact - gradient(mean_over(p, late * log_probs(POLICY, SEQUENCES)), POLICY))
    assert cosine(ours, exact) < 0.8


def test_on_a_bandit_a_baseline_per_arm_is_a_change_of_its_reward():
    policy, arm_rewards, baseline = bandit(0.2, 0.3, 0.5), f64(1.0, 0.5, 0.0), f64(1.3, 0.2, 0.4)
    arms = all_sequences(3, 1)
    loss = reinforce_loss(log_probs(policy, arms), (arm_rewards - baseline)[:, None])
    ours = -gradient(mean_over(probabilities(policy, arms), loss), policy)
    assert_exact(ours, true_gradient(policy, arm_rewards - baseline))
    assert true_gradient(policy, arm_rewards)[0, 0] > 0 > ours[0, 0]  # the best arm is pushed down


# Whitening and REINFORCE++


MASK = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 1, 0]])
SCORES = f64(0.0, 1.0, 3.0)


@pytest.mark.parametrize("ddof", [0, 1])
def test_whitened_tokens_have_mean_0_and_variance_1(ddof):
    x = normal(3, 4, seed=6)
    kept = [x[b, t].item() for b in range(3) for t in range(4) if MASK[b, t]]
    mean = sum(kept) / 7
    variance = sum((k - mean) ** 2 for k in kept) / (7 - ddof)
    ours = whiten(x, MASK, ddof=ddof, eps=0.0)
    assert_exact(ours[MASK.bool()], f64(*[(k - mean) / math.sqrt(variance) for k in kept]))
    assert_exact(ours.sum(), 0.0)
    assert_exact((ours**2).sum(), 7.0 - ddof)
    assert (ours[MASK == 0] == 0).all()
    assert_exact(whiten(x, MASK, ddof=ddof, eps=0.0, shift_mean=False)[MASK.bool()].mean(), mean)


def test_eps_is_added_to_the_variance_not_to_the_standard_deviation():
    """Values 0 and 2 have mean 1 and variance 2; with eps 2 they are divided by sqrt(4)."""
    ours = whiten(f64([0.0, 2.0]), torch.ones(1, 2), eps=2.0)
    assert_exact(ours, f64([-1 / 2, 1 / 2]))


def test_whitening_ignores_zero_and_unit_of_what_it_is_given():
    x = normal(3, 4, seed=6)
    assert_exact(whiten(7 * x - 4, MASK, eps=0.0), whiten(x, MASK, eps=0.0))


def test_reinforce_plus_plus_by_hand():
    """Scores 0, 1, 3 on rows of 2, 4 and 1 kept tokens: returns 0, 0, 1, 1, 1, 1, 3: mean 1, squares 2 + 4 = 6."""
    rewards = token_rewards(SCORES, MASK)
    ours = reinforce_plus_plus_advantages(rewards, MASK)
    by_row = f64(-1.0, 0.0, 2.0)  # and variance 6 / 6 = 1
    torch.testing.assert_close(ours, MASK * by_row[:, None], rtol=1e-7, atol=1e-9)  # eps 1e-8 under the root


def test_reinforce_plus_plus_is_the_whitened_return_to_go_and_gamma_reaches_it():
    rewards = token_rewards(SCORES, MASK, kl=torch.rand(3, 4).double(), kl_coef=0.1)
    for gamma in (1.0, 0.5):
        returns = discounted_returns(rewards, MASK, gamma=gamma)
        assert_exact(reinforce_plus_plus_advantages(rewards, MASK, gamma=gamma), whiten(returns, MASK))


def test_reinforce_plus_plus_ignores_what_is_added_to_every_score():
    one, other = (reinforce_plus_plus_advantages(token_rewards(scores, MASK), MASK) for scores in (SCORES, SCORES + 5))
    assert_exact(one, other)


def test_reinforce_plus_plus_does_not_ignore_what_is_added_to_the_scores_of_one_prompt_and_its_baseline_form_does():
    scores, mask = f64(0.0, 1.0, 0.0, 3.0), torch.tensor([[1, 1], [1, 0], [1, 1], [1, 0]])
    easier = scores + f64(2.0, 2.0, 0.0, 0.0)  # one prompt of two completions
    form = reinforce_plus_plus_baseline_advantages
    assert_exact(form(scores, mask, group_size=2), form(easier, mask, group_size=2))
    one, other = (reinforce_plus_plus_advantages(token_rewards(s, mask), mask) for s in (scores, easier))
    assert (one - other).abs().max() > 0.5


def test_the_baseline_form_by_hand():
    """Groups (0, 1) and (0, 3), rows of 2, 1, 2 and 1 tokens. Centred -0.5, 0.5, -1.5, 1.5: over the six tokens the
    mean is (-1 + 0.5 - 3 + 1.5) / 6 = -1/3 and the squares 0.25 * 3 + 2.25 * 3 = 7.5, so the variance is (7.5 - 6 / 9)
    / 5."""
    mask = torch.tensor([[1, 1], [1, 0], [1, 1], [1, 0]])
    ours = reinforce_plus_plus_baseline_advantages(f64(0.0, 1.0, 0.0, 3.0), mask, group_size=2)
    std = math.sqrt((7.5 - 6 / 9) / 5 + 1e-8)
    expected = (f64(-0.5, 0.5, -1.5, 1.5) + 1 / 3) / std
    assert_exact(ours, mask * expected[:, None])


def test_the_baseline_form_does_not_blow_up_a_lone_success():
    """1 of 8 beside 4 of 8. Centred, the successes stand at 0.875 and 0.5: 1.75 to 1, and whitening keeps differences
    in proportion. Divided by their own group's std they stand at 2.475 and 0.935: 2.65 to 1."""
    rewards = f64(1.0, *[0.0] * 7, *[1.0] * 4, *[0.0] * 4)
    whitened = reinforce_plus_plus_baseline_advantages(rewards, torch.ones(16, 1), group_size=8)[:, 0]
    z = group_advantages(rewards, group_size=8, eps=0.0)
    assert_exact(whitened[0] / whitened[8], 0.875 / 0.5)
    assert_exact(z[0] / z[8], (7 / math.sqrt(8)) / (0.5 / math.sqrt(2 / 7)))


def test_whitened_over_tokens_the_mean_over_completions_is_not_zero():
    """Long rows count for more in the mean that is taken off: here the failures are long."""
    mask = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0]])
    ours = reinforce_plus_plus_advantages(token_rewards(f64(0.0, 1.0), mask), mask)
    assert_exact(ours.sum(), 0.0)
    per_completion = sequence_sum(ours, mask) / mask.sum(dim=1)
    assert per_completion.mean() > 0.5
