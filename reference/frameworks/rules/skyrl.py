"""SkyRL: options that others switch on, the clip of CISPO beside that of PPO, and a KL in one of two places."""

from reference.frameworks.rules.values import ABSENT, CRITIC, NO_LIMIT, Columns, Of, minibatches

A = "trainer.algorithm"
ESTIMATORS = {"rloo": "leave_one_out", "reinforce++": "reinforce_plus_plus", "gae": "gae", "maxrl": "maxrl"}


def skyrl(of: Of, columns: Columns, entry: str) -> Columns:
    if entry != "main_base":
        return {}
    estimator, loss = of(f"{A}.advantage_estimator"), of(f"{A}.policy_loss_type")
    found: Columns = {}
    if estimator != "grpo":
        found["advantage"] = ESTIMATORS.get(str(estimator), ABSENT)
    if of(f"{A}.advantage_batch_normalize") is True:
        found["advantage"] = ABSENT
    if (
        estimator != "gae" and of("trainer.critic.model.path") is None
    ):  # one that is named is trained, also where unread
        found |= dict.fromkeys(CRITIC, ABSENT) | {"critic": None}
    if loss == "cispo":
        found |= {"clip_low": of(f"{A}.cispo.cispo_eps_clip_low"), "clip_high": of(f"{A}.cispo.cispo_eps_clip_high")}
    found["dual_clip"] = of(f"{A}.clip_ratio_c") if loss == "dual_clip" else None
    if of(f"{A}.use_entropy_loss") is True:
        found["entropy_coef"] = of(f"{A}.entropy_loss_coef")
    if (sampling := of(f"{A}.dynamic_sampling.type")) is not None:
        found["max_rounds"] = NO_LIMIT if sampling == "filter" else ABSENT
    return found | minibatches(of("trainer.train_batch_size"), of("trainer.policy_mini_batch_size"))
