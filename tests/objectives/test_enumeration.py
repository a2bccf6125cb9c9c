"""Exact enumeration: what each estimator is an estimate of, value and gradient, in float64 to 1e-10."""

import itertools
import math

import pytest
import torch
from enumeration import (
    SEQUENCES,
    all_prefixes,
    all_sequences,
    as_model_output,
    assert_exact,
    gradient,
    probabilities,
    random_policy,
    rows_of,
    visits,
)
from float64 import normal

from reference.objectives import (
    aggregate,
    approx_kl,
    chunked_token_logprobs,
    clip_frac,
    completion_mask,
    dead_group_share,
    entropy,
    fixed_length,
    group_advantages,
    group_reward_std,
    kl_k3,
    masked_mean,
    ppo_clip_loss,
    ratio,
    sequence_logprobs,
    sequence_mean,
    sft_loss,
    token_logprobs,
    token_mean,
)

VOCAB, LENGTH = 3, 3
EVERYTHING = torch.ones(len(SEQUENCES), LENGTH, dtype=torch.bool)


@pytest.fixture
def policy():
    return random_policy(VOCAB, LENGTH, seed=1)


@pytest.fixture
def other():
    return random_policy(VOCAB, LENGTH, seed=2).detach()


@pytest.fixture
def rewards():
    """An arbitrary number per sequence: whatever holds for it holds for every reward."""
    return normal(len(SEQUENCES), seed=3)


def logprobs_of(table):
    return token_logprobs(*as_model_output(table, SEQUENCES))


# Log-probabilities


def test_each_log_prob_is_that_of_its_prefix_row(policy):
    logp = logprobs_of(policy)
    for row, sequence in enumerate(SEQUENCES.tolist()):
        for t, token in enumerate(sequence):
            state = all_prefixes(VOCAB, LENGTH).index(tuple(sequence[:t]))
            assert_exact(logp[row, t], math.log(torch.softmax(policy, dim=1)[state, token].item()))


def test_sequence_probabilities_sum_to_one_and_their_gradient_to_zero(policy):
    total = sequence_logprobs(logprobs_of(policy), EVERYTHING).exp().sum()
    assert_exact(total, 1.0)
    assert_exact(gradient(total, policy), 0.0)


def test_sequence_logprobs_have_the_value_and_gradient_of_the_product_of_probabilities(policy, rewards):
    ours = (sequence_logprobs(logprobs_of(policy), EVERYTHING) * rewards).sum()
    exact = (probabilities(policy, SEQUENCES).log() * rewards).sum()
    assert_exact(ours, exact.item())
    assert_exact(gradient(ours, policy), gradient(exact, policy))


def test_the_average_is_the_log_of_the_geometric_mean_of_the_token_probabilities(policy):
    average = sequence_logprobs(logprobs_of(policy), EVERYTHING, average=True)
    assert_exact(average.exp(), probabilities(policy, SEQUENCES) ** (1 / LENGTH))


def test_the_expected_score_is_zero(policy):
    weights = probabilities(policy, SEQUENCES).detach()
    assert_exact(gradient((weights * logprobs_of(policy).sum(dim=1)).sum(), policy), 0.0)


@pytest.mark.parametrize("temperature", [0.5, 0.7, 2.0])
def test_temperature_gives_the_log_probs_of_the_tempered_sampler(policy, temperature):
    logits, tokens = as_model_output(policy, SEQUENCES)
    total = sequence_logprobs(token_logprobs(logits, tokens, temperature=temperature), EVERYTHING)
    tempered = probabilities(policy / temperature, SEQUENCES)
    assert_exact(total.exp(), tempered)
    assert_exact(gradient(total[5], policy), gradient(tempered[5].log(), policy))


def test_completions_up_to_their_eos_have_probabilities_that_sum_to_one(policy):
    """No completion continues another, so the distinct ones are all there is: 1 + 2 + 4 * 3 = 15 of them for V = 3."""
    eos = VOCAB - 1
    _, tokens = as_model_output(policy, SEQUENCES)
    mask = completion_mask(tokens, torch.ones(len(tokens), dtype=torch.long), eos_token_id=eos)
    logp = sequence_logprobs(logprobs_of(policy), mask)
    completions = {tuple(s[k].tolist()): p for s, k, p in zip(SEQUENCES, mask, logp.exp(), strict=True)}
    assert len(completions) == 15
    total = torch.stack(list(completions.values())).sum()
    assert_exact(total, 1.0)
    assert_exact(gradient(total, policy), 0.0)


@pytest.mark.parametrize("chunk_size", [1, 4, 81, 1000])
def test_chunked_log_probs_have_the_values_and_gradients_of_whole_logits(chunk_size):
    """The table is factored: logits of a prefix = its hidden state times the head."""
    made = torch.Generator().manual_seed(4)
    states = torch.randn(13, 2, dtype=torch.float64, generator=made, requires_grad=True)
    head = torch.randn(VOCAB, 2, dtype=torch.float64, generator=made, requires_grad=True)
    rows = rows_of(SEQUENCES, VOCAB)
    hidden = torch.cat([states[rows], torch.ones(len(rows), 1, 2, dtype=torch.float64)], dim=1)
    tokens = torch.cat([torch.zeros(len(rows), 1, dtype=torch.long), SEQUENCES], dim=1)
    logp = chunked_token_logprobs(hidden, head, tokens, temperature=0.7, chunk_size=chunk_size)
    exact = probabilities(states @ head.T / 0.7, SEQUENCES)
    assert_exact(sequence_logprobs(logp, EVERYTHING).exp(), exact)
    weights = torch.arange(27, dtype=torch.float64)
    for parameter in (states, head):
        ours = gradient((logp.sum(dim=1) * weights).sum(), parameter)
        assert_exact(ours, gradient((exact.log() * weights).sum(), parameter))


# Entropy


def test_entropy_is_minus_sum_p_log_p_and_so_is_its_gradient(policy):
    logits, _ = as_model_output(policy, SEQUENCES)
    p = torch.softmax(policy, dim=1)
    exact = -(p * p.log()).sum(dim=1)[rows_of(SEQUENCES, VOCAB)]
    ours = entropy(logits)
    assert_exact(ours, exact)
    weights = torch.arange(81, dtype=torch.float64).view(
        27, 3
    )  # every entry its own weight: none may stand in for another
    assert_exact(gradient((ours * weights).sum(), policy), gradient((exact * weights).sum(), policy))


def test_the_expected_token_entropies_add_up_to_the_entropy_of_the_sequence(policy):
    """The chain rule: H(sequence) = sum over t of E[H_t]. It holds for the gradient too, prefix probabilities included."""
    p = probabilities(policy, SEQUENCES)
    ours = (p * entropy(as_model_output(policy, SEQUENCES)[0]).sum(dim=1)).sum()
    exact = -(p * p.log()).sum()
    assert_exact(ours, exact.item())
    assert_exact(gradient(ours, policy), gradient(exact, policy))


# KL


def test_the_mean_of_k3_is_the_kl_to_the_reference(policy, other):
    p, q = probabilities(policy, SEQUENCES), probabilities(other, SEQUENCES)
    estimate = (p * kl_k3(logprobs_of(policy), logprobs_of(other)).sum(dim=1)).sum()
    assert_exact(estimate, (p * (p / q).log()).sum().item())


def test_the_expected_gradient_of_k3_is_that_of_the_forward_kl_token_by_token(policy, other):
    p = torch.softmax(policy, dim=1)
    q = torch.softmax(other, dim=1)
    visited = visits(policy, SEQUENCES)  # constant: a loss on given samples does not change which are drawn
    weights = probabilities(policy, SEQUENCES).detach()
    ours = gradient((weights * kl_k3(logprobs_of(policy), logprobs_of(other)).sum(dim=1)).sum(), policy)
    forward = gradient((visited * (q * (q / p).log()).sum(dim=1)).sum(), policy)
    reverse = gradient((visited * (p * (p / q).log()).sum(dim=1)).sum(), policy)
    assert_exact(ours, forward)
    assert (ours - reverse).abs().max() > 0.1  # the two directions really differ here


def test_k3_with_its_arguments_swapped_estimates_chi_squared_minus_kl():
    policy, other = random_policy(4, 1, seed=5), random_policy(4, 1, seed=6).detach()
    p, q = torch.softmax(policy, dim=1)[0], torch.softmax(other, dim=1)[0]
    arms = all_sequences(4, 1)
    logp, ref = (token_logprobs(*as_model_output(table, arms)) for table in (policy, other))
    swapped = (p * kl_k3(ref, logp)[:, 0]).sum()
    chi_squared = ((p - q) ** 2 / q).sum()
    kl = (p * (p / q).log()).sum()
    assert_exact(swapped, (chi_squared - kl).item())
    assert abs(swapped.item() - kl.item()) > 0.1


# Policy gradients


def test_at_ratio_one_the_surrogate_has_the_policy_gradient_of_the_expected_reward(policy, rewards):
    logp = logprobs_of(policy)
    p = probabilities(policy, SEQUENCES)
    loss = ppo_clip_loss(logp, logp.detach(), rewards[:, None])
    surrogate = (p.detach() * loss.sum(dim=1)).sum()
    assert_exact(surrogate, -LENGTH * (p * rewards).sum().item())  # r = 1: each of the 3 tokens contributes -A
    assert_exact(gradient(surrogate, policy), -gradient((p * rewards).sum(), policy))


def test_importance_weights_turn_samples_of_the_old_policy_into_the_new_expectation(policy, other, rewards):
    """The product over tokens of the ratios is p / p_old. Value and gradient are exact however far the two are apart."""
    old = probabilities(other, SEQUENCES)
    weighted = (old * ratio(logprobs_of(policy), logprobs_of(other)).prod(dim=1) * rewards).sum()
    exact = (probabilities(policy, SEQUENCES) * rewards).sum()
    assert_exact(weighted, exact.item())
    assert_exact(gradient(weighted, policy), gradient(exact, policy))


def test_clipping_removes_exactly_the_arms_that_have_gone_too_far():
    """A bandit: grad E_old[loss] = - sum over the arms that are not clipped of A * grad pi(arm)."""
    policy = torch.tensor([[0.4, 0.3, 0.2, 0.1]], dtype=torch.float64).log().requires_grad_()
    old = torch.full((1, 4), 0.25, dtype=torch.float64).log()
    advantages = torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64)
    # ratios 1.6, 1.2, 0.8, 0.4 and clip 0.3: arm 0 is too far up (A > 0). Arm 3 is too far down for A > 0: it must return.
    arms = all_sequences(4, 1)
    logp, old_logp = (token_logprobs(*as_model_output(table, arms)) for table in (policy, old))
    loss = ppo_clip_loss(logp, old_logp, advantages[:, None], clip_low=0.3, clip_high=0.3)
    pi = torch.softmax(policy, dim=1)[0]
    not_clipped = torch.tensor([0.0, 1.0, 1.0, 1.0])
    exact = -gradient((pi * advantages * not_clipped).sum(), policy)
    assert_exact(gradient((0.25 * loss[:, 0]).sum(), policy), exact)
    share = clip_frac(logp, old_logp, advantages[:, None], torch.ones(4, 1), clip_low=0.3, clip_high=0.3)
    assert_exact(share, 0.25)


def bandit_gradient(policy, arm_rewards, group_size, scale):
    """The exact expectation over all groups of the gradient of the GRPO loss, to be compared with that of J."""
    tuples = all_sequences(len(arm_rewards), group_size)
    logp_of_arm = token_logprobs(*as_model_output(policy, all_sequences(len(arm_rewards), 1)))
    logp = logp_of_arm[tuples].view(-1, 1)
    advantages = group_advantages(arm_rewards[tuples].flatten(), group_size=group_size, scale=scale)
    loss = ppo_clip_loss(logp, logp.detach(), advantages[:, None]).view(-1, group_size).mean(dim=1)
    weights = logp.view(-1, group_size).sum(dim=1).exp().detach()
    return -gradient((weights * loss).sum(), policy)


@pytest.mark.parametrize("group_size", [1, 2, 3, 4])
def test_the_group_mean_as_baseline_gives_g_minus_one_gths_of_the_policy_gradient(group_size):
    """The mean contains the sample itself, which costs a factor, the same for every coordinate: still the right direction."""
    policy = random_policy(4, 1, seed=7)
    arm_rewards = torch.tensor([0.0, 0.1, 0.2, 1.0], dtype=torch.float64)
    exact = gradient((torch.softmax(policy, dim=1)[0] * arm_rewards).sum(), policy)
    ours = bandit_gradient(policy, arm_rewards, group_size, "none")
    assert_exact(ours, (group_size - 1) / group_size * exact)


def test_dividing_by_the_group_std_can_push_up_an_arm_that_is_worse_than_average():
    policy = torch.zeros(1, 4, dtype=torch.float64, requires_grad=True)  # four arms of probability 1/4
    arm_rewards = torch.tensor([0.0, 0.1, 0.2, 1.0], dtype=torch.float64)  # mean 0.325
    exact = gradient((torch.softmax(policy, dim=1)[0] * arm_rewards).sum(), policy)
    ours = bandit_gradient(policy, arm_rewards, 3, "group")
    assert_exact(exact, torch.tensor([[-0.325, -0.225, -0.125, 0.675]], dtype=torch.float64) / 4)  # p * (r - mean)
    assert (ours.sign() == torch.tensor([[-1.0, -1.0, 1.0, 1.0]])).all()  # the arm that pays 0.2 goes up


def test_dividing_by_the_group_std_weighs_every_mixed_binary_group_alike():
    """Two arms that pay 0 and 1, G = 3: a mixed group has advantages of squared length G - 1 = 2, one success or two."""
    tuples = all_sequences(2, 3)
    advantages = group_advantages(tuples.double().flatten(), group_size=3, eps=0.0).view(-1, 3)
    mixed = torch.tensor([0 < sum(t) < 3 for t in tuples.tolist()])
    assert_exact((advantages**2).sum(dim=1), 2.0 * mixed)


# Supervised


def test_sft_has_the_gradient_of_the_forward_kl_from_the_data_to_the_model(policy):
    """A data set in which sequence i occurs (i mod 4) times is an exact distribution over sequences."""
    copies = torch.arange(27) % 4
    data = copies.double() / copies.sum()
    logp = logprobs_of(policy).repeat_interleave(copies, dim=0)
    loss = sft_loss(logp, torch.ones_like(logp))
    p = probabilities(policy, SEQUENCES)
    kl = sum(q * (q / p_i).log() for q, p_i in zip(data, p, strict=True) if q > 0)
    data_entropy = -sum(q * q.log() for q in data if q > 0)
    assert_exact(loss * LENGTH, (kl + data_entropy).item())  # per token, so a third of the sequence's
    assert_exact(gradient(loss, policy) * LENGTH, gradient(kl, policy))


# Normalisers


def episodes(policy, rewards, strategy):
    """Expected gradient, one completion per batch, of a policy that stops at EOS; and the exact gradient of the reward."""
    eos = VOCAB - 1
    logp = logprobs_of(policy)
    _, tokens = as_model_output(policy, SEQUENCES)
    mask = completion_mask(tokens, torch.ones(len(tokens), dtype=torch.long), eos_token_id=eos)
    # The reward may depend on what precedes the EOS only: the first sequence with that beginning lends its own.
    seen: dict[tuple, float] = {}
    reward = [seen.setdefault(tuple(s[m].tolist()), r) for s, m, r in zip(SEQUENCES, mask, rewards, strict=True)]
    reward = torch.stack(reward)
    p = probabilities(policy, SEQUENCES)
    loss = ppo_clip_loss(logp, logp.detach(), reward[:, None])
    per_batch = [aggregate(loss[[i]], mask[[i]], strategy=strategy, max_length=LENGTH) for i in range(len(loss))]
    expected = gradient((p.detach() * torch.stack(per_batch)).sum(), policy)
    return expected, -gradient((p * reward).sum(), policy)


def test_a_constant_denominator_gives_the_policy_gradient_divided_by_it(policy, rewards):
    ours, exact = episodes(policy, rewards, "fixed_length")
    assert_exact(ours, exact / LENGTH)


@pytest.mark.parametrize("strategy", ["sequence_mean", "token_mean"])
def test_dividing_by_the_sampled_length_gives_another_direction(policy, rewards, strategy):
    ours, exact = episodes(policy, rewards, strategy)
    cosine = torch.nn.functional.cosine_similarity(ours.flatten(), exact.flatten(), dim=0)
    assert 0.5 < cosine < 0.999


def test_the_three_means_agree_when_every_completion_has_the_full_length(policy, rewards):
    logp = logprobs_of(policy)
    loss = ppo_clip_loss(logp, logp.detach(), rewards[:, None])
    exact = sum(loss.flatten().tolist()) / 81
    wanted = gradient(loss.mean(), policy)
    for mean in (masked_mean, token_mean, sequence_mean, lambda x, m: fixed_length(x, m, max_length=LENGTH)):
        assert_exact(mean(loss, EVERYTHING), exact)
        assert_exact(gradient(mean(loss, EVERYTHING), policy), wanted)


# Scalars


def test_approx_kl_is_the_kl_from_the_old_policy_to_the_new():
    """Rows in the proportions 2 : 1 : 1 of the old policy are its exact distribution."""
    arms = torch.tensor([[0], [0], [1], [2]])
    old = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64)
    new = torch.tensor([[0.2, 0.7, 0.1]], dtype=torch.float64)
    logp_new, logp_old = (token_logprobs(*as_model_output(p.log(), arms)) for p in (new, old))
    exact = (old * (old / new).log()).sum().item()
    assert_exact(approx_kl(logp_new, logp_old, torch.ones(4, 1)), exact)


@pytest.mark.parametrize("group_size", [2, 3, 4])
def test_group_scalars_over_all_outcomes_of_a_fair_coin(group_size):
    """All 2^G groups of 0/1 rewards once each: 2 of them are dead, and k successes have variance k(G-k) / (G(G-1))."""
    rewards = torch.tensor(list(itertools.product([0.0, 1.0], repeat=group_size)), dtype=torch.float64).flatten()
    g = group_size
    assert_exact(dead_group_share(rewards, group_size=g), 2 / 2**g)
    spread = sum(math.comb(g, k) * math.sqrt(k * (g - k) / (g * (g - 1))) for k in range(g + 1)) / 2**g
    assert_exact(group_reward_std(rewards, group_size=g), spread)
