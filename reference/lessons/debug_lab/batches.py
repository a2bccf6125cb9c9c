"""A batch as the loss sees it, taken out of a run that has a fault or has none."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms import collect, preference, supervised
from reference.algorithms.critic import Critic
from reference.algorithms.data import Experience
from reference.algorithms.pairs import draw_pairs
from reference.algorithms.recipes import RECIPES, Recipe
from reference.algorithms.rl import train_rl
from reference.algorithms.step import new_optimizer
from reference.audit.ours import ids_of
from reference.faults import faulty_recipe, injected
from reference.objectives import ppo_clip_loss
from reference.world.model import BASE, TOOL_SFT, load

ROWS, PROMPTS = 16, 4


@dataclass(frozen=True)
class Seen:
    """What the loss was given. Per-token tensors are on the prediction axis, (rows, time - 1): index t is about token t + 1."""

    tokens: Tensor
    attention_mask: Tensor
    mask: Tensor
    prompt_width: int
    logprobs: Tensor | None = None  # None: of fine-tuning, which compares nothing
    old_logprobs: Tensor | None = None
    advantages: Tensor | None = None
    group: Tensor | None = None  # (rows,) the prompt that a row completes


def with_fault(recipe: str, fault: str | None) -> Recipe:
    """The recipe as it stands in the table, or as the fault has it."""
    return faulty_recipe(fault, RECIPES[recipe]) if fault else RECIPES[recipe]


def seen_by(logprobs: Tensor, experience: Experience) -> Seen:
    """The experience of an update and the log-probs of the policy being trained, moved to the prediction axis."""

    def widened(x: Tensor) -> Tensor:
        return torch.nn.functional.pad(x.detach(), (experience.prompt_width - 1, 0))

    rows, pred = experience.mask.shape
    advantages = None if experience.advantages is None else widened(experience.advantages.expand(rows, pred))
    return Seen(
        experience.tokens, experience.attention_mask, widened(experience.mask), experience.prompt_width,
        widened(logprobs), widened(experience.old_logprobs), advantages, experience.group,
    )  # fmt: skip


def batch_of(recipe: str, fault: str | None = None, *, step: int = 1, seed: int = 0) -> Seen:
    """The batch that the loss gets at this step of a short run: 16 rows, one update per rollout.

    The model, the learning rate and the functions are those of the recorded run of the fault. The batch is smaller.
    """
    row = with_fault(recipe, fault)
    model, tokenizer = load(TOOL_SFT if row.start == "tool-sft" else BASE)
    with injected(fault):
        if row.kind == "sft":
            return demonstrations(tokenizer, row, seed=seed)
        if row.kind == "preference":
            return first_pairs(model, tokenizer, row, seed=seed)
        return last_update(model, tokenizer, row, step=step, seed=seed)


def demonstrations(tokenizer: PreTrainedTokenizerBase, recipe: Recipe, *, seed: int) -> Seen:
    """The first demonstrations of fine-tuning, with their mask."""
    tokens, mask = supervised.draw_demonstrations(
        tokenizer, Random(f"{seed}/0"), replace(recipe, prompts_per_step=PROMPTS)
    )
    return Seen(tokens, (tokens != tokenizer.pad_token_id).long(), mask, 1)


def first_pairs(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, recipe: Recipe, *, seed: int) -> Seen:
    """Pairs before the first step, a chosen and a rejected row of each; ``old_logprobs`` are those of the reference."""
    rollout = draw_pairs(model, tokenizer, recipe, Random(f"{seed}/0"), prompts=2 * PROMPTS).completions
    own = collect.logprobs_of(model, rollout, recipe)
    ref = preference.logprobs_of(model, rollout, recipe)  # nothing was trained yet: the reference is a copy
    before = rollout.completion_mask.shape[1] - own.shape[1]
    wide = [torch.nn.functional.pad(x, (before, 0)) for x in (own, ref)]
    group = torch.arange(len(rollout.tokens)) // 2
    return Seen(
        rollout.tokens, rollout.attention_mask, rollout.completion_mask, rollout.prompt_width, *wide, group=group
    )


def last_update(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, recipe: Recipe, *, step: int, seed: int
) -> Seen:
    """What the loss was given in the last of ``step`` steps."""
    found: list[Seen] = []
    size = min(PROMPTS, recipe.group_size)
    short = replace(
        recipe, steps=step, prompts_per_step=ROWS // size, group_size=size, micro_batch_size=ROWS, minibatches=1,
        inner_epochs=1, loss=remembering(found),
    )  # fmt: skip
    needs_reference = short.kl_place is not None and bool(short.kl_coef or short.kl_place == "measure")
    reference = copy.deepcopy(model) if needs_reference else None
    critic = Critic(model, shared=short.critic == "shared") if short.critic else None
    train_rl(
        model, tokenizer, new_optimizer(short, model, critic), short, on_step=lambda step, row: False,
        ref_model=reference, critic=critic, seed=seed,
    )  # fmt: skip
    return found[-1]


def remembering(found: list[Seen]) -> Callable[[Tensor, Experience, Recipe], Tensor]:
    """PPO's loss, which keeps what it was given."""

    def loss(logprobs: Tensor, experience: Experience, recipe: Recipe) -> Tensor:
        found.append(seen_by(logprobs, experience))
        return ppo_clip_loss(logprobs, experience.old_logprobs, experience.advantages)

    return loss


def tensors_of(seen: Seen) -> dict[str, Tensor]:
    """The batch as ``audit`` takes it: per-token tensors about completions, and the ids of the shipped tokenizer."""
    per_token = {name: getattr(seen, name) for name in ("mask", "logprobs", "old_logprobs", "advantages")}
    found = {name: x[:, seen.prompt_width - 1 :] for name, x in per_token.items() if x is not None}
    found |= {"tokens": seen.tokens, "attention_mask": seen.attention_mask} | ids_of(load(BASE)[1])
    if seen.prompt_width > 1:
        found["prompt_width"] = torch.tensor(seen.prompt_width)
    return found if seen.group is None else found | {"group": seen.group}
