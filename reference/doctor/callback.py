"""The doctor beside a trainer of transformers or TRL: the same rules on the log so far, and one warning per cause.

trainer = GRPOTrainer(..., callbacks=[DoctorCallback()])
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from reference.doctor.cause import Found
from reference.doctor.diagnose import diagnose
from reference.doctor.log import Log
from reference.doctor.log_json import flat
from reference.doctor.log_repairs import repaired
from reference.doctor.log_rows import by_step, chosen, step_name
from reference.doctor.logs import names_of
from reference.objectives.shapes import InputError

FIRST_ROWS = 8  # of a log, before which nothing is said
AGAIN = 2  # rows in a row at which a cause must be found: a rule of levels may be crossed by one step


class DoctorWarning(UserWarning):
    """A cause that the doctor found while a run was training."""


class DoctorCallback(TrainerCallback):
    """Warns once for each cause, at the step at which it is sure. It changes nothing, and a healthy run hears nothing.

    ``warn``: what gets the sentence, in the place of ``warnings.warn``; such as ``logger.warning``. ``found`` holds the
    causes that were told, by name.
    """

    def __init__(self, *, warn: Callable[[str], Any] | None = None):
        self.warn = warn or (lambda words: warnings.warn(words, DoctorWarning, stacklevel=2))
        self.found: dict[str, Found] = {}
        self.seen: dict[str, int] = {}

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        """After every row of the log, where this process is the one that logs."""
        if state.is_world_process_zero and len(state.log_history) >= FIRST_ROWS:
            self.look(state.log_history)

    def look(self, rows: Sequence[dict[str, Any]]) -> None:
        """Diagnose the log so far, and tell what is found for the second time in a row and was not told yet."""
        now = {found.cause.name: found for found in causes_of(rows)}
        self.seen = {name: self.seen.get(name, 0) + 1 for name in now}
        for name, found in now.items():
            if self.seen[name] >= AGAIN and name not in self.found:
                self.found[name] = found
                self.warn(sentence(found))


def causes_of(rows: Sequence[dict[str, Any]]) -> tuple[Found, ...]:
    """The causes in a log_history; none where it holds no scalar that is read."""
    try:
        return diagnose(log_of(rows)).found
    except InputError:
        return ()


def log_of(rows: Sequence[dict[str, Any]]) -> Log:
    """The log_history of a trainer as a ``Log``."""
    training = [flat(row) for row in rows if not any(key.startswith("eval_") for key in row)]
    keys = sorted({key for row in training for key in row})
    names = names_of("trl", keys)
    step = step_name(training, "log_history")
    named = chosen([key for key in keys if key != step], [(name.theirs, name.ours) for name in names])
    notes: list[str] = []
    steps, scalars = by_step(training, step, named, notes)
    ours = {ours: theirs for theirs, ours in named.items() if ours in scalars}
    return repaired(Log("log_history", "trl", steps, scalars, ours, tuple(notes)))


def sentence(found: Found) -> str:
    cause, evidence = found.cause, found.evidence
    return (
        f"doctor: {cause.title} {evidence.words} (steps {evidence.steps[0]:g} to {evidence.steps[1]:g}) "
        f"Try first: {cause.first} Lesson {cause.where}."
    )
