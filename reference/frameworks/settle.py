"""What the settings of a framework amount to: the columns of a recipe, where one option decides whether another counts.

A rule takes ``of``, which gives the value of an option, and the columns that single options have set, and returns those
that are other. A column that is None means: there is none.
"""

from collections.abc import Callable
from typing import Any

Of = Callable[[str], Any]
Columns = dict[str, Any]
Rule = Callable[[Of, Columns, str], Columns]


def settle(name: str, of: Of, columns: Columns, entry: str) -> Columns:
    """All rules of a framework, then those that hold everywhere."""
    settled = columns | RULES.get(name, no_rule)(of, columns, entry)
    if settled.get("kl_place") is None or settled.get("kl_coef") == 0:
        settled |= {"kl": None, "kl_place": None, "kl_coef": 0.0}
    if settled.get("ratio") == "sequence" and settled.get("loss") == "ppo_clip" and name != "trl":
        settled["loss"] = "gspo"
    if settled.get("advantage") in ("group_mean", "leave_one_out"):  # divided by no std
        settled = {column: value for column, value in settled.items() if column not in ("ddof", "eps")}
    if "critic" in settled and not settled["critic"]:
        settled = {column: value for column, value in settled.items() if column not in CRITIC}
    return settled


CRITIC = ("critic_lr", "value_clip", "gae_lambda", "vf_coef")


def no_rule(of: Of, columns: Columns, entry: str) -> Columns:
    return {}


def trl(of: Of, columns: Columns, entry: str) -> Columns:
    """epsilon_high stands for epsilon where it is none; in cispo it is the cap itself; one step per rollout has no clip."""
    if entry == "RLOOConfig":
        return {"clip_high": of("epsilon") if of("epsilon_high") is None else of("epsilon_high")}
    if entry != "GRPOConfig":
        return {}
    high = of("epsilon") if of("epsilon_high") is None else of("epsilon_high")
    found: Columns = {"clip_high": high}
    if of("loss_type") == "cispo":
        found |= {"cap": high, "clip_low": None, "clip_high": high - 1 if is_number(high) else high}
    elif of("importance_sampling_level") == "sequence" and columns.get("loss") == "ppo_clip":
        found["loss"] = "gspo"
    if of("use_bias_correction_kl") is True and is_number(of("beta")) and of("beta"):
        found["kl"] = "k3_unbiased"
    return found


def verl(of: Of, columns: Columns, entry: str) -> Columns:
    """A KL stands in the reward, in the loss, in both or nowhere, each with options of its own."""
    in_reward, in_loss = of("algorithm.use_kl_in_reward") is True, of("actor_rollout_ref.actor.use_kl_loss") is True
    names = {"kl": "k1", "mse": "k2", "low_var_kl": "k3"}
    found: Columns = {"kl_place": None}
    if in_loss:
        kind = str(of("actor_rollout_ref.actor.kl_loss_type")).rstrip("+")
        found = {"kl": names.get(kind, kind), "kl_place": "loss", "kl_coef": of("actor_rollout_ref.actor.kl_loss_coef")}
    elif in_reward:
        kind = str(of("algorithm.kl_penalty")).rstrip("+")
        found = {"kl": names.get(kind, kind), "kl_place": "reward", "kl_coef": of("algorithm.kl_ctrl.kl_coef")}
    estimator = of("algorithm.adv_estimator")
    if of("algorithm.norm_adv_by_std_in_grpo") is False and not str(estimator).startswith("grpo"):
        found["advantage"] = columns.get("advantage") if estimator is None else ESTIMATORS.get(str(estimator))
    if estimator != "gae":
        found |= {"critic": None, "gae_lambda": None, "value_clip": None}
    prompts, batch = of("data.train_batch_size"), of("actor_rollout_ref.actor.ppo_mini_batch_size")
    if is_number(prompts) and is_number(batch) and batch:
        found["minibatches"] = max(1, round(prompts / batch))
    return found


ESTIMATORS = {
    "gae": "gae", "rloo": "leave_one_out", "rloo_vectorized": "leave_one_out", "reinforce_plus_plus": "reinforce_plus_plus",
    "reinforce_plus_plus_baseline": "reinforce_plus_plus_baseline",
}  # fmt: skip


def openrlhf(of: Of, columns: Columns, entry: str) -> Columns:
    """Two clips in one option count over the one; without gae there is no critic."""
    if entry != "train_ppo_ray":
        return {}
    found: Columns = {}
    pair = of("--actor.eps_clip_low_high")
    if isinstance(pair, list) and len(pair) == 2:
        found |= {"clip_low": pair[0], "clip_high": pair[1]}
    if of("--algo.advantage.estimator") != "gae":
        found |= {"critic": None, "value_clip": None, "gae_lambda": None}
    group, prompts, batch = (
        of(name) for name in ("--rollout.n_samples_per_prompt", "--rollout.batch_size", "--train.batch_size")
    )
    if all(is_number(x) and x for x in (group, prompts, batch)):
        found["minibatches"] = max(1, round(prompts * group / batch))
    return found


def skyrl(of: Of, columns: Columns, entry: str) -> Columns:
    """There is a critic only where its model is named; the std is an option of grpo alone; one loss has a dual clip."""
    if entry != "main_base":
        return {}
    found: Columns = {}
    if of("trainer.critic.model.path") is None:
        found |= {"critic": None, "value_clip": None, "gae_lambda": None}
    estimator = str(of("trainer.algorithm.advantage_estimator"))
    if estimator != "grpo" and columns.get("advantage") == "group_mean" and estimator in SKYRL_ESTIMATORS:
        found["advantage"] = SKYRL_ESTIMATORS[estimator]
    if of("trainer.algorithm.policy_loss_type") == "dual_clip":
        found["dual_clip"] = of("trainer.algorithm.clip_ratio_c")
    return found


SKYRL_ESTIMATORS = {"rloo": "leave_one_out", "reinforce++": "reinforce_plus_plus", "gae": "gae", "maxrl": "maxrl"}


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


RULES: dict[str, Rule] = {"trl": trl, "verl": verl, "openrlhf": openrlhf, "skyrl": skyrl}
