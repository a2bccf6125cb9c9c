import pytest

from reference.evaluation.accuracy import evaluate


@pytest.mark.slow
def test_the_shipped_base_has_the_headroom_the_course_relies_on(base):
    accuracy = evaluate(*base, problems=150, samples=4, progress=False)
    assert 0.25 < accuracy.sampled <= 0.50
    assert 0.60 < accuracy.greedy <= 0.92
    assert accuracy.pass_at_k > accuracy.sampled


@pytest.mark.slow
def test_the_same_seed_gives_the_same_accuracy(base):
    first, second = (evaluate(*base, problems=12, samples=2, progress=False) for _ in range(2))
    assert first == second
    assert "n = 12 problems" in str(first) and "pass@2" in str(first)
