"""The exercises discounted_returns, gae, value_loss."""

from collections.abc import Callable

import torch

from reference.objectives import discounted_returns, gae, value_loss
from reference.teaching.exercise import Case, Exercise, numbers, ragged_mask

GAP = torch.tensor([[1, 1, 0, 0, 1, 0], [0, 1, 1, 0, 1, 1]]).bool()  # a tool wrote what lies between
THREE_ROWS = torch.tensor([[1, 0, 1, 0], [0, 1, 1, 1], [1, 1, 0, 0]]).bool()
AFTER_PROMPT = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 0, 0]]).bool()  # prompt, completion, padding


def discounted_returns_cases(seed: int) -> list[Case]:
    """Full rows first; then prompts, padding and gaps, with rewards standing where none should count."""
    g = torch.Generator().manual_seed(seed)
    cases = []
    for rows, steps, gamma in [(1, 3, 1.0), (1, 3, 0.5), (2, 4, 0.9), (3, 2, 0.5)]:
        arguments = {"rewards": numbers(g, rows, steps), "mask": torch.ones(rows, steps, dtype=torch.bool)}
        cases.append(Case(arguments, {"gamma": gamma}))
    for mask, gamma in [(ragged_mask([1, 2], 2), 1.0), (AFTER_PROMPT, 0.8), (GAP, 0.5), (THREE_ROWS, 0.5)]:
        cases.append(Case({"rewards": numbers(g, *mask.shape), "mask": mask}, {"gamma": gamma}, edge=True))
    return cases


def gae_cases(seed: int) -> list[Case]:
    """Full rows that terminate first; then padding, a bootstrap, and gaps."""
    g = torch.Generator().manual_seed(seed)
    cases = []
    for rows, steps, gamma, lam in [
        (1, 3, 1.0, 0.5),
        (1, 3, 0.9, 0.8),
        (2, 4, 0.5, 1.0),
        (1, 3, 0.9, 0.0),
        (3, 2, 0.9, 0.5),
    ]:
        arguments = {"rewards": numbers(g, rows, steps), "values": numbers(g, rows, steps)}
        arguments["mask"] = torch.ones(rows, steps, dtype=torch.bool)
        cases.append(Case(arguments, {"gamma": gamma, "gae_lambda": lam, "bootstrap": torch.zeros(rows).double()}))
    for mask, gamma, lam, cut_off in [
        (ragged_mask([1, 3], 3), 0.9, 0.7, False),
        (ragged_mask([2, 2], 2), 0.9, 0.7, True),
        (ragged_mask([4, 2], 5), 0.8, 0.5, True),
        (GAP, 0.5, 0.9, True),
        (THREE_ROWS, 0.5, 0.9, True),
    ]:
        arguments = {"rewards": numbers(g, *mask.shape), "values": numbers(g, *mask.shape), "mask": mask}
        after = numbers(g, len(mask)) if cut_off else torch.zeros(len(mask)).double()
        cases.append(Case(arguments, {"gamma": gamma, "gae_lambda": lam, "bootstrap": after}, edge=True))
    return cases


def value_loss_cases(seed: int) -> list[Case]:
    """Without the clip, then with it: values on both sides of the old ones and of the returns, near and far."""
    g = torch.Generator().manual_seed(seed)
    cases = []
    for rows, steps in [(1, 3), (2, 4)]:
        arguments = {"values": numbers(g, rows, steps), "returns": numbers(g, rows, steps)}
        cases.append(Case(arguments, {}, ("values",)))
    for rows, steps, clip in [(1, 6, 0.2), (3, 5, 0.5)]:
        arguments = {"values": numbers(g, rows, steps), "returns": numbers(g, rows, steps)}
        options = {"old_values": numbers(g, rows, steps), "clip": clip}
        cases.append(Case(arguments, options, ("values",)))
    arguments = {
        "values": torch.tensor([[0.3, 0.9, 1.5, -0.5, 2.5, 0.1]]).double(),
        "returns": torch.ones(1, 6).double(),
    }
    cases.append(Case(arguments, {"old_values": torch.zeros(1, 6).double(), "clip": 0.2}, ("values",)))
    live = {"values": numbers(g, 1, 4), "returns": numbers(g, 1, 4)}
    cases.append(Case(live, {"old_values": None, "clip": None}, ("values", "returns"), edge=True))
    live = {"values": numbers(g, 1, 6), "returns": numbers(g, 1, 6)}
    options = {"old_values": numbers(g, 1, 6), "clip": 0.5}
    return [*cases, Case(live, options, ("values", "returns", "old_values"), edge=True)]


def carries_a_gradient(solution: Callable) -> str:
    """Do the advantages depend on the critic's weights? Legitimate where the values come without a graph."""
    values = torch.tensor([[0.5, 0.25]]).requires_grad_()
    options = {"gamma": 1.0, "gae_lambda": 0.5, "bootstrap": torch.zeros(1)}
    advantages = solution(torch.ones(1, 2), values, torch.ones(1, 2).bool(), **options)
    remark = " (With values that carry a graph, the policy loss would train the critic through them: detach.)"
    return remark if advantages.requires_grad else ""


EXERCISES = {
    "discounted_returns": Exercise(
        discounted_returns,
        discounted_returns_cases,
        (
            "The return of the last token is its reward. What is the return of the one before it, said with that number?",
            "Walk from the right to the left with one running number per row: the reward here, plus gamma times what ran "
            "so far.",
            "Where the mask is 0 the running number must pass unchanged, and the result is 0 there. torch.where chooses "
            "per row; do not multiply the running number by the mask, that would empty it.",
        ),
        """
def discounted_returns(rewards, mask, *, gamma):
    running, returns = torch.zeros_like(rewards[:, 0]), torch.zeros_like(rewards)
    for t in reversed(range(rewards.shape[1])):
        running = torch.where(mask[:, t], rewards[:, t] + gamma * running, running)
        returns[:, t] = torch.where(mask[:, t], running, 0.0)
    return returns
""",
    ),
    "gae": Exercise(
        gae,
        gae_cases,
        (
            "Two numbers travel from the right to the left: the value of the next state and the advantage of the next "
            "token. What are they after the last kept token?",
            "delta = reward + gamma * next value - value here. The advantage is delta plus gamma * gae_lambda times the "
            "next advantage.",
            "After the last kept token: next value = bootstrap, next advantage = 0. Update both with torch.where, only "
            "where the mask is 1, so that padding and gaps leave them as they are.",
        ),
        """
def gae(rewards, values, mask, *, gamma, gae_lambda, bootstrap):
    next_value, next_advantage = bootstrap, torch.zeros_like(bootstrap)
    advantages = torch.zeros_like(rewards)
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        advantage = delta + gamma * gae_lambda * next_advantage
        advantages[:, t] = torch.where(mask[:, t], advantage, 0.0)
        next_value = torch.where(mask[:, t], values[:, t], next_value)
        next_advantage = torch.where(mask[:, t], advantage, next_advantage)
    return advantages.detach()
""",
        remark=carries_a_gradient,
    ),
    "value_loss": Exercise(
        value_loss,
        value_loss_cases,
        (
            "Without the clip: which function of the error has the error itself as its derivative?",
            "With it: build a second value that has moved at most clip away from old_values, and score both against the "
            "returns.",
            "Of the two squared errors keep the larger one, token by token. returns and old_values are constants: detach "
            "them.",
        ),
        """
def value_loss(values, returns, *, old_values=None, clip=None):
    returns = returns.detach()
    error = (values - returns) ** 2
    if clip is not None:
        old_values = old_values.detach()
        clipped = old_values + (values - old_values).clamp(-clip, clip)
        error = torch.maximum(error, (clipped - returns) ** 2)
    return 0.5 * error
""",
    ),
}
