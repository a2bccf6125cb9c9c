"""Returns and GAE against their definitions, and by exact enumeration of a small process whose values are known.

The process: a policy over 3 tokens and 3 steps, and a reward for every token after every prefix. V and Q of each prefix
follow by going backwards from the end.
"""

import pytest
import torch
from enumeration import (
    EVERYTHING,
    ROWS,
    SEQUENCES,
    all_prefixes,
    assert_exact,
    cosine,
    gradient,
    log_probs,
    mean_over,
    probabilities,
    random_policy,
    visits,
)
from float64 import f64, normal

from reference.objectives import (
    discounted_returns,
    gae,
    reinforce_loss,
    td_residuals,
    token_rewards,
    value_loss,
)

GAMMAS_AND_LAMBDAS = [(1.0, 0.0), (1.0, 0.5), (1.0, 0.95), (1.0, 1.0), (0.9, 0.0), (0.9, 0.7), (0.9, 1.0)]


# Against the definitions: five steps, the third row ends after three of them


STEPS = [5, 5, 3]
MASK = torch.tensor([[t < n for t in range(5)] for n in STEPS])
REWARDS, VALUES, AFTER = normal(3, 5, seed=1), normal(3, 5, seed=2), normal(3, seed=3)


def value_at(row, t):
    """V of the state before step t; after the last step it is the bootstrap."""
    return VALUES[row, t] if t < STEPS[row] else AFTER[row]


def by_definition(formula):
    """A number for each step of each row, 0 beyond its end."""
    return f64(*[[float(formula(row, t)) if t < STEPS[row] else 0.0 for t in range(5)] for row in range(3)])


def n_step_return(row, t, n, gamma):
    """n rewards, then the value of the state that they lead to."""
    return sum(gamma**i * REWARDS[row, t + i] for i in range(n)) + gamma**n * value_at(row, t + n)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0])
def test_a_return_is_the_discounted_sum_of_all_rewards_from_here_on_and_of_what_comes_after_the_end(gamma):
    exact = by_definition(lambda row, t: n_step_return(row, t, STEPS[row] - t, gamma))
    assert_exact(discounted_returns(REWARDS, MASK, gamma=gamma, bootstrap=AFTER), exact)


@pytest.mark.parametrize("gamma", [0.5, 1.0])
def test_a_td_residual_is_one_step_of_reward_and_value_against_the_value_before_it(gamma):
    exact = by_definition(lambda row, t: REWARDS[row, t] + gamma * value_at(row, t + 1) - value_at(row, t))
    assert_exact(td_residuals(REWARDS, VALUES, MASK, gamma=gamma, bootstrap=AFTER), exact)


@pytest.mark.parametrize(("gamma", "lam"), GAMMAS_AND_LAMBDAS)
def test_gae_is_the_sum_of_the_td_residuals_to_come_each_worth_gamma_lambda_less(gamma, lam):
    def delta(row, t):
        return REWARDS[row, t] + gamma * value_at(row, t + 1) - value_at(row, t)

    exact = by_definition(lambda row, t: sum((gamma * lam) ** i * delta(row, t + i) for i in range(STEPS[row] - t)))
    assert_exact(gae(REWARDS, VALUES, MASK, gamma=gamma, gae_lambda=lam, bootstrap=AFTER), exact)


@pytest.mark.parametrize(("gamma", "lam"), GAMMAS_AND_LAMBDAS)
def test_gae_is_an_average_of_n_step_advantages_with_weights_that_fall_by_lambda(gamma, lam):
    """(1 - lambda) * lambda^(n - 1) for n steps; what is left over, lambda^(N - 1), goes to the full return."""

    def averaged(row, t):
        most = STEPS[row] - t
        weights = [(1 - lam) * lam ** (n - 1) for n in range(1, most)] + [lam ** (most - 1)]
        assert sum(weights) == pytest.approx(1)
        return sum(w * (n_step_return(row, t, n, gamma) - value_at(row, t)) for n, w in enumerate(weights, start=1))

    exact = by_definition(averaged)
    ours = gae(REWARDS, VALUES, MASK, gamma=gamma, gae_lambda=lam, bootstrap=AFTER)
    assert_exact(ours, exact)


@pytest.mark.parametrize("gamma", [0.9, 1.0])
def test_lambda_1_is_return_minus_value_and_lambda_0_the_td_residual(gamma):
    common = {"gamma": gamma, "bootstrap": AFTER}
    monte_carlo = discounted_returns(REWARDS, MASK, **common) - torch.where(MASK, VALUES, 0.0)
    assert_exact(gae(REWARDS, VALUES, MASK, gae_lambda=1.0, **common), monte_carlo)
    one_step = gae(REWARDS, VALUES, MASK, gae_lambda=0.0, **common)
    assert_exact(one_step, td_residuals(REWARDS, VALUES, MASK, **common))


def test_a_completion_that_terminated_is_worth_nothing_afterwards():
    for ours in (discounted_returns(REWARDS, MASK), gae(REWARDS, VALUES, MASK)):
        assert ours.shape == (3, 5)
    assert_exact(
        discounted_returns(REWARDS, MASK), discounted_returns(REWARDS, MASK, bootstrap=torch.zeros(3).double())
    )
    assert_exact(gae(REWARDS, VALUES, MASK), gae(REWARDS, VALUES, MASK, bootstrap=torch.zeros(3).double()))


# A process with known values


PREFIXES = all_prefixes(3, 3)
POLICY = random_policy(3, 3, seed=1)
REWARD_OF = normal(13, 3, seed=4)  # of each token after each prefix
EARNED = REWARD_OF[ROWS, SEQUENCES]  # (27, 3)
P = probabilities(POLICY, SEQUENCES)


def exact_values(gamma, policy=POLICY):
    """V of each prefix and Q of each token after it, from the end backwards: Q = r + gamma * V(next), V = sum of pi *
    Q."""
    row = {prefix: index for index, prefix in enumerate(PREFIXES)}
    v, q = {}, {}
    for prefix in reversed(PREFIXES):
        q[prefix] = torch.stack([REWARD_OF[row[prefix], a] + gamma * v.get((*prefix, a), 0.0) for a in range(3)])
        v[prefix] = (torch.softmax(policy[row[prefix]], dim=0) * q[prefix]).sum()
    return torch.stack([v[s] for s in PREFIXES]), torch.stack([q[s] for s in PREFIXES])


def mean_given_prefix(x):
    """E[x_t | the tokens before t], one number per row of the table."""
    total, weight = torch.zeros(13, dtype=torch.float64), torch.zeros(13, dtype=torch.float64)
    for t in range(3):
        total.index_add_(0, ROWS[:, t], P.detach() * x[:, t].detach())
        weight.index_add_(0, ROWS[:, t], P.detach())
    return total / weight


def mean_given_prefix_and_token(x):
    """E[x_t | the tokens up to and including t], (rows, 3)."""
    total, weight = torch.zeros(13, 3, dtype=torch.float64), torch.zeros(13, 3, dtype=torch.float64)
    for t in range(3):
        index = (ROWS[:, t], SEQUENCES[:, t])
        total.index_put_(index, P.detach() * x[:, t].detach(), accumulate=True)
        weight.index_put_(index, P.detach(), accumulate=True)
    return total / weight


def test_the_value_of_the_empty_prefix_is_the_expected_reward():
    assert_exact(exact_values(1.0)[0][0], mean_over(P, EARNED).item())


@pytest.mark.parametrize("gamma", [0.9, 1.0])
def test_returns_average_to_v_before_a_token_and_to_q_after_it(gamma):
    v, q = exact_values(gamma)
    returns = discounted_returns(EARNED, EVERYTHING, gamma=gamma)
    assert_exact(mean_given_prefix(returns), v)
    assert_exact(mean_given_prefix_and_token(returns), q)


@pytest.mark.parametrize(("gamma", "lam"), GAMMAS_AND_LAMBDAS)
def test_with_the_exact_critic_advantages_average_to_0_and_to_q_minus_v_whatever_lambda(gamma, lam):
    v, q = exact_values(gamma)
    advantages = gae(EARNED, v[ROWS], EVERYTHING, gamma=gamma, gae_lambda=lam)
    assert_exact(mean_given_prefix(advantages), 0.0)
    assert_exact(mean_given_prefix_and_token(advantages), q - v[:, None])


@pytest.mark.parametrize("lam", [0.0, 0.95, 1.0])
def test_the_exact_critic_is_where_the_value_loss_has_no_expected_gradient(lam):
    """On Monte Carlo returns (lambda 1) and on lambda-returns, gae + values."""
    v, _ = exact_values(1.0)
    critic = v.detach().clone().requires_grad_()  # one free number per prefix
    target = gae(EARNED, v[ROWS], EVERYTHING, gae_lambda=lam) + v[ROWS]
    assert_exact(gradient(mean_over(P, value_loss(critic[ROWS], target)), critic), 0.0)
    moved = (v.detach() + 0.1).requires_grad_()
    assert gradient(mean_over(P, value_loss(moved[ROWS], target)), moved).min() > 0  # and elsewhere it leads back


def policy_gradient(advantages):
    return -gradient(mean_over(P, reinforce_loss(log_probs(POLICY, SEQUENCES), advantages)), POLICY)


def true_gradient():
    return gradient(mean_over_with_gradient(EARNED), POLICY)


def mean_over_with_gradient(rewards):
    """J itself: unlike in a loss on given samples, the probabilities are not constants."""
    return (P * rewards.sum(dim=1)).sum()


@pytest.mark.parametrize("lam", [0.0, 0.5, 0.95, 1.0])
def test_with_the_exact_critic_every_lambda_gives_the_policy_gradient(lam):
    v, _ = exact_values(1.0)
    assert_exact(policy_gradient(gae(EARNED, v[ROWS], EVERYTHING, gae_lambda=lam)), true_gradient())


def test_with_a_wrong_critic_only_lambda_1_gives_the_policy_gradient():
    """There the critic is a baseline, and any will do; below, its errors enter as if they were rewards."""
    wrong = normal(13, seed=5)
    assert_exact(policy_gradient(gae(EARNED, wrong[ROWS], EVERYTHING, gae_lambda=1.0)), true_gradient())
    for lam in (0.0, 0.5, 0.95):
        ours = policy_gradient(gae(EARNED, wrong[ROWS], EVERYTHING, gae_lambda=lam))
        assert (ours - true_gradient()).abs().max() > 0.01
    assert cosine(policy_gradient(td_residuals(EARNED, wrong[ROWS], EVERYTHING)), true_gradient()) < 0.9


def test_with_values_read_after_the_token_it_is_credited_with_its_own_reward_only():
    """V of the next state in the place of V takes away what the token leads to: of r + V(next) only r is left."""
    v, _ = exact_values(1.0)
    late = torch.cat([v[ROWS][:, 1:], torch.zeros(27, 1)], dim=1)
    ours = policy_gradient(discounted_returns(EARNED, EVERYTHING) - late)
    own = (visits(POLICY, SEQUENCES)[:, None] * torch.softmax(POLICY, dim=1) * REWARD_OF).sum()
    assert_exact(ours, gradient(own, POLICY))
    assert (ours - true_gradient()).abs().max() > 0.2


def test_a_score_on_the_last_token_is_the_return_of_every_token():
    scores = normal(27, seed=6)
    returns = discounted_returns(token_rewards(scores, EVERYTHING), EVERYTHING)
    assert_exact(returns, scores[:, None].expand(27, 3))


# Cut off after two of three tokens


CUT = torch.tensor([[1, 1, 0]]).expand(27, 3)


@pytest.mark.parametrize("lam", [0.0, 0.9, 1.0])
def test_a_row_cut_off_is_judged_right_when_the_value_of_where_it_stopped_is_passed_on(lam):
    v, q = exact_values(0.9)
    stopped_at = v[ROWS[:, 2]]
    returns = discounted_returns(EARNED, CUT, gamma=0.9, bootstrap=stopped_at)
    advantages = gae(EARNED, v[ROWS], CUT, gamma=0.9, gae_lambda=lam, bootstrap=stopped_at)
    first_two = [row for row, prefix in enumerate(PREFIXES) if len(prefix) < 2]
    assert_exact(mean_given_prefix(returns)[first_two], v[first_two])
    assert_exact(mean_given_prefix(advantages)[first_two], 0.0)
    assert_exact(mean_given_prefix_and_token(advantages)[first_two], (q - v[:, None])[first_two])


def test_cut_off_taken_for_finished_misses_what_would_still_have_come():
    """E[G | s] falls short of V by the discounted value of the state in which the row stopped."""
    v, _ = exact_values(0.9)
    returns = discounted_returns(EARNED, CUT, gamma=0.9)
    lost = mean_given_prefix(torch.stack([0.9**2 * v[ROWS[:, 2]], 0.9 * v[ROWS[:, 2]], torch.zeros(27)], dim=1))
    first_two = [row for row, prefix in enumerate(PREFIXES) if len(prefix) < 2]
    assert_exact(mean_given_prefix(returns)[first_two], (v - lost)[first_two])
    assert lost.abs().max() > 0.1


# Padding


def without_a_mask(rewards, last):
    """The textbook loop: a return starts afresh at the last token of the row, if the row has one."""
    returns, running = [0.0] * len(rewards), 0.0
    for t in reversed(range(len(rewards))):
        running = rewards[t] + running * (t != last)
        returns[t] = running
    return returns


def test_rewards_on_padding_reach_a_row_without_a_terminal_token_unless_a_mask_keeps_them_out():
    """Two rows of 2 tokens and 2 pads, rewards 0.2, 0.3 and 0.3 on each pad. The first terminates, the second was cut
    off."""
    rewards = [0.2, 0.3, 0.3, 0.3]
    assert without_a_mask(rewards, last=1)[0] == pytest.approx(0.2 + 0.3)
    assert without_a_mask(rewards, last=None)[0] == pytest.approx(1.1)
    mask = torch.tensor([[1, 1, 0, 0]])
    ours = discounted_returns(f64(rewards), mask)
    assert_exact(ours, f64([0.5, 0.3, 0.0, 0.0]))
    for masked in ("skip", "decay"):
        values = f64([0.1, 0.4, 9.0, 9.0])  # nor do values on pads
        assert_exact(
            gae(f64(rewards), values, mask, gae_lambda=1.0, masked=masked), f64([0.5 - 0.1, 0.3 - 0.4, 0.0, 0.0])
        )
        cut_off = discounted_returns(f64(rewards), mask, bootstrap=f64(2.0)[:1], masked=masked)
        assert_exact(cut_off, f64([2.5, 2.3, 0.0, 0.0]))


@pytest.mark.parametrize("masked", ["skip", "decay"])
@pytest.mark.parametrize(("left", "right"), [(0, 3), (2, 0), (2, 3)])
def test_padding_on_either_side_changes_no_return_and_no_advantage(masked, left, right):
    """NaN in the pads: were one looked at, it would show. A row with a gap is padded like any other."""
    gap = MASK.clone()
    gap[0, 2] = False

    def padded(x, filler):
        return torch.nn.functional.pad(x, (left, right), value=filler)

    here = slice(left, left + 5)
    options = {"gamma": 0.9, "bootstrap": AFTER, "masked": masked}
    wide = padded(REWARDS, float("nan")), padded(VALUES, float("nan")), padded(gap, False)
    plain = gae(REWARDS, VALUES, gap, gae_lambda=0.8, **options)
    assert_exact(gae(*wide, gae_lambda=0.8, **options)[:, here], plain)
    assert gae(*wide, gae_lambda=0.8, **options).sum().item() == pytest.approx(plain.sum().item())
    returns = discounted_returns(wide[0], wide[2], **options)
    assert_exact(returns[:, here], discounted_returns(REWARDS, gap, **options))


# Tokens that a tool wrote


KEPT = torch.tensor([[True, True, False, False, False, False, True, True]])


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 0.95), (0.9, 0.7), (1.0, 0.0), (0.8, 1.0)])
def test_skipped_tool_tokens_leave_no_trace(gamma, lam):
    """The four model tokens have exactly what they have in the row without the tool's four."""
    rewards, values = normal(1, 8, seed=7), normal(1, 8, seed=8)
    short = rewards[KEPT][None], values[KEPT][None], torch.ones(1, 4)
    options = {"gamma": gamma, "bootstrap": f64(0.6)}
    ours = gae(rewards, values, KEPT, gae_lambda=lam, **options)
    assert ours[KEPT].tolist() == gae(*short, gae_lambda=lam, **options)[0].tolist()
    assert (ours[~KEPT] == 0).all()
    returns = discounted_returns(rewards, KEPT, **options)
    assert returns[KEPT].tolist() == discounted_returns(short[0], short[2], **options)[0].tolist()


def test_decay_charges_gamma_lambda_for_every_tool_token():
    """Eight slots, four of them the tool's, reward 1 at the end, V = 0, lambda 0.95: 0.95^7 = 0.698 against 0.95^3 =
    0.857."""
    rewards, nothing = f64([0.0] * 7 + [1.0]), torch.zeros(1, 8).double()
    decay, skip = (gae(rewards, nothing, KEPT, gae_lambda=0.95, masked=m)[0, 0].item() for m in ("decay", "skip"))
    assert (decay, skip) == (pytest.approx(0.95**7), pytest.approx(0.95**3))
    assert (round(decay, 3), round(skip, 3)) == (0.698, 0.857)
    ours = gae(rewards, nothing, KEPT, gamma=0.9, gae_lambda=0.95, masked="decay")
    assert_exact(ours, f64([(0.9 * 0.95) ** (7 - t) * KEPT[0, t].item() for t in range(8)]))
    returns = discounted_returns(rewards, KEPT, gamma=0.9, masked="decay")
    assert_exact(returns, f64([0.9 ** (7 - t) * KEPT[0, t].item() for t in range(8)]))


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 0.95), (0.9, 0.7)])
def test_decay_runs_over_the_gap_as_over_steps_without_reward(gamma, lam):
    """The same as a mask that keeps all eight, given that the tool's slots earn nothing; but they get no advantage."""
    rewards, values = normal(1, 8, seed=7), normal(1, 8, seed=8)
    ours = gae(rewards, values, KEPT, gamma=gamma, gae_lambda=lam, masked="decay")
    full = gae(torch.where(KEPT, rewards, 0.0), values, torch.ones(1, 8), gamma=gamma, gae_lambda=lam)
    assert_exact(ours, torch.where(KEPT, full, 0.0))


def test_a_reward_on_a_tool_token_counts_in_neither_way():
    rewards = f64([0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0, 1.0])
    for masked in ("skip", "decay"):
        assert discounted_returns(rewards, KEPT, masked=masked)[0].tolist() == [1, 1, 0, 0, 0, 0, 1, 1]


def test_nothing_here_passes_a_gradient_on():
    values = VALUES.clone().requires_grad_()
    rewards = REWARDS.clone().requires_grad_()
    for ours in (gae(rewards, values, MASK, bootstrap=values[:, 0]), discounted_returns(rewards, MASK)):
        assert not ours.requires_grad
