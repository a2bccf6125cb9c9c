"""NeMo-RL: an advantage by two switches, a KL that is weighed by a ratio, and losses that exclude each other."""

from reference.frameworks.rules.values import ABSENT, NO_LIMIT, Columns, Of, is_number, minibatches

# (divided by a std, baseline of the others) -> ours; with both, the std is that of the others, which is none of ours
ADVANTAGES = {
    (True, True): "group_of_others", (True, False): "group", (False, True): "leave_one_out", (False, False): "group_mean",
}  # fmt: skip


def nemo_rl(of: Of, columns: Columns, entry: str) -> Columns:
    rule = {"run_grpo.py": grpo, "run_ppo.py": ppo, "run_dpo.py": dpo}.get(entry)
    return rule(of, columns) if rule else {}


def grpo(of: Of, columns: Columns) -> Columns:
    """A rollout is gone through once. What stands under grpo is handed to adv_estimator by the YAML that is shipped."""
    name = of("grpo.adv_estimator.name")
    divided = of("grpo.adv_estimator.normalize_rewards") is not False and of("grpo.normalize_rewards") is not False
    others = (
        of("grpo.adv_estimator.use_leave_one_out_baseline") is not False
        and of("grpo.use_leave_one_out_baseline") is not False
    )
    found = policy(of, columns, "grpo") | {"inner_epochs": 1}
    if name == "grpo":
        found["advantage"] = ADVANTAGES[divided, others]
        if of("loss_fn.use_kl_in_reward") is True:  # this estimator does not read it
            found["kl_place"] = None
    elif name == "reinforce_plus_plus":
        found["advantage"] = whitened(of)
    else:
        found["advantage"] = ABSENT
    if of("grpo.use_dynamic_sampling") is True:
        found["max_rounds"] = ABSENT if others else NO_LIMIT  # with the std of the others a lone success is dropped too
    return found


def whitened(of: Of) -> str:
    """There are no returns to go: without a KL in the reward they would all be the reward."""
    if of("grpo.adv_estimator.minus_baseline") is not False:
        return "reinforce_plus_plus_baseline"
    charged = of("loss_fn.use_kl_in_reward") is True and of("loss_fn.reference_policy_kl_penalty") != 0
    return ABSENT if charged else "reinforce_plus_plus"


def ppo(of: Of, columns: Columns) -> Columns:
    return policy(of, columns, "ppo")


def policy(of: Of, columns: Columns, block: str) -> Columns:
    """What both have: the loss, the optimizer steps and the KL, which in the loss is multiplied by a ratio with a gradient."""
    found: Columns = {}
    group, prompts = of(f"{block}.num_generations_per_prompt"), of(f"{block}.num_prompts_per_step")
    rows = prompts * group if is_number(group) and is_number(prompts) else None
    found |= minibatches(rows, of("policy.train_global_batch_size"))
    if of("loss_fn.use_cispo") is True:
        found["loss"] = "cispo"
    kind = str(of("loss_fn.reference_policy_kl_type"))
    once = found["minibatches"] == 1 and of("ppo.ppo_epochs") in (None, 1)
    if of("loss_fn.use_kl_in_reward") is True:
        return found | {"kl": kind}
    if of("loss_fn.use_on_policy_kl_approximation") is True or once:
        return found | {"kl": f"{kind}_unbiased"}
    return found | {"kl": f"{kind}, times a ratio of 1"}


def dpo(of: Of, columns: Columns) -> Columns:
    """The NLL beside it sums over tokens, which is none of ours."""
    return {"sft_coef": ABSENT} if of("dpo.sft_loss_weight") else {"sft_coef": 0.0}
