"""What ``doctor`` prints: the causes in order, each with its evidence and what to try first; and the same as JSON."""

import textwrap
from typing import Any

from reference.doctor.cause import Cause, Found
from reference.doctor.causes import UNSEEN
from reference.doctor.changes import change_points, largest
from reference.doctor.diagnose import Diagnosis, has
from reference.doctor.log import Log
from reference.evaluation.printable import counted, file_name, printable

WIDTH = 100
SURE = {
    "identity": "A right loop cannot do this.",
    "bound": "A run that works does not do this for long.",
    "pattern": "Such faults do this, and healthy runs seldom.",
}
RUNS = {"rl": "reinforcement learning", "preference": "preferences", "reward": "a reward model", "sft": "supervised"}
UNTOLD = "its scalars do not tell the kind of run"  # every Trainer has a loss


def report(diagnosis: Diagnosis) -> str:
    """The whole text. A run with nothing to say about gets two lines: what was looked at, and what could not be."""
    log = diagnosis.log
    head = f"{file_name(log.source)}: {kind_in_words(diagnosis)}, {counted(len(log.steps), 'step')}, {span(log.steps)}"
    if not diagnosis.found:
        return "\n".join([f"{head}. Nothing found in {', '.join(diagnosis.looked) or 'it'}.", *closing(diagnosis)])
    causes = [one_cause(place, found, log) for place, found in enumerate(diagnosis.found, start=1)]
    return "\n\n".join([f"{head}. {counted(len(causes), 'likely cause')}.", *causes, *closing(diagnosis)])


def kind_in_words(diagnosis: Diagnosis) -> str:
    only_loss = diagnosis.kind == "sft" and not has(diagnosis.log, "token_accuracy|supervised")
    return UNTOLD if only_loss else RUNS[diagnosis.kind]


def span(steps: tuple[float, ...]) -> str:
    return f"{steps[0]:g} to {steps[-1]:g}"


def one_cause(place: int, found: Found, log: Log) -> str:
    cause, evidence = found.cause, found.evidence
    rows = {
        "seen": f"{evidence.words} {steps_named(evidence.steps)}. {SURE[evidence.sure]}",
        "changes": "; ".join(
            f"{change['scalar']} {change['before']:.3g} to {change['after']:.3g} at step {change['step']:g}"
            for change in changes_of(found, log)
        ),
        "try first": cause.first,
        "lesson": cause.where,
        "apart": cause.apart,
        "shown by": " or ".join(f"train RECIPE --bug {fault}" for fault in cause.faults),
    }
    lines = [wrapped(f"{name:<10}", words) for name, words in rows.items() if words]
    return "\n".join([wrapped(f"{place}. ", cause.title), *lines])


def steps_named(steps: tuple[float, float]) -> str:
    return f"Step {steps[0]:g}" if steps[0] == steps[1] else f"Steps {span(steps)}"


def changes_of(found: Found, log: Log) -> list[dict[str, Any]]:
    """Of each scalar of the evidence its largest change of level, if it has one, as medians before and after."""
    return [
        {"scalar": name, "step": log.steps[change.index], "before": change.before, "after": change.after}
        for name in found.evidence.scalars
        if name in log.scalars
        for change in largest(change_points(log.scalars[name]), 1)
    ]


def wrapped(head: str, words: str) -> str:
    indent = "   " if head[0].isdigit() else "   " + head
    return textwrap.fill(
        printable(words, 2000), WIDTH, initial_indent=head if head[0].isdigit() else indent,
        subsequent_indent=" " * len(indent),
    )  # fmt: skip


def closing(diagnosis: Diagnosis) -> list[str]:
    """What could not be looked at for want of scalars, and what the scalars of this framework mean."""
    lines = []
    if diagnosis.unchecked:
        lacking = dict.fromkeys(plain(name) for _, names in diagnosis.unchecked for name in names)
        causes = ", ".join(cause.name for cause, _ in diagnosis.unchecked)
        lines.append(f"Not in the log: {', '.join(lacking)}. Without them these cannot be told: {causes}.")
    lines += [
        f'No scalar shows {what}: python -m reference audit does in a batch (check "{check}").'
        for names, what, check in UNSEEN.values()
        if has(diagnosis.log, names)
    ]
    lines += [f"Note: {printable(note, 400)}" for note in diagnosis.log.notes]
    return [textwrap.fill(line, WIDTH, subsequent_indent="   ") for line in lines]


def plain(name: str) -> str:
    """Of scalars that can stand for each other the first: kl_k3|kl_ref is kl_k3."""
    return name.split("|")[0]


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    log = diagnosis.log
    return {
        "file": log.source,
        "framework": log.framework,
        "kind": diagnosis.kind,
        "steps": [log.steps[0], log.steps[-1]],
        "causes": [cause_json(found, log) for found in diagnosis.found],
        "looked_at": list(diagnosis.looked),
        "not_checked": [{"cause": cause.name, "missing": list(names)} for cause, names in diagnosis.unchecked],
        "notes": list(log.notes),
    }


def cause_json(found: Found, log: Log) -> dict[str, Any]:
    cause, evidence = found.cause, found.evidence
    return {
        "cause": cause.name, "title": cause.title, "score": round(found.score, 3), "sure": evidence.sure,
        "seen": evidence.words, "scalars": list(evidence.scalars), "steps": list(evidence.steps),
        "changes": changes_of(found, log),
        "try_first": cause.first, "lesson": described(cause), "faults": list(cause.faults), "apart": cause.apart or None,
    }  # fmt: skip


def described(cause: Cause) -> dict[str, Any]:
    return {"number": cause.lesson, "title": cause.where[3:]}
