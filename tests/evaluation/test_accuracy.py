import pytest
import torch

from reference.evaluation.accuracy import evaluate, wilson_interval


@pytest.mark.parametrize(("share", "n"), [(0.5, 100), (0.8, 400), (0.03, 50), (0.0, 10), (1.0, 10)])
def test_wilson_interval_ends_where_the_share_is_just_z_standard_errors_away(share, n):
    # What defines it: at each end p, |share - p| = z * sqrt(p (1 - p) / n), with the standard error taken at p itself.
    low, high = wilson_interval(share, n)
    assert low <= share <= high
    for p in (low, high):
        assert (share - p) ** 2 == pytest.approx(1.96**2 * p * (1 - p) / n, rel=1e-9, abs=1e-12)


def test_wilson_interval_by_hand():
    # 0 of 10: low is 0, high is z^2 / (n + z^2) = 3.8416 / 13.8416
    assert wilson_interval(0.0, 10) == pytest.approx((0.0, 3.8416 / 13.8416))
    assert wilson_interval(1.0, 10) == pytest.approx((10 / 13.8416, 1.0))


def test_wilson_covers_95_percent_of_the_time():
    # 4000 experiments of n = 50 at p = 0.9, where the naive interval covers only about 88 %.
    g = torch.Generator().manual_seed(0)
    counts = (torch.rand(4000, 50, generator=g) < 0.9).sum(dim=1)
    hits = sum(low <= 0.9 <= high for low, high in (wilson_interval(c / 50, 50) for c in counts.tolist()))
    assert hits / 4000 == pytest.approx(0.95, abs=0.03)


def test_the_shipped_base_has_the_headroom_the_course_relies_on(base):
    accuracy = evaluate(*base, problems=150, samples=4, progress=False)
    assert 0.25 < accuracy.sampled <= 0.50
    assert 0.60 < accuracy.greedy <= 0.92
    assert accuracy.pass_at_k > accuracy.sampled


def test_the_same_seed_gives_the_same_accuracy(base):
    first, second = (evaluate(*base, problems=12, samples=2, progress=False) for _ in range(2))
    assert first == second
    assert "n = 12 problems" in str(first) and "pass@2" in str(first)
