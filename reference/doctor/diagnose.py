"""A log to its likely causes, the likeliest first, and what could not be looked at."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

from reference.doctor.cause import Cause, Found
from reference.doctor.causes import CAUSES
from reference.doctor.log import Log
from reference.objectives.shapes import InputError

FEWEST = 3  # steps below which nothing is said: not even a median means anything
KINDS = {  # a run is of the first kind of which the log has a scalar. Trainers log the entropy of any kind of run
    "rl": ("reward", "dead_groups", "clip_frac", "approx_kl", "proxy"),
    "preference": ("chosen", "rejected", "reward_margin", "chosen_reward", "reward_accuracy"),
    "reward": ("margin", "accuracy"),
    "sft": ("loss", "token_accuracy", "supervised"),
}


@dataclass(frozen=True)
class Diagnosis:
    """What was found in a log, the likeliest cause first."""

    log: Log
    kind: str
    found: tuple[Found, ...]
    looked: tuple[str, ...]  # scalars that some rule read
    unchecked: tuple[tuple[Cause, tuple[str, ...]], ...]  # causes that could not be told, each with what is missing


def kind_of(log: Log) -> str:
    """ "rl", "preference", "reward" or "sft". Raises ``InputError`` where no scalar says it."""
    for kind, names in KINDS.items():
        if any(name in log.scalars for name in names):
            return kind
    raise InputError(
        f"{log.source} has no scalar that the doctor reads: it needs one of {', '.join(sum(KINDS.values(), ()))}; "
        "name yours with --columns, as in --columns reward=my_reward"
    )


def has(log: Log, name: str) -> bool:
    """Whether the log has a scalar; of "kl_k3|kl_ref", either."""
    return any(each in log.scalars for each in name.split("|"))


def diagnose(log: Log, causes: Sequence[Cause] = CAUSES) -> Diagnosis:
    """Apply every rule that fits the kind of run and whose scalars are there."""
    if len(log.steps) < FEWEST:
        raise InputError(f"{log.source} has {len(log.steps)} steps: the doctor needs at least {FEWEST}")
    log = replace(log, scalars={name: row for name, row in log.scalars.items() if any(map(isfinite, row))})
    kind = kind_of(log)
    fitting = [cause for cause in causes if kind in cause.kinds and (not cause.about or has(log, cause.about))]
    lacking = {cause.name: tuple(name for name in cause.needs if not has(log, name)) for cause in fitting}
    able = [cause for cause in fitting if not lacking[cause.name]]
    found = [Found(cause, evidence) for cause in able if (evidence := cause.rule(log))]
    return Diagnosis(
        log=log,
        kind=kind,
        found=tuple(sorted(found, key=lambda each: -each.score)),
        looked=tuple(name for name in log.scalars if any(name in each.split("|") for c in able for each in c.needs)),
        unchecked=tuple((cause, lacking[cause.name]) for cause in fitting if lacking[cause.name]),
    )
