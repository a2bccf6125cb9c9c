"""The exercises kl_penalty, kl_k3, kl_full, kl_unbiased."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from reference.objectives import kl_full, kl_k3, kl_penalty, kl_unbiased
from reference.teaching.exercise import Case, Exercise, numbers
from reference.teaching.failing_case import compact


def estimator_cases(seed: int) -> list[Case]:
    """Policies close to the reference, a token on which both agree, tokens on which they are far and very far apart."""
    g = torch.Generator().manual_seed(seed)
    cases = []
    for rows, pred, apart in [(1, 3, 0.5), (2, 4, 1.0), (3, 5, 2.0)]:
        token_logprobs = -0.5 - numbers(g, rows, pred).abs()
        difference = apart * numbers(g, rows, pred)
        difference[0, 0] = 0.0
        cases.append(estimator_case(token_logprobs, difference))
    drift = torch.tensor([[-3.0, -0.2, 2.5], [6.0, 0.1, -4.0]]).double() + 0.1 * numbers(g, 2, 3)
    far = torch.tensor([[25.0, -25.0]]).double()  # a token that one of the two hardly ever writes
    return [
        *cases,
        estimator_case(-4.0 - numbers(g, 2, 3).abs(), drift),
        estimator_case(-30 - numbers(g, 1, 2).abs(), far),
    ]


def estimator_case(token_logprobs: torch.Tensor, difference: torch.Tensor) -> Case:
    ref_logprobs = (token_logprobs - difference).clamp_max(-0.05)
    return Case({"token_logprobs": token_logprobs, "ref_logprobs": ref_logprobs}, {}, ("token_logprobs",))


def kl_penalty_cases(seed: int) -> list[Case]:
    """Every case twice: k1 of it, and k2 of it."""
    return [replace(case, options={"estimator": name}) for case in estimator_cases(seed) for name in ("k1", "k2")]


def kl_full_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for shape, apart in [((1, 2, 3), 1.0), ((2, 4, 3), 0.3), ((3, 4, 2), 2.0)]:
        logits = numbers(g, *shape)
        arguments = {"logits": logits, "ref_logits": logits + apart * numbers(g, *shape)}
        cases.append(Case(arguments, {}, ("logits",)))
    return cases


def kl_unbiased_cases(seed: int) -> list[Case]:
    """Policies over small vocabularies, a row for each prefix. The first is that of the notebook."""
    g = torch.Generator().manual_seed(seed)
    by_hand = torch.tensor([[0.6, 0.3, 0.1]]).double(), torch.tensor([[0.3, 0.3, 0.4]]).double()
    rare = torch.tensor([[0.6, 0.375, 0.025]]).double(), torch.tensor([[0.2, 0.5, 0.3]]).double()
    forgotten = torch.tensor([[0.6, 0.39, 0.01]]).double(), torch.tensor([[0.2, 0.5, 0.3]]).double()
    drawn = [[numbers(g, rows, words).softmax(-1) for _ in range(2)] for rows, words in ((1, 3), (2, 3), (3, 4))]
    return [
        Case({"policy": policy, "reference": reference}, {}, through=mean_gradient)
        for policy, reference in (by_hand, rare, forgotten, *drawn)
    ]


def mean_gradient(function: Callable, policy: Tensor, reference: Tensor, *, sampler: Tensor | None = None) -> Tensor:
    """What a term in the loss does on average: every word of each row, weighted by how often it is sampled.

    ``sampler``: the probabilities with which the words are drawn; those of the policy, if it is None. Returns the
    gradient with respect to the logits of the policy. What is no term at all comes back as it is.
    """
    weight = policy if sampler is None else sampler
    logits = policy.log().requires_grad_()
    term = function(logits.log_softmax(-1), reference.log(), weight.log())
    if not isinstance(term, Tensor) or term.shape != policy.shape:
        return term
    if not term.requires_grad:
        return torch.zeros_like(policy)
    return torch.autograd.grad((weight * term).sum(), logits)[0]


def value_and_sampler(solution: Callable) -> str:
    """Is its mean the KL, and is it right on samples of an older policy? Legitimate if not, and worth knowing."""
    policy, reference = (torch.tensor([row]).double() for row in ([0.6, 0.3, 0.1], [0.3, 0.3, 0.4]))
    older = torch.tensor([[0.4, 0.4, 0.2]]).double()
    mean = (policy * solution(policy.log(), reference.log(), policy.log())).sum()
    kl = (policy * (policy / reference).log()).sum()
    mine, right = (mean_gradient(f, policy, reference, sampler=older) for f in (solution, kl_unbiased))
    value = "" if torch.isclose(mean, kl) else " Its mean is not the KL: log another term."
    return value + ("" if torch.allclose(mine, right) else " Samples of an older policy would need a weight.")


def below_zero(solution: Callable) -> str:
    """Does rounding push k3 below 0 in float32? Legitimate, and worth knowing."""
    d = torch.linspace(-1e-3, 1e-3, 101)[None]
    return (
        " (In float32, near d = 0, rounding makes it negative: see section 8.)"
        if (solution(d, 0 * d) < 0).any()
        else ""
    )


def forbidden_token(solution: Callable) -> str:
    """Is it still right where probabilities are 0, or nearly? Legitimate if not, and worth knowing."""
    logits = torch.tensor([[[0.0, 1.0, -torch.inf]] * 2])
    if solution(logits, logits).isnan().any():
        return " (A token that both policies forbid, logit -inf, would make it NaN.)"
    sure, other = torch.tensor([[[60.0, 0.0]] * 2]), torch.tensor([[[0.0, 60.0]] * 2])
    right = torch.allclose(solution(sure, other), kl_full(sure, other), rtol=1e-3)
    return "" if right else " (Where one of the two is very sure, rounding ruins it: log_softmax keeps the digits.)"


EXERCISES = {
    "kl_penalty": Exercise(
        kl_penalty,
        kl_penalty_cases,
        (
            "KL(policy || reference) is the mean of the logarithm of a ratio. Which of the two is on top of it?",
            "log(a / b) is log a - log b, and both logarithms are what you are given. For k2, square first, then halve.",
            "A token that the policy likes more than the reference does has a positive k1. With d = 2, k2 is 2, not 1.",
        ),
        """
def kl_penalty(token_logprobs, ref_logprobs, *, estimator):
    d = token_logprobs - ref_logprobs
    return d if estimator == "k1" else d**2 / 2
""",
    ),
    "kl_k3": Exercise(
        kl_k3,
        estimator_cases,
        (
            "It is k1 plus something whose mean is 0. Under samples from the policy, what is the mean of ref / policy?",
            "That ratio has mean 1, so take 1 off it. In log-probs, ref / policy is the exp of which difference?",
            "With d = token_logprobs - ref_logprobs: the ratio ref / policy is exp(-d). Add (that - 1) to d.",
        ),
        """
def kl_k3(token_logprobs, ref_logprobs):
    d = token_logprobs - ref_logprobs
    return torch.expm1(-d) + d
""",
        remark=below_zero,
    ),
    "kl_full": Exercise(
        kl_full,
        kl_full_cases,
        (
            "The mean of the log-ratio over all words, not over samples. A mean needs weights: how likely is each word, and "
            "to whom?",
            "log_softmax over the last axis of both, weights from the exp of the policy's, then sum over the last axis.",
            "T rows of logits make T - 1 predictions: which position scores nothing that you have? (Notebook 01.)",
        ),
        """
def kl_full(logits, ref_logits):
    logp, ref_logp = logits[:, :-1].log_softmax(-1), ref_logits[:, :-1].log_softmax(-1)
    return (logp.exp() * (logp - ref_logp)).sum(-1)
""",
        remark=forbidden_token,
    ),
    "kl_unbiased": Exercise(
        kl_unbiased,
        kl_unbiased_cases,
        (
            "The gradient of a term is a slope times that of log pi, at each token. Which slope has the right mean?",
            "Two ways lead to that slope. One estimator of section 3 has it already. Or take an estimator with the right "
            "mean, and multiply it by something that is 1 and has the gradient of log pi.",
            "Something that is 1: the ratio, exp(token_logprobs - old_logprobs). By the product rule the slope of ratio "
            "* k is k plus the slope of k. For which k is that d, or d plus a constant?",
        ),
        """
def kl_unbiased(token_logprobs, ref_logprobs, old_logprobs):
    d = token_logprobs - ref_logprobs
    ratio = torch.exp(token_logprobs - old_logprobs)
    return ratio * (torch.expm1(-d) + d)
""",
        remark=value_and_sampler,
        in_words=lambda case, value: f"mean gradient {compact(value)}",
    ),
}
