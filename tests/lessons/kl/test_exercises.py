"""The exercises of the lesson on the KL."""

from verdicts import judge

from reference import objectives
from reference.lessons import BUGS

from .solutions import loop_full, trl_k3


def test_a_pass_mentions_rounding_below_0_and_a_forbidden_token():
    assert "section 8" in judge("kl_k3", trl_k3).message
    assert "In float32" not in judge("kl_k3", objectives.kl_k3).message
    assert "NaN" in judge("kl_full", loop_full).message
    assert "NaN" not in judge("kl_full", objectives.kl_full).message


def test_each_exercise_has_five_mistakes_or_more():
    for name in ("kl_penalty", "kl_k3", "kl_full", "kl_unbiased"):
        assert sum(bug.breaks == name for bug in BUGS) >= 5
