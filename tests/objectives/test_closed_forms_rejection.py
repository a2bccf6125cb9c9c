"""Rejection: masks that a reader can work out on paper."""

import math

import pytest
import torch
from float64 import f64

from reference.objectives import off_policy_mask, rejection_mask, top_entropy_mask

OLD = f64([0.5, 0.4, 0.2], [0.5, 0.1, 0.5]).log()
SAMPLER = f64([0.5, 0.5, 0.1], [0.6, 0.1, 0.5]).log()  # ratios 1, 4/5, 2 and 5/6, 1
MASK = torch.tensor([[1, 1, 1], [1, 1, 0]])


def rejected(**options) -> list[list[int]]:
    return rejection_mask(OLD, SAMPLER, MASK, **options).int().tolist()


@pytest.mark.parametrize(
    ("estimator", "first", "k"),
    [
        ("k1", "sampler", (0.0, 0.2231, -0.6931, 0.1823)),  # -ln 1, -ln 4/5, -ln 2, -ln 5/6
        ("k1", "trainer", (0.0, -0.2231, 0.6931, -0.1823)),
        ("k2", "sampler", (0.0, 0.0249, 0.2402, 0.0166)),
        ("k2", "trainer", (0.0, 0.0249, 0.2402, 0.0166)),
        ("k3", "sampler", (0.0, 0.0231, 0.3069, 0.0157)),  # verl's
        ("k3", "trainer", (0.0, 0.0269, 0.1931, 0.0177)),  # areal's
    ],
)
def test_each_token_passes_a_bound_just_above_its_k_and_fails_one_just_below(estimator, first, k):
    options = {"estimator": estimator, "first": first}
    for at, value in zip([(0, 0), (0, 1), (0, 2), (1, 0)], k, strict=True):
        for shift in (-1e-4, 1e-4):
            bound = value + shift
            mask = torch.zeros_like(MASK)
            mask[at] = 1
            if bound >= 0:
                kept = rejection_mask(OLD, SAMPLER, mask, most=bound, **options)
                assert kept.sum() == (shift > 0)
            if bound <= 0:
                kept = rejection_mask(OLD, SAMPLER, mask, most=9.0, least=bound, **options)
                assert kept.sum() == (shift < 0)


def test_the_same_bound_keeps_other_ratios_by_the_other_kl():
    """verl's k3 keeps x from 0.3 to 3 of these, areal's from 0.6 to 6."""
    x = f64([0.125, 0.3, 0.6, 1, 1.6, 3, 4.5, 6])
    sampler, mask = torch.full_like(x, 0.1).log(), torch.ones(1, 8)
    old = sampler + x.log()
    of_sampler = rejection_mask(old, sampler, mask, most=1.0)
    of_trainer = rejection_mask(old, sampler, mask, most=1.0, first="trainer")
    assert x[of_sampler].tolist() == [0.3, 0.6, 1, 1.6, 3]
    assert x[of_trainer].tolist() == [0.6, 1, 1.6, 3, 4.5, 6]
    edges = sampler[:, :4] + f64([0.158, 0.159, 3.146, 3.147]).log()
    assert rejection_mask(edges, sampler[:, :4], mask[:, :4], most=1.0).tolist() == [[False, True, True, False]]
    edges = sampler[:, :4] + f64([0.317, 0.318, 6.305, 6.306]).log()
    kept = rejection_mask(edges, sampler[:, :4], mask[:, :4], most=1.0, first="trainer")
    assert kept.tolist() == [[False, True, True, False]]


def test_bounds_of_a_ratio_for_k1_keep_its_reciprocals():
    """verl's "0.5_5.0": k1 is minus the log-ratio, so x from 1/5 to 1/0.5 stays."""
    x = f64([0.19, 0.21, 1.9, 2.1, 3])
    old = x.log() - 3
    bounds = {"estimator": "k1", "least": math.log(0.5), "most": math.log(5)}
    kept = rejection_mask(old, torch.full_like(x, -3.0), torch.ones(1, 5), **bounds)
    assert x[kept].tolist() == [0.21, 1.9]


def test_a_row_goes_by_the_sum_the_mean_or_the_largest_of_its_tokens():
    """k3: 0, 0.0231, 0.3069 and 0.0157, 0: sums 0.330 and 0.0157, means 0.110 and 0.0078, largest 0.3069 and 0.0157."""
    first_goes, both_go, both_stay = [[0, 0, 0], [1, 1, 0]], [[0, 0, 0]] * 2, [[1, 1, 1], [1, 1, 0]]
    assert rejected(most=0.32, level="sum") == first_goes and rejected(most=0.34, level="sum") == both_stay
    assert rejected(most=0.10, level="mean") == first_goes and rejected(most=0.12, level="mean") == both_stay
    assert rejected(most=0.007, level="mean") == both_go and rejected(most=0.015, level="sum") == both_go
    assert rejected(most=0.30, level="max") == first_goes and rejected(most=0.31, level="max") == both_stay
    assert rejected(most=0.30, level="token") == [[1, 1, 0], [1, 1, 0]]


def test_a_kl_of_exactly_the_bound_is_kept():
    zero = torch.zeros(1, 2)
    for estimator in ("k1", "k2", "k3"):
        assert rejection_mask(zero, zero, torch.ones(1, 2), most=0.0, least=0.0, estimator=estimator).all()


# ---- off-policy rows -----------------------------------------------------------------------------------------------------

NEW = f64([0.6, 0.3, 0.25], [0.3, 0.15, 0.5]).log()
BEHIND, BEHIND_OLD = SAMPLER, OLD  # means of log(sampler / new): -0.1959, 0.1438; of log(old / new): -0.0393, 0.0527


@pytest.mark.parametrize(
    ("other", "threshold", "second_stays"),
    [
        (BEHIND, 0.1, False),
        (BEHIND, 0.1437, False),
        (BEHIND, 0.1439, True),
        (BEHIND_OLD, 0.1, True),
        (BEHIND_OLD, 0.0526, False),
    ],
)
def test_a_row_that_did_badly_goes_once_it_has_become_unlikely(other, threshold, second_stays):
    kept = off_policy_mask(NEW, other, f64([1], [-1]), MASK, threshold=threshold)
    assert kept.int().tolist() == [[1, 1, 1], [1, 1, 0] if second_stays else [0, 0, 0]]


def test_a_row_that_did_not_do_badly_stays_however_unlikely_it_is():
    far = SAMPLER + 5
    for advantage in (0.0, 2.0):
        kept = off_policy_mask(NEW, far, f64([advantage], [-0.1]), MASK, threshold=0.1)
        assert kept.int().tolist() == [[1, 1, 1], [0, 0, 0]]


def test_a_row_that_is_apart_by_exactly_the_threshold_stays():
    new, sampler = f64([-2.0, -1.0]), f64([-1.5, -0.5])
    kept = off_policy_mask(new, sampler, f64([-1]), torch.ones(1, 2), threshold=0.5)
    assert kept.all()


# ---- tokens of high entropy ----------------------------------------------------------------------------------------------

ENTROPY = f64([0.9, 0.2, 1.1], [0.4, 0.7, 9.0])


@pytest.mark.parametrize(
    ("share", "kept"),
    [
        (0.2, [[0, 0, 1], [0, 0, 0]]),  # at 3.2 of 0 to 4: 0.94
        (0.4, [[1, 0, 1], [0, 0, 0]]),  # at 2.4: 0.7 + 0.4 * 0.2 = 0.78
        (0.5, [[1, 0, 1], [0, 1, 0]]),  # at 2: 0.7 itself, which stays
        (0.75, [[1, 0, 1], [1, 1, 0]]),  # at 1: 0.4 itself
        (1.0, [[1, 1, 1], [1, 1, 0]]),
    ],
)
def test_the_share_of_tokens_with_the_highest_entropy(share, kept):
    assert top_entropy_mask(ENTROPY, MASK, share=share).int().tolist() == kept


def test_ties_at_the_quantile_all_stay_and_nothing_kept_keeps_nothing():
    assert top_entropy_mask(torch.ones(2, 3), MASK, share=0.2).int().tolist() == MASK.tolist()
    assert not top_entropy_mask(ENTROPY, torch.zeros(2, 3)).any()


def test_a_place_that_is_whole_but_for_rounding_is_that_place():
    """(1 - 0.7) * 10 is a little above 3 in floating point: the token at 3 is the quantile, and stays."""
    entropy = torch.arange(11.0, dtype=torch.float64)[None] / 10
    assert top_entropy_mask(entropy, torch.ones(1, 11), share=0.7).int().tolist() == [[0] * 3 + [1] * 8]


def test_a_quantile_of_bfloat16_is_not_rounded_to_one_of_the_two_values_around_it():
    """At 0.3 between 1 and 1 + 1/128 lies 1.0023, which bfloat16 would round to 1."""
    entropy = torch.tensor([[1.0, 1 + 1 / 128]], dtype=torch.bfloat16)
    assert top_entropy_mask(entropy, torch.ones(1, 2), share=0.7).tolist() == [[False, True]]
