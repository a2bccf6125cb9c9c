"""A training log, whoever wrote it: scalars under our names, a value for every step."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Log:
    """The scalars of a run. Names and units are those of our own metrics.jsonl where the quantity is the same.

    A scalar of another framework that is not the same quantity has a name of its own, and ``notes`` says what it is.
    """

    source: str  # the file as it is called in reports
    framework: str  # "ours", "trl", "verl", "openrlhf", "nemo", "skyrl", "csv"
    steps: tuple[float, ...]  # strictly rising
    scalars: dict[str, tuple[float, ...]]  # canonical name -> a value per step, nan where it was not logged
    named: dict[str, str]  # canonical name -> the name in the file
    notes: tuple[str, ...] = ()  # what differs in meaning, in sentences
