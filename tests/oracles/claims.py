"""What a test says about one function and one framework, how it compares, and the table made of what held.

A claim is written once, on the test. The fixture ``same`` compares with the claim's tolerance, so that the table cannot
promise more than was asserted; README.md shows how to write one.
"""

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from reference import objectives

from .frameworks import TITLES
from .records import assert_same

F32 = 1e-5  # where their path goes through float32
README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"

WHOLE_STEP = "a whole step, from rewards to parameter gradients"  # the one claim that is not about a single function

# Functions of ours that no test here compares, and why.
NO_COUNTERPART = {
    "position_ids": "a line inside OpenRLHF's models (1 for pads there) and a helper in verl's; TRL passes none",
    "grad_norm": "what torch's `clip_grad_norm_` returns, which the trainers call",
    "length_penalised_rewards": "none has a linear price for every token; several have a soft overlong penalty",
    "worst_of": "reward functions are added up with weights; none takes a minimum over them",
    "mean_of": "reward functions are added up with weights: a sum, without baselines",
    "tool_mask": "frameworks note it while they sample; `tests/world` compares it with transformers' assistant mask",
    "trajectory_reward": "TRL adds up the user's reward functions, and counts calls and failures as metrics only",
    "future_loss": "Toolformer's filter, which none of them has",
    "keep_call": "Toolformer's filter, which none of them has",
}


def functions() -> dict[str, list[str]]:
    """The public functions by file: files as `reference.objectives` lists them, functions in the order of the source."""
    public = [getattr(objectives, name) for name in objectives.__all__]
    public = [f for f in public if callable(f) and not (inspect.isclass(f) and issubclass(f, Exception))]
    public.sort(key=lambda f: inspect.getsourcelines(f)[1])
    files: dict[str, list[str]] = {file: [] for file in re.findall(r"^\| (\w+) \|", objectives.__doc__, re.MULTILINE)}
    for function in public:
        files.setdefault(function.__module__.rpartition(".")[2], []).append(function.__name__)
    return files


NAMES = {name for names in functions().values() for name in names} | {WHOLE_STEP}


@dataclass(frozen=True)
class Claim:
    """``function`` of ours equals ``theirs`` in ``framework`` to ``rtol``, or ``differs`` in the way these words say."""

    function: str
    framework: str
    theirs: str = ""
    rtol: float = 1e-10
    gradient_rtol: float | None = None  # None: as the values
    differs: str = ""

    def __post_init__(self) -> None:
        if self.function not in NAMES:
            raise ValueError(f"{self.function!r} is not a function of reference.objectives")
        if self.framework not in TITLES:
            raise ValueError(f"{self.framework!r} is not one of {', '.join(TITLES)}")
        if not self.theirs + self.differs or set("|\n") & set(self.theirs + self.differs):
            raise ValueError(f"{self} needs words, and they go into one cell of a table: no | and no line break")

    @property
    def tolerances(self) -> tuple[float, float]:
        """Of values and of gradients."""
        return self.rtol, self.gradient_rtol or self.rtol

    @property
    def equality(self) -> str:
        values, gradients = ("f32" if rtol == F32 else f"{rtol:.0e}".replace("e-0", "e-") for rtol in self.tolerances)
        equal = values if values == "f32" else f"= {values}"
        return equal if values == gradients else f"{equal} (gradients {gradients})"


def oracle(function: str, framework: str, theirs: str = "", **options: float | str) -> pytest.MarkDecorator:
    """A claim as a mark: above a test, or among the marks of a parameter that it is about."""
    return pytest.mark.oracle(Claim(function, framework, theirs, **options))


def declared(item: pytest.Item) -> list[Claim]:
    return [mark.args[0] for mark in item.iter_markers("oracle")]


class Same:
    """Compares with the tolerance that the test's claims of equality name, and remembers which of them it compared."""

    def __init__(self, claims: Iterable[Claim]):
        self.claims = [claim for claim in claims if not claim.differs]
        self.compared: set[Claim] = set()

    def __call__(self, mine: Tensor, theirs: Tensor | float, *leaves: Tensor, of: str = "") -> None:
        """Values, and their gradients on ``leaves``. ``of``: the function this is about, if tolerances differ."""
        if not isinstance(theirs, Tensor):
            theirs = torch.tensor(theirs, dtype=torch.float64)
        self.close(mine, theirs, 0, of)
        if leaves:
            # each entry has a weight of its own, so that none can stand in for another
            weights = (1 + torch.arange(mine.numel()) / mine.numel()).view_as(mine)
            ours = torch.autograd.grad((mine * weights).sum(), leaves, retain_graph=True)
            other = torch.autograd.grad((theirs * weights).sum(), leaves, retain_graph=True)
            for a, b in zip(ours, other, strict=True):
                self.gradient(a, b, of=of)

    def gradient(self, mine: Tensor, theirs: Tensor, *, of: str = "") -> None:
        """Where the gradients are there already."""
        self.close(mine, theirs, 1, of)

    def close(self, mine: Tensor, theirs: Tensor, which: int, of: str) -> None:
        claims = [claim for claim in self.claims if of in ("", claim.function)]
        if of and not claims:
            raise ValueError(f"this test claims no equality of {of}")
        if not claims:  # nothing is promised: to the rounding of their dtype
            return assert_same(mine, theirs)
        if len({claim.tolerances for claim in claims}) > 1:
            raise ValueError("the claims of this test have different tolerances: say which function with of=")
        rtol = claims[0].tolerances[which]
        assert_same(mine, theirs, rtol=rtol, atol=1e-12 if rtol < F32 else 1e-6)
        self.compared |= set(claims)


def table(claims: Iterable[Claim]) -> str:
    """The block of README.md between its two marks."""
    claims = sorted(set(claims), key=lambda c: (TITLES.index(c.framework), *c.tolerances, c.theirs, c.differs))
    lines = [BEGIN]
    for file, names in functions().items():
        if names:
            lines += ["", f"### {file}", "", *HEADER, *(line(name, f"`{name}`", claims) for name in names)]
    lines += ["", "### together", "", *HEADER, line(WHOLE_STEP, WHOLE_STEP, claims), "", END]
    return "\n".join(lines)


HEADER = ("| ours | equal | different by design |", "|---|---|---|")


def line(function: str, label: str, claims: list[Claim]) -> str:
    if function in NO_COUNTERPART:
        return f"| {label} | not compared: {NO_COUNTERPART[function]} | |"
    mine = [claim for claim in claims if claim.function == function]
    return f"| {label} | {equal_cell(mine)} | {different_cell(mine)} |"


def equal_cell(claims: list[Claim]) -> str:
    """A line per framework and tolerance, with all that is equal to it."""
    equal: dict[tuple[str, str], list[str]] = {}
    for claim in claims:
        if not claim.differs:
            equal.setdefault((claim.framework, claim.equality), []).append(claim.theirs)
    return "<br>".join(f"**{name}** {how} {'; '.join(theirs)}" for (name, how), theirs in equal.items()) or "—"


def different_cell(claims: list[Claim]) -> str:
    """A line per difference."""
    different = [(claim.framework, filter(None, (claim.theirs, claim.differs))) for claim in claims if claim.differs]
    return "<br>".join(f"**{name}** {': '.join(words)}" for name, words in different) or "—"
