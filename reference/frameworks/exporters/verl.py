"""A recipe in verl's words: the overrides of ``verl.trainer.main_ppo``."""

import math
import shlex
from typing import Any

from reference.algorithms.columns import Recipe
from reference.frameworks.exporters.parts import (
    LEFT_OUT,
    Exported,
    Exporter,
    Extras,
    Placeholder,
    or_bound,
    whole,
)
from reference.frameworks.exporters.shell_text import shell
from reference.frameworks.exporters.yaml_text import yaml_value
from reference.frameworks.rules.verl import ACTOR

ROLLOUT, REF, KWARGS = "actor_rollout_ref.rollout", "actor_rollout_ref.ref", "reward.reward_kwargs"
ESTIMATORS = {"group": "grpo", "group_mean": "grpo"}  # the others are the table's
KL_NAMES = {"k1": "kl", "k2": "mse", "k3": "low_var_kl", "abs": "abs"}
NO_DUAL_CLIP = 1e9  # above every ratio, whose logarithm is cut at 20; infinity times an advantage of 0 would be NaN


def entry(recipe: Recipe) -> str | None:
    return "main_ppo" if recipe.kind == "rl" else None


def own(recipe: Recipe) -> dict[str, Any]:
    found: dict[str, Any] = {
        f"{ACTOR}.clip_ratio_low": or_bound(recipe.clip_low, 1.0), f"{ACTOR}.clip_ratio_high": or_bound(recipe.clip_high),
        f"{ACTOR}.clip_ratio_c": or_bound(recipe.dual_clip, NO_DUAL_CLIP),
        f"{ACTOR}.ppo_mini_batch_size": whole(recipe.prompts_per_step, recipe.minibatches),
        f"{ACTOR}.loss_scale_factor": recipe.max_new_tokens if recipe.aggregation == "fixed_length" else None,
        f"{ACTOR}.optim.clip_grad": or_bound(recipe.max_grad_norm), f"{ROLLOUT}.top_k": recipe.top_k or -1,
        "algorithm.filter_groups.enable": recipe.max_rounds > 1,
    }  # fmt: skip
    if recipe.advantage in ESTIMATORS:
        found["algorithm.adv_estimator"] = ESTIMATORS[recipe.advantage]
    else:
        found["algorithm.norm_adv_by_std_in_grpo"] = LEFT_OUT
    return found | kl(recipe) | overlong(recipe)


def kl(recipe: Recipe) -> dict[str, Any]:
    """The options of a KL that is not charged decide nothing."""
    place = recipe.kl_place if recipe.kl_coef else None
    name = KL_NAMES.get(str(recipe.kl), "low_var_kl")
    in_reward, in_loss = place == "reward", place == "loss"
    return {
        "algorithm.use_kl_in_reward": in_reward, f"{ACTOR}.use_kl_loss": in_loss,
        "algorithm.kl_penalty": name if in_reward else LEFT_OUT,
        "algorithm.kl_ctrl.kl_coef": recipe.kl_coef if in_reward else LEFT_OUT,
        f"{ACTOR}.kl_loss_type": name if in_loss else LEFT_OUT,
        f"{ACTOR}.kl_loss_coef": recipe.kl_coef if in_loss else LEFT_OUT,
    }  # fmt: skip


def overlong(recipe: Recipe) -> dict[str, Any]:
    """The punishment over the last quarter of the budget, which another manager of rewards takes off."""
    if recipe.overlong != "penalty":
        buffer: dict[str, Any] = dict.fromkeys(("enable", "len", "penalty_factor"), LEFT_OUT)
        manager, budget = "naive", LEFT_OUT
    else:
        buffer = {"enable": True, "len": max(1, recipe.max_new_tokens // 4), "penalty_factor": 1.0}
        manager, budget = "dapo", recipe.max_new_tokens
    found = {f"{KWARGS}.overlong_buffer_cfg.{name}": value for name, value in buffer.items()}
    return found | {"reward.reward_manager.name": manager, f"{KWARGS}.max_resp_len": budget}


def extras(recipe: Recipe) -> Extras:
    speed = "rows per forward pass: memory and speed only"
    names = [f"{ACTOR}.ppo_micro_batch_size_per_gpu", f"{ROLLOUT}.log_prob_micro_batch_size_per_gpu",
             f"{REF}.log_prob_micro_batch_size_per_gpu"]  # fmt: skip
    names += ["critic.ppo_micro_batch_size_per_gpu"] if recipe.critic else []
    found: Extras = dict.fromkeys(names, (speed, recipe.micro_batch_size))
    if recipe.overlong == "penalty":
        found[f"{KWARGS}.overlong_buffer_cfg.log"] = ("the punishment is not logged", False)
    found[f"{ACTOR}.optim.weight_decay"] = ("no weight decay", 0.0)
    found[f"{ACTOR}.optim.lr_scheduler_type"] = ("the learning rate stays as it is", "constant")
    found[f"{ACTOR}.optim.lr_warmup_steps_ratio"] = ("no warm-up", 0.0)
    return found | {"trainer.total_training_steps": ("rollouts to learn from", recipe.steps)}


def placeholders(recipe: Recipe) -> tuple[Placeholder, ...]:
    models = ("actor_rollout_ref.model.path", *(("critic.model.path",) if recipe.critic else ()))
    return (
        Placeholder("MODEL", "the model to start from, a folder or a name", models),
        Placeholder("TRAIN_FILES", "the prompts to learn from, a parquet file", ("data.train_files",)),
        Placeholder("VAL_FILES", "the prompts to measure on, a parquet file", ("data.val_files",)),
        Placeholder("REWARD", "a Python file with the function compute_score", ("reward.custom_reward_function.path",)),
        Placeholder("ENGINE", "the engine that samples, such as vllm", (f"{ROLLOUT}.name",)),
    )


def spell(name: str, value: Any) -> list[str]:
    """``+`` adds a key that the config of verl does not have."""
    text = "inf" if isinstance(value, float) and math.isinf(value) else yaml_value(value)
    return [shlex.quote(f"{'+' if name.startswith(KWARGS) else ''}{name}={text}")]


def text(exported: Exported, ending: str, model: str | None) -> str:
    return shell(exported, model, program="python3 -m verl.trainer.main_ppo", spell=spell,
                 fill=lambda option, variable: f'{option}="${variable}"')  # fmt: skip


def said(recipe: Recipe) -> dict[str, str]:
    found = (
        {f"{ACTOR}.clip_ratio_c": "above every ratio that there can be: no dual clip"}
        if recipe.dual_clip is None
        else {}
    )
    if recipe.aggregation == "fixed_length":
        found[f"{ACTOR}.loss_scale_factor"] = "the fixed length, which is the budget"
    else:
        found[f"{ACTOR}.loss_scale_factor"] = "read by no other aggregation than seq-mean-token-sum-norm"
    return found


VERL = Exporter(entry, own, extras, placeholders, text, (".sh",), said)
