"""What stands at masked positions reaches neither a value nor a gradient, and a row without tokens is no NaN.

Three rows of four predictions: one with a prompt and a padding, one without tokens, one with a gap that a tool wrote.
"""

import pytest
import torch
from calls import INF, NAN

from reference.objectives import (
    approx_kl,
    cispo_loss,
    clip_cov_loss,
    clip_frac,
    discounted_returns,
    distillation_loss,
    distillation_rewards,
    dppo_loss,
    explained_variance,
    fixed_length,
    gae,
    gmpo_loss,
    gspo_loss,
    kl_abs,
    kl_charge,
    kl_cov_loss,
    kl_k1,
    kl_k2,
    kl_k3,
    kl_penalised_rewards,
    kl_penalty,
    kl_straight_through,
    kl_unbiased,
    luspo_loss,
    masked_mean,
    mean_kl,
    mean_length,
    mean_ratio,
    overlong_mask,
    ppo_clip_loss,
    ratio,
    reinforce_loss,
    reinforce_plus_plus_advantages,
    reinforce_plus_plus_baseline_advantages,
    sampler_correction,
    sapo_loss,
    sequence_logprobs,
    sequence_mean,
    sequence_ratio,
    sequence_sum,
    sft_loss,
    td_residuals,
    token_mean,
    token_nll,
    token_rewards,
    value_loss,
    vespo_loss,
    whiten,
)

MASK = torch.tensor([[0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 1, 1]])
NEW = torch.tensor([[-1.0, -2.0, -0.5, -1.0], [-1.0, -1.0, -1.0, -1.0], [-0.1, -0.7, -3.0, -1.2]])
OTHER = torch.tensor([[-1.0, -1.5, -0.7, -1.0], [-1.0, -1.0, -1.0, -1.0], [-0.4, -0.7, -2.5, -1.3]])
A, PER_TOKEN = torch.tensor([[1.0], [0.0], [-1.0]]), torch.tensor([[1.0, -1.0, 2.0, 0.5]] * 3)
DPPO = {"delta_low": 0.1, "delta_high": 0.1}
REWARDS = torch.tensor([1.0, 0.0, -1.0])
NOT_NUMBERS, LARGE = [NAN, INF, -INF], [1000.0, -1000.0]


def holding(x, value):
    """x with this at every masked position."""
    return torch.where(MASK.bool(), x, value)


# A loss per token, to be summed over what the mask keeps

LOSSES = {
    "token_nll": lambda new, other: token_nll(new),
    "ratio": ratio,
    "reinforce_loss": lambda new, other: reinforce_loss(new, A),
    "ppo_clip_loss": lambda new, other: ppo_clip_loss(new, other, A),
    "ppo_clip_loss-per-token": lambda new, other: ppo_clip_loss(new, other, PER_TOKEN, clip_high=0.28),
    "ppo_clip_loss-dual": lambda new, other: ppo_clip_loss(new, other, A, dual_clip=1.1),
    "ppo_clip_loss-no-clip": lambda new, other: ppo_clip_loss(new, other, A, clip_low=None, clip_high=None),
    "cispo_loss": lambda new, other: cispo_loss(new, other, A),
    "cispo_loss-no-cap": lambda new, other: cispo_loss(new, other, A, clip_high=None),
    "cispo_loss-low": lambda new, other: cispo_loss(new, other, A, clip_low=0.2),
    "distillation_loss": distillation_loss,
    "distillation_loss-old": lambda new, other: distillation_loss(new, other, old_logprobs=other, max_ratio=2.0),
    "gspo_loss": lambda new, other: gspo_loss(new, other, A, MASK, clip_low=0.2, clip_high=0.2),
    "sapo_loss": lambda new, other: sapo_loss(new, other, A),
    "dppo_loss": lambda new, other: dppo_loss(new, other, A, **DPPO),
    "dppo_loss-kl": lambda new, other: dppo_loss(new, other, A, **DPPO, divergence="kl"),
    "dppo_loss-capped": lambda new, other: dppo_loss(new, other, A, **DPPO, ratio_cap=1.1),
    "clip_cov_loss": lambda new, other: clip_cov_loss(new, other, A, MASK, PER_TOKEN, share=0.5, cov_low=0.1),
    "kl_cov_loss": lambda new, other: kl_cov_loss(new, other, PER_TOKEN, MASK, share=0.5, coef=2.0),
    "gmpo_loss": lambda new, other: gmpo_loss(new, other, A, MASK),
    "luspo_loss": lambda new, other: luspo_loss(new, other, A, MASK, clip_low=0.2, clip_high=0.2),
    "vespo_loss": lambda new, other: vespo_loss(new, other, A, MASK),
    "value_loss": value_loss,
    "value_loss-clipped": lambda new, other: value_loss(new, other, old_values=other, clip=0.2),
    "kl_k1": kl_k1,
    "kl_k2": kl_k2,
    "kl_k3": kl_k3,
    "kl_abs": kl_abs,
    **{f"kl_penalty-{e}": lambda n, o, e=e: kl_penalty(n, o, estimator=e) for e in ("k1", "k2", "k3", "abs")},
    "kl_penalty-clamped": lambda new, other: kl_penalty(new, other, estimator="k2", max_log_ratio=20, max_kl=10),
    **{f"kl_unbiased-{e}": lambda n, o, e=e: kl_unbiased(n, o, o, estimator=e) for e in ("k1", "k2", "k3")},
    **{f"kl_straight_through-{e}": lambda n, o, e=e: kl_straight_through(n, o, estimator=e) for e in ("k1", "k3")},
}
SUMS = {
    "token_mean": lambda loss: token_mean(loss, MASK),
    "sequence_mean": lambda loss: sequence_mean(loss, MASK),
    "fixed_length": lambda loss: fixed_length(loss, MASK, max_length=4),
}


def loss_and_gradient(loss, new, other, mean):
    new = new.clone().requires_grad_()
    value = SUMS[mean](loss(new, other))
    return value.detach(), torch.autograd.grad(value, new)[0]


def check(loss, mean, values, values_of_other=None):
    clean = loss_and_gradient(loss, NEW, OTHER, mean)
    assert clean[1][~MASK.bool()].tolist() == [0.0] * 7
    for of_new in [0.0, *values]:
        for of_other in [0.0, *(values if values_of_other is None else values_of_other)]:
            ours = loss_and_gradient(loss, holding(NEW, of_new), holding(OTHER, of_other), mean)
            assert ours[0].equal(clean[0]), (of_new, of_other)
            assert ours[1].equal(clean[1]), (of_new, of_other)


@pytest.mark.parametrize("mean", SUMS)
@pytest.mark.parametrize("name", LOSSES)
def test_numbers_at_masked_positions_reach_neither_loss_nor_gradient(name, mean):
    check(LOSSES[name], mean, LARGE)


@pytest.mark.parametrize("name", LOSSES)
def test_nan_and_infinities_at_masked_positions_reach_neither_loss_nor_gradient(name):
    constant_weight = name.startswith(("cispo", "dppo_loss-capped"))  # of the old log-probs, which must be finite there
    check(LOSSES[name], "token_mean", NOT_NUMBERS, LARGE if constant_weight else None)


# Functions that take the mask themselves

TAKE_MASK = {
    "masked_mean": lambda x, y: masked_mean(x, MASK),
    "sequence_sum": lambda x, y: sequence_sum(x, MASK),
    "distillation_rewards": lambda x, y: distillation_rewards(x, y, MASK),
    "sequence_logprobs": lambda x, y: sequence_logprobs(x, MASK),
    "sequence_logprobs-average": lambda x, y: sequence_logprobs(x, MASK, average=True),
    "sft_loss": lambda x, y: sft_loss(x, MASK),
    "sequence_ratio": lambda x, y: sequence_ratio(x, y, MASK),
    "gspo_loss": lambda x, y: gspo_loss(x, y, A, MASK, clip_low=0.9, clip_high=9.0),
    **{
        f"sampler_correction-{level}-{mode}": lambda x, y, level=level, mode=mode: sampler_correction(
            x, y, MASK, level=level, mode=mode
        )
        for level in ("token", "sequence", "geometric")
        for mode in ("truncate", "mask")
    },
    "token_rewards": lambda x, y: token_rewards(REWARDS, MASK, kl=x, kl_coef=0.5),
    "discounted_returns": lambda x, y: discounted_returns(x, MASK, gamma=0.9, bootstrap=REWARDS),
    "discounted_returns-decay": lambda x, y: discounted_returns(x, MASK, gamma=0.9, masked="decay"),
    "td_residuals": lambda x, y: td_residuals(x, y, MASK, bootstrap=REWARDS),
    "gae": lambda x, y: gae(x, y, MASK, gamma=0.9, bootstrap=REWARDS),
    "whiten": lambda x, y: whiten(x, MASK),
    "whiten-unshifted": lambda x, y: whiten(x, MASK, shift_mean=False, ddof=0),
    "reinforce_plus_plus_advantages": lambda x, y: reinforce_plus_plus_advantages(x, MASK),
    **{
        f"kl_charge-{credit}": lambda x, y, credit=credit: kl_charge(x, MASK, credit=credit)
        for credit in ("own", "to_go", "sequence")
    },
    "explained_variance": lambda x, y: explained_variance(x, y, MASK),
    "kl_penalised_rewards": lambda x, y: kl_penalised_rewards(REWARDS, x, MASK, kl_coef=0.5),
    **{f"mean_kl-{e}": lambda x, y, e=e: mean_kl(x, y, MASK, estimator=e) for e in ("k1", "k2", "k3", "abs")},
    "mean_ratio": lambda x, y: mean_ratio(x, y, MASK),
    "approx_kl": lambda x, y: approx_kl(x, y, MASK),
    "clip_frac": lambda x, y: clip_frac(x, y, A, MASK),
    "clip_frac-outside": lambda x, y: clip_frac(x, y, PER_TOKEN, MASK, definition="outside"),
}
CONSTANTS = (
    set(TAKE_MASK)
    - {"masked_mean", "sequence_sum", "sequence_logprobs", "sequence_logprobs-average"}
    - {
        "sft_loss",
        "sequence_ratio",
        "gspo_loss",
    }
)


@pytest.mark.parametrize("name", TAKE_MASK)
def test_a_function_with_a_mask_sees_nothing_of_what_it_masks(name):
    function = TAKE_MASK[name]
    clean = function(NEW, OTHER)
    assert clean.isfinite().all()
    for of_x in (0.0, *NOT_NUMBERS, *LARGE):
        for of_y in (0.0, *NOT_NUMBERS, *LARGE):
            assert function(holding(NEW, of_x), holding(OTHER, of_y)).equal(clean), (of_x, of_y)


@pytest.mark.parametrize("name", sorted(set(TAKE_MASK) - CONSTANTS))
def test_nor_does_its_gradient(name):
    for value in (*NOT_NUMBERS, *LARGE):
        x = holding(NEW, value).requires_grad_()
        TAKE_MASK[name](x, holding(OTHER, value)).sum().backward()
        assert x.grad.isfinite().all()
        assert x.grad[~MASK.bool()].tolist() == [0.0] * 7
        assert (x.grad[MASK.bool()] != 0).all()


@pytest.mark.parametrize("name", sorted(CONSTANTS))
def test_rewards_advantages_weights_and_scalars_are_constants(name):
    x, y = NEW.clone().requires_grad_(), OTHER.clone().requires_grad_()
    assert not TAKE_MASK[name](x, y).requires_grad


def test_crossing_a_gap_by_decay_reads_the_values_in_the_gap_and_nothing_else():
    """The gap of the last row, [1, 0, 1, 1], is a step with a value; prompts and paddings are no steps."""
    outside = MASK.bool()
    outside[2, 1] = True
    clean = gae(NEW, OTHER, MASK, masked="decay")
    for value in (*NOT_NUMBERS, *LARGE):
        garbled = torch.where(outside, OTHER, value)
        assert gae(holding(NEW, value), garbled, MASK, masked="decay").equal(clean)
    moved = OTHER.clone()
    moved[2, 1] += 1
    assert not gae(NEW, moved, MASK, masked="decay").equal(clean)


# Rows without tokens


PER_TOKEN_RESULTS = {
    name for name in TAKE_MASK if TAKE_MASK[name](NEW, OTHER).shape == MASK.shape and name != "gspo_loss"
}


@pytest.mark.parametrize("name", sorted(PER_TOKEN_RESULTS))
def test_a_result_per_token_is_zero_where_the_mask_is(name):
    assert TAKE_MASK[name](holding(NEW, NAN), holding(OTHER, NAN))[~MASK.bool()].tolist() == [0.0] * 7


def test_a_row_without_tokens_has_sum_zero_ratio_one_and_keeps_its_reward():
    assert sequence_sum(NEW, MASK)[1] == 0
    assert sequence_ratio(NEW, OTHER, MASK)[1].item() == 1.0
    assert kl_penalised_rewards(REWARDS, NEW, MASK, kl_coef=3.0)[1] == REWARDS[1]
    assert token_rewards(torch.ones(3), MASK)[1].tolist() == [0.0] * 4
    assert mean_length(MASK).item() == pytest.approx(5 / 3)


def test_a_batch_of_rows_without_tokens_is_fine_where_nothing_is_averaged():
    nothing = torch.zeros_like(MASK)
    for result in (
        sequence_sum(NEW, nothing),
        sequence_ratio(NEW, OTHER, nothing) - 1,
        sampler_correction(NEW, OTHER, nothing, level="sequence"),
        token_rewards(REWARDS, nothing),
        discounted_returns(NEW, nothing, bootstrap=REWARDS),
        gae(NEW, OTHER, nothing, masked="decay", bootstrap=REWARDS),
        kl_charge(NEW, nothing),
        overlong_mask(MASK, torch.ones(3, dtype=torch.bool)).float(),
        mean_length(nothing),
    ):
        assert not result.any()


def test_a_rows_advantage_is_whitened_with_the_tokens_of_the_others_when_it_has_none():
    ours = reinforce_plus_plus_baseline_advantages(REWARDS, MASK, group_size=3)
    assert ours[1].tolist() == [0.0] * 4
    # Advantages 1 (2 tokens) and -1 (3 tokens): mean -1/5, variance 5/4 * (1 - 1/25) = 6/5.
    expected = torch.tensor([1 + 1 / 5, -1 + 1 / 5]) / (6 / 5) ** 0.5
    torch.testing.assert_close(ours[[0, 2], [1, 2]], expected)
