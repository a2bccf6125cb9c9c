"""One entry of the bug catalogue: a named wrong implementation, with the place where it was seen in the wild, if we know one.

One catalogue, several uses: ``check`` names the mistake when a learner's function behaves like an entry, and the tests make
sure that every entry is caught. An entry is a function with the right signature and one thing wrong with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True)
class Bug:
    """A wrong implementation of ``breaks``, with what to say about it."""

    name: str
    breaks: str
    mistake: str  # what the code does, in one sentence, without giving the answer away
    symptom: str  # how it shows in a training run
    wrong: Callable
    wild: str = ""  # where it happened, if we know, as docs/REFERENCES.md names it
    likewise: tuple[Callable, ...] = ()  # the same mistake with another constant, or in another order of its steps

    @property
    def versions(self) -> tuple[Callable, ...]:
        return (self.wrong, *self.likewise)


def bug(
    name: str, *, mistake: str, symptom: str, wild: str = "", likewise: tuple[Callable, ...] = ()
) -> Callable[[Callable], Bug]:
    """Make the decorated function an entry. Its own name, up to the double underscore, says what it breaks."""
    return lambda wrong: Bug(name, wrong.__name__.split("__")[0], mistake, symptom, wrong, wild, likewise)


def bugs_of(file: ModuleType) -> list[Bug]:
    """The entries that stand in a file, from its top to its end."""
    return [entry for entry in vars(file).values() if isinstance(entry, Bug)]
