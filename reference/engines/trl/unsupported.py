"""What TRL 1.16 does not do, or does differently, each refused in one sentence with the nearest that it can do."""

import math

from reference.algorithms.advantages import advantage_of
from reference.algorithms.distill import asks_teacher
from reference.algorithms.kl import kl_of
from reference.algorithms.losses import loss_of
from reference.algorithms.recipes import Recipe
from reference.algorithms.rewards import REWARDS
from reference.engines.trl.counterparts import (
    DIFFERENT,
    GRPO_LOSSES,
    KL,
    PAIR_LOSSES,
    RLOO,
    RLOO_LOSSES,
    SCALE_REWARDS,
    GRPOLoss,
    trainer_name,
)
from reference.objectives.shapes import InputError


def require_same(recipe: Recipe, num_processes: int) -> None:
    """Refuse what TRL 1.16 does not do, or does differently, naming the nearest that it can do."""
    rows = [("rl", getattr(recipe, slot), slot) for slot in ("reward", "advantage", "kl", "aggregation")]
    for kind, choice, name in (*rows, (recipe.kind, recipe.loss, "loss")):
        if kind == recipe.kind and callable(choice):
            raise InputError(f"{name} is a function of your own, which TRL cannot call: train without --engine trl")
    if recipe.kind == "rl" and recipe.reward not in REWARDS:
        models = "the reward models" if isinstance(recipe.reward, tuple) else "the reward model"
        names = ", ".join(map(str, recipe.reward)) if isinstance(recipe.reward, tuple) else recipe.reward
        raise InputError(f"reward is {models} {names}, which TRL is not given here: train without --engine trl")
    unsupported = {"rl": unsupported_rl, "preference": unsupported_preference}.get(recipe.kind, unsupported_others)
    for wrong, why in [*unsupported(recipe), *unsupported_processes(recipe, num_processes)]:
        if wrong:
            raise InputError(why)


def unsupported_rl(r: Recipe) -> list[tuple[bool, str]]:
    """Whether, and why. The first that holds is told."""
    elsewhere = (
        "train without --engine trl; beyond one machine the way is `export` to verl or OpenRLHF, which is to come"
    )
    trainer, one = trainer_name(r), r.inner_epochs * r.minibatches == 1
    rloo, loss = trainer == "RLOO", GRPO_LOSSES.get(r.loss, GRPOLoss())
    return [
        (r.task == "tools",
         "task is 'tools': TRL's own loop drops all calls of a turn where one is malformed, and counts the tool's words into "
         "the budget: train without --engine trl"),
        (asks_teacher(r),
         f"loss is {r.loss!r} and advantage {r.advantage!r}, which ask a teacher: TRL's DistillationTrainer does, and it is not run "
         "here; train without --engine trl"),
        (r.critic is not None or advantage_of(r).needs_critic,
         f"critic is {r.critic!r}, but TRL has none since it dropped PPO in 1.13: {elsewhere}"),
        (r.advantage not in {*SCALE_REWARDS, *RLOO},
         f"advantage is {r.advantage!r}, which TRL does not have; the nearest is RLOOTrainer with normalize_advantages, "
         f"for groups of at least 2 and whitened over completions, not tokens: {elsewhere}"),
        (r.group_size < 2, f"group_size is {r.group_size}, TRL expects at least 2"),
        (r.max_rounds > 1, f"max_rounds is {r.max_rounds}, TRL samples a step's prompts once: set max_rounds to 1"),
        (r.top_p != 1 or r.top_k is not None,
         f"top_p is {r.top_p} and top_k {r.top_k}: TRL samples so, but trains as if it had not; set them to 1 and none"),
        (r.loss not in (RLOO_LOSSES if rloo else GRPO_LOSSES),
         f"loss is {r.loss!r} and advantage {r.advantage!r}: this engine knows 'reinforce' with 'leave_one_out' and "
         f"{', '.join(GRPO_LOSSES)} with the others"),
        (rloo and not one, "TRL's RLOO clips the ratio of whole completions where a rollout serves several optimizer "
         "steps, ours has no ratio: set minibatches and inner_epochs to 1"),
        (rloo and r.aggregation != "fixed_length",
         f"aggregation is {r.aggregation!r}, TRL's RLOO sums over the tokens of a completion: set 'fixed_length'"),
        (loss.aggregation not in (None, r.aggregation),
         f"aggregation is {r.aggregation!r}: TRL's {r.loss.upper()} has {loss.aggregation!r} only, set that"),
        (not loss.lower_bound and r.clip_low is not None,
         f"clip_low is {r.clip_low}: TRL's {r.loss.upper()} has no lower bound, set it to none"),
        (r.dual_clip is not None and r.dual_clip < 1 + (math.inf if r.clip_high is None else r.clip_high),
         f"dual_clip is {r.dual_clip}, but below 1 + clip_high TRL's delta bounds good completions too: raise it"),
        (r.overlong == "mask" and (r.aggregation == "sequence_mean" or bool(rloo and r.kl_coef)),
         f"overlong is 'mask', and TRL with aggregation {r.aggregation!r} and kl_coef {r.kl_coef} still counts masked "
         "completions, or charges no KL for them: set overlong to 'score' or 'penalty'"),
        (bool(r.kl_coef) and (r.kl, r.kl_place) not in KL[trainer],
         f"kl is {r.kl!r} in the {r.kl_place}: TRL has k1 in the reward of 'leave_one_out', else k3 or k3_unbiased in "
         "the loss"),
        (bool(r.kl_coef) and kl_of(r).weighted and loss_of(r).per_completion,
         f"kl is {r.kl!r}, which TRL weighs with the ratio of whole completions under GSPO: set kl to 'k3'"),
        (r.kl_place == "measure", "kl_place is 'measure', TRL has no reference that it does not charge a KL to: set "
         "kl_coef and a place, or kl_place to none"),
        (r.kl_target is not None, f"kl_target is {r.kl_target}, TRL's coefficient is fixed: set kl_coef"),
        (r.entropy_coef != 0, f"entropy_coef is {r.entropy_coef}, TRL averages entropy per micro-batch: set it to 0"),
        (r.sft_coef != 0, f"sft_coef is {r.sft_coef}, TRL has no demonstrations beside a rollout: set it to 0"),
    ]  # fmt: skip


def unsupported_preference(r: Recipe) -> list[tuple[bool, str]]:
    """Whether, and why. The first that holds is told."""
    mine = "train without --engine trl"
    return [
        (r.task == "tools",
         f"task is 'tools': TRL adds the log-probs of the tool's words to the sums of a pair: {mine}"),
        (r.online, f"online is set, TRL's DPOTrainer learns from pairs that are there already: {mine}"),
        (r.loss not in PAIR_LOSSES, f"{DIFFERENT.get(r.loss, f'loss is {r.loss!r}, which TRL does not have')}: {mine}"),
        (r.sft_coef != 0 and r.loss in PAIR_LOSSES and not PAIR_LOSSES[r.loss].nll,
         f"sft_coef is {r.sft_coef}, TRL's {r.loss.upper()} has no NLL: set it to 0"),
        (r.temperature != 1, f"temperature is {r.temperature}, TRL scores pairs at 1: set it to 1"),
    ]  # fmt: skip


def unsupported_others(r: Recipe) -> list[tuple[bool, str]]:
    return [(r.kind == "sft" and r.temperature != 1, f"temperature is {r.temperature}, TRL has none here: set it to 1")]


def unsupported_processes(r: Recipe, processes: int) -> list[tuple[bool, str]]:
    """Every process gets as many rows as the others: whole groups of a rollout, equal shares of an optimizer step."""
    rows = r.prompts_per_step * (r.group_size if r.kind == "rl" else 1)
    minibatches = r.minibatches if r.kind == "rl" else 1
    return [
        (minibatches < 1 or rows % max(1, minibatches) != 0,
         f"minibatches is {minibatches}, which does not divide the {rows} completions of a step"),
        (r.prompts_per_step % processes != 0 or rows // max(1, minibatches) % processes != 0,
         f"prompts_per_step is {r.prompts_per_step} and a part has {rows // max(1, minibatches)} rows, which "
         f"{processes} processes cannot share evenly"),
        (processes > 1 and r.kind == "preference" and r.sft_coef != 0,
         f"sft_coef is {r.sft_coef}, and TRL averages this NLL per process: use one process"),
    ]  # fmt: skip
