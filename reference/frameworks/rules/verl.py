"""verl: a KL stands in the reward, in the loss, in both or nowhere, and each has options of its own."""

import math

from reference.frameworks.rules.values import ABSENT, CRITIC, NO_LIMIT, Columns, Of, is_number, minibatches

ACTOR = "actor_rollout_ref.actor"
KL_NAMES = {"kl": "k1", "mse": "k2", "low_var_kl": "k3"}
ESTIMATORS = {
    "gae": "gae", "rloo": "leave_one_out", "rloo_vectorized": "leave_one_out", "reinforce_plus_plus": "reinforce_plus_plus",
    "reinforce_plus_plus_baseline": "reinforce_plus_plus_baseline",
}  # fmt: skip
LARGEST_RATIO = math.exp(20)  # the log-ratio is cut at 20
DUAL_CLIPPED = ("vanilla", "dppo_tv", "dppo_kl")


def verl(of: Of, columns: Columns, entry: str) -> Columns:
    estimator, found = of("algorithm.adv_estimator"), kl(of)
    if of("algorithm.norm_adv_by_std_in_grpo") is False and not str(estimator).startswith("grpo"):
        found["advantage"] = ESTIMATORS.get(str(estimator), ABSENT)
    if estimator != "gae":
        found |= dict.fromkeys(CRITIC, ABSENT) | {"critic": None}
    found |= dual_clip(of, columns)
    if of("algorithm.filter_groups.enable") is True:
        found["max_rounds"] = NO_LIMIT
    if of("reward.reward_manager.name") == "dapo" and of("reward.reward_kwargs.overlong_buffer_cfg.enable") is True:
        found["overlong"] = "penalty"
    if of("data.train_batch_size") == 0:  # of the asynchronous trainer, which takes samples as they come
        found["prompts_per_step"] = ABSENT
    return found | minibatches(of("data.train_batch_size"), of(f"{ACTOR}.ppo_mini_batch_size"))


def kl(of: Of) -> Columns:
    """With a + behind its name an estimator has the value of one and the gradient of k2; k2 is the same either way."""
    if of(f"{ACTOR}.use_kl_loss") is True:
        kind, place, coefficient = of(f"{ACTOR}.kl_loss_type"), "loss", of(f"{ACTOR}.kl_loss_coef")
    elif of("algorithm.use_kl_in_reward") is True:
        kind, place, coefficient = of("algorithm.kl_penalty"), "reward", of("algorithm.kl_ctrl.kl_coef")
    else:
        return {"kl_place": None}
    name = KL_NAMES.get(str(kind).rstrip("+"), str(kind).rstrip("+"))
    if str(kind).endswith("+") and place == "loss" and name != "k2":
        name += "+"
    return {"kl": name, "kl_place": place, "kl_coef": coefficient}


def dual_clip(of: Of, columns: Columns) -> Columns:
    """Only some losses read it, and above the largest ratio that there can be it does nothing."""
    bound = of(f"{ACTOR}.clip_ratio_c")
    if of(f"{ACTOR}.policy_loss.loss_mode") not in DUAL_CLIPPED or (is_number(bound) and bound >= LARGEST_RATIO):
        return {"dual_clip": None}
    return {}
