"""The five questions that one asks of any codebase, answered from the columns that a config amounts to."""

from typing import Any

from reference.frameworks.defaults import spelled

KL_GRADIENT = {
    ("k1", "loss"): "in expectation its gradient is 0",
    ("k2", "loss"): "its gradient is that of KL(policy || reference)",
    ("k3", "loss"): "in expectation its gradient is that of KL(reference || policy)",
    ("abs", "loss"): "its gradient has one size however far the policy is",
    ("k3_unbiased", "loss"): "multiplied by the ratio, so that its gradient is that of KL(policy || reference)",
    ("k1", "reward"): "through the advantage its gradient is that of KL(policy || reference)",
}
ADVANTAGES = {
    "group": "per completion: reward minus the group's mean, divided by the group's std",
    "group_of_others": "per completion: reward minus the mean of the other completions of the prompt, divided by their std",
    "group_whitened": "per completion: reward minus the group's mean, divided by the group's std, then whitened over the batch",
    "group_mean": "per completion: reward minus the group's mean, not divided",
    "group_mean_batch_std": "per completion: reward minus the group's mean, divided by the std of the batch",
    "leave_one_out": "per completion: reward minus the mean of the other completions of the prompt",
    "reinforce_plus_plus": "per token: the return, whitened over the batch",
    "reinforce_plus_plus_baseline": "per completion: reward minus the group's mean, whitened over the batch",
    "gae": "per token: generalised advantage estimate of a critic",
    "maxrl": "per completion: reward minus the group's mean, divided by that mean",
}
DIVISORS = {
    "sequence_mean": "each completion's mean over its tokens, then a mean over completions",
    "token_mean": "the sum over all tokens, divided by how many there are",
    "fixed_length": "the sum over all tokens, divided by completions times a fixed length",
}
QUESTIONS = ("advantage", "KL", "aggregation", "value head", "beta", "tools")


def answers_of(columns: dict[str, Any], kind: str) -> dict[str, str]:
    """One sentence for each of ``QUESTIONS``; where the config cannot know, it says so."""
    rl = kind == "rl"
    return {
        "advantage": advantage(columns, kind),
        "KL": kl(columns) if rl else "in the loss by way of the reference's log-probs, with no estimator" if kind == "preference" else "none",
        "aggregation": aggregation(columns, kind),
        "value head": value_head(columns),
        "beta": f"{spelled(columns['beta'])}: the tie to the reference, larger stays closer" if "beta" in columns and not rl
        else "none: this is no preference optimisation",
        "tools": tools(columns),
    }  # fmt: skip


def advantage(columns: dict[str, Any], kind: str) -> str:
    if kind != "rl":
        return "none: no policy gradient, nothing is sampled and nothing is compared with a baseline"
    if "advantage" not in columns:
        return "none of ours: see below"
    std = [f"{name} {spelled(columns[name])}" for name in ("ddof", "eps") if name in columns]
    known = ADVANTAGES.get(columns["advantage"], spelled(columns["advantage"]))
    return known + (f" ({', '.join(std)})" if std else "")


def kl(columns: dict[str, Any]) -> str:
    if columns.get("kl_place") is None:
        return "none"
    name, place = columns.get("kl"), columns["kl_place"]
    known = KL_GRADIENT.get((str(name), place))
    coefficient = f", {spelled(columns['kl_coef'])} times" if "kl_coef" in columns else ""
    return f"{spelled(name)} in the {place}{coefficient}" + (f"; {known}" if known else "")


def aggregation(columns: dict[str, Any], kind: str) -> str:
    if kind == "preference":
        return f"{'means' if columns.get('average_logprobs') else 'sums'} of log-probs over each completion, a mean over pairs"
    if "aggregation" not in columns:
        return "none of ours: see below"
    over = ", counted over all processes" if columns.get("processes") else ""
    return DIVISORS.get(columns["aggregation"], spelled(columns["aggregation"])) + over


def value_head(columns: dict[str, Any]) -> str:
    if not columns.get("critic"):
        return "none"
    clip = columns.get("value_clip")
    return "a critic on returns" + (f", clipped at {spelled(clip)}" if clip is not None else "")


def tools(columns: dict[str, Any]) -> str:
    if "tool_loss" not in columns:
        return "nothing is said about what tools write"
    return "what tools write " + ("is trained on" if columns["tool_loss"] else "is not trained on")
