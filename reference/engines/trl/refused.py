"""What TRL 1.16 does not do, or does differently, each refused in one sentence with the nearest that it can do."""

from reference.algorithms.recipes import Recipe
from reference.objectives.shapes import InputError

SCALED = ("group", "group_mean", "group_mean_batch_std")
POLICY_GRADIENTS = ("ppo_clip", "gspo", "cispo")
KL_IN_LOSS = [("k3", "loss"), ("k3_unbiased", "loss")]
PAIR_LOSSES = ("dpo", "cdpo", "robust_dpo", "hinge", "simpo", "kto")


def require_same(recipe: Recipe, num_processes: int) -> None:
    """Refuse what TRL 1.16 does not do, or does differently, naming the nearest that it can do."""
    rows = ("rl", recipe.advantage, "advantage"), ("rl", recipe.kl, "kl"), ("rl", recipe.aggregation, "aggregation")
    for kind, choice, name in (*rows, (recipe.kind, recipe.loss, "loss")):
        if kind == recipe.kind and callable(choice):
            raise InputError(f"{name} is a function of your own, which TRL cannot call: train without --engine trl")
    refused = {"rl": refused_rl, "preference": refused_preference}.get(recipe.kind, refused_others)
    for is_refused, why in [*refused(recipe), *refused_processes(recipe, num_processes)]:
        if is_refused:
            raise InputError(why)


def refused_rl(r: Recipe) -> list[tuple[bool, str]]:
    """Whether, and why. The first that holds is told."""
    elsewhere = (
        "train without --engine trl; beyond one machine the way is `export` to verl or OpenRLHF, which is to come"
    )
    rloo, one = r.advantage == "leave_one_out", r.inner_epochs * r.minibatches == 1
    return [
        (r.critic is not None or r.advantage == "gae",
         f"critic is {r.critic!r}, but TRL has none since it dropped PPO in 1.13: {elsewhere}"),
        (r.advantage not in {*SCALED, "leave_one_out"},
         f"advantage is {r.advantage!r}, which TRL does not have; the nearest is RLOOTrainer with normalize_advantages, "
         f"for groups of at least 2 and whitened over completions, not tokens: {elsewhere}"),
        (r.group_size < 2, f"group_size is {r.group_size}, TRL expects at least 2"),
        (r.max_rounds > 1, f"max_rounds is {r.max_rounds}, TRL samples a step's prompts once: set max_rounds to 1"),
        (r.top_p != 1 or r.top_k is not None,
         f"top_p is {r.top_p} and top_k {r.top_k}: TRL samples so, but trains as if it had not; set them to 1 and none"),
        (r.loss not in (("reinforce",) if rloo else POLICY_GRADIENTS),
         f"loss is {r.loss!r} and advantage {r.advantage!r}: TRL has 'reinforce' with 'leave_one_out' and "
         f"{', '.join(POLICY_GRADIENTS)} with the others"),
        (rloo and not one, "TRL's RLOO clips the ratio of whole completions where a rollout serves several optimizer "
         "steps, ours has no ratio: set minibatches and inner_epochs to 1"),
        (rloo and r.aggregation != "fixed_length",
         f"aggregation is {r.aggregation!r}, TRL's RLOO sums over the tokens of a completion: set 'fixed_length'"),
        (r.loss == "cispo" and (r.aggregation != "token_mean" or r.clip_low is not None),
         f"aggregation is {r.aggregation!r} and clip_low {r.clip_low}: TRL's CISPO has 'token_mean' and no lower bound"),
        (r.loss == "ppo_clip" and r.dual_clip is not None and r.dual_clip < 1 + r.clip_high,
         f"dual_clip is {r.dual_clip}, but below 1 + clip_high TRL's delta bounds good completions too: raise it"),
        (r.overlong == "mask" and (r.aggregation == "sequence_mean" or bool(rloo and r.kl_coef)),
         f"overlong is 'mask', and TRL with aggregation {r.aggregation!r} and kl_coef {r.kl_coef} still counts masked "
         "completions, or charges no KL for them: set overlong to 'score' or 'penalty'"),
        (bool(r.kl_coef) and (r.kl, r.kl_place) not in ([("k1", "reward")] if rloo else KL_IN_LOSS),
         f"kl is {r.kl!r} in the {r.kl_place}: TRL has k1 in the reward of 'leave_one_out', else k3 or k3_unbiased in "
         "the loss"),
        (bool(r.kl_coef) and r.kl == "k3_unbiased" and r.loss == "gspo",
         "kl is 'k3_unbiased', which TRL weighs with the ratio of whole completions under GSPO: set kl to 'k3'"),
        (r.kl_target is not None, f"kl_target is {r.kl_target}, TRL's coefficient is fixed: set kl_coef"),
        (r.entropy_coef != 0, f"entropy_coef is {r.entropy_coef}, TRL averages entropy per micro-batch: set it to 0"),
        (r.sft_coef != 0, f"sft_coef is {r.sft_coef}, TRL has no demonstrations beside a rollout: set it to 0"),
    ]  # fmt: skip


def refused_preference(r: Recipe) -> list[tuple[bool, str]]:
    """Whether, and why. The first that holds is told."""
    mine = "train without --engine trl"
    return [
        (r.online, f"online is set, TRL's DPOTrainer learns from pairs that are there already: {mine}"),
        (r.loss == "ipo", f"loss is 'ipo' of summed log-probs, as in the paper, TRL's averages them over tokens: {mine}"),
        (r.loss == "orpo", f"loss is 'orpo', and the NLL in TRL's also imitates the prompts: {mine}"),
        (r.loss not in PAIR_LOSSES, f"loss is {r.loss!r}, which TRL does not have: {mine}"),
        (r.loss == "kto" and r.sft_coef != 0, f"sft_coef is {r.sft_coef}, TRL's KTO has no NLL: set it to 0"),
        (r.temperature != 1, f"temperature is {r.temperature}, TRL scores pairs at 1: set it to 1"),
    ]  # fmt: skip


def refused_others(r: Recipe) -> list[tuple[bool, str]]:
    return [(r.kind == "sft" and r.temperature != 1, f"temperature is {r.temperature}, TRL has none here: set it to 1")]


def refused_processes(r: Recipe, processes: int) -> list[tuple[bool, str]]:
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
