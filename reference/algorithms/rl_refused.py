"""Recipes of reinforcement learning that could only fail later, or that ask for what nothing reads: refused at once."""

from dataclasses import replace

import torch
from transformers import PreTrainedModel

from reference.algorithms.critic import Critic
from reference.algorithms.data import Counts, Experience
from reference.algorithms.limits import require_limits
from reference.algorithms.recipes import RECIPES, Recipe
from reference.algorithms.slots import ADVANTAGES, AGGREGATIONS, KL, LOSSES, chosen
from reference.objectives.shapes import InputError

CRITIC_LR = RECIPES["ppo"].critic_lr


def require_parts(recipe: Recipe, ref_model: PreTrainedModel | None, critic: Critic | None) -> None:
    """Refuse a recipe that could only fail later, after minutes of sampling, or that asks for what nothing reads."""
    r, rows = recipe, recipe.prompts_per_step * recipe.group_size
    if r.kind != "rl":
        raise InputError(f"{r.name} is a recipe of kind {r.kind!r}, not of reinforcement learning")
    require_limits(r)
    if rows % r.minibatches:
        raise InputError(f"minibatches is {r.minibatches}, which does not divide the {rows} completions of a step")
    for wrong, why in refused(r):
        if wrong:
            raise InputError(why)
    if r.kl_coef and ref_model is None:
        raise InputError("kl_coef is not 0 but there is no ref_model: pass the model to stay close to")
    if r.critic and critic is None:
        raise InputError(f"critic is {r.critic!r} but there is none: pass Critic(model, shared=...)")
    try_slots(recipe)


def refused(r: Recipe) -> list[tuple[bool, str]]:
    """Choices that do not go together: whether it is so, and what to say."""
    own = callable(r.advantage)
    return [
        (bool(r.kl_coef) and (r.kl is None or r.kl_place not in ("loss", "reward")),
         f"kl_coef is {r.kl_coef}, kl {r.kl} and kl_place {r.kl_place}: name estimator and place of the KL"),
        (bool(r.ref_sync_every or r.kl_target) and not r.kl_coef,
         "ref_sync_every and kl_target are about a reference, and kl_coef is 0: give it a weight"),
        (r.advantage == "gae" and not r.critic, "advantage 'gae' needs a critic: choose 'shared' or 'separate'"),
        (bool(r.critic) and r.advantage != "gae" and not own,
         f"advantage is {r.advantage!r}, which does not read the critic: choose 'gae', or critic none"),
        (bool(r.critic) != bool(r.vf_coef),
         f"critic is {r.critic} and vf_coef {r.vf_coef}: a critic needs a weight for its loss, and a weight a critic"),
        (r.value_clip is not None and not r.critic, f"value_clip is {r.value_clip}, and there is no critic to clip"),
        (r.dual_clip is not None and r.loss != "ppo_clip", f"dual_clip is {r.dual_clip}, which {r.loss!r} does not read"),
        (r.clip_low is None and r.loss in ("ppo_clip", "gspo"), f"clip_low is none, but {r.loss!r} needs a lower bound"),
        (r.group_size == 1 and (str(r.advantage).startswith("group") or r.max_rounds > 1),
         f"group_size is 1: advantage {r.advantage!r} and max_rounds {r.max_rounds} compare completions of one prompt"),
        (r.overlong not in ("score", "mask", "penalty"),
         f"overlong is {r.overlong!r}, expected 'score', 'mask' or 'penalty'"),
        (r.gamma != 1 and not r.critic and r.advantage != "reinforce_plus_plus" and not own,
         f"gamma is {r.gamma}, and advantage {r.advantage!r} has no returns over time to discount"),
        ((r.gae_lambda != 1 or r.critic_lr != CRITIC_LR) and not r.critic,
         f"gae_lambda is {r.gae_lambda} and critic_lr {r.critic_lr}, and there is no critic to read them"),
    ]  # fmt: skip


def try_slots(recipe: Recipe) -> None:
    """Call what the recipe names once, on completions of nothing: the objectives know their own limits."""
    rows = 2  # enough to compare; groups of thousands would only take memory
    recipe = replace(recipe, group_size=min(rows, recipe.group_size))
    zero = torch.zeros(rows, 2)
    tokens = torch.zeros(rows, 3, dtype=torch.long)
    nothing = Experience(
        tokens=tokens, attention_mask=tokens == 0, prompt_width=1, group=tokens[:, 0], mask=zero == 0,
        old_logprobs=zero,
        rewards=zero[:, 0], token_rewards=zero, values=zero,
    )  # fmt: skip
    advantages = zero[:, :1]
    if not callable(recipe.advantage):
        advantages = chosen(ADVANTAGES, recipe.advantage, "advantage")(nothing, recipe).view(rows, -1)
    token_loss = zero
    if not callable(recipe.loss):
        token_loss = chosen(LOSSES, recipe.loss, "loss")(zero, replace(nothing, advantages=advantages), recipe)
    if not callable(recipe.aggregation):
        counts = Counts(2 * rows, rows, rows, recipe.max_new_tokens)
        chosen(AGGREGATIONS, recipe.aggregation, "aggregation")(token_loss, nothing.mask, counts)
    if recipe.kl_coef and not callable(recipe.kl):
        chosen(KL, recipe.kl, "kl")(zero, zero, zero)
