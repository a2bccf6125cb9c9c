"""A recipe in NeMo-RL's words: a YAML file whose parent is the one that is shipped for the program."""

from typing import Any

from reference.algorithms.columns import Recipe
from reference.frameworks.exporters.parts import LEFT_OUT, Exported, Exporter, Extras, Placeholder, or_bound, whole
from reference.frameworks.exporters.words import comment, header, title, words_of
from reference.frameworks.exporters.yaml_text import yaml_value

ADVANTAGES = {
    "group": (True, False),
    "leave_one_out": (False, True),
    "group_mean": (False, False),
}  # divided, of the others
WHITENED = {"reinforce_plus_plus": False, "reinforce_plus_plus_baseline": True}  # less the group's mean
SHIPPED = {
    "run_grpo.py": "grpo_math_1B.yaml",
    "run_ppo.py": "ppo_math_1B.yaml",
    "run_dpo.py": "dpo.yaml",
    "run_sft.py": "sft.yaml",
}
Tree = dict[str, Any]


def entry(recipe: Recipe) -> str | None:
    if recipe.kind == "rl":
        return "run_ppo.py" if recipe.critic else "run_grpo.py"
    return {"preference": "run_dpo.py", "sft": "run_sft.py"}.get(recipe.kind)


def own(recipe: Recipe) -> dict[str, Any]:
    if recipe.kind != "rl":
        return {
            "policy.train_global_batch_size": recipe.prompts_per_step,
            "policy.max_grad_norm": or_bound(recipe.max_grad_norm),
        }
    block = "ppo" if recipe.critic else "grpo"
    rows, penalty = recipe.prompts_per_step * recipe.group_size, recipe.overlong == "penalty"
    shaping = f"{block}.reward_shaping"
    found: dict[str, Any] = {
        "policy.train_global_batch_size": whole(rows, recipe.minibatches), "policy.max_grad_norm": or_bound(recipe.max_grad_norm),
        "loss_fn.ratio_clip_min": or_bound(recipe.clip_low, 1.0), "loss_fn.ratio_clip_max": or_bound(recipe.clip_high),
        "loss_fn.use_cispo": recipe.loss == "cispo", "loss_fn.disable_ppo_ratio": recipe.loss == "reinforce",
        "loss_fn.sequence_level_importance_ratios": recipe.loss == "gspo", f"{shaping}.enabled": penalty,
        f"{shaping}.overlong_buffer_length": max(1, recipe.max_new_tokens // 4) if penalty else LEFT_OUT,
        f"{shaping}.overlong_buffer_penalty": 1.0 if penalty else LEFT_OUT,
        f"{shaping}.max_response_length": recipe.max_new_tokens if penalty else LEFT_OUT,
    }  # fmt: skip
    return found | kl(recipe, block) | ({} if recipe.critic else advantage(recipe))


def kl(recipe: Recipe, block: str) -> dict[str, Any]:
    """In the loss it is multiplied by a ratio, which is the one to the sampler with use_on_policy_kl_approximation."""
    charged = bool(recipe.kl_coef)
    return {
        "loss_fn.reference_policy_kl_penalty": recipe.kl_coef,
        "loss_fn.use_kl_in_reward": charged and recipe.kl_place == "reward",
        "loss_fn.reference_policy_kl_type": str(recipe.kl).removesuffix("_unbiased") if charged else LEFT_OUT,
        "loss_fn.use_on_policy_kl_approximation": charged and str(recipe.kl).endswith("_unbiased"),
        f"{block}.skip_reference_policy_logprobs_calculation": not charged,
    }


def advantage(recipe: Recipe) -> dict[str, Any]:
    """Two switches under adv_estimator, and above it what the YAML that is shipped hands to them."""
    name = "reinforce_plus_plus" if recipe.advantage in WHITENED else "grpo"
    divided, others = ADVANTAGES.get(str(recipe.advantage), (True, True))
    found: dict[str, Any] = {"grpo.adv_estimator.name": name, "grpo.use_dynamic_sampling": recipe.max_rounds > 1}
    for block in ("grpo", "grpo.adv_estimator"):
        found |= {f"{block}.normalize_rewards": divided, f"{block}.use_leave_one_out_baseline": others}
    if name == "grpo":
        return found | {"grpo.adv_estimator.minus_baseline": LEFT_OUT}
    return found | {"grpo.adv_estimator.minus_baseline": WHITENED[str(recipe.advantage)]}


def extras(recipe: Recipe) -> Extras:
    block = {"preference": "dpo", "sft": "sft"}.get(recipe.kind, "ppo" if recipe.critic else "grpo")
    return {
        "policy.train_micro_batch_size": ("rows per forward pass: memory and speed only", recipe.micro_batch_size),
        "policy.optimizer.kwargs.weight_decay": ("no weight decay", 0.0),
        f"{block}.max_num_steps": ("rollouts, or batches, to learn from", recipe.steps),
    }


def placeholders(recipe: Recipe) -> tuple[Placeholder, ...]:
    found = [
        Placeholder("MODEL", "the model to start from, a folder or a name", ("policy.model_name",)),
        Placeholder(
            "DEFAULTS",
            f"where {SHIPPED[str(entry(recipe))]} of NeMo-RL lies, which has all other options",
            ("defaults",),
        ),
        Placeholder("DATA", "what is learned from", ("data",)),
    ]
    return tuple(found + [Placeholder("ENV", "what a completion earns", ("env",))] * (recipe.kind == "rl"))


def text(exported: Exported, ending: str, model: str | None) -> str:
    """The options as nested keys, each under what it is in our words."""
    lines = [f"# {title(exported)}", f"# Start it with: python examples/{exported.entry} --config THIS_FILE", "#",
             *[f"# {line}" for line in header(exported)], ""]  # fmt: skip
    for one in exported.placeholders:
        if model is None or one.variable != "MODEL":
            lines += [f"# FILL IN {option}: {one.what}" for option in one.options]
    said = words_of(exported)
    tree: Tree = {}
    found = exported.options | {option: value for option, (_, value) in exported.extras.items()}
    for option, value in (({"policy.model_name": model} if model else {}) | found).items():
        place = tree
        *blocks, last = option.split(".")
        for block in blocks:
            place = place.setdefault(block, {})
        place[last] = (said.get(option, ""), value)
    return "\n".join([*lines, "", *branches(tree, "")]) + "\n"


def branches(tree: Tree, margin: str) -> list[str]:
    lines = []
    for key, value in tree.items():
        if isinstance(value, dict):
            lines += [f"{margin}{key}:", *branches(value, margin + "  ")]
        else:
            lines += [*comment(value[0], margin), f"{margin}{key}: {yaml_value(value[1])}"]
    return lines


NEMO_RL = Exporter(entry, own, extras, placeholders, text, (".yaml", ".yml"))
