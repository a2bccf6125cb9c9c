"""The exercises group_advantages, dead_group_share, rloo_advantages."""

import torch

from reference.objectives import dead_group_share, group_advantages, rloo_advantages
from reference.teaching.exercise import Case, Exercise, numbers

SCALES = ("none", "group", "batch")
SIZES = ((1, 3), (2, 4), (3, 3), (2, 6))  # prompts, completions of each; 3 by 3 hides a forgotten keepdim


def uneven(g: torch.Generator, prompts: int, group_size: int) -> torch.Tensor:
    """Rewards of prompts that differ in difficulty and in spread, no two of them alike, group after group."""
    prompt = torch.arange(prompts, dtype=torch.float64)[:, None]
    return (numbers(g, prompts, group_size) * (1 + prompt) + 2 * prompt).flatten()


def lone(g: torch.Generator, *right: int, group_size: int) -> torch.Tensor:
    """Rewards of 0 and 1: the given number of right answers in each group, in random places."""
    groups = [torch.arange(group_size)[torch.randperm(group_size, generator=g)] < count for count in right]
    return torch.stack(groups).flatten().double()


def group_advantages_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for scale in SCALES:
        for prompts, size in SIZES:
            options = {"group_size": size, "scale": scale, "eps": 1e-4}
            cases.append(Case({"rewards": uneven(g, prompts, size)}, options))
        options = {"group_size": 4, "scale": scale, "eps": 0.1}
        cases.append(Case({"rewards": lone(g, 1, 2, 3, group_size=4)}, options))
        near = 0.01 * numbers(g, 12)  # a spread that is no larger than eps
        cases.append(Case({"rewards": near}, {"group_size": 6, "scale": scale, "eps": 0.01}))
        with_dead = lone(g, 2, 0, 4, group_size=4)
        cases.append(Case({"rewards": with_dead}, {"group_size": 4, "scale": scale, "eps": 1e-4}, edge=True))
    return cases


def rloo_advantages_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = [Case({"rewards": uneven(g, prompts, size)}, {"group_size": size}) for prompts, size in SIZES]
    binary = lone(g, 1, 2, 3, group_size=4)
    pairs = uneven(g, 3, 2)
    return [*cases, Case({"rewards": binary}, {"group_size": 4}), Case({"rewards": pairs}, {"group_size": 2})]


def dead_group_share_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    tied = torch.tensor([0.5] * 4 + [0.25] * 4, dtype=torch.float64)  # dead, though neither right nor wrong
    near = torch.cat([0.5 + 0.001 * numbers(g, 4), tied])  # alive: a small difference is one
    rewards = [
        (lone(g, 4, 2, group_size=4), 4),
        (lone(g, 0, 0, 3, 4, 1, group_size=4), 4),
        (lone(g, 3, 0, 2, 1, group_size=3), 3),
        (torch.cat([tied, lone(g, 2, group_size=4)]), 4),
        (near, 4),
        (uneven(g, 3, 3), 3),
        (torch.tensor([0, 0.5, 1, 0.5, 1, 1, 1, 1], dtype=torch.float64), 4),  # an average answer in a live group
        (lone(g, 5, 0, group_size=5), 5),
        (torch.tensor([1, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1, 1], dtype=torch.float64), 4),  # first two, first and last equal
        (torch.tensor([0.4, 0.41, 0.42, 0.43], dtype=torch.float64), 4),  # one answer when rounded
        (torch.cat([tied, 0.5 + 1e-5 * numbers(g, 4)]), 4),  # alive, with a std that is nearly 0
        (torch.tensor([0.5, 0, 1, 0.5, 0.25, 0.25, 0.25, 0.25], dtype=torch.float64), 4),  # its first is its mean
        (torch.tensor([1, 1.0000001, 1, 1], dtype=torch.float64), 4),  # alive: equal is equal
        (torch.full((7,), 0.3), 7),  # dead, though rounding may leave a std above 0
        (torch.full((3,), 0.1, dtype=torch.float64), 3),
    ]
    return [Case({"rewards": r}, {"group_size": size}) for r, size in rewards]


EXERCISES = {
    "group_advantages": Exercise(
        group_advantages,
        group_advantages_cases,
        (
            "Which axis do you need? Completions of one prompt lie next to each other, so one call turns (B * G,) into "
            "a table with a row per prompt.",
            'Centre every row on its own mean, whatever the scale is. For "group" divide each row by its own std plus '
            'eps, for "batch" divide everything by the std of all rewards plus eps, for "none" leave it.',
            "keepdim=True keeps the means as a column, (B, 1), so that they meet the right rows. torch's .std divides by "
            "n - 1 of its own accord. At the end, back to one axis.",
        ),
        """
def group_advantages(rewards, *, group_size, scale, eps):
    groups = rewards.view(-1, group_size)
    centred = groups - groups.mean(dim=1, keepdim=True)
    if scale == "group":
        centred = centred / (groups.std(dim=1, keepdim=True) + eps)
    elif scale == "batch":
        centred = centred / (rewards.std() + eps)
    return centred.flatten()
""",
    ),
    "dead_group_share": Exercise(
        dead_group_share,
        dead_group_share_cases,
        (
            "When are all advantages of a group 0? It takes no particular reward, right or wrong.",
            "A row per prompt again. A row is dead if its largest reward is its smallest one.",
            "That gives one True or False per prompt. The mean of those, as floats, is the share.",
        ),
        """
def dead_group_share(rewards, *, group_size):
    groups = rewards.view(-1, group_size)
    return (groups.amax(dim=1) == groups.amin(dim=1)).float().mean()
""",
    ),
    "rloo_advantages": Exercise(
        rloo_advantages,
        rloo_advantages_cases,
        (
            "Every completion has a baseline of its own here. Which rewards is it the mean of, and how many are they?",
            "The sum of the others is the sum of the row minus one's own reward. There are group_size - 1 of them.",
            "(groups.sum(dim=1, keepdim=True) - groups) / (group_size - 1) is the baseline, one per completion. What is "
            "the advantage?",
        ),
        """
def rloo_advantages(rewards, *, group_size):
    groups = rewards.view(-1, group_size)
    others = (groups.sum(dim=1, keepdim=True) - groups) / (group_size - 1)
    return (groups - others).flatten()
""",
    ),
}
