"""The exercises implicit_reward, dpo_loss, ipo_loss."""

from collections.abc import Callable

import torch
from torch import Tensor

from reference.objectives import dpo_loss, implicit_reward, ipo_loss
from reference.teaching.exercise import Case, Exercise, numbers

BETAS = (0.5, 0.1, 0.3, 2.0)  # small to large batches, each with its own beta
PAIRS = (1, 2, 4, 6)
FOUR = ("chosen_logprobs", "rejected_logprobs", "ref_chosen_logprobs", "ref_rejected_logprobs")


def log_probs(generator: torch.Generator, pairs: int) -> Tensor:
    """Of whole completions, in nats: a few tens below 0."""
    return -20 - 5 * numbers(generator, pairs).abs()


def policy_log_probs(generator: torch.Generator, ref: Tensor, beta: float) -> Tensor:
    """What a policy makes of them: a little more, a little less, and never so far that the sigmoid is flat."""
    return ref + numbers(generator, *ref.shape) / beta**0.5


def four_log_probs(generator: torch.Generator, pairs: int, beta: float) -> dict[str, Tensor]:
    ref_chosen, ref_rejected = log_probs(generator, pairs), log_probs(generator, pairs)
    policy = policy_log_probs(generator, ref_chosen, beta), policy_log_probs(generator, ref_rejected, beta)
    return dict(zip(FOUR, (*policy, ref_chosen, ref_rejected), strict=True))


def pair_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = [
        Case(four_log_probs(g, pairs, beta), {"beta": beta}, FOUR[:2]) for pairs, beta in zip(PAIRS, BETAS, strict=True)
    ]
    far = four_log_probs(g, 2, 0.5)
    far["chosen_logprobs"] = far["ref_chosen_logprobs"] + torch.tensor([-60.0, 60.0])  # lost by far, won by far
    return [*cases, Case(far, {"beta": 0.5}, FOUR[:2])]


def implicit_reward_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for pairs, beta in zip(PAIRS, BETAS, strict=True):
        ref = log_probs(g, pairs)
        cases.append(
            Case({"logprobs": policy_log_probs(g, ref, beta), "ref_logprobs": ref}, {"beta": beta}, ("logprobs",))
        )
    ref = log_probs(g, 2)
    far = {"logprobs": ref + torch.tensor([30.0, -300.0]), "ref_logprobs": ref}  # many tokens, moved a little each
    return [*cases, Case(far, {"beta": 0.1}, ("logprobs",))]


def breaks_far_out(solution: Callable) -> str:
    """A remark on a solution that leaves the range of float32 for a pair that is lost by far, and on how it does."""
    if torch.allclose(lost_by(2000.0, solution), torch.tensor([4000.0])):  # beta times the margin
        return ""
    if lost_by(-10.0, solution) > 1e-9:  # won by 20 nats: log1p(exp(-20)) is still 2e-9, and the log of a sigmoid is 0
        why = "exp is infinite. logsigmoid and softplus stay in range"
    else:
        why = "sigmoid is 0 and its log lost. logsigmoid takes both in one"
    return f"\n  A thought: for a pair that is lost by far, {why}."


def lost_by(nats: float, solution: Callable) -> Tensor:
    """The loss of a pair whose chosen completion lost so many nats, and whose rejected one gained as many."""
    lost, zero = torch.tensor([-nats]), torch.zeros(1)
    return solution(lost, -lost, zero, zero, beta=1.0)


EXERCISES = {
    "implicit_reward": Exercise(
        implicit_reward,
        implicit_reward_cases,
        (
            "The best policy is ref * exp(reward / beta), up to a factor per prompt. Take the log of both sides.",
            "Solve for the reward: what stands in front, and which log-prob is subtracted from which?",
            "One line: the difference of the two log-probs, policy minus reference, times beta. Leave the gradient in.",
        ),
        """
def implicit_reward(logprobs, ref_logprobs, *, beta):
    return beta * (logprobs - ref_logprobs)
""",
    ),
    "dpo_loss": Exercise(
        dpo_loss,
        pair_cases,
        (
            "Two implicit rewards, one for each completion. Bradley and Terry: chosen wins with probability "
            "sigmoid(its reward minus the other's). A loss is the negative log of what should be likely.",
            "margin = (chosen - ref_chosen) - (rejected - ref_rejected). Where does beta go: on the margin, before the "
            "sigmoid.",
            "-torch.nn.functional.logsigmoid(beta * margin), one number for each pair. No mean.",
        ),
        """
def dpo_loss(chosen_logprobs, rejected_logprobs, ref_chosen_logprobs, ref_rejected_logprobs, *, beta):
    margin = (chosen_logprobs - ref_chosen_logprobs) - (rejected_logprobs - ref_rejected_logprobs)
    return -torch.nn.functional.logsigmoid(beta * margin)
""",
        remark=breaks_far_out,
    ),
    "ipo_loss": Exercise(
        ipo_loss,
        pair_cases,
        (
            "Keep the margin of dpo_loss. Only the last line changes: from pushing for ever to aiming at a number.",
            "The target is 1 / (2 * beta) nats. Too far is as wrong as not far enough.",
            "The square of (margin - 1 / (2 * beta)). Beta stands in the target only.",
        ),
        """
def ipo_loss(chosen_logprobs, rejected_logprobs, ref_chosen_logprobs, ref_rejected_logprobs, *, beta):
    margin = (chosen_logprobs - ref_chosen_logprobs) - (rejected_logprobs - ref_rejected_logprobs)
    return (margin - 1 / (2 * beta)) ** 2
""",
    ),
}
