"""OpenRLHF: two clips in one option count over the one, and the trainer on pairs chooses its loss by three options."""

from reference.frameworks.rules.values import ABSENT, CRITIC, NO_LIMIT, Columns, Of, is_number, minibatches


def openrlhf(of: Of, columns: Columns, entry: str) -> Columns:
    rule = {"train_ppo_ray": ppo, "train_dpo": dpo}.get(entry)
    return rule(of) if rule else {}


def ppo(of: Of) -> Columns:
    """Without gae there is no critic; gspo has one aggregation, whatever loss_agg_mode says."""
    found: Columns = {}
    pair = of("--actor.eps_clip_low_high")
    if isinstance(pair, list) and len(pair) == 2:
        found |= {"clip_low": pair[0], "clip_high": pair[1]}
    if of("--algo.advantage.estimator") != "gae":
        found |= dict.fromkeys(CRITIC, ABSENT) | {"critic": None}
    if of("--actor.policy_loss_type") == "gspo":
        found["aggregation"] = "sequence_mean"
    if is_number(of("--reward.overlong_buffer_len")):
        found["overlong"] = "penalty"
    if of("--algo.dynamic_filtering_enable") is True:
        found["max_rounds"] = NO_LIMIT
    group, prompts = of("--rollout.n_samples_per_prompt"), of("--rollout.batch_size")
    rows = prompts * group if is_number(group) and is_number(prompts) else None
    return found | minibatches(rows, of("--train.batch_size"))


def dpo(of: Of) -> Columns:
    """Labels that may be wrong make it the conservative loss; IPO does not read them."""
    smoothing = of("--model.label_smoothing")
    if of("--model.ipo_enable") is True or not is_number(smoothing) or not smoothing:
        return {}
    return {"loss": "cdpo", "label_smoothing": smoothing}
