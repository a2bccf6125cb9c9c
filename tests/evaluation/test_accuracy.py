import pytest
import torch

from reference.evaluation.accuracy import evaluate, wilson_interval


@pytest.mark.parametrize(
    ("share", "n", "low", "high"),
    [
        # Wilson (1927), values as printed by statsmodels.stats.proportion.proportion_confint(method="wilson"), z = 1.96
        (0.5, 100, 0.40383, 0.59617),
        (0.0, 10, 0.0, 0.27754),
        (1.0, 10, 0.72246, 1.0),
        (0.8, 400, 0.75807, 0.83622),
    ],
)
def test_wilson_interval(share, n, low, high):
    assert wilson_interval(share, n) == pytest.approx((low, high), abs=2e-5)


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
