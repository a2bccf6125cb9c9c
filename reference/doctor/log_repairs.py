"""Scalars that are not what their name says, where the log itself shows it: divided, renamed or left out, with a sentence."""

import math

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
    helpers = HELPERS.get(log.framework, ())
    return replaced(log, dict.fromkeys(helpers), ())


def of_trl(log: Log) -> Log:
    notes = []
    gone = {}
    gaps = [after - before for before, after in zip(log.steps, log.steps[1:], strict=False)]
    if gaps and min(gaps) > 1:
        notes.append(
            f"A row stands for {min(gaps):g} steps: grad_norm and learning_rate are those of the last one, all else are means."
        )
    if "kl_ref" in log.scalars and is_zero(log, "dead_groups"):
        gone = {"dead_groups": None}
        notes.append(
            "frac_reward_zero_std is 0 at all steps beside a KL, as RLOO writes it whatever the rewards are, since the KL "
            "is taken off before: it is not read."
        )
    return replaced(log, gone, notes)


def of_verl(log: Log) -> Log:
    """verl's trainer of today pads to the longest completion of the batch, and counts completions of that length."""
    if "training/num_turns/mean" not in log.scalars or "truncated" not in log.scalars:
        return log
    log = replaced(
        log, {"truncated": "longest_share"},
        ("response_length/clip_ratio is the share of completions as long as the longest of the batch (trainer.use_v1, the "
         "default), and never 0: how many were truncated is not logged.",),
    )  # fmt: skip
    return Log(log.source, log.framework, log.steps, log.scalars, log.named,
               tuple(note for note in log.notes if "full budget" not in note))  # fmt: skip


def of_openrlhf(log: Log) -> Log:
    if not is_zero(log, "kl_ref"):
        return log
    both = {name: None for name in ("kl_ref", "kl_k1") if is_zero(log, name)}
    return replaced(
        log, both, ("kl is 0 at all steps, as OpenRLHF writes it where no reference is loaded: it is not read.",)
    )


def of_nemo(log: Log) -> Log:
    """NeMo-RL adds up over the optimizer steps of a row what is a mean within each of them."""
    gone: dict[str, str | None] = {}
    notes = []
    if is_zero(log, "kl_ref"):
        gone["kl_ref"] = None
        notes.append("kl_penalty is 0 at all steps, as NeMo-RL writes it without a penalty: it is not read.")
    if any(value <= 0 for value in log.scalars.get("ratio", ())):
        gone["ratio"] = None
        notes.append("probs_ratio is a log-prob with disable_ppo_ratio: it is not read.")
    log = replaced(log, gone, notes)
    if not {"ratio", "num_valid_samples", "global_valid_seqs"} <= log.scalars.keys():
        return log
    pairs = zip(log.scalars["num_valid_samples"], log.scalars["global_valid_seqs"], strict=True)
    updates = [rows / each if each else math.nan for rows, each in pairs]
    if not any(count > 1.5 for count in updates):
        return log
    summed = [name for name in ("ratio", "policy_loss", "entropy", "kl_ref") if name in log.scalars]
    divided = {
        name: tuple(value / count for value, count in zip(log.scalars[name], updates, strict=True)) for name in summed
    }
    log = Log(log.source, log.framework, log.steps, log.scalars | divided, log.named, log.notes)
    names = ", ".join(log.named[name] for name in summed)
    most = max(count for count in updates if not math.isnan(count))
    sentence = f"{names}: sums over up to {most:.0f} optimizer steps of a row, divided by their number (num_valid_samples / global_valid_seqs)."
    return replaced(log, {"ratio": "ratio_mean"}, (sentence,))


def is_zero(log: Log, name: str) -> bool:
    values = [value for value in log.scalars.get(name, ()) if not math.isnan(value)]
    return bool(values) and not any(values)


def replaced(log: Log, names: dict[str, str | None], notes: tuple[str, ...] | list[str]) -> Log:
    """The log with scalars under other names, or without those whose new name is None."""

    def renamed(values: dict) -> dict:
        return {names.get(name, name): value for name, value in values.items() if names.get(name, name) is not None}

    return Log(log.source, log.framework, log.steps, renamed(log.scalars), renamed(log.named), (*log.notes, *notes))
