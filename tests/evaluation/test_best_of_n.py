"""Best of n: the estimator against every subset, the KL against enumeration."""

import math
from itertools import combinations, product

import pytest
import torch

from reference.evaluation.best_of_n import best_of_n, best_of_n_kl, best_of_n_kl_measured
from reference.objectives import InputError


def mean_of_subsets(proxy: list[float], values: list[float], n: int) -> float:
    """By the definition: every subset of n, ties shared."""
    found = []
    for subset in combinations(range(len(proxy)), n):
        most = max(proxy[i] for i in subset)
        best = [values[i] for i in subset if proxy[i] == most]
        found.append(sum(best) / len(best))
    return sum(found) / len(found)


def enumerated_kl(p: list[float], proxy: list[float], n: int) -> float:
    """By the definition: the probability of every text as the best of n, from all draws of n texts. No two proxies equal."""
    best = [0.0] * len(p)
    for draw in product(range(len(p)), repeat=n):
        best[max(draw, key=lambda i: proxy[i])] += math.prod(p[i] for i in draw)
    return sum(q * math.log(q / p_i) for q, p_i in zip(best, p, strict=True))


def test_the_estimate_by_hand():
    """Of 3 samples 3 pairs: (a, b) -> b, (a, c) -> c, (b, c) -> b. The largest proxy is b's."""
    proxy, gold = torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([[0.0, 1.0, 0.0]])
    assert best_of_n(proxy, gold, 1).item() == pytest.approx(1 / 3)
    assert best_of_n(proxy, gold, 2).item() == pytest.approx(2 / 3)
    assert best_of_n(proxy, gold, 3).item() == 1
    assert best_of_n(proxy, proxy, 2).item() == pytest.approx((3 + 2 + 3) / 3)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6])
def test_the_estimate_is_the_mean_over_all_subsets_also_with_ties(n):
    proxy = [[2.0, -1.0, 2.0, 0.5, 2.0, -1.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]]
    values = [[1.0, 0.0, 4.0, 2.0, 0.0, 7.0], [3.0, 1.0, 4.0, 1.0, 5.0, 9.0]]
    expected = [mean_of_subsets(*rows, n) for rows in zip(proxy, values, strict=True)]
    assert best_of_n(torch.tensor(proxy), torch.tensor(values), n).tolist() == pytest.approx(expected)


def test_the_formula_by_hand():
    assert best_of_n_kl(1) == 0
    assert best_of_n_kl(2) == pytest.approx(0.693147 - 0.5, abs=1e-6)
    assert best_of_n_kl(64) == pytest.approx(4.158883 - 63 / 64, abs=1e-6)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_formula_bounds_the_kl_from_above_and_more_texts_come_nearer(n):
    gaps = [best_of_n_kl(n) - enumerated_kl([1 / texts] * texts, list(range(texts)), n) for texts in (2, 4, 8, 16)]
    assert gaps == sorted(gaps, reverse=True) and 0 < gaps[-1] < gaps[0] / 5


@pytest.mark.parametrize("n", [1, 2, 4])
def test_the_measured_kl_is_the_enumerated_one(n):
    p, proxy = torch.tensor([0.4, 0.3, 0.2, 0.1]), torch.tensor([2.0, 0.0, 3.0, 1.0])
    drawn = torch.multinomial(p.expand(200, 4), 64, replacement=True, generator=torch.Generator().manual_seed(0))
    found = best_of_n_kl_measured(proxy[drawn], p[drawn].log(), n).mean().item()
    assert found == pytest.approx(enumerated_kl(p.tolist(), proxy.tolist(), n), abs=0.015)


@pytest.mark.parametrize("n", [2, 16, 32])
def test_the_measured_kl_is_the_formula_where_no_text_repeats(n):
    proxy = torch.rand(300, 128, generator=torch.Generator().manual_seed(0))
    found = best_of_n_kl_measured(proxy, torch.full_like(proxy, -40.0), n).mean().item()
    assert found == pytest.approx(best_of_n_kl(n), abs=0.05)


def test_a_text_that_is_all_of_the_policy_is_not_far_from_it():
    proxy = torch.zeros(1, 8)
    assert best_of_n_kl_measured(proxy, torch.zeros(1, 8), 4).item() == pytest.approx(0, abs=1e-6)


def test_what_cannot_be_is_refused():
    proxy = torch.arange(8.0)[None]
    with pytest.raises(InputError, match="n is 0, expected at least 1"):
        best_of_n_kl(0)
    with pytest.raises(InputError, match="n is 9, expected 1 to the 8 samples"):
        best_of_n(proxy, proxy, 9)
    with pytest.raises(InputError, match="n is 0, expected 1 to the 8 samples"):
        best_of_n(proxy, proxy, 0)
    with pytest.raises(InputError, match="n is 5, expected at most 4, half of the samples"):
        best_of_n_kl_measured(proxy, -proxy, 5)
    with pytest.raises(InputError, match="nothing is likelier than 1"):
        best_of_n_kl_measured(proxy, proxy, 2)
    for wrong in (math.nan, math.inf):
        with pytest.raises(InputError, match="proxy"):
            best_of_n(torch.where(proxy == 3, wrong, proxy), proxy, 2)
        with pytest.raises(InputError, match="values"):
            best_of_n(proxy, torch.where(proxy == 3, wrong, proxy), 2)
        with pytest.raises(InputError, match="logprobs"):
            best_of_n_kl_measured(proxy, -torch.where(proxy == 3, wrong, proxy), 2)


@pytest.mark.parametrize(("best", "error"), [(True, 0.01), (False, 0.2)])
def test_where_half_of_the_samples_is_one_likely_text_the_other_half_says_how_good_it_is(best, error):
    """A half that is all one text says nothing of what lies below it. Counted as 0, the best text had a KL below 0."""
    p, proxy = torch.tensor([0.9, 0.06, 0.04]), torch.tensor([2.0, 1.0, 0.0] if best else [0.0, 1.0, 2.0])
    drawn = torch.multinomial(p.expand(2000, 3), 16, replacement=True, generator=torch.Generator().manual_seed(0))
    found = best_of_n_kl_measured(proxy[drawn], p[drawn].log(), 8).mean().item()
    assert found == pytest.approx(enumerated_kl(p.tolist(), proxy.tolist(), 8), abs=error)


def test_samples_that_are_all_one_likely_text_are_not_far_from_the_policy():
    """All that is chosen is this text, so its log-ratio cannot exceed -log 0.9."""
    found = best_of_n_kl_measured(torch.zeros(1, 16), torch.full((1, 16), math.log(0.9)), 8).item()
    assert found == pytest.approx(-math.log(0.9), abs=1e-6)
