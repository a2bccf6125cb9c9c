"""The exercises of the lesson on the KL."""

import pytest
import torch
from verdicts import judge

from reference import objectives
from reference.lessons import BUGS
from reference.lessons.kl.exercises import kl_unbiased_cases, mean_gradient

from .solutions import as_in_reinforce, k2_in_the_loss, k2_weighted, loop_full, ratio_times_k3, trl_k3


def test_a_pass_mentions_rounding_below_0_and_a_forbidden_token():
    assert "section 8" in judge("kl_k3", trl_k3).message
    assert "In float32" not in judge("kl_k3", objectives.kl_k3).message
    assert "NaN" in judge("kl_full", loop_full).message
    assert "NaN" not in judge("kl_full", objectives.kl_full).message


def test_each_exercise_has_five_mistakes_or_more():
    for name in ("kl_penalty", "kl_k3", "kl_full", "kl_unbiased"):
        assert sum(bug.breaks == name for bug in BUGS) >= 5


@pytest.mark.parametrize("case", kl_unbiased_cases(0), ids=lambda case: str(tuple(case.arguments["policy"].shape)))
def test_what_a_right_term_is_compared_with_is_the_gradient_of_the_exact_kl(case):
    policy, ref = case.arguments.values()
    logits = policy.log().requires_grad_()
    p = logits.softmax(-1)
    exact = torch.autograd.grad((p * (p / ref).log()).sum(), logits)[0]
    torch.testing.assert_close(mean_gradient(objectives.kl_unbiased, policy, ref), exact)


@pytest.mark.parametrize(
    ("term", "remarks"),
    [
        (k2_in_the_loss, "Its mean is not the KL: log another term. Samples of an older policy would need a weight."),
        (k2_weighted, "Its mean is not the KL: log another term."),
        (as_in_reinforce, "Its mean is not the KL: log another term. Samples of an older policy would need a weight."),
        (ratio_times_k3, ""),
    ],
)
def test_a_term_with_the_right_mean_gradient_passes_and_hears_what_else_it_lacks(term, remarks):
    verdict = judge("kl_unbiased", term)
    assert verdict.passed and verdict.message.partition("exactly.")[2].strip() == remarks


def test_a_failing_term_sees_the_policies_and_both_mean_gradients():
    lines = judge("kl_unbiased", lambda p, q, old: 0.9 * (p - q) ** 2 / 2).message.splitlines()
    assert lines[2:4] == ["  policy [[0.6, 0.3, 0.1]]", "  reference [[0.3, 0.3, 0.4]]"]
    assert lines[5:] == [
        "    target mean gradient [[0.25, -0.0832, -0.166]]",
        "    yours  mean gradient [[0.225, -0.0749, -0.15]]",
    ]


@pytest.mark.parametrize(
    ("returned", "said"), [(None, "is there a return"), (0.5, "a float"), (torch.ones(()), "shape")]
)
def test_what_is_no_term_at_all_is_told_so(returned, said):
    assert said in judge("kl_unbiased", lambda *args: returned).message
