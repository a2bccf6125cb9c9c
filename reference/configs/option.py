"""What was read from a config: its options, each with the place it was read from."""

from dataclasses import dataclass, field
from enum import Enum

FRAMEWORKS = ("trl", "verl", "openrlhf", "nemo-rl", "skyrl", "areal", "ms-swift", "llama-factory", "axolotl")


class Unknown(Enum):
    """The value of an option that nobody knows before the program runs."""

    UNEVALUATED = "unevaluated"

    def __repr__(self) -> str:
        return "UNEVALUATED"


UNEVALUATED = Unknown.UNEVALUATED


@dataclass(frozen=True)
class Option:
    """One option: its value, or ``UNEVALUATED`` where the file holds a command, an unset variable or code.

    ``text`` is what stands in the file, with the variables that the file itself sets put in; ``line`` counts from 1, and
    ``where`` is the name of the file.
    """

    value: object
    text: str
    line: int
    where: str


@dataclass(frozen=True)
class ConfigRead:
    """A config as it was read: of which framework, started how, with which options, and what was left unread.

    ``entry`` is the program that the file starts (``verl.trainer.main_ppo``, ``swift rlhf``) or the class that it fills
    (``GRPOConfig``); None where the file names neither.
    """

    framework: str
    entry: str | None
    options: dict[str, Option]
    notes: list[str]


@dataclass(frozen=True)
class Pair:
    """A key and a value as they stand in one line. ``conditional``: only if a condition of the script holds."""

    key: str
    value: object
    text: str
    line: int
    where: str
    conditional: bool = False


@dataclass
class Draft:
    """What a reader of one format found: pairs in the order in which they count, later ones over earlier ones."""

    entry: str | None = None
    framework: str | None = None
    pairs: list[Pair] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: list[Pair] = field(default_factory=list)  # configs that the file names and that are read before it
