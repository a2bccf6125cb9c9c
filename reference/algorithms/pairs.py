"""Preference pairs: of several completions of a prompt, one that is chosen and one that is rejected.

    verifier    a right one and a wrong one: the verifier's word stands for a human's choice
    people      any two, of which one is preferred by a model of people (``world/raters.py``), who like more than right answers

The losses and the reward model see pairs only, and learn from both in the same way.
"""

import random
from collections.abc import Sequence

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.data import Pairs
from reference.algorithms.recipes import Recipe
from reference.algorithms.tool_pairs import draw_tool_pool
from reference.objectives.shapes import InputError
from reference.world.chat import end_of_turn
from reference.world.completions import complete, draw_problems
from reference.world.raters import prefers_first, utility
from reference.world.rollout import Rollout, encode_prompts, join, left_padded, row_seeds
from reference.world.tasks import Problem, chat

PROMPTS_AT_ONCE = 64


def draw_pool(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, recipe: Recipe, *, seed: int = 0) -> Pairs:
    """The pairs of an offline run, from ``recipe.pool`` prompts. The same model and seed give the same pairs."""
    rng = random.Random(f"{seed}/pool")
    if recipe.pairs == "written":
        return draw_tool_pool(tokenizer, recipe.pool, rng)
    return draw_pairs(model, tokenizer, recipe, rng, prompts=recipe.pool)


def draw_pairs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    recipe: Recipe,
    rng: random.Random,
    *,
    prompts: int,
    held_out: bool = False,
) -> Pairs:
    """Sample ``group_size`` completions of each of so many prompts, verify them, keep two of each, as ``recipe.raters`` says.

    Which right and which wrong one is drawn at random. A prompt whose completions are all right or all wrong gives no
    pair; a truncated completion is wrong. People are shown two different texts, drawn at random: a prompt gives no pair
    only where all its completions are equal. Raises ``InputError`` when no prompt gives one.
    """
    parts, pair_problems, right = [], [], 0.0
    starts = range(0, prompts, PROMPTS_AT_ONCE)
    for first in tqdm(starts, desc="pairs", unit="batch", disable=len(starts) < 4, leave=False):
        problems = draw_problems(recipe.task, rng, min(PROMPTS_AT_ONCE, prompts - first), held_out=held_out)
        found = complete(
            model, tokenizer, problems, task=recipe.task, group_size=recipe.group_size,
            seeds=row_seeds(rng, len(problems) * recipe.group_size), max_new_tokens=recipe.max_new_tokens,
            max_calls=recipe.max_calls, temperature=recipe.temperature,
        )  # fmt: skip
        rollout, correct = found.rollout, found.correct
        right += correct.sum().item()
        verdicts = correct.view(-1, recipe.group_size)
        both = compare(rollout.texts(tokenizer), verdicts, rng) if recipe.raters == "people" else choose(verdicts, rng)
        if both:
            rows = torch.tensor(list(both.values()), device=correct.device).flatten()
            parts.append(rollout.rows(rows))
            pair_problems += [problems[group] for group in both]
    if not parts and recipe.raters == "people":
        raise InputError(f"none of {prompts} prompts gave two different completions: raise group_size or temperature")
    if not parts:
        raise InputError(
            f"none of {prompts} prompts gave a pair, which takes a right and a wrong completion: "
            f"{right / (prompts * recipe.group_size):.1%} of them are right; raise group_size, or take another model"
        )
    return Pairs(join(parts, pad_token_id=tokenizer.pad_token_id), pair_problems)


def choose(correct: Tensor, rng: random.Random) -> dict[int, tuple[int, int]]:
    """For each group that has both: its number, and the rows of a right and of a wrong one. (groups, size) in."""
    rows = {}
    for group, verdicts in enumerate(correct.tolist()):
        right, wrong = (
            [group * len(verdicts) + i for i, v in enumerate(verdicts) if v == verdict] for verdict in (1, 0)
        )
        if right and wrong:
            rows[group] = rng.choice(right), rng.choice(wrong)
    return rows


def compare(texts: list[str], correct: Tensor, rng: random.Random) -> dict[int, tuple[int, int]]:
    """For each group with two different texts: its number, and the rows of the one that people prefer and of the other.

    ``texts`` of all rows, ``correct`` (groups, size). One comparison per group.
    """
    rows = {}
    for group, verdicts in enumerate(correct.tolist()):
        start = group * len(verdicts)
        places = {text: start + i for i, text in reversed(list(enumerate(texts[start : start + len(verdicts)])))}
        if len(places) < 2:
            continue
        first, second = rng.sample(sorted(places.values()), k=2)
        likes = [utility(texts[row], right=bool(verdicts[row - start])) for row in (first, second)]
        rows[group] = (first, second) if prefers_first(*likes, rng) else (second, first)
    return rows


def encode_pairs(
    tokenizer: PreTrainedTokenizerBase,
    problems: list[Problem],
    texts: list[tuple[str, str]],
    *,
    device: str | torch.device = "cpu",
) -> Pairs:
    """Pairs that somebody wrote: chosen and rejected completion of each problem."""
    return Pairs(encode_written(tokenizer, problems, texts, device=device), problems)


def encode_written(
    tokenizer: PreTrainedTokenizerBase,
    problems: list[Problem],
    texts: Sequence[Sequence[str]],
    *,
    device: str | torch.device = "cpu",
) -> Rollout:
    """Completions that somebody wrote, equally many of each problem, as a rollout in which nothing was sampled.

    Behind every one comes the token that closes a turn in the chat template, as behind a sampled one.
    """
    prompts = [ids for ids in encode_prompts(tokenizer, problems) for _ in texts[0]]
    prompt_texts = tokenizer.apply_chat_template(
        [chat(p) for p in problems], add_generation_prompt=True, tokenize=False
    )
    end = end_of_turn(tokenizer)
    completions = [
        completion_ids(tokenizer, prompt, text + end)
        for prompt, several in zip(prompt_texts, texts, strict=True)
        for text in several
    ]
    start = max(map(len, prompts))
    length = start + max(map(len, completions))
    tokens, attention = left_padded(prompts, start, length, tokenizer.pad_token_id, torch.device("cpu"))
    for row, ids in enumerate(completions):
        tokens[row, start : start + len(ids)] = torch.tensor(ids)
        attention[row, start : start + len(ids)] = True
    mask = attention[:, 1:] & (torch.arange(1, length) >= start)
    tensors = tokens, attention, mask, torch.zeros(mask.shape), torch.zeros(len(tokens), dtype=torch.bool)
    return Rollout(*(tensor.to(device) for tensor in tensors), start)


def completion_ids(tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str) -> list[int]:
    """Ids of a completion as they follow the prompt: by itself SentencePiece, for one, would begin it with a space.

    Where a token would straddle the boundary the two are apart after all: sampling never merges with the prompt.
    """
    before, whole, alone = (
        tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, prompt + completion, completion)
    )
    return whole[len(before) :] if whole[: len(before)] == before else alone
