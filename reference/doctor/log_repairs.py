"""Scalars that are not what their name says, where the log itself shows it: divided, renamed or left out, with a sentence."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from reference.doctor.log import Log

HELPERS = {  # read beside the scalars of the tables, and not kept
    "nemo": ("num_valid_samples", "global_valid_seqs"),
    "verl": ("training/num_turns/mean",),
}


def repaired(log: Log) -> Log:
    """The log with what its framework is known to do set right."""
    repairs = {"trl": of_trl, "verl": of_verl, "openrlhf": of_openrlhf, "nemo": of_nemo}
    if log.framework in repairs:
        log = repairs[log.framework](log)
    return renamed(log, dict.fromkeys(HELPERS.get(log.framework, ())))


def of_trl(log: Log) -> Log:
    """Which values are means over the steps of a row; dead groups that RLOO cannot see."""
    gaps = [after - before for before, after in zip(log.steps, log.steps[1:], strict=False)]
    if gaps and (gap := statistics.median_high(gaps)) > 1:
        log = noted(
            log,
            f"A row stands for {gap:g} steps: grad_norm and learning_rate are those of the last one, all else are means.",
        )
    if "dead_groups" not in log.scalars or not is_lost_in_kl(log):
        return log
    return noted(
        renamed(log, {"dead_groups": None}),
        "frac_reward_zero_std is 0 wherever there is a KL, as RLOO writes it whatever the rewards are, since the KL is "
        "taken off before: it is not read.",
    )


def is_lost_in_kl(log: Log) -> bool:
    """Whether a KL is logged, and no group is dead at any step at which it isn't 0."""
    if "kl_ref" not in log.scalars:
        return False
    pairs = zip(log.scalars["dead_groups"], log.scalars["kl_ref"], strict=True)
    return not any(dead > 0 and kl != 0 for dead, kl in pairs)


def of_verl(log: Log) -> Log:
    """The trainer of ``use_v1`` pads to the longest completion of the batch, and counts completions of that length."""
    if "training/num_turns/mean" not in log.scalars or "truncated" not in log.scalars:
        return log
    log = replace(log, notes=tuple(note for note in log.notes if "full budget" not in note))
    return noted(
        renamed(log, {"truncated": "longest_share"}),
        "response_length/clip_ratio is the share of completions as long as the longest of the batch (trainer.use_v1, the "
        "default), and never 0: how many were truncated is not logged.",
    )


def of_openrlhf(log: Log) -> Log:
    """A KL that is 0 throughout was not measured."""
    if not is_zero(log, "kl_ref"):
        return log
    return noted(
        renamed(log, {name: None for name in ("kl_ref", "kl_k1") if is_zero(log, name)}),
        "kl is 0 at all steps, as OpenRLHF writes it where no reference is loaded: it is not read.",
    )


def of_nemo(log: Log) -> Log:
    """A KL and a ratio that are none; and sums over the optimizer steps of a row."""
    if is_zero(log, "kl_ref"):
        log = noted(
            renamed(log, {"kl_ref": None}),
            "kl_penalty is 0 at all steps, as NeMo-RL writes it without a penalty: it is not read.",
        )
    if any(value <= 0 for value in log.scalars.get("ratio", ())):
        log = noted(renamed(log, {"ratio": None}), "probs_ratio is a log-prob with disable_ppo_ratio: it is not read.")
    if not {"ratio", "num_valid_samples", "global_valid_seqs"} <= log.scalars.keys():
        return log
    pairs = zip(log.scalars["num_valid_samples"], log.scalars["global_valid_seqs"], strict=True)
    updates = [rows / each if each else math.nan for rows, each in pairs]
    return per_update(log, updates) if any(count > 1.5 for count in updates) else log


def per_update(log: Log, updates: Sequence[float]) -> Log:
    """What NeMo-RL adds up over the optimizer steps of a row, divided by their number."""
    summed = [name for name in ("ratio", "policy_loss", "entropy", "kl_ref") if name in log.scalars]
    divided = {
        name: tuple(value / count for value, count in zip(log.scalars[name], updates, strict=True)) for name in summed
    }
    most = max(count for count in updates if not math.isnan(count))
    return noted(
        renamed(replace(log, scalars=log.scalars | divided), {"ratio": "ratio_mean"}),
        f"{', '.join(log.named[name] for name in summed)} are sums over the optimizer steps of a row, up to {most:.0f}: they "
        "are divided by their number, num_valid_samples / global_valid_seqs.",
    )


def is_zero(log: Log, name: str) -> bool:
    values = [value for value in log.scalars.get(name, ()) if not math.isnan(value)]
    return bool(values) and not any(values)


def noted(log: Log, sentence: str) -> Log:
    return replace(log, notes=(*log.notes, sentence))


def renamed(log: Log, names: Mapping[str, str | None]) -> Log:
    """The log with scalars under other names, or without those whose new name is None."""
    scalars = {new: values for name, values in log.scalars.items() if (new := names.get(name, name)) is not None}
    named = {new: theirs for name, theirs in log.named.items() if (new := names.get(name, name)) is not None}
    return replace(log, scalars=scalars, named=named)
