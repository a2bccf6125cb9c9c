"""Policy losses by exact enumeration: when their gradient is that of the expected reward, and when it is 0."""

import math

import pytest
import torch
from enumeration import (
    EVERYTHING,
    ROWS,
    SEQUENCES,
    all_sequences,
    as_model_output,
    assert_exact,
    cosine,
    gradient,
    log_probs,
    mean_over,
    probabilities,
    random_policies,
    visits,
)
from float64 import f64, normal

from reference.objectives import (
    InputError,
    cispo_loss,
    clip_frac,
    discounted_returns,
    entropy,
    explained_variance,
    fixed_length,
    gspo_loss,
    kl_k2,
    length_penalised_rewards,
    ppo_clip_loss,
    ratio,
    reinforce_loss,
    sampler_correction,
    sequence_mean,
    sequence_ratio,
    sft_loss,
    soft_overlong_penalty,
    token_mean,
    total_loss,
    value_loss,
)

POLICY, OLD = random_policies(3, 3, seed=0, count=2)
OLD = OLD.detach()
LOGP, OLD_LOGP = log_probs(POLICY, SEQUENCES), log_probs(OLD, SEQUENCES)
P, P_OLD = probabilities(POLICY, SEQUENCES), probabilities(OLD, SEQUENCES)

REWARD_OF = normal(13, 3, seed=3)
EARNED = REWARD_OF[ROWS, SEQUENCES]  # a reward for each token after each prefix, (27, 3)
TOTAL = EARNED.sum(dim=1, keepdim=True)
NO_CLIP = {"clip_low": None, "clip_high": None}


def true_gradient():
    """Of J, the expected sum of rewards. A loss has minus this."""
    return gradient((P * TOTAL[:, 0]).sum(), POLICY)


def expected_gradient(token_loss, weights=P):
    return gradient(mean_over(weights, token_loss), POLICY)


# The policy gradient theorem


def test_every_token_times_the_total_reward_gives_the_policy_gradient():
    assert_exact(expected_gradient(reinforce_loss(LOGP, TOTAL)), -true_gradient())


def test_every_token_times_its_return_to_go_gives_the_policy_gradient():
    """What was earned before a token does not depend on it: leaving it out changes nothing on average."""
    assert_exact(expected_gradient(reinforce_loss(LOGP, discounted_returns(EARNED, EVERYTHING))), -true_gradient())


def test_every_token_times_its_own_reward_gives_the_gradient_of_a_policy_that_does_not_look_ahead():
    own = (visits(POLICY, SEQUENCES)[:, None] * torch.softmax(POLICY, dim=1) * REWARD_OF).sum()
    ours = expected_gradient(reinforce_loss(LOGP, EARNED))
    assert_exact(ours, -gradient(own, POLICY))
    assert cosine(ours, -true_gradient()) < 0.9


def test_the_value_of_the_loss_means_nothing():
    """With a baseline it averages to a covariance of reward and log-prob, and its gradient is the same as without."""
    with_baseline = reinforce_loss(LOGP, TOTAL - 100.0)
    assert abs(mean_over(P, with_baseline) - mean_over(P, reinforce_loss(LOGP, TOTAL))) > 10
    assert_exact(expected_gradient(with_baseline), -true_gradient())


@pytest.mark.parametrize("loss", [ppo_clip_loss, cispo_loss])
def test_at_ratio_1_the_other_losses_have_the_same_gradient(loss):
    assert_exact(expected_gradient(loss(LOGP, LOGP.detach(), TOTAL)), -true_gradient())


# Samples of an older policy


def test_ratios_average_to_1_over_the_policy_they_are_divided_by():
    r = ratio(LOGP, OLD_LOGP)
    for t in range(3):
        assert_exact((P_OLD * r[:, t]).sum(), 1.0)
    assert abs((P * r[:, 0]).sum().item() - 1) > 0.1  # over the other policy they do not


def test_for_one_token_the_unclipped_surrogate_has_the_policy_gradient_however_old_the_samples():
    arms = all_sequences(4, 1)
    policy, old = random_policies(4, 1, seed=2, count=2)
    rewards = f64([1.0], [-2.0], [0.5], [0.0])
    logp, old_logp, p_old = log_probs(policy, arms), log_probs(old, arms).detach(), probabilities(old, arms)
    exact = gradient((probabilities(policy, arms) * rewards[:, 0]).sum(), policy)
    surrogate = mean_over(p_old, ppo_clip_loss(logp, old_logp, rewards, **NO_CLIP))
    assert_exact(gradient(surrogate, policy), -exact)
    capped_nowhere = mean_over(p_old, cispo_loss(logp, old_logp, rewards, clip_high=None))
    assert_exact(gradient(capped_nowhere, policy), -exact)
    no_weight = gradient(mean_over(p_old, reinforce_loss(logp, rewards)), policy)
    assert (no_weight + exact).abs().max() > 0.1


def test_for_several_tokens_the_unclipped_surrogate_stays_at_the_states_and_outcomes_of_the_old_policy():
    """The ratio of a token does not see that the tokens before and after it were drawn by the other policy: what is
    improved is sum over states, as often as the old policy visits them, of pi times the reward that the old policy gets
    from there."""
    total, weight = torch.zeros(13, 3, dtype=torch.float64), torch.zeros(13, 3, dtype=torch.float64)
    for t in range(3):
        index = (ROWS[:, t], SEQUENCES[:, t])
        total.index_put_(index, P_OLD * TOTAL[:, 0], accumulate=True)
        weight.index_put_(index, P_OLD, accumulate=True)
    expected_total = total / weight  # E_old[R | prefix, token]
    exact = gradient((visits(OLD, SEQUENCES)[:, None] * torch.softmax(POLICY, dim=1) * expected_total).sum(), POLICY)
    ours = expected_gradient(ppo_clip_loss(LOGP, OLD_LOGP, TOTAL, **NO_CLIP), P_OLD)
    assert_exact(ours, -exact)
    assert cosine(exact, true_gradient()) < 0.9


# The clip


@pytest.mark.parametrize("advantage", [-2.0, -0.5, 0.5, 2.0])
@pytest.mark.parametrize(
    "bounds", [(0.2, 0.2), (0.2, 0.28), (0.1, 0.5), (0.9, 9.0), (None, 0.2), (0.2, None), (None, None)]
)
@pytest.mark.parametrize("dual_clip", [None, 1.5, 3.0])
def test_where_the_clipped_surrogate_has_a_gradient(advantage, bounds, dual_clip):
    """Slope in log pi: -A * r, but 0 once r has gone too far in the direction of A, or past the dual clip for A < 0."""
    low, high = bounds
    for r in (0.05, 0.5, 0.85, 0.95, 1.0, 1.05, 1.15, 1.25, 1.4, 1.6, 2.5, 3.5, 4.0, 12.0):
        logp = f64([math.log(r)]).requires_grad_()
        loss = ppo_clip_loss(
            logp, f64([0.0]), f64([advantage]), clip_low=low, clip_high=high, dual_clip=dual_clip
        ).sum()
        least, most = -math.inf if low is None else 1 - low, math.inf if high is None else 1 + high
        far = r > most if advantage > 0 else r < least
        runaway = dual_clip is not None and advantage < 0 and r > dual_clip
        assert_exact(gradient(loss, logp), 0.0 if far or runaway else -advantage * r)
        bounded = (most if advantage > 0 else least) if far else dual_clip if runaway else r
        assert_exact(loss, -advantage * bounded)


def test_the_dual_clip_by_hand():
    """A = -1 and r = 4: the plain clip pushes with 4, and would with any r; the dual clip with c = 3 not at all."""
    slopes = {}
    for dual_clip in (None, 3.0):
        logp = f64([math.log(4)]).requires_grad_()
        slopes[dual_clip] = gradient(ppo_clip_loss(logp, f64([0.0]), f64([-1.0]), dual_clip=dual_clip).sum(), logp)
    assert_exact(slopes[None], 4.0)
    assert_exact(slopes[3.0], 0.0)


@pytest.mark.parametrize(
    ("advantage", "r", "no_gradient", "outside"),
    [
        (1.0, 1.5, 1, 1),
        (1.0, 0.5, 0, 1),  # outside, but on its way back
        (-1.0, 1.5, 0, 1),
        (-1.0, 0.5, 1, 1),
        (1.0, 1.1, 0, 0),
        (-1.0, 0.9, 0, 0),
        (0.0, 1.5, 0, 1),
    ],
)
def test_the_two_definitions_of_the_clipped_share(advantage, r, no_gradient, outside):
    args = f64([math.log(r)]), f64([0.0]), f64([advantage]), torch.ones(1, 1)
    assert clip_frac(*args, definition="no_gradient").item() == no_gradient
    assert clip_frac(*args).item() == no_gradient
    assert clip_frac(*args, definition="outside").item() == outside


def test_the_clipped_share_is_the_share_of_tokens_without_gradient():
    """With bounds that are not alike, on all sequences of two policies."""
    bounds = {"clip_low": 0.3, "clip_high": 0.1}
    logp = LOGP.detach().requires_grad_()
    slopes = gradient(ppo_clip_loss(logp, OLD_LOGP, TOTAL, **bounds).sum(), logp)
    share = clip_frac(logp, OLD_LOGP, TOTAL, EVERYTHING, **bounds)
    assert_exact(share, (slopes == 0).double().mean().item())
    r = (P / P_OLD).new_tensor((LOGP - OLD_LOGP).exp().tolist())
    beyond = ((r < 0.7) | (r > 1.1)).double().mean().item()
    assert_exact(clip_frac(logp, OLD_LOGP, TOTAL, EVERYTHING, **bounds, definition="outside"), beyond)
    assert beyond > share


# CISPO


@pytest.mark.parametrize(("low", "high"), [(None, 4.0), (None, 0.2), (0.2, 0.2), (0.0, 1.0), (0.2, None), (None, None)])
@pytest.mark.parametrize("advantage", [-2.0, 0.5])
def test_cispo_weighs_every_token_with_its_capped_ratio_and_silences_none(low, high, advantage):
    for r in (0.05, 0.7, 0.9, 1.0, 1.1, 1.9, 4.5, 12.0):
        logp = f64([math.log(r) - 1]).requires_grad_()
        loss = cispo_loss(logp, f64([-1.0]), f64([advantage]), clip_low=low, clip_high=high)
        weight = min(r, math.inf if high is None else 1 + high)
        weight = weight if low is None else max(weight, 1 - low)
        assert_exact(gradient(loss.sum(), logp), -weight * advantage)


def test_cispo_in_expectation_is_the_policy_gradient_with_probabilities_capped_at_a_multiple_of_the_old_ones():
    """old * min(pi / old, 5) = min(pi, 5 * old): an arm that the old policy hardly drew counts for less, but never for
    nothing."""
    arms = all_sequences(3, 1)
    policy = f64([0.6, 0.3, 0.1]).log().requires_grad_()
    old = f64([0.05, 0.35, 0.6]).log()
    advantages = f64([1.0], [0.0], [-1.0])
    loss = cispo_loss(log_probs(policy, arms), log_probs(old, arms), advantages)  # cap 5: arm 0 has ratio 12
    capped = f64(5 * 0.05, 0.3, 0.1)
    ours = gradient(mean_over(probabilities(old, arms), loss), policy)
    log_p = torch.softmax(policy, dim=1)[0].log()
    assert_exact(ours, -gradient((capped * advantages[:, 0] * log_p).sum(), policy))


# GSPO


RAGGED = torch.tensor([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1], [0, 1, 1, 1, 0]])
NEW_RAGGED = torch.tensor(
    [[-1.0, -2.0, 9.0, 9.0, 9.0], [-0.5, -1.5, -0.1, -2.0, -0.7], [9.0, -0.3, -0.9, -1.1, 9.0]], dtype=torch.float64
)
OLD_RAGGED = NEW_RAGGED - f64(
    [0.1, -0.05, 7.0, 0.0, 0.0], [0.02, 0.01, -0.03, 0.0, 0.04], [1.0, -0.02, 0.01, -0.03, 0.0]
)
SIGNS = f64([1.0], [-2.0], [0.5])


def token_form(logp, *, clip_low, clip_high):
    """GSPO with one gradient per token: s * pi / sg(pi) has the value of s and the gradient s * grad log pi of its own
    token."""
    mean = ((logp - OLD_RAGGED) * RAGGED).sum(dim=1, keepdim=True) / RAGGED.sum(dim=1, keepdim=True)
    s = mean.exp().detach() * (logp - logp.detach()).exp()
    return -torch.minimum(SIGNS * s, SIGNS * s.clamp(1 - clip_low, 1 + clip_high))


MEANS = {
    "sequence_mean": sequence_mean,
    "token_mean": token_mean,
    "fixed_length": lambda loss, mask: fixed_length(loss, mask, max_length=8),
}


@pytest.mark.parametrize("bounds", [(0.0, 0.0), (3e-4, 4e-4), (0.2, 0.2)])
@pytest.mark.parametrize("mean", MEANS.values(), ids=MEANS)
def test_gspo_and_its_token_form_have_the_same_gradient_under_every_normaliser(bounds, mean):
    """A row of n tokens holds n times s, each with 1/n of the gradient of every token: n times 1/n is what the token
    form has.

    Any normaliser that weighs the tokens of a row alike keeps that so. Only an advantage per token tells the two apart.
    """
    clip = {"clip_low": bounds[0], "clip_high": bounds[1]}
    whole, single = (NEW_RAGGED.clone().requires_grad_() for _ in range(2))
    ours = mean(gspo_loss(whole, OLD_RAGGED, SIGNS, RAGGED, **clip), RAGGED)
    token = mean(token_form(single, **clip), RAGGED)
    assert_exact(ours, token.item())
    assert_exact(gradient(ours, whole), gradient(token, single))


def test_the_slope_of_gspo_by_hand():
    """Rows of 2, 5 and 3 tokens, nothing clipped: -A * s for each token, divided by its row's length and by 3 rows, or
    by 10."""
    s = (((NEW_RAGGED - OLD_RAGGED) * RAGGED).sum(dim=1, keepdim=True) / RAGGED.sum(dim=1, keepdim=True)).exp()
    logp = NEW_RAGGED.clone().requires_grad_()
    loss = gspo_loss(logp, OLD_RAGGED, SIGNS, RAGGED, clip_low=0.2, clip_high=0.2)
    assert_exact(gradient(sequence_mean(loss, RAGGED), logp), RAGGED * -SIGNS * s / f64([2.0], [5.0], [3.0]) / 3)
    assert_exact(gradient(token_mean(loss, RAGGED), logp), RAGGED * -SIGNS * s / 10)


def test_a_completion_is_clipped_whole_or_not_at_all():
    """Two tokens with ratios 1.5 and 0.7: geometric mean sqrt(1.05) = 1.025. Below 1.2, so neither is silenced."""
    logp = f64([math.log(1.5), math.log(0.7)]).requires_grad_()
    old, mask, up = f64([0.0, 0.0]), torch.ones(1, 2), f64([1.0])
    loss = gspo_loss(logp, old, up, mask, clip_low=0.2, clip_high=0.2)
    assert_exact(loss, -math.sqrt(1.05))
    assert_exact(gradient(sequence_mean(loss, mask), logp), -math.sqrt(1.05) / 2)
    assert_exact(gradient(gspo_loss(logp, old, up, mask).mean(), logp), 0.0)  # 1.025 > 1.0004: both are
    assert gradient(ppo_clip_loss(logp, old, up).sum(), logp)[0].tolist() == pytest.approx([0.0, -0.7])


def test_the_sequence_ratio_is_the_geometric_mean_of_the_probability_ratio():
    assert_exact(sequence_ratio(LOGP, OLD_LOGP, EVERYTHING)[:, 0], (P / P_OLD) ** (1 / 3))


def test_at_ratio_1_gspo_under_sequence_mean_is_the_policy_gradient_per_token():
    loss = gspo_loss(LOGP, LOGP.detach(), TOTAL, EVERYTHING)
    ours = gradient((P.detach() * torch.stack([sequence_mean(x[None], EVERYTHING[:1]) for x in loss])).sum(), POLICY)
    assert_exact(ours, -true_gradient() / 3)


# The critic


@pytest.mark.parametrize(
    ("value", "loss", "slope"),
    [
        # old value 0, return 1, clip 0.2: the clipped value is in [-0.2, 0.2]
        (-0.5, 1.5**2 / 2, -1.5),  # moved away from the return: called back
        (0.1, 0.9**2 / 2, -0.9),  # within the clip
        (0.3, 0.8**2 / 2, 0.0),  # the clipped value 0.2 is worse: no gradient
        (0.9, 0.8**2 / 2, 0.0),
        (1.5, 0.8**2 / 2, 0.0),  # beyond the return, and still nothing calls it back
        (2.5, 1.5**2 / 2, 1.5),  # until it is further off than the clipped value
    ],
)
def test_where_the_clipped_value_loss_has_a_gradient(value, loss, slope):
    v = f64([value]).requires_grad_()
    ours = value_loss(v, f64([1.0]), old_values=f64([0.0]), clip=0.2)
    assert_exact(ours, loss)
    assert_exact(gradient(ours.sum(), v), slope)


def test_the_value_loss_is_half_the_squared_error_and_its_gradient_the_error():
    v = f64([-0.5, 0.3, 2.5]).requires_grad_()
    ours = value_loss(v, f64([1.0, 1.0, 1.0]))
    assert_exact(ours, f64([1.5**2 / 2, 0.7**2 / 2, 1.5**2 / 2]))
    assert_exact(gradient(ours.sum(), v), f64([-1.5, -0.7, 1.5]))


def uniform_process():
    """Returns and exact values when every token is equally likely: the distribution is each sequence once."""
    returns = discounted_returns(EARNED, EVERYTHING)
    values = torch.zeros(27, 3, dtype=torch.float64)
    for row, sequence in enumerate(SEQUENCES.tolist()):
        for t in range(3):
            same_prefix = [i for i, other in enumerate(SEQUENCES.tolist()) if other[:t] == sequence[:t]]
            values[row, t] = returns[same_prefix, t].mean()
    return returns, values


def test_the_exact_critic_explains_the_variance_of_the_values():
    """Var(R) = Var(V) + E[Var(R | s)]: what the tokens still to come add, no critic can know."""
    returns, values = uniform_process()
    spread = ((values - values.mean()) ** 2).mean() / ((returns - returns.mean()) ** 2).mean()
    ours = explained_variance(values, returns, EVERYTHING)
    assert_exact(ours, spread.item())
    assert 0 < ours < 1
    assert explained_variance(1.1 * values, returns, EVERYTHING) < ours  # no other function of the state does better


def test_the_ends_of_the_scale_of_explained_variance():
    returns, values = uniform_process()
    assert_exact(explained_variance(returns, returns, EVERYTHING), 1.0)
    assert_exact(explained_variance(torch.full((27, 3), 0.7).double(), returns, EVERYTHING), 0.0)
    assert_exact(explained_variance(2 * returns, returns, EVERYTHING), 0.0)
    assert_exact(explained_variance(-returns, returns, EVERYTHING), 1 - 2**2)
    exact = explained_variance(values, returns, EVERYTHING)
    assert_exact(explained_variance(values + 5, returns, EVERYTHING), exact.item())
    assert explained_variance(values, torch.ones(27, 3), EVERYTHING).isnan()


# The trainer's and the sampler's probabilities


def corrected(level, mode="truncate", *, horizon=3, **bounds):
    """Expected gradient at the trainer's policy, on samples of a sampler, of weight times reinforce loss; and the exact
    one."""
    sequences = all_sequences(3, horizon)
    policy, sampler = random_policies(3, horizon, seed=6, count=2)
    sampler = (policy + 0.5 * sampler).detach()
    rewards = normal(len(sequences), 1, seed=3)
    logp, sampled = log_probs(policy, sequences), log_probs(sampler, sequences)
    mask = torch.ones(len(sequences), horizon)
    weight = sampler_correction(logp.detach(), sampled, mask, level=level, mode=mode, **bounds)
    ours = gradient(mean_over(probabilities(sampler, sequences), weight * reinforce_loss(logp, rewards)), policy)
    exact = -gradient((probabilities(policy, sequences) * rewards[:, 0]).sum(), policy)
    return ours, exact


NO_BOUND = {"low": 0.0, "high": 1e12}


@pytest.mark.parametrize("level", ["token", "sequence", "geometric"])
def test_for_one_token_the_correction_gives_the_policy_gradient(level):
    for mode in ("truncate", "mask"):
        ours, exact = corrected(level, mode, horizon=1, **NO_BOUND)
        assert_exact(ours, exact)


@pytest.mark.parametrize("horizon", [2, 3])
def test_for_whole_completions_the_sequence_weight_gives_the_policy_gradient(horizon):
    ours, exact = corrected("sequence", horizon=horizon, **NO_BOUND)
    assert_exact(ours, exact)


@pytest.mark.parametrize("level", ["token", "geometric"])
@pytest.mark.parametrize("horizon", [2, 3])
def test_for_several_tokens_any_other_weight_leaves_a_bias(level, horizon):
    """A token's weight corrects for its own draw, not for those before and after it."""
    ours, exact = corrected(level, horizon=horizon, **NO_BOUND)
    assert (ours - exact).abs().max() > 0.02


def test_without_a_correction_the_bias_is_larger():
    uncorrected, exact = corrected("sequence", low=1.0, high=1.0)  # every weight is 1
    token, _ = corrected("token", **NO_BOUND)
    assert (token - exact).norm() < (uncorrected - exact).norm()


@pytest.mark.parametrize("mode", ["truncate", "mask"])
def test_bounds_keep_the_direction_of_each_sample_and_cut_its_weight(mode):
    """Three arms, trainer 0.6, 0.3, 0.1 and sampler 0.1, 0.3, 0.6: weights 6, 1 and 1/6. Bounds 0.5 and 2."""
    arms = all_sequences(3, 1)
    policy = f64([0.6, 0.3, 0.1]).log().requires_grad_()
    logp, sampled = log_probs(policy, arms), f64([0.1], [0.3], [0.6]).log()
    weight = sampler_correction(logp.detach(), sampled, torch.ones(3, 1), mode=mode, low=0.5, high=2.0)
    assert_exact(weight[:, 0], f64(2.0, 1.0, 0.5) if mode == "truncate" else f64(0.0, 1.0, 0.0))


def top_p(table, kept):
    """The sampler that draws from the most likely tokens only, renormalised, and the mass that survives at each row."""
    p = torch.softmax(table.detach(), dim=1)
    top = p >= p.topk(kept, dim=1).values[:, -1:]
    survives = (p * top).sum(dim=1)
    return torch.where(top, p / survives[:, None], 0.0), survives


def test_under_renormalised_top_p_every_weight_is_the_mass_that_survived():
    """p / (p / S) = S, whatever was drawn. Over completions the weights average to the probability of those that can be
    drawn."""
    sampler, survives = top_p(POLICY, 2)
    drawn = sampler[ROWS, SEQUENCES].prod(dim=1) > 0
    assert drawn.sum() == 2**3
    logp, sampled = LOGP.detach()[drawn], sampler[ROWS, SEQUENCES].log()[drawn]
    chance = sampled.sum(dim=1).exp()
    token = sampler_correction(logp, sampled, EVERYTHING[drawn])
    assert_exact(token, survives[ROWS][drawn])
    sequence = sampler_correction(logp, sampled, EVERYTHING[drawn], level="sequence")
    assert_exact((chance * sequence[:, 0]).sum(), P[drawn].sum().item())
    assert_exact(sequence, survives[ROWS][drawn].prod(dim=1, keepdim=True).expand(8, 3))
    geometric = sampler_correction(logp, sampled, EVERYTHING[drawn], level="geometric")
    assert_exact(geometric, sequence ** (1 / 3))


def test_no_weight_brings_back_what_top_p_never_draws():
    """The corrected gradient is that of the reward of the completions that survive, as if the others paid nothing."""
    sampler, _ = top_p(POLICY, 2)
    chance = sampler[ROWS, SEQUENCES].prod(dim=1)
    drawn = chance > 0
    weight = sampler_correction(
        LOGP.detach()[drawn], sampler[ROWS, SEQUENCES].log()[drawn], EVERYTHING[drawn], level="sequence"
    )
    ours = gradient(mean_over(chance[drawn], weight * reinforce_loss(LOGP[drawn], TOTAL[drawn])), POLICY)
    assert_exact(ours, -gradient((P * TOTAL[:, 0] * drawn).sum(), POLICY))
    assert (ours + true_gradient()).abs().max() > 0.05


# Signs


def after_200_steps(loss_of_entropy):
    """Entropy of a policy over 3 tokens that starts from logits 1, 0, -1 and follows a loss made from its entropy."""
    logits = f64([1.0, 0.0, -1.0])
    for _ in range(200):
        logits = logits.detach().requires_grad_()
        h = entropy(torch.stack([logits, logits], dim=1)).mean()
        logits = logits - 0.5 * gradient(loss_of_entropy(h), logits)
    p = torch.softmax(logits.detach()[0], dim=0)
    return -(p * p.log()).sum().item()


def test_a_bonus_that_is_subtracted_makes_the_policy_uniform_and_one_that_is_added_makes_it_collapse():
    zero = torch.zeros((), dtype=torch.float64)
    assert after_200_steps(lambda h: total_loss(zero, entropy=h, entropy_coef=1.0)) == pytest.approx(math.log(3))
    assert after_200_steps(lambda h: zero + 1.0 * h) == pytest.approx(0.009, abs=0.0005)


def test_the_gradient_of_the_total_is_that_of_its_parts_with_their_signs():
    parts = {
        "policy": mean_over(P, reinforce_loss(LOGP, TOTAL)),
        "value": token_mean(
            value_loss(LOGP, EARNED), EVERYTHING
        ),  # any function of the parameters will do for a critic
        "kl": token_mean(kl_k2(LOGP, OLD_LOGP), EVERYTHING),
        "sft": sft_loss(LOGP, EVERYTHING),
        "entropy": token_mean(entropy(as_model_output(POLICY, SEQUENCES)[0]), EVERYTHING),
    }
    total = total_loss(
        parts["policy"],
        value_loss=parts["value"], vf_coef=0.5,
        kl=parts["kl"], kl_coef=0.3,
        sft_loss=parts["sft"], sft_coef=0.2,
        entropy=parts["entropy"], entropy_coef=0.1,
    )  # fmt: skip
    coefficients = {"policy": 1.0, "value": 0.5, "kl": 0.3, "sft": 0.2, "entropy": -0.1}
    assert_exact(total, sum(c * parts[name].item() for name, c in coefficients.items()))
    exact = sum(c * gradient(parts[name], POLICY) for name, c in coefficients.items())
    assert_exact(gradient(total, POLICY), exact)


# Length


def lengths_of_completions():
    """Tokens through the first token 2, the EOS, inclusive."""
    return torch.tensor([s.index(2) + 1 if 2 in s else 3 for s in SEQUENCES.tolist()])


PER_TOKEN = (0.6 * 1 / 3, 0.6 * 2 / 3, 0.6)  # the price of 1, 2 and 3 tokens
OVERLONG = (0.0, 1 / 2, 1.0)  # of a budget of 3 the last 2 are the buffer


@pytest.mark.parametrize(
    ("penalised", "price"),
    [
        (lambda rewards, n: length_penalised_rewards(rewards, n, length_coef=0.6, max_length=3), PER_TOKEN),
        (lambda rewards, n: rewards + soft_overlong_penalty(n, max_length=3, buffer=2), OVERLONG),
    ],
    ids=["per token", "overlong"],
)
def test_a_length_penalty_in_the_reward_has_the_gradient_of_the_expected_penalty(penalised, price):
    lengths, rewards = lengths_of_completions(), TOTAL[:, 0]
    price = f64(*price)[lengths - 1]
    mask = torch.arange(3) < lengths[:, None]

    def loss_with(rewards):
        return torch.where(mask, reinforce_loss(LOGP, rewards[:, None]), 0.0)

    exact = gradient((P * price).sum(), POLICY)
    assert_exact(penalised(rewards, lengths), rewards - price)
    assert_exact(expected_gradient(loss_with(penalised(rewards, lengths)) - loss_with(rewards)), exact)
    assert exact.abs().max() > 0.01


def test_a_length_in_the_loss_has_no_gradient_although_the_expected_length_has_one():
    """A sampled length is a number. That another policy draws other lengths, a loss on given samples cannot see."""
    lengths = lengths_of_completions().double()
    assert gradient((P * lengths).sum(), POLICY).abs().max() > 0.01
    in_the_loss = mean_over(P, 0.0 * LOGP + lengths[:, None])
    assert_exact(gradient(in_the_loss, POLICY), 0.0)
    with pytest.raises(InputError, match="does not depend on the weights"):
        total_loss(mean_over(P, reinforce_loss(LOGP, TOTAL)), length_penalty=lengths.mean())
