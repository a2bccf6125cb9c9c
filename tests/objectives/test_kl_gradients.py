"""The KL penalty by exact enumeration: what each estimator's value and gradient are, in the loss and in the reward.

Policy, reference and an older policy are tables over 3 tokens and 3 steps. "Myopic" KL: the KL at each state, weighted
by how often that state is visited, as if the visits were given; the KL of whole sequences also counts that an early
token changes which states come later.
"""

import itertools
import math

import pytest
import torch
from enumeration import (
    EVERYTHING,
    SEQUENCES,
    all_sequences,
    as_model_output,
    assert_exact,
    cosine,
    gradient,
    kl_per_row,
    log_probs,
    mean_over,
    probabilities,
    random_policies,
    visits,
)
from float64 import normal

from reference.objectives import (
    discounted_returns,
    group_advantages,
    kl_abs,
    kl_charge,
    kl_full,
    kl_k1,
    kl_k2,
    kl_k3,
    kl_penalised_rewards,
    kl_penalty,
    kl_straight_through,
    kl_unbiased,
    mean_kl,
    reinforce_loss,
    rloo_advantages,
    sequence_sum,
    token_rewards,
    total_loss,
)

ESTIMATORS = {"k1": kl_k1, "k2": kl_k2, "k3": kl_k3, "abs": kl_abs}

POLICY, REFERENCE, OLD = random_policies(3, 3, seed=0, count=3)
REFERENCE, OLD = REFERENCE.detach(), OLD.detach()
LOGP, REF, OLD_LOGP = (log_probs(table, SEQUENCES) for table in (POLICY, REFERENCE, OLD))
P, Q, P_OLD = (probabilities(table, SEQUENCES) for table in (POLICY, REFERENCE, OLD))
REWARDS = normal(27, seed=3)


def estimate(estimator):
    """The estimator at every token of every sequence, (27, 3)."""
    return ESTIMATORS[estimator](LOGP, REF)


def gradient_in_loss(tokens, weights=P):
    """Expected gradient of a KL term in the loss, on samples with these probabilities."""
    return gradient(mean_over(weights, tokens), POLICY)


def gradient_in_reward(charge):
    """Expected gradient of the loss when each token's advantage is charged: A = -charge."""
    return gradient(mean_over(P, reinforce_loss(LOGP, -charge)), POLICY)


def sequence_kl():
    """Gradient of KL(pi || ref) between the distributions over whole sequences: what a penalty is meant to follow."""
    return gradient((P * (P / Q).log()).sum(), POLICY)


def myopic(rows, states=POLICY):
    """Gradient of a quantity per state, weighted by the visits of a policy to each state."""
    return gradient((visits(states, SEQUENCES) * rows).sum(), POLICY)


def reverse_kl(states=POLICY):
    return myopic(kl_per_row(POLICY, REFERENCE), states)


def forward_kl(states=POLICY):
    return myopic(kl_per_row(REFERENCE, POLICY), states)


# Values


@pytest.mark.parametrize("estimator", ["k1", "k3"])
def test_the_mean_of_k1_and_of_k3_is_the_kl_of_the_sequences(estimator):
    assert_exact(mean_over(P, estimate(estimator)), (P * (P / Q).log()).sum().item())


def test_the_mean_of_k2_is_half_the_mean_squared_log_ratio_and_not_the_kl():
    """In this instance 2.94 nats for a KL of 2.11."""
    p, d = torch.softmax(POLICY, dim=1), (torch.softmax(POLICY, dim=1) / torch.softmax(REFERENCE, dim=1)).log()
    exact = (visits(POLICY, SEQUENCES) * (p * d**2 / 2).sum(dim=1)).sum()
    assert_exact(mean_over(P, estimate("k2")), exact.item())
    assert exact.item() == pytest.approx(2.94109, abs=1e-5)
    assert mean_over(P, estimate("k1")).item() == pytest.approx(2.10952, abs=1e-5)


def test_the_bias_of_k2_is_of_third_order_in_the_distance():
    """Halve the distance, and E[k2] - KL falls to about an eighth, where the KL falls to a quarter only."""
    arms = all_sequences(3, 1)
    policy = torch.tensor([[0.7, 0.2, 0.1]], dtype=torch.float64).log()
    direction = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)

    def bias_and_kl(distance):
        reference = policy + distance * direction
        k2 = mean_over(probabilities(policy, arms), kl_k2(log_probs(policy, arms), log_probs(reference, arms)))
        kl = kl_per_row(policy, reference).sum()
        return (k2 - kl).item(), kl.item()

    (far, kl_far), (near, kl_near) = bias_and_kl(0.01), bias_and_kl(0.005)
    assert far / near == pytest.approx(8, rel=0.02)
    assert kl_far / kl_near == pytest.approx(4, rel=0.02)


def test_the_mean_of_the_absolute_log_ratio_bounds_the_kl_from_above():
    p, d = torch.softmax(POLICY, dim=1), (torch.softmax(POLICY, dim=1) / torch.softmax(REFERENCE, dim=1)).log()
    exact = (visits(POLICY, SEQUENCES) * (p * d.abs()).sum(dim=1)).sum()
    assert_exact(mean_over(P, estimate("abs")), exact.item())
    assert exact > 1.5 * mean_over(P, estimate("k1"))


def full(policy=POLICY, reference=REFERENCE, **options):
    logits, ref_logits = (as_model_output(table, SEQUENCES)[0] for table in (policy, reference))
    return kl_full(logits, ref_logits, **options)


def test_the_full_sum_averaged_over_visited_states_is_the_kl_of_the_sequences():
    assert_exact(mean_over(P, full()), (P * (P / Q).log()).sum().item())


def test_the_full_sum_is_the_mean_of_k1_over_the_next_token():
    """Rao-Blackwell: rows 0, 1, 2 differ in their last token only, so their k1 there averages to the sum."""
    p = torch.softmax(POLICY, dim=1)[4]  # the row of the prefix (0, 0)
    assert_exact(full()[0, 2], (p * estimate("k1")[:3, 2]).sum().item())


def test_the_full_sum_with_swapped_arguments_is_the_forward_kl():
    swapped = mean_over(P, full(REFERENCE, POLICY))
    assert_exact(swapped, (visits(POLICY, SEQUENCES) * kl_per_row(REFERENCE, POLICY)).sum().item())


def test_the_full_sum_at_a_temperature_is_that_of_both_tempered_policies():
    exact = kl_per_row(POLICY / 0.7, REFERENCE / 0.7)
    ours = full(temperature=0.7)
    assert_exact(ours[:, 0], exact[0].expand(27))
    assert_exact(gradient(ours[0, 0], POLICY), gradient(exact[0], POLICY))


def test_on_samples_of_the_reference_k1_averages_to_minus_the_other_kl():
    """Never above 0: the sign of a logged k1 says who drew the samples."""
    assert_exact(mean_over(Q, estimate("k1")), -(Q * (Q / P).log()).sum().item())


@pytest.mark.parametrize("estimator", ["k1", "k3"])
def test_the_ratio_makes_samples_of_an_older_policy_average_to_the_kl_at_the_states_it_visited(estimator):
    ours = mean_over(P_OLD, kl_unbiased(LOGP, REF, OLD_LOGP, estimator=estimator))
    exact = (visits(OLD, SEQUENCES) * kl_per_row(POLICY, REFERENCE)).sum()
    assert_exact(ours, exact.item())
    assert abs(mean_over(P_OLD, estimate(estimator)).item() - exact.item()) > 0.5  # and not without the ratio


@pytest.mark.parametrize("estimator", ["k1", "k3", "abs"])
def test_straight_through_has_the_value_of_its_estimator(estimator):
    assert_exact(kl_straight_through(LOGP, REF, estimator=estimator), estimate(estimator))


def test_the_logged_mean_is_the_kl_per_token_for_k1_and_k3_alike():
    """A policy of probabilities 1/2, 1/4, 1/4: four rows in these proportions are its exact distribution."""
    arms = torch.tensor([[0], [0], [1], [2]])
    policy = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64).log()
    reference = torch.tensor([[0.2, 0.7, 0.1]], dtype=torch.float64).log()
    exact = 0.5 * math.log(0.5 / 0.2) + 0.25 * math.log(0.25 / 0.7) + 0.25 * math.log(0.25 / 0.1)
    for estimator in ("k1", "k3"):
        logged = mean_kl(log_probs(policy, arms), log_probs(reference, arms), torch.ones(4, 1), estimator=estimator)
        assert_exact(logged, exact)


# Spread


def spread(policy, reference, estimator):
    """Standard deviation of one sample of an estimator for two distributions over 3 arms, by enumeration."""
    arms = all_sequences(3, 1)
    tables = [torch.tensor([p], dtype=torch.float64).log() for p in (policy, reference)]
    weights = probabilities(tables[0], arms)
    k = ESTIMATORS[estimator](*(log_probs(table, arms) for table in tables))[:, 0]
    return ((weights * (k - (weights * k).sum()) ** 2).sum()).sqrt().item()


def test_k3_is_far_less_noisy_than_k1_where_the_two_policies_are_close():
    near = (0.5, 0.3, 0.2), (0.48, 0.31, 0.21)
    assert spread(*near, "k3") < 0.05 * spread(*near, "k1")


def test_k3_is_far_noisier_than_k1_where_the_reference_likes_what_the_policy_hardly_samples():
    """Arm 2 has ref / pi = 0.9 / 0.01 = 90, so k3 is 90 - 1 - ln 90 = 84.5 there, once in a hundred samples."""
    far = (0.9, 0.09, 0.01), (0.01, 0.09, 0.9)
    assert spread(*far, "k3") > 8
    assert spread(*far, "k1") < 2


def probability_of_a_negative_mean(policy, reference, samples, estimator):
    """Over every tuple of ``samples`` arms: how likely the sample mean is below 0."""
    tuples = torch.tensor(list(itertools.product(range(len(policy)), repeat=samples)))
    p = torch.tensor(policy, dtype=torch.float64)
    logp, ref = p.log()[tuples], torch.tensor(reference, dtype=torch.float64).log()[tuples]
    negative = ESTIMATORS[estimator](logp, ref).mean(dim=1) < 0
    return p[tuples].prod(dim=1)[negative].sum().item()


def test_the_mean_of_a_few_k1_can_be_negative_and_that_of_k3_cannot():
    """Arm 0 has d = ln(0.5 / 0.6) = -0.18, arm 1 has d = ln(0.5 / 0.4) = 0.22. Of 6 tokens, 4 or more on arm 0 make the
    mean negative (4 * -0.18 + 2 * 0.22 < 0, but 3 * -0.18 + 3 * 0.22 > 0): (15 + 6 + 1) / 64. The KL is 0.02 nats."""
    pair = (0.5, 0.5), (0.6, 0.4)
    assert probability_of_a_negative_mean(*pair, 6, "k1") == pytest.approx(22 / 64, rel=1e-12)
    assert probability_of_a_negative_mean(*pair, 6, "k3") == 0


def test_over_32_tokens_near_the_reference_k1_is_negative_in_43_of_100_batches():
    """A fair coin and one that shows heads 53.31 % of the time: a KL of 0.0022 nats. The mean over 32 tosses depends on
    the number of heads only, so its exact distribution has 33 values."""
    policy, reference = (torch.tensor(p, dtype=torch.float64).log() for p in ([0.5, 0.5], [0.5331, 0.4669]))
    chance = {"k1": 0.0, "k3": 0.0}
    for heads in range(33):
        tokens = torch.tensor([[0] * heads + [1] * (32 - heads)])
        for name in chance:
            mean = mean_kl(policy[tokens], reference[tokens], torch.ones(1, 32), estimator=name)
            chance[name] += math.comb(32, heads) / 2**32 * (mean < 0).item()
    assert kl_per_row(policy[None], reference[None]).item() == pytest.approx(0.0022, abs=5e-5)
    assert chance["k1"] == pytest.approx(0.43, abs=0.005)
    assert chance["k3"] == 0


# In the loss


def test_k1_in_the_loss_has_an_expected_gradient_of_exactly_zero():
    assert_exact(gradient_in_loss(estimate("k1")), 0.0)
    assert gradient(LOGP[0].sum(), POLICY).abs().max() > 0.1  # one sample's is not: it is noise


def test_k2_in_the_loss_has_the_gradient_of_the_myopic_reverse_kl():
    assert_exact(gradient_in_loss(estimate("k2")), reverse_kl())


def test_k3_in_the_loss_has_the_gradient_of_the_myopic_forward_kl():
    assert_exact(gradient_in_loss(estimate("k3")), forward_kl())
    assert cosine(forward_kl(), reverse_kl()) < 0.95


def test_the_full_sum_in_the_loss_has_the_gradient_of_the_myopic_reverse_kl():
    assert_exact(gradient_in_loss(full()), reverse_kl())


def test_abs_in_the_loss_has_the_gradient_of_neither_kl_but_of_twice_the_total_variation():
    """E[sign(d) grad log p] = sum of sign(p - q) grad p: how far apart the two are, without asking for more than
    equality."""
    ours = gradient_in_loss(estimate("abs"))
    assert cosine(ours, reverse_kl()) < 0.95
    assert cosine(ours, forward_kl()) < 0.9
    apart = (torch.softmax(POLICY, dim=1) - torch.softmax(REFERENCE, dim=1)).abs().sum(dim=1)
    assert_exact(ours, myopic(apart))


def test_the_myopic_gradients_are_not_that_of_the_sequence_kl():
    """Cosines of this instance, to be compared with 1."""
    assert cosine(gradient_in_loss(estimate("k2")), sequence_kl()) == pytest.approx(0.78, abs=0.005)
    assert cosine(gradient_in_loss(estimate("k3")), sequence_kl()) == pytest.approx(0.876, abs=0.0005)


@pytest.mark.parametrize("estimator", ["k1", "k3", "abs"])
def test_straight_through_has_the_gradient_of_the_myopic_reverse_kl(estimator):
    """Of k2, that is, and not just on average: token by token."""
    ours = kl_straight_through(LOGP, REF, estimator=estimator)
    assert_exact(gradient_in_loss(ours), reverse_kl())
    weights = torch.arange(81, dtype=torch.float64).view(27, 3)
    assert_exact(gradient((weights * ours).sum(), POLICY), gradient((weights * estimate("k2")).sum(), POLICY))


@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
def test_the_ratio_corrects_every_estimator_to_the_myopic_reverse_kl(estimator):
    on_policy = kl_unbiased(LOGP, REF, LOGP.detach(), estimator=estimator)
    assert_exact(on_policy, estimate(estimator))  # the ratio is 1: only the gradient is changed
    assert_exact(gradient_in_loss(on_policy), reverse_kl())


@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
def test_the_ratio_corrects_samples_of_an_older_policy_at_the_states_which_that_one_visited(estimator):
    ours = kl_unbiased(LOGP, REF, OLD_LOGP, estimator=estimator)
    assert_exact(gradient_in_loss(ours, P_OLD), reverse_kl(states=OLD))


def test_corrected_k3_has_the_slope_of_corrected_k2_at_every_token_and_k1_one_ratio_more():
    """r * d * grad log p for both: (d + e^-d - 1) of k3 and its own slope 1 - e^-d add up to d. The r of k1 averages to
    0."""
    logp = LOGP.detach().requires_grad_()
    slope = {e: gradient(kl_unbiased(logp, REF, OLD_LOGP, estimator=e).sum(), logp) for e in ("k1", "k2", "k3")}
    r, d = (LOGP - OLD_LOGP).exp(), LOGP - REF
    assert_exact(slope["k2"], r * d)
    assert_exact(slope["k3"], r * d)
    assert_exact(slope["k1"], r * (d + 1))


def test_a_differentiable_ratio_gives_the_gradient_of_the_estimators_mean_which_for_k2_is_no_kl():
    """grad E[r * k] at r = 1 is grad of sum pi * k: for k1 and k3 that sum is the KL, for k2 it is half of E[d^2]."""
    ratio = (LOGP - LOGP.detach()).exp()
    p, d = torch.softmax(POLICY, dim=1), (torch.softmax(POLICY, dim=1) / torch.softmax(REFERENCE, dim=1)).log()
    ours = gradient_in_loss(ratio * estimate("k2"))
    assert_exact(ours, myopic((p * d**2 / 2).sum(dim=1)))
    assert (ours - reverse_kl()).abs().max() > 0.5


def test_without_the_ratio_k1_on_samples_of_an_older_policy_pulls_towards_that_policy():
    """The gradient of -KL(old || pi): minimising it is maximising that KL, away from what was sampled."""
    ours = gradient_in_loss(estimate("k1"), P_OLD)
    assert_exact(ours, -gradient((P_OLD * (P_OLD / P).log()).sum(), POLICY))
    assert cosine(ours, reverse_kl(states=OLD)) < 0


@pytest.mark.parametrize("estimator", ["k2", "k3"])
def test_without_the_ratio_k2_and_k3_are_biased_on_samples_of_an_older_policy(estimator):
    ours = gradient_in_loss(estimate(estimator), P_OLD)
    for exact in (reverse_kl(states=OLD), forward_kl(states=OLD), sequence_kl()):
        assert cosine(ours, exact) < 0.95


# The log-ratio of whole sequences, (27, 1): one number per sequence in place of three


def of_sequences(logprobs):
    return logprobs.sum(dim=1, keepdim=True)


@pytest.mark.parametrize("written", ["kl_k2 of sums", "half the square of the sum of k1"])
def test_k2_of_the_sequence_log_ratio_has_the_gradient_of_the_sequence_kl(written):
    ours = {
        "kl_k2 of sums": kl_k2(of_sequences(LOGP), of_sequences(REF)),
        "half the square of the sum of k1": sequence_sum(estimate("k1"), EVERYTHING)[:, None] ** 2 / 2,
    }[written]
    assert_exact(gradient_in_loss(ours), sequence_kl())


def test_k3_of_the_sequence_log_ratio_has_the_gradient_of_the_forward_sequence_kl():
    ours = gradient_in_loss(kl_k3(of_sequences(LOGP), of_sequences(REF)))
    assert_exact(ours, gradient((Q * (Q / P).log()).sum(), POLICY))


@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
def test_the_ratio_of_whole_sequences_corrects_any_samples_to_the_sequence_kl(estimator):
    ours = kl_unbiased(of_sequences(LOGP), of_sequences(REF), of_sequences(OLD_LOGP), estimator=estimator)
    assert_exact(gradient_in_loss(ours, P_OLD), sequence_kl())


# In the reward


@pytest.mark.parametrize("credit", ["to_go", "sequence"])
def test_k1_in_the_reward_has_the_gradient_of_the_sequence_kl(credit):
    assert_exact(gradient_in_reward(kl_charge(estimate("k1"), EVERYTHING, credit=credit)), sequence_kl())


def test_k1_charged_to_its_own_token_only_has_the_gradient_of_the_myopic_reverse_kl():
    ours = gradient_in_reward(kl_charge(estimate("k1"), EVERYTHING, credit="own"))
    assert_exact(ours, reverse_kl())
    assert cosine(ours, sequence_kl()) < 0.9


def test_the_charge_to_go_is_that_of_the_token_and_of_those_after_it():
    kl = torch.tensor([[1.0, 2.0, 4.0, 8.0]])
    mask = torch.tensor([[1, 1, 0, 1]])
    assert kl_charge(kl, mask, credit="own").tolist() == [[1, 2, 0, 8]]
    assert kl_charge(kl, mask, credit="to_go").tolist() == [[1 + 2 + 8, 2 + 8, 0, 8]]
    assert kl_charge(kl, mask, credit="sequence").tolist() == [[11, 11, 0, 11]]


def test_token_rewards_with_k1_have_the_gradient_of_reward_minus_coefficient_times_kl():
    rewards = token_rewards(REWARDS, EVERYTHING, kl=estimate("k1"), kl_coef=0.3)
    advantages = discounted_returns(rewards, EVERYTHING)
    ours = gradient(mean_over(P, reinforce_loss(LOGP, advantages)), POLICY)
    assert_exact(ours, -gradient((P * (REWARDS - 0.3 * (P / Q).log())).sum(), POLICY))


def test_penalised_rewards_have_the_gradient_of_reward_minus_coefficient_times_kl():
    advantages = kl_penalised_rewards(REWARDS, estimate("k1"), EVERYTHING, kl_coef=0.3)
    ours = gradient(mean_over(P, reinforce_loss(LOGP, advantages[:, None])), POLICY)
    assert_exact(ours, -gradient((P * (REWARDS - 0.3 * (P / Q).log())).sum(), POLICY))


def after_a_group_of_two(baseline):
    """Penalised rewards, then a baseline over every pair of sequences: the expected gradient over all 27 * 27."""
    pairs = torch.tensor(list(itertools.product(range(27), repeat=2)))
    penalised = kl_penalised_rewards(REWARDS, estimate("k1"), EVERYTHING, kl_coef=0.3)
    advantages = baseline(penalised[pairs].flatten())
    loss = reinforce_loss(LOGP[pairs.flatten()], advantages[:, None]).sum(dim=1).view(-1, 2).mean(dim=1)
    return gradient((P[pairs].prod(dim=1).detach() * loss).sum(), POLICY)


def test_a_leave_one_out_baseline_after_the_penalty_keeps_the_gradient_exact():
    exact = -gradient((P * (REWARDS - 0.3 * (P / Q).log())).sum(), POLICY)
    assert_exact(after_a_group_of_two(lambda rewards: rloo_advantages(rewards, group_size=2)), exact)


def test_a_group_std_after_the_penalty_scales_it_away():
    """Two completions of equal reward differ in their KL alone: over their std, any coefficient weighs the same."""
    kl = torch.tensor([[0.0], [1.0]])
    for kl_coef in (0.01, 100.0):
        penalised = kl_penalised_rewards(torch.ones(2), kl, torch.ones(2, 1), kl_coef=kl_coef)
        advantages = group_advantages(penalised, group_size=2, eps=0.0)
        assert advantages.tolist() == pytest.approx([1 / math.sqrt(2), -1 / math.sqrt(2)])


@pytest.mark.parametrize("estimator", ["k1", "k2", "k3", "abs"])
def test_reward_and_loss_together_have_the_gradient_of_the_estimators_mean(estimator):
    """The product rule, grad of sum p * k = sum k * grad p + sum p * grad k. The first sum is the reward, the second
    the loss.

    So in the reward k1 is exact because its second sum is 0, and k3 lacks the whole forward KL.
    """
    k = estimate(estimator)
    in_reward = gradient_in_reward(kl_charge(k, EVERYTHING, credit="to_go"))
    assert_exact(in_reward + gradient_in_loss(k), gradient((P * k.sum(dim=1)).sum(), POLICY))


@pytest.mark.parametrize("credit", ["to_go", "sequence"])
def test_k3_in_the_reward_can_point_uphill(credit):
    """In this instance its gradient has a cosine of -0.56 with that of the KL: following it takes the policy further
    away."""
    ours = gradient_in_reward(kl_charge(estimate("k3"), EVERYTHING, credit=credit))
    assert_exact(ours, sequence_kl() - forward_kl())
    assert cosine(ours, sequence_kl()) == pytest.approx(-0.556, abs=0.0005)


@pytest.mark.parametrize(("estimator", "expected"), [("k2", 0.234), ("abs", -0.174)])
def test_k2_and_abs_in_the_reward_are_wrong_too(estimator, expected):
    ours = gradient_in_reward(kl_charge(estimate(estimator), EVERYTHING))
    assert cosine(ours, sequence_kl()) == pytest.approx(expected, abs=0.0005)


def variance_of_the_charge(policy, reference, credit):
    """Total variance of the gradient of one sample, summed over the parameters."""
    sequences = all_sequences(policy.shape[1], 2)
    logp, ref = log_probs(policy, sequences), log_probs(reference, sequences)
    charge = kl_charge(kl_k1(logp, ref), torch.ones(len(sequences), 2), credit=credit)
    samples = torch.stack([gradient(loss, policy) for loss in reinforce_loss(logp, -charge).sum(dim=1)])
    weights = probabilities(policy, sequences).detach()[:, None, None]
    mean = (weights * samples).sum(dim=0)
    return (weights * (samples - mean) ** 2).sum().item()


def test_leaving_out_the_past_usually_makes_the_charge_less_noisy():
    for seed in range(4):
        policy, reference = random_policies(3, 2, seed=seed, count=2)
        to_go, whole = (variance_of_the_charge(policy, reference.detach(), credit) for credit in ("to_go", "sequence"))
        assert to_go < whole


def test_leaving_out_the_past_need_not_make_the_charge_less_noisy():
    """Where a high KL of the first token goes with a low one of a rare second token, the two cancel in the sum."""
    policy = torch.tensor([[0.3, 0.7], [0.9, 0.1], [0.999, 0.001]], dtype=torch.float64).log().requires_grad_()
    reference = torch.tensor([[0.15, 0.85], [0.5, 0.5], [0.999, 0.001]], dtype=torch.float64).log()
    assert variance_of_the_charge(policy, reference, "to_go") > 1.2 * variance_of_the_charge(
        policy, reference, "sequence"
    )


# Completions that end


def completions_that_stop():
    """A mask through the first token 2, the EOS, inclusive; written as a loop."""
    mask = torch.zeros(27, 3, dtype=torch.bool)
    for row, sequence in enumerate(SEQUENCES.tolist()):
        for t, token in enumerate(sequence):
            mask[row, t] = True
            if token == 2:
                break
    return mask


def test_with_a_mask_the_kl_is_that_of_the_completions_up_to_their_eos():
    """The tokens after EOS belong to no completion: neither their KL nor their log-prob may count."""
    mask = completions_that_stop()
    exact = (
        P * ((LOGP - REF) * mask).sum(dim=1)
    ).sum()  # sum over completions of p log(p / q); the rest of p sums to 1
    for credit in ("to_go", "sequence"):
        charge = kl_charge(estimate("k1"), mask, credit=credit)
        assert (charge[~mask] == 0).all()
        assert_exact(gradient_in_reward(charge), gradient(exact, POLICY))
    returns = discounted_returns(token_rewards(torch.zeros(27).double(), mask, kl=estimate("k1"), kl_coef=1.0), mask)
    assert_exact(gradient_in_reward(-returns), gradient(exact, POLICY))
    of_the_whole = (sequence_sum(estimate("k1"), mask) ** 2 / 2)[:, None]
    assert_exact(gradient_in_loss(of_the_whole), gradient(exact, POLICY))


# Twice, once, never


@pytest.mark.parametrize(("in_loss", "in_reward", "times"), [(0, 0, 0), (1, 0, 1), (0, 1, 1), (1, 1, 2)])
def test_a_kl_in_the_loss_and_in_the_reward_is_charged_twice(in_loss, in_reward, times):
    """Both places are legal, so nothing complains: the KL's share of the gradient is 0, 1, 1 or 2 times its
    coefficient."""
    coefficient = 0.3
    charge = in_reward * coefficient * kl_charge(estimate("k1"), EVERYTHING, credit="own")
    policy_loss = mean_over(P, reinforce_loss(LOGP, REWARDS[:, None] - charge))
    term = {"kl": mean_over(P, estimate("k2")), "kl_coef": coefficient} if in_loss else {}
    ours = gradient(total_loss(policy_loss, **term), POLICY)
    assert_exact(ours, -gradient((P * REWARDS).sum(), POLICY) + times * coefficient * reverse_kl())


# Clamps


def at_log_ratio(d, **options):
    """Value and slope of kl_penalty at logp - ref_logp = d."""
    logp = torch.tensor([[d - 1.0]], dtype=torch.float64, requires_grad=True)
    kl = kl_penalty(logp, torch.tensor([[-1.0]], dtype=torch.float64), **options)
    return kl.item(), gradient(kl.sum(), logp).item()


def test_k3_clamped_at_10_has_no_gradient_once_the_reference_is_13_6_times_likelier():
    """e^x - 1 - x = 10 at x = 2.611, where e^x = 13.61; just before, the slope is 1 - 13.61 = -12.61."""
    edge = 2.6109
    assert math.exp(edge) - 1 - edge == pytest.approx(10, abs=1e-3)
    assert math.exp(edge) == pytest.approx(13.61, abs=0.01)
    value, slope = at_log_ratio(-edge + 1e-3, max_kl=10.0)
    assert value == pytest.approx(10, abs=0.02)
    assert slope == pytest.approx(-12.61, abs=0.02)
    for d in (-edge - 1e-3, -5.0, -30.0):
        assert at_log_ratio(d, max_kl=10.0) == (10.0, 0.0)


def test_k3_clamped_at_10_has_no_gradient_beyond_11_nats_above_the_reference():
    """e^-d - 1 + d is 10 at d = 11, but for e^-11."""
    assert at_log_ratio(10.9, max_kl=10.0)[1] == pytest.approx(1, abs=1e-4)
    assert at_log_ratio(11.1, max_kl=10.0) == (10.0, 0.0)


@pytest.mark.parametrize(
    ("estimator", "d", "value"), [("k1", 12.0, 10.0), ("k1", -12.0, -10.0), ("k2", 4.5, 10.0), ("abs", -12.0, 10.0)]
)
def test_every_estimator_stays_at_the_bound_without_gradient(estimator, d, value):
    assert at_log_ratio(d, estimator=estimator, max_kl=10.0) == (value, 0.0)


@pytest.mark.parametrize(("estimator", "value"), [("k1", 20.0), ("k2", 200.0), ("abs", 20.0)])
def test_a_clamped_log_ratio_stays_at_the_bound_without_gradient(estimator, value):
    assert at_log_ratio(25.0, estimator=estimator, max_log_ratio=20.0) == (value, 0.0)
    assert at_log_ratio(-25.0, estimator=estimator, max_log_ratio=20.0)[1] == 0.0


@pytest.mark.parametrize("estimator", ["k1", "k2", "k3", "abs"])
def test_inside_the_clamps_the_penalty_is_its_estimator(estimator):
    clamped = kl_penalty(LOGP, REF, estimator=estimator, max_log_ratio=20.0, max_kl=100.0)
    for ours in (clamped, kl_penalty(LOGP, REF, estimator=estimator)):
        assert_exact(ours, estimate(estimator))
        assert_exact(gradient_in_loss(ours), gradient_in_loss(estimate(estimator)))


def test_a_clamp_leaves_the_worst_arm_out_of_the_expected_gradient():
    """pi = (0.9, 0.09, 0.01), ref = (0.01, 0.09, 0.9): k3 at arm 2 is 84.5. Clamped, only arms 0 and 1 pull."""
    arms = all_sequences(3, 1)
    policy = torch.tensor([[0.9, 0.09, 0.01]], dtype=torch.float64).log().requires_grad_()
    reference = torch.tensor([[0.01, 0.09, 0.9]], dtype=torch.float64).log()
    k3 = kl_penalty(log_probs(policy, arms), log_probs(reference, arms), max_kl=10.0)
    p, q = torch.softmax(policy, dim=1)[0], torch.softmax(reference, dim=1)[0]
    forward = q * (q / p).log()
    in_play = gradient(
        forward[:2].sum() + p[:2].sum(), policy
    )  # E[(1 - q / p) grad log p], arm by arm: grad p - (q / p) grad p
    assert_exact(gradient(mean_over(probabilities(policy, arms), k3), policy), in_play)
    assert gradient(forward.sum(), policy)[0, 2] < -0.8  # unclamped, the forward KL calls arm 2 back
    assert in_play[0, 2].abs() < 0.1


# Other ways to get it wrong


def test_k3_with_swapped_arguments_in_the_loss_has_the_gradient_of_half_the_chi_squared():
    """exp(d) - 1 - d has slope exp(d) - 1, and the mean of (p / q) grad log p is half of grad sum p^2 / q."""
    p, q = torch.softmax(POLICY, dim=1), torch.softmax(REFERENCE, dim=1)
    ours = gradient_in_loss(kl_k3(REF, LOGP))
    assert_exact(ours, myopic((p**2 / q).sum(dim=1) / 2))
    assert (ours - reverse_kl()).abs().max() > 1


def test_a_charge_is_a_constant():
    for credit in ("own", "to_go", "sequence"):
        assert not kl_charge(estimate("k1"), EVERYTHING, credit=credit).requires_grad
    assert not token_rewards(REWARDS, EVERYTHING, kl=estimate("k1"), kl_coef=0.3).requires_grad
    assert not kl_penalised_rewards(REWARDS, estimate("k1"), EVERYTHING, kl_coef=0.3).requires_grad
