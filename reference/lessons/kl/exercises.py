"""The exercises kl_k1, kl_k2, kl_k3, kl_full."""

from collections.abc import Callable

import torch

from reference.objectives import kl_full, kl_k1, kl_k2, kl_k3
from reference.teaching.exercise import Case, Exercise, numbers


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


def kl_full_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for shape, apart in [((1, 2, 3), 1.0), ((2, 4, 3), 0.3), ((3, 4, 2), 2.0)]:
        logits = numbers(g, *shape)
        arguments = {"logits": logits, "ref_logits": logits + apart * numbers(g, *shape)}
        cases.append(Case(arguments, {}, ("logits",)))
    return cases


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
    "kl_k1": Exercise(
        kl_k1,
        estimator_cases,
        (
            "KL(policy || reference) is the mean of a logarithm of a ratio. Which of the two is on top of it?",
            "log(a / b) is log a - log b, and both logarithms are what you are given.",
            "A token that the policy likes more than the reference does must come out positive.",
        ),
        """
def kl_k1(token_logprobs, ref_logprobs):
    return token_logprobs - ref_logprobs
""",
    ),
    "kl_k2": Exercise(
        kl_k2,
        estimator_cases,
        (
            "Start from the log-ratio d of k1. What do you do to a number so that its sign is gone and large ones count more?",
            "Half of a square. The half is there because the KL itself begins with it: KL = d^2 / 2 + ... for small d.",
            "Square first, then halve: d = 2 gives 2, not 1.",
        ),
        """
def kl_k2(token_logprobs, ref_logprobs):
    return (token_logprobs - ref_logprobs) ** 2 / 2
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
}
