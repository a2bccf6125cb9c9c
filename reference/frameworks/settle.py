"""What the settings of a framework amount to: the columns of a recipe, where one option decides whether another counts.

A rule takes ``of``, which gives the value of an option, and the columns that single options have set, and returns those
that are other. A column that is None means: there is none. One that is ``ABSENT`` is taken out: nothing is said about it.
"""

import math

from reference.frameworks.rules.areal import areal
from reference.frameworks.rules.nemo_rl import nemo_rl
from reference.frameworks.rules.on_trl import axolotl, llamafactory, ms_swift
from reference.frameworks.rules.openrlhf import openrlhf
from reference.frameworks.rules.skyrl import skyrl
from reference.frameworks.rules.trl import trl
from reference.frameworks.rules.values import ABSENT, CRITIC, Columns, Of, Rule, as_number, is_number
from reference.frameworks.rules.verl import verl

RULES: dict[str, Rule] = {
    "trl": trl, "verl": verl, "openrlhf": openrlhf, "nemo_rl": nemo_rl, "skyrl": skyrl, "areal": areal, "ms_swift": ms_swift,
    "axolotl": axolotl, "llamafactory": llamafactory,
}  # fmt: skip


def settle(name: str, of: Of, columns: Columns, entry: str) -> Columns:
    """All rules of a framework, then those that hold everywhere."""
    settled = columns | RULES.get(name, no_rule)(of, columns, entry)
    settled = {column: value for column, value in settled.items() if value is not ABSENT}
    settled |= {column: as_number(settled[column]) for column in ("lr", "critic_lr") if column in settled}
    settled |= no_norm(settled)
    if "advantage" in settled or "kl_place" in settled:
        settled |= no_kl(settled) | bounds(settled)
    if settled.get("ratio") == "sequence" and settled.get("loss") == "ppo_clip":
        settled["loss"] = "gspo"
    if settled.get("advantage") in ("group_mean", "leave_one_out"):  # divided by no std
        settled = {column: value for column, value in settled.items() if column not in ("ddof", "eps")}
    if settled.get("loss") == "reinforce":  # no ratio, and so no clip
        settled = {column: value for column, value in settled.items() if column not in CLIPS}
    settled |= smoothed(settled)
    settled = {column: value for column, value in settled.items() if value is not ABSENT}
    if "critic" in settled and not settled["critic"]:
        settled = {column: value for column, value in settled.items() if column not in CRITIC[1:]}
    return settled


CLIPS = ("clip_low", "clip_high", "dual_clip")
SMOOTHED = ("cdpo", "robust_dpo")


def smoothed(settled: Columns) -> Columns:
    """Labels that may be wrong make DPO the conservative one; other losses but the robust one do not read them."""
    share = settled.get("label_smoothing")
    if settled.get("loss") == "dpo" and is_number(share) and share:
        return {"loss": "cdpo"}
    return {} if settled.get("loss") in SMOOTHED or "label_smoothing" not in settled else {"label_smoothing": ABSENT}


def no_rule(of: Of, columns: Columns, entry: str) -> Columns:
    return {}


def no_kl(settled: Columns) -> Columns:
    """A KL with the coefficient 0, or without a place, is none."""
    if settled.get("kl_place") is None or settled.get("kl_coef") == 0:
        return {"kl": None, "kl_place": None, "kl_coef": 0.0}
    return {}


def bounds(settled: Columns) -> Columns:
    """A ratio is never below 0 and never infinite: bounds there are none."""
    low, high = settled.get("clip_low"), settled.get("clip_high")
    found: Columns = {}
    if is_number(low) and low >= 1:
        found["clip_low"] = None
    if is_number(high) and math.isinf(high):
        found["clip_high"] = None
    return found


def no_norm(settled: Columns) -> Columns:
    """A gradient is never longer than infinity."""
    norm = settled.get("max_grad_norm")
    return {"max_grad_norm": None} if is_number(norm) and math.isinf(norm) else {}
