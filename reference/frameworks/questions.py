"""The five questions that one asks of any codebase, answered from the columns that a config amounts to."""

from collections.abc import Collection
from typing import Any

from reference.configs.option import UNEVALUATED
from reference.frameworks.defaults import spelled
from reference.frameworks.slots import SLOTS

KL_GRADIENT = {
    ("k1", "loss"): "in expectation its gradient is 0",
    ("k2", "loss"): "its gradient is that of KL(policy || reference)",
    ("k3", "loss"): "in expectation its gradient is that of KL(reference || policy)",
    ("abs", "loss"): "its gradient has one size however far the policy is",
    ("k3_unbiased", "loss"): "so its gradient is that of KL(policy || reference)",
    ("k1", "reward"): "through the advantage its gradient is that of KL(policy || reference)",
}
KL_WORDS = {"k3_unbiased": "k3 multiplied by the ratio (k3_unbiased)"}
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
WITHOUT_REFERENCE = ("simpo", "orpo", "cpo")
NOT_OURS = "not one that this course has a name for: the sentence is under {}"
LATER = "not known before it runs"
UNKNOWN = "not recorded here"


def answers_of(columns: dict[str, Any], kind: str, slots: Collection[str] = SLOTS) -> dict[str, str]:
    """One sentence for each of ``QUESTIONS``; where the config cannot know, it says so.

    ``slots``: those that the table has a line about.
    """
    rl = kind == "rl"
    return {
        "advantage": advantage(columns, kind, slots),
        "KL": kl(columns) if rl else kl_of_pairs(columns) if kind == "preference" else "none",
        "aggregation": aggregation(columns, kind, slots),
        "value head": value_head(columns, kind),
        "beta": beta(columns) if kind == "preference" else "none: no loss on preferences",
        "tools": tools(columns),
    }


def kl_of_pairs(columns: dict[str, Any]) -> str:
    """Losses on preferences charge no KL, but for what their reference does."""
    if columns.get("loss") in WITHOUT_REFERENCE:
        return "none: there is no reference"
    if columns.get("loss") == "kto":
        return (
            "an estimate from prompts with another prompt's completion is the point of comparison; it has no gradient"
        )
    return "in the loss by way of the reference's log-probs, with no estimator"


def beta(columns: dict[str, Any]) -> str:
    if "beta" not in columns:
        return UNKNOWN
    if columns["beta"] is UNEVALUATED:
        return LATER
    meaning = {
        "simpo": "scales the margin of averaged log-probs, and ties to nothing",
        "orpo": "the weight of the odds ratio beside the NLL",
        "cpo": "scales the margin, and ties to nothing",
    }.get(str(columns.get("loss")), "the tie to the reference, larger stays closer")
    return f"{spelled(columns['beta'])}: {meaning}"


def advantage(columns: dict[str, Any], kind: str, slots: Collection[str]) -> str:
    if kind != "rl":
        return "none: no policy gradient, nothing is sampled and nothing is compared with a baseline"
    if "advantage" not in columns:
        return NOT_OURS.format("advantage") if "advantage" in slots else UNKNOWN
    if columns["advantage"] is UNEVALUATED:
        return LATER
    std = [f"{name} {spelled(columns[name])}" for name in ("ddof", "eps") if name in columns]
    known = ADVANTAGES.get(columns["advantage"], spelled(columns["advantage"]))
    return known + (f" ({', '.join(std)})" if std else "")


def kl(columns: dict[str, Any]) -> str:
    if "kl_place" not in columns:
        return UNKNOWN
    if columns["kl_place"] is None:
        return "none"
    name, place = columns.get("kl"), columns["kl_place"]
    if UNEVALUATED in (name, place):
        return LATER
    known = KL_GRADIENT.get((str(name), place))
    coefficient = columns.get("kl_coef")
    times = (
        ""
        if coefficient is None
        else f", how often is {LATER}"
        if coefficient is UNEVALUATED
        else f", {spelled(coefficient)} times"
    )
    estimator = "an estimator that is not recorded" if name is None else KL_WORDS.get(name, spelled(name))
    return f"{estimator} in the {place}{times}" + (f"; {known}" if known else "")


def aggregation(columns: dict[str, Any], kind: str, slots: Collection[str]) -> str:
    if kind == "preference":
        of = "completions" if columns.get("loss") == "kto" else "pairs"
        return f"{'means' if columns.get('average_logprobs') else 'sums'} of log-probs over each completion, a mean over {of}"
    if "aggregation" not in columns:
        return NOT_OURS.format("aggregation") if kind == "rl" and "aggregation" in slots else UNKNOWN
    if columns["aggregation"] is UNEVALUATED:
        return LATER
    if columns.get("sums_over_tokens"):
        return "each completion's sum over its tokens, then a mean over completions"
    over = ", counted over all processes" if columns.get("processes") else ""
    return DIVISORS.get(columns["aggregation"], spelled(columns["aggregation"])) + over


def value_head(columns: dict[str, Any], kind: str) -> str:
    if "critic" not in columns and columns.get("advantage") in (None, "gae") and kind == "rl":
        return UNKNOWN
    if not columns.get("critic"):
        return "none"
    clip = columns.get("value_clip")
    return "a critic on returns" + (f", clipped at {spelled(clip)}" if clip is not None else "")


def tools(columns: dict[str, Any]) -> str:
    if "tool_loss" not in columns:
        return "nothing is said about what tools write"
    return "what tools write " + ("is trained on" if columns["tool_loss"] else "is not trained on")
