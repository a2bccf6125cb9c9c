"""Preference losses by exact enumeration: what policy they stop at, and how they get there.

Completions are all sequences of 2 tokens out of 3, nine of them. Pairs are drawn from any distribution over pairs, and
labelled by the Bradley-Terry model: y is chosen over z with probability sigmoid(r(y) - r(z)).
"""

import itertools
import math

import pytest
import torch
from enumeration import (
    all_prefixes,
    all_sequences,
    assert_exact,
    cosine,
    gradient,
    log_probs,
    probabilities,
    random_policies,
)
from float64 import f64, normal

from reference.objectives import (
    bradley_terry_loss,
    cdpo_loss,
    dpo_loss,
    hinge_loss,
    implicit_reward,
    ipo_loss,
    kto_kl,
    kto_loss,
    orpo_loss,
    preference_margin,
    robust_dpo_loss,
    sequence_logprobs,
    simpo_loss,
)

COMPLETIONS = all_sequences(3, 2)
REFERENCE = random_policies(3, 2, seed=1, count=1)[0].detach()
REF = probabilities(REFERENCE, COMPLETIONS).log()
REWARD = normal(9, seed=2)
PAIRS = torch.tensor(list(itertools.permutations(range(9), 2)))  # ordered: (y, z) and (z, y) are both there
BETAS = [0.05, 0.5, 5.0]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def logit(p):
    return math.log(p / (1 - p))


def table_of(weights):
    """The policy that gives each completion a probability proportional to its weight, as logits per prefix."""
    total = dict.fromkeys(all_prefixes(3, 3), 0.0)
    for sequence, weight in zip(COMPLETIONS.tolist(), weights.tolist(), strict=True):
        for size in range(3):
            total[tuple(sequence[:size])] += weight
    table = [[math.log(total[(*prefix, token)]) for token in range(3)] for prefix in all_prefixes(3, 2)]
    return f64(*table).requires_grad_()


def tilted(reward, beta):
    """The best policy for reward minus beta * KL to the reference: proportional to ref * exp(r / beta)."""
    shifted = (reward - reward.max()) / beta
    return table_of(REF.exp() * shifted.exp())


def sampled_pairs(seed=7):
    """Probability with which each ordered pair is put up for comparison: any numbers, none of them 0."""
    weights = torch.rand(len(PAIRS), dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + 0.1
    return weights / weights.sum()


def expected_loss(table, loss, prefers):
    """Over all pairs, and over both labels of each: ``prefers[y, z]`` is the probability that y is the one chosen."""
    logp = log_probs(table, COMPLETIONS).sum(dim=1)
    y, z = PAIRS.T
    weights = sampled_pairs()
    right = loss(logp[y], logp[z], REF[y], REF[z])
    wrong = loss(logp[z], logp[y], REF[z], REF[y])
    return (weights * (prefers[y, z] * right + (1 - prefers[y, z]) * wrong)).sum()


def bradley_terry(reward):
    return torch.sigmoid(reward[:, None] - reward[None, :])


def with_margin(loss, margin, **options):
    """Loss and slope of one pair at a margin, of which only the policy's chosen log-prob is free."""
    chosen = f64(margin - 1.0).requires_grad_()
    value = loss(chosen, f64(-3.0), f64(-2.0), f64(-4.0), **options)  # (chosen + 3) - (-2 + 4)
    return value.item(), gradient(value.sum(), chosen).item()


# The optimum of DPO


@pytest.mark.parametrize("beta", BETAS)
def test_dpo_comes_to_rest_at_the_reference_tilted_by_exp_of_reward_over_beta(beta):
    """Whatever pairs are compared. It is the policy that RL with a KL penalty of the same beta would end with."""
    best = tilted(REWARD, beta)

    def loss(*logprobs):
        return dpo_loss(*logprobs, beta=beta)

    assert_exact(gradient(expected_loss(best, loss, bradley_terry(REWARD)), best), 0.0)
    elsewhere = tilted(REWARD, beta * 1.1)
    assert gradient(expected_loss(elsewhere, loss, bradley_terry(REWARD)), elsewhere).abs().max() > 1e-6


@pytest.mark.parametrize("beta", BETAS)
def test_that_policy_is_the_best_for_reward_minus_beta_times_kl(beta):
    best = tilted(REWARD, beta)
    p = probabilities(best, COMPLETIONS)
    assert_exact(gradient((p * REWARD).sum() - beta * (p * (p.log() - REF)).sum(), best), 0.0)


@pytest.mark.parametrize("beta", BETAS)
def test_at_the_optimum_margins_are_the_logit_of_the_preference_over_beta(beta):
    """And the implicit reward is the reward, up to one constant."""
    logp = log_probs(tilted(REWARD, beta), COMPLETIONS).sum(dim=1).detach()
    y, z = PAIRS.T
    margins = preference_margin(logp[y], logp[z], REF[y], REF[z])
    exact = [logit(bradley_terry(REWARD)[i, j].item()) / beta for i, j in PAIRS.tolist()]
    assert_exact(margins, f64(*exact))
    learned = implicit_reward(logp, REF, beta=beta)
    assert_exact(learned - learned[0], REWARD - REWARD[0])


@pytest.mark.parametrize(("beta", "margin"), [(0.05, 27.7), (0.5, 2.77), (5.0, 0.277)])
def test_a_larger_beta_ends_closer_to_the_reference(beta, margin):
    """A pair that is preferred four times out of five: ln 4 / beta."""

    def slope(at):
        right, wrong = (with_margin(dpo_loss, m, beta=beta)[1] for m in (at, -at))
        return 0.8 * right - 0.2 * wrong

    exact = math.log(4) / beta
    assert exact == pytest.approx(margin, rel=0.005)
    assert slope(exact) == pytest.approx(0, abs=1e-15)
    assert slope(0.9 * exact) < 0 < slope(1.1 * exact)


# The way there


def test_the_gradient_of_dpo_is_beta_times_how_wrong_the_policy_still_is():
    for beta in BETAS:
        for margin in (-3.0, 0.0, 2.0):
            assert with_margin(dpo_loss, margin, beta=beta) == (
                pytest.approx(-math.log(sigmoid(beta * margin)), rel=1e-12),
                pytest.approx(-beta * sigmoid(-beta * margin), rel=1e-12),
            )
        assert with_margin(dpo_loss, 0.0, beta=beta)[1] == pytest.approx(-beta / 2)


def margin_after(time, beta):
    """Margin of an always-preferred pair of free log-probs after so long a gradient flow: u = beta * margin solves
    u + e^u - 1 = 2 beta^2 time. Found by halving an interval."""
    low, high = 0.0, 100.0
    for _ in range(200):
        u = (low + high) / 2
        low, high = (u, high) if u + math.exp(u) - 1 < 2 * beta**2 * time else (low, u)
    return u / beta


@pytest.mark.parametrize("beta", [0.05, 0.1, 0.5, 1.0, 2.0, 5.0])
def test_the_flow_of_dpo_follows_its_closed_form(beta):
    """Chosen and rejected both move, so the margin grows at twice the slope of the loss: 2 beta sigmoid(-u). In the
    closed form time is (u + e^u - 1) / (2 beta^2), so it grows at 1 / (d time / d margin) = 2 beta / (1 + e^u)."""
    for u in (0.0, 0.1, 1.0, 2.0, 5.0):
        chosen, rejected = f64(u / beta - 1.0).requires_grad_(), f64(-3.0).requires_grad_()
        loss = dpo_loss(chosen, rejected, f64(-2.0), f64(-4.0), beta=beta).sum()
        speed = -gradient(loss, chosen) + gradient(loss, rejected)
        assert_exact(speed, 2 * beta / (1 + math.exp(u)))


def test_early_on_a_larger_beta_goes_further_and_later_on_less_far():
    """After 4 units the margin is largest for beta about 1; after 10000 it falls with beta throughout."""
    betas = (0.05, 0.1, 0.5, 1.0, 2.0, 5.0)
    early, late = ([margin_after(time, beta) for beta in betas] for time in (4, 10_000))
    assert [round(m, 2) for m in early] == [0.20, 0.40, 1.58, 1.95, 1.69, 1.06]
    assert late == pytest.approx([77, 52.8, 17, 9.9, 5.6, 2.6], rel=0.01)


@pytest.mark.parametrize("time", [0.5, 4.0, 10_000.0])
def test_at_any_time_the_furthest_beta_is_the_one_whose_beta_margin_is_2(time):
    """The margin u / beta is largest where beta * du/dbeta = u, that is 2 (u + e^u - 1) = u (1 + e^u): at u = 2 both
    sides are 2 + 2 e^2. So beta^2 * time = (1 + e^2) / 2, and beta * sqrt(2 time) = 2.896."""
    assert 2 * (2 + math.exp(2) - 1) == pytest.approx(2 * (1 + math.exp(2)))
    best = math.sqrt((1 + math.exp(2)) / (2 * time))
    assert best * math.sqrt(2 * time) == pytest.approx(2.896, abs=0.0005)
    assert best * margin_after(time, best) == pytest.approx(2)
    assert margin_after(time, best) > max(margin_after(time, 0.99 * best), margin_after(time, 1.01 * best))


def test_the_chosen_log_prob_can_fall_while_the_margin_grows():
    """One vector of logits for both tokens; chosen (0, 1), rejected (0, 0). They differ in the second token only, so
    the margin is the log-odds of token 1 over token 0. Raising it takes token 0 down, with which the chosen completion
    starts too."""
    logits = torch.zeros(1, 3, dtype=torch.float64)
    history = []
    for _ in range(200):
        logits = logits.detach().requires_grad_()
        logp = torch.log_softmax(logits, dim=1)[0]
        chosen, rejected = logp[0] + logp[1], 2 * logp[0]
        history.append((chosen.item(), rejected.item(), (chosen - rejected).item()))
        ref = f64(-2 * math.log(3))
        loss = dpo_loss(chosen[None], rejected[None], ref, ref, beta=0.5).sum()
        slope = gradient(loss, logits)
        p = torch.softmax(logits, dim=1)[0]
        along = -(slope * gradient(chosen, logits)).sum()  # how fast the chosen log-prob moves
        assert_exact(along, 2 * (p[0] - p[1]).item() * 0.5 * sigmoid(-0.5 * history[-1][2]))  # 0 at first, then falling
        logits = logits - slope
    for before, after in itertools.pairwise(history):
        assert after[2] > before[2]
        assert after[0] < before[0]
        assert after[1] < before[1]
    assert history[-1][0] < history[0][0] - 1


# Not a policy gradient


def test_dpo_pushes_the_pair_alone_and_the_policy_gradient_every_arm():
    """Four arms as free logits. Of the pair one goes up by as much as the other goes down; the rest is left where it
    was."""
    policy = f64([0.4, 0.3, 0.2, 0.1]).log().requires_grad_()
    log_p = torch.log_softmax(policy, dim=1)[0]
    ref = f64(0.25, 0.25, 0.25, 0.25).log()
    down = -gradient(dpo_loss(log_p[[0]], log_p[[3]], ref[[0]], ref[[3]], beta=0.5).sum(), policy)
    speed = 0.5 * sigmoid(-0.5 * math.log(4))  # the margin is ln(0.4 / 0.1) = ln 4
    assert_exact(down, f64([speed, 0.0, 0.0, -speed]))
    rewards = f64(1.0, 0.0, 0.0, -1.0)
    true = gradient((torch.softmax(policy, dim=1)[0] * rewards).sum(), policy)
    assert_exact(true, f64([0.4 * 0.7, 0.3 * -0.3, 0.2 * -0.3, 0.1 * -1.3]))  # p * (r - mean), mean 0.3
    assert 0 < cosine(down, true) < 0.95


def test_over_all_pairs_too_dpo_has_another_direction_than_reward_minus_kl():
    """They rest at the same policy and take different ways: DPO weighs a pair by how often it was sampled, RL an arm by
    how often the policy draws it now."""
    policy = random_policies(3, 2, seed=5, count=1)[0]
    dpo = -gradient(expected_loss(policy, lambda *x: dpo_loss(*x, beta=0.5), bradley_terry(REWARD)), policy)
    p = probabilities(policy, COMPLETIONS)
    rl = gradient((p * REWARD).sum() - 0.5 * (p * (p.log() - REF)).sum(), policy)
    assert cosine(dpo, rl) < 0.98


def test_dpo_does_not_see_what_the_policy_does_outside_of_the_pair():
    """Two policies that agree on both completions and on nothing else have the same loss."""
    ref = f64(0.25, 0.25, 0.25, 0.25).log()
    losses = []
    for p in ([0.4, 0.3, 0.2, 0.1], [0.4, 0.01, 0.49, 0.1]):
        log_p = f64(*p).log()
        losses.append(dpo_loss(log_p[[0]], log_p[[3]], ref[[0]], ref[[3]]).item())
    assert losses[0] == losses[1]


# Labels that are wrong


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("e", [0.1, 0.3])
def test_conservative_dpo_stops_at_the_margin_at_which_it_is_as_sure_as_the_labels(beta, e):
    exact = logit(1 - e) / beta
    assert with_margin(cdpo_loss, exact, beta=beta, label_smoothing=e)[1] == pytest.approx(0, abs=1e-14)
    assert with_margin(cdpo_loss, 0.9 * exact, beta=beta, label_smoothing=e)[1] < 0
    assert with_margin(cdpo_loss, 1.1 * exact, beta=beta, label_smoothing=e)[1] > 0


def test_conservative_dpo_is_dpo_on_labels_that_are_flipped_at_its_rate():
    for margin in (-2.0, 0.5, 3.0):
        clean, flipped = (with_margin(dpo_loss, m, beta=0.5) for m in (margin, -margin))
        value, slope = with_margin(cdpo_loss, margin, beta=0.5, label_smoothing=0.2)
        assert value == pytest.approx(0.8 * clean[0] + 0.2 * flipped[0])
        assert slope == pytest.approx(0.8 * clean[1] - 0.2 * flipped[1])


@pytest.mark.parametrize("e", [0.0, 0.1, 0.4])
def test_robust_dpo_on_flipped_labels_averages_to_dpo_on_clean_ones(e):
    """Value and slope, at every margin. With the label flipped chosen and rejected trade places: the margin changes
    sign."""
    for margin in (-2.0, 0.0, 0.5, 3.0):
        right, wrong = (with_margin(robust_dpo_loss, m, beta=0.5, label_smoothing=e) for m in (margin, -margin))
        clean = with_margin(dpo_loss, margin, beta=0.5)
        assert (1 - e) * right[0] + e * wrong[0] == pytest.approx(clean[0])
        assert (1 - e) * right[1] - e * wrong[1] == pytest.approx(clean[1])


def test_robust_dpo_has_the_optimum_of_clean_labels_where_conservative_dpo_stops_short():
    """Labels of a Bradley-Terry model, one in ten of them flipped."""
    e, beta = 0.1, 0.5
    clean = bradley_terry(REWARD)
    noisy = (1 - e) * clean + e * (1 - clean)
    best = tilted(REWARD, beta)
    losses = {
        "robust": lambda *x: robust_dpo_loss(*x, beta=beta, label_smoothing=e),
        "conservative": lambda *x: cdpo_loss(*x, beta=beta, label_smoothing=e),
        "plain": lambda *x: dpo_loss(*x, beta=beta),
    }
    slopes = {name: gradient(expected_loss(best, loss, noisy), best).abs().max() for name, loss in losses.items()}
    assert slopes["robust"] < 1e-12
    assert slopes["conservative"] > slopes["plain"] > 1e-3


def test_robust_dpo_on_a_single_pair_falls_for_ever():
    """Far out its slope is -e * beta / (1 - 2 e)."""
    value, slope = with_margin(robust_dpo_loss, 1000.0, beta=0.5, label_smoothing=0.1)
    assert slope == pytest.approx(-0.1 * 0.5 / 0.8)
    assert value == pytest.approx(-0.1 * 0.5 * 1000 / 0.8)


# IPO and the hinge


@pytest.mark.parametrize("beta", BETAS)
def test_ipo_regresses_the_margin_to_one_over_two_beta(beta):
    assert with_margin(ipo_loss, 1 / (2 * beta), beta=beta) == (pytest.approx(0), pytest.approx(0, abs=1e-12))
    assert with_margin(ipo_loss, 0.0, beta=beta) == (pytest.approx(1 / (4 * beta**2)), pytest.approx(-1 / beta))
    assert with_margin(ipo_loss, 1 / beta, beta=beta)[1] == pytest.approx(1 / beta)  # overshooting is called back


@pytest.mark.parametrize("p", [0.5, 0.8, 1.0])
def test_ipo_on_a_pair_preferred_with_probability_p_stops_at_2p_minus_1_over_2_beta(p):
    """The mean of +1 / (2 beta) and -1 / (2 beta) with weights p and 1 - p. DPO would go to logit(p) / beta, for p = 1
    for ever."""
    beta = 0.5
    exact = (2 * p - 1) / (2 * beta)
    right, wrong = (with_margin(ipo_loss, m, beta=beta)[1] for m in (exact, -exact))
    assert p * right - (1 - p) * wrong == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("beta", BETAS)
def test_ipo_comes_to_rest_at_the_reference_tilted_by_how_often_a_completion_is_preferred(beta):
    """Preferences that no reward explains: any probabilities, cycles included. Pairs are drawn independently from mu;
    the rest is at ref * exp(p(y over mu) / beta), p(y over mu) being the probability that y is preferred to a draw from
    mu."""
    made = torch.Generator().manual_seed(9)
    upper = torch.rand(9, 9, dtype=torch.float64, generator=made).triu(1)
    prefers = upper + (1 - upper.T).tril(-1) + torch.eye(9) / 2
    mu = torch.rand(9, dtype=torch.float64, generator=made) + 0.1
    mu = mu / mu.sum()
    best = tilted((mu * prefers).sum(dim=1), beta)
    logp = log_probs(best, COMPLETIONS).sum(dim=1)
    y, z = torch.tensor(list(itertools.product(range(9), repeat=2))).T
    loss = ipo_loss(logp[y], logp[z], REF[y], REF[z], beta=beta)
    flipped = ipo_loss(logp[z], logp[y], REF[z], REF[y], beta=beta)
    p = prefers[y, z]
    population = (mu[y] * mu[z] * (p * loss + (1 - p) * flipped)).sum()
    assert gradient((mu[y] * mu[z] * p * loss).sum(), best).abs().max() < 1e-10 / beta
    assert gradient(population, best).abs().max() < 1e-10 / beta
    plain = (mu[y] * mu[z] * (p * dpo_loss(logp[y], logp[z], REF[y], REF[z], beta=beta))).sum()
    assert gradient(plain, best).abs().max() > 1e-4  # DPO goes elsewhere


@pytest.mark.parametrize("beta", BETAS)
def test_the_hinge_lets_go_of_a_pair_that_is_won_by_one_over_beta(beta):
    assert with_margin(hinge_loss, 0.9 / beta, beta=beta) == (pytest.approx(0.1), pytest.approx(-beta))
    assert with_margin(hinge_loss, -9 / beta, beta=beta) == (pytest.approx(10), pytest.approx(-beta))
    assert with_margin(hinge_loss, 1.1 / beta, beta=beta) == (0.0, 0.0)


# Lengths


def one_after_the_other(logp):
    """A completion written twice: every token has its log-prob again."""
    return torch.cat([logp, logp], dim=1)


CHOSEN, REJECTED = f64([-0.5, -1.5, -0.1], [-2.0, -0.2, -0.3]), f64([-1.0, -0.7, -0.9], [-0.3, -0.9, -2.0])
REF_CHOSEN, REF_REJECTED = CHOSEN - f64([0.1], [0.2]), REJECTED + f64([0.3], [0.1])


def of(*tokens, average, twice):
    """Log-probs of whole completions, once or written twice."""
    tokens = [one_after_the_other(x) if twice else x for x in tokens]
    return [sequence_logprobs(x, torch.ones_like(x), average=average) for x in tokens]


@pytest.mark.parametrize("loss", [simpo_loss, orpo_loss])
def test_averaged_log_probs_do_not_see_a_completion_written_twice(loss):
    once, twice = (loss(*of(CHOSEN, REJECTED, average=True, twice=t)) for t in (False, True))
    assert_exact(once, twice)
    summed = loss(*of(CHOSEN, REJECTED, average=False, twice=True))
    assert (summed - loss(*of(CHOSEN, REJECTED, average=False, twice=False))).abs().min() > 0.01


def test_ipo_on_sums_and_on_averages_are_two_losses():
    """Written twice, a summed margin doubles against the same target; an averaged one stays."""
    four = CHOSEN, REJECTED, REF_CHOSEN, REF_REJECTED
    margins = {t: preference_margin(*of(*four, average=False, twice=t)) for t in (False, True)}
    assert_exact(margins[False], f64(3 * (0.1 + 0.3), 3 * (0.2 + 0.1)))
    assert_exact(margins[True], 2 * margins[False])
    summed = {t: ipo_loss(*of(*four, average=False, twice=t), beta=0.2) for t in (False, True)}
    averaged = {t: ipo_loss(*of(*four, average=True, twice=t), beta=0.2) for t in (False, True)}
    assert_exact(averaged[False], averaged[True])
    assert_exact(averaged[False], (margins[False] / 3 - 2.5) ** 2)
    assert_exact(summed[True], (2 * margins[False] - 2.5) ** 2)
    assert (summed[True] - summed[False]).abs().min() > 0.5


def test_dpo_on_averages_is_dpo_with_beta_divided_by_the_length():
    four = CHOSEN, REJECTED, REF_CHOSEN, REF_REJECTED
    assert_exact(
        dpo_loss(*of(*four, average=True, twice=False), beta=0.3),
        dpo_loss(*of(*four, average=False, twice=False), beta=0.1),
    )


# Without a reference


def averaged_over_pairs(loss):
    """A weighted sum of a loss over all ordered pairs, on average log-probs of a policy; and its gradient."""
    policy = random_policies(3, 2, seed=5, count=1)[0]
    logp = log_probs(policy, COMPLETIONS).sum(dim=1) / 2
    y, z = PAIRS.T
    total = (sampled_pairs() * loss(logp[y], logp[z])).sum()
    return total, gradient(total, policy)


def geometric_means():
    """Square roots of the probabilities of the two-token completions, and every pair of them."""
    policy = random_policies(3, 2, seed=5, count=1)[0]
    a = probabilities(policy, COMPLETIONS) ** 0.5
    y, z = PAIRS.T
    return policy, a[y], a[z]


def test_simpo_is_a_power_of_the_ratio_of_geometric_means():
    """sigmoid(beta * (log a - log b) - gamma) = a^beta / (a^beta + e^gamma b^beta)."""
    policy, a, b = geometric_means()
    exact = (sampled_pairs() * -(a**2 / (a**2 + math.exp(0.7) * b**2)).log()).sum()
    value, slope = averaged_over_pairs(lambda y, z: simpo_loss(y, z, beta=2.0, gamma=0.7))
    assert_exact(value, exact.item())
    assert_exact(slope, gradient(exact, policy))


def test_orpo_is_the_nll_and_beta_times_a_loss_of_the_odds_ratio():
    """sigmoid of the log of an odds ratio x is x / (1 + x)."""
    policy, a, b = geometric_means()
    odds_ratio = a / (1 - a) / (b / (1 - b))
    exact = (sampled_pairs() * (-a.log() - 0.3 * (odds_ratio / (1 + odds_ratio)).log())).sum()
    value, slope = averaged_over_pairs(lambda y, z: orpo_loss(y, z, beta=0.3))
    assert_exact(value, exact.item())
    assert_exact(slope, gradient(exact, policy))


def test_simpo_still_trains_at_a_margin_of_zero_and_more_so_the_larger_its_target():
    slopes = []
    for gamma in (0.0, 1.0, 3.0):
        chosen = f64(-1.0).requires_grad_()
        slopes.append(gradient(simpo_loss(chosen, f64(-1.0), gamma=gamma).sum(), chosen).item())
        assert slopes[-1] == pytest.approx(-2 * sigmoid(gamma))
    assert slopes[0] > slopes[1] > slopes[2]


# KTO


def test_kto_is_a_value_function_around_its_reference_point_and_so_is_its_gradient():
    """One completion at a time: all nine, the first four good. sigmoid'(x) = s (1 - s)."""
    policy = random_policies(3, 2, seed=5, count=1)[0]
    logp = log_probs(policy, COMPLETIONS).sum(dim=1)
    good = torch.arange(9) < 4
    loss = kto_loss(
        logp, REF, good, torch.tensor(0.4, dtype=torch.float64), beta=0.5, desirable_weight=1.5, undesirable_weight=0.7
    )
    for i in range(9):
        d = (logp[i] - REF[i]).item() - 0.4
        s = sigmoid(0.5 * d if i < 4 else -0.5 * d)
        weight = 1.5 if i < 4 else -0.7
        assert loss[i].item() == pytest.approx(abs(weight) * (1 - s), rel=1e-12)
        assert_exact(gradient(loss[i], policy), -weight * 0.5 * s * (1 - s) * gradient(logp[i], policy))


def test_kto_hardly_moves_what_is_far_from_its_reference_point_on_either_side():
    """The slope is largest at d = kl, a quarter of beta, and falls off on both sides: a hopeless completion is left
    alone."""
    slopes = []
    for d in (-40.0, 2.0, 40.0):
        logp = f64(d - 5.0).requires_grad_()
        loss = kto_loss(logp, f64(-5.0), torch.tensor([True]), torch.tensor(2.0, dtype=torch.float64), beta=0.5)
        slopes.append(gradient(loss.sum(), logp).item())
    assert slopes[1] == pytest.approx(-0.5 / 4)
    assert max(abs(slopes[0]), abs(slopes[2])) < 1e-8


def test_no_gradient_flows_into_the_reference_point():
    logp, mismatched = f64(-1.0, -2.0).requires_grad_(), f64(-1.0, -3.0).requires_grad_()
    kl = kto_kl(mismatched, f64(-2.0, -3.0))
    assert not kl.requires_grad
    assert_exact(kl, 0.5)
    given = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    loss = kto_loss(logp, f64(-1.0, -1.0), torch.tensor([True, False]), given).sum()
    assert torch.autograd.grad(loss, [logp, given], allow_unused=True)[1] is None


def test_the_reference_point_is_never_below_zero():
    """Two mismatched completions, one nat up and three down: the mean is -1, the KL is taken to be 0."""
    assert kto_kl(f64(-1.0, -6.0), f64(-2.0, -3.0)).item() == 0.0
    assert_exact(kto_kl(f64(-1.0, -2.0), f64(-2.0, -5.0)), 2.0)


def test_over_all_completions_the_reference_point_of_a_policys_own_samples_is_its_kl():
    """A policy of probabilities 1/2, 1/4, 1/4: four completions in these proportions are its exact distribution."""
    p, q = f64(0.5, 0.5, 0.25, 0.25), f64(0.2, 0.2, 0.7, 0.1)
    exact = 0.5 * math.log(0.5 / 0.2) + 0.25 * math.log(0.25 / 0.7) + 0.25 * math.log(0.25 / 0.1)
    assert_exact(kto_kl(p.log(), q.log()), exact)


# The reward model


def test_bradley_terry_does_not_see_a_constant_per_prompt():
    chosen, rejected = f64(0.3, -1.0, 2.0).requires_grad_(), f64(0.1, 0.5, -1.0).requires_grad_()
    per_prompt = f64(10.0, -3.0, 100.0)
    one, other = bradley_terry_loss(chosen, rejected), bradley_terry_loss(chosen + per_prompt, rejected + per_prompt)
    assert_exact(one, other)
    for parameter in (chosen, rejected):
        assert_exact(gradient(one.sum(), parameter), gradient(other.sum(), parameter))
    assert_exact(gradient(one.sum(), chosen), -gradient(one.sum(), rejected))  # and pushes the two apart by as much


def test_the_most_likely_rewards_are_those_that_made_the_labels():
    """Over all pairs and both labels the expected gradient is zero at r and at r plus a constant, and nowhere near it
    else."""
    prefers, weights = bradley_terry(REWARD), sampled_pairs()
    y, z = PAIRS.T

    def slope(rewards):
        rewards = rewards.clone().requires_grad_()
        loss = prefers[y, z] * bradley_terry_loss(rewards[y], rewards[z])
        loss = loss + prefers[z, y] * bradley_terry_loss(rewards[z], rewards[y])
        return gradient((weights * loss).sum(), rewards)

    assert_exact(slope(REWARD), 0.0)
    assert_exact(slope(REWARD + 5), 0.0)
    assert slope(1.1 * REWARD).abs().max() > 1e-3


@pytest.mark.parametrize("wins", [1, 2, 3, 9])
def test_from_counted_labels_the_gap_is_the_log_of_the_odds(wins):
    """``wins`` out of 10 comparisons."""
    gap = math.log(wins / (10 - wins))
    better = torch.full((10,), gap, dtype=torch.float64, requires_grad=True)
    worse = torch.zeros(10, dtype=torch.float64)
    won = torch.arange(10) < wins
    loss = bradley_terry_loss(torch.where(won, better, worse), torch.where(won, worse, better)).sum()
    assert gradient(loss, better).sum().item() == pytest.approx(0, abs=1e-14)


def test_a_rated_margin_moves_the_optimum_by_itself():
    """With margin m the gap that was enough before is m too small."""
    for gap in (0.5, 2.0):
        chosen = f64(gap + 1.5).requires_grad_()
        ours = bradley_terry_loss(chosen, f64(0.0), margin=f64(1.5))
        assert_exact(ours, -math.log(sigmoid(gap)))
        assert_exact(gradient(ours.sum(), chosen), -sigmoid(-gap))


def test_dpo_is_the_bradley_terry_loss_of_the_implicit_rewards():
    args = f64(-1.0, -4.0), f64(-2.0, -3.0), f64(-1.5, -3.5), f64(-1.0, -3.0)
    chosen, rejected = implicit_reward(args[0], args[2], beta=0.3), implicit_reward(args[1], args[3], beta=0.3)
    assert_exact(dpo_loss(*args, beta=0.3), bradley_terry_loss(chosen, rejected))
