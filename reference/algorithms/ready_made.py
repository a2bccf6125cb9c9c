"""Ready-made completions: careful solutions in the place of samples, for the share of steps that is not on-policy.

GKD (2306.13649, algorithm 1) tosses a coin before each step: with probability lambda the student writes the completions, else
they come from the data set. Here the data set is the task's own solutions, as in the recipe sft.
"""

import random

import torch
from transformers import PreTrainedTokenizerBase

from reference.algorithms.pairs import encode_written
from reference.algorithms.recipes import Recipe
from reference.algorithms.supervised import demonstration
from reference.world.completions import Completions, judge
from reference.world.tasks import draw_problem


def is_sampled(recipe: Recipe, rng: random.Random) -> bool:
    """The coin of this step. Where every step samples none is tossed, and the step's other numbers stay as they are."""
    return recipe.on_policy == 1 or rng.random() < recipe.on_policy


def ready_made(
    tokenizer: PreTrainedTokenizerBase, recipe: Recipe, rng: random.Random, *, device: str | torch.device = "cpu"
) -> Completions:
    """``group_size`` careful solutions of each of ``prompts_per_step`` problems, verified as samples are."""
    problems = [draw_problem(rng) for _ in range(recipe.prompts_per_step)]
    texts = [[demonstration(problem, rng) for _ in range(recipe.group_size)] for problem in problems]
    return judge(tokenizer, encode_written(tokenizer, problems, texts, device=device), problems)
