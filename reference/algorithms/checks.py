"""Recipes, models and optimizers that could only fail later, or that ask for what nothing reads: refused at once.

Asked before anything is sampled. What a single number or word may be stands in ``limits``, what a function must return
in ``slots``.
"""

import torch
from torch import nn
from transformers import PreTrainedModel

from reference.algorithms.advantages import advantage_of
from reference.algorithms.critic import Critic
from reference.algorithms.distill import teacher_conflicts
from reference.algorithms.kl import needs_reference
from reference.algorithms.limits import require_limits
from reference.algorithms.preference_losses import preference_loss_of
from reference.algorithms.recipes import Kind, Recipe
from reference.algorithms.rewards import rewards_in
from reference.algorithms.slots import try_pair_loss, try_slots
from reference.algorithms.unread_options import require_no_unread, require_own_columns
from reference.objectives.shapes import InputError
from reference.world.head import head_width

CPU = torch.device("cpu")

# ---- recipes -------------------------------------------------------------------------------------------------------------


def require_kind(recipe: Recipe, kind: Kind, words: str) -> None:
    """Refuse a recipe of another kind, and entries that no recipe of this kind may have."""
    if recipe.kind != kind:
        raise InputError(f"{recipe.name} is a recipe of kind {recipe.kind!r}, not {words}")
    require_limits(recipe)
    require_own_columns(recipe)


def require_rl(
    recipe: Recipe, ref_model: PreTrainedModel | None, critic: Critic | None, *, device: torch.device = CPU
) -> None:
    """Refuse a recipe of reinforcement learning that could only fail later, or that asks for what nothing reads.

    ``device``: where functions of your own are tried.
    """
    require_kind(recipe, "rl", "of reinforcement learning")
    r, rows = recipe, recipe.prompts_per_step * recipe.group_size
    if rows % r.minibatches:
        raise InputError(f"minibatches is {r.minibatches}, which does not divide the {rows} completions of a step")
    for wrong, why in [*teacher_conflicts(r), *conflicts(r), *kl_conflicts(r), *critic_conflicts(r)]:
        if wrong:
            raise InputError(why)
    require_no_unread(r)
    if needs_reference(r) and ref_model is None:
        why = "kl_coef is not 0" if r.kl_coef else "kl_place is 'measure'"
        raise InputError(f"{why} but there is no ref_model: pass the model to stay close to")
    if r.critic and critic is None:
        raise InputError(f"critic is {r.critic!r} but there is none: pass Critic(model, shared=...)")
    try_slots(r, reference=ref_model is not None, device=device)


def conflicts(r: Recipe) -> list[tuple[bool, str]]:
    """Choices that do not go together: whether it is so, and what to say."""
    return [
        (r.group_size == 1 and (advantage_of(r).needs_group or r.max_rounds > 1),
         f"group_size is 1: advantage {r.advantage!r} and max_rounds {r.max_rounds} compare completions of one prompt"),
        (advantage_of(r).needs_success and bool(taken_off(r)),
         f"advantage is {r.advantage!r}, which divides by a group's mean reward, and with {taken_off(r)} that may fall below 0: "
         "leave rewards as they are, or choose 'group'"),
        (any(one.needs_tools for one in rewards_in(r)) and r.task != "tools",
         f"reward is {r.reward!r}, which reads calls, and task is {r.task!r}: choose 'success', or the task 'tools'"),
    ]  # fmt: skip


def taken_off(r: Recipe) -> str:
    """The first option that takes something off the verifier's word; "" where none does."""
    off = {
        "length_coef": r.length_coef, "overlong 'penalty'": r.overlong == "penalty", "call_price": r.call_price,
        "invalid_price": r.invalid_price, "a KL in the reward": r.kl_coef and r.kl_place == "reward",
    }  # fmt: skip
    return next((name for name, there in off.items() if there), "")


def kl_conflicts(r: Recipe) -> list[tuple[bool, str]]:
    """The same of the KL and its reference."""
    return [
        (r.kl_place == "measure" and bool(r.kl_coef),
         f"kl_place is 'measure', where nothing is charged, and kl_coef is {r.kl_coef}: set it to 0, or name a place"),
        (bool(r.kl_coef) and (r.kl is None or r.kl_place is None),
         f"kl_coef is {r.kl_coef}, kl {r.kl} and kl_place {r.kl_place}: name estimator and place of the KL"),
        (bool(r.kl_target) and not r.kl_coef, "kl_target steers kl_coef, which is 0: give it a weight to begin with"),
        (bool(r.ref_sync_every) and not needs_reference(r),
         "ref_sync_every is about a reference, and kl_coef is 0: give it a weight, or set kl_place to 'measure'"),
    ]  # fmt: skip


def critic_conflicts(r: Recipe) -> list[tuple[bool, str]]:
    """The same of the critic, its weight and its two numbers."""
    advantage, numbers = advantage_of(r), "and numbers for vf_coef, gae_lambda and critic_lr"
    return [
        (advantage.needs_critic and not r.critic,
         f"advantage {r.advantage!r} needs a critic: choose 'shared' or 'separate', {numbers}"),
        (bool(r.critic) and not advantage.reads_critic,
         f"advantage is {r.advantage!r}, which does not read the critic: choose 'gae' {numbers}, or critic none"),
        (bool(r.critic) != bool(r.vf_coef),
         f"critic is {r.critic} and vf_coef {r.vf_coef}: a critic needs a weight for its loss, and a weight a critic"),
        (bool(r.critic) and (r.gae_lambda is None or r.critic_lr is None),
         f"critic is {r.critic}, gae_lambda {r.gae_lambda} and critic_lr {r.critic_lr}: a critic needs both numbers"),
    ]  # fmt: skip


def require_preference(recipe: Recipe, ref_model: PreTrainedModel | None, *, device: torch.device = CPU) -> None:
    """Refuse a recipe of preferences that could only fail later, after minutes of sampling."""
    require_kind(recipe, "preference", "of learning from preferences")
    require_two(recipe)
    if recipe.pairs == "written" and (recipe.task != "tools" or recipe.online):
        raise InputError(
            f"pairs is 'written', task {recipe.task!r} and online {recipe.online}: pairs are written for tools, once, before "
            "training; choose 'sampled'"
        )
    loss, own = preference_loss_of(recipe), callable(recipe.loss)
    if loss.kl and not own and recipe.prompts_per_step < 2:
        raise InputError(
            f"prompts_per_step is 1, expected at least 2: {recipe.loss.upper()} puts completions under other prompts"
        )
    if ref_model is None and loss.reference and not own:
        raise InputError(
            f"loss is {recipe.loss!r} but there is no ref_model: pass a copy of the model as it was at first"
        )
    require_no_unread(recipe)
    try_pair_loss(recipe, reference=ref_model is not None, device=device)


def require_reward_recipe(recipe: Recipe) -> None:
    """Refuse a recipe of a reward model that could only fail later, after minutes of sampling."""
    require_kind(recipe, "reward", "of a reward model ('reward')")
    require_two(recipe)


def require_two(recipe: Recipe) -> None:
    """Refuse groups of one where pairs are made of them."""
    if recipe.group_size < 2:
        raise InputError(f"group_size is {recipe.group_size}, expected at least 2: a pair is a right and a wrong one")


# ---- models and optimizers -----------------------------------------------------------------------------------------------


def require_trainable(optimizer: torch.optim.Optimizer, *modules: nn.Module | None) -> None:
    """Refuse what would train nothing: modules that are frozen altogether, an optimizer that holds other weights.

    Parts of a module may be frozen, or left out of the optimizer.
    """
    trainable = {type(m).__name__: [w for w in m.parameters() if w.requires_grad] for m in modules if m is not None}
    if not any(trainable.values()):
        raise InputError("no weight of the model has requires_grad: unfreeze some, or put an adapter on it")
    optimizer_weights = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    for name, weights in trainable.items():
        if weights and not any(id(weight) in optimizer_weights for weight in weights):
            raise InputError(
                f"the optimizer holds none of the weights of the {name} that have requires_grad, so it would never move: "
                "make the optimizer last, of the parameters of all that is to be trained"
            )


def require_reference(model: PreTrainedModel, ref_model: PreTrainedModel | None, *, synced: bool = False) -> None:
    """Refuse a reference that is trained with the policy: the KL and the margins would be 0 for ever.

    peft's ``get_peft_model`` puts the adapter into the model that it is given, so that model is no reference any more.
    ``synced``: the policy's weights will be copied into it.
    """
    if ref_model is None:
        return
    trainable = {id(weight) for weight in model.parameters() if weight.requires_grad}
    if any(id(weight) in trainable for weight in ref_model.parameters()):
        raise InputError(
            "ref_model shares weights with the policy and would move with it: pass a copy, made with copy.deepcopy before "
            "an adapter was put on the model, or loaded again"
        )
    if synced and ref_model.state_dict().keys() != model.state_dict().keys():
        raise InputError(
            "ref_sync_every copies the policy's weights into ref_model, which has others: pass copy.deepcopy(model)"
        )


def require_critic(model: PreTrainedModel, critic: Critic | None) -> None:
    """Refuse a head for another model's hidden states."""
    if critic is not None and critic.shared and critic.head.in_features != head_width(model):
        raise InputError(
            f"the critic reads {critic.head.in_features} numbers per token and the policy's trunk gives "
            f"{head_width(model)}: make it with Critic(model, shared=True) of this model"
        )


def require_head(model: PreTrainedModel) -> None:
    """Refuse a reward model whose head is 0 and frozen: no gradient passes it, and every reward stays 0."""
    weights = list(model.score.parameters())
    if not any(weight.requires_grad or bool(weight.any()) for weight in weights):
        raise InputError(
            "the head of the reward model (score) is 0 and frozen, so every reward stays 0: unfreeze it, or give peft the "
            "task_type SEQ_CLS, which trains a head"
        )
