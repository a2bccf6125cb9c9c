"""An entry: a record of a framework, our computation of it, and the claim that the two are equal."""

from collections.abc import Callable
from dataclasses import dataclass

from ..claims import Claim
from ..frameworks import RECORDED
from ..records import Row


@dataclass(frozen=True)
class Equal:
    """A record of a framework, our computation of it, and what that says about a function of ours."""

    record: str
    ours: Row
    claim: Claim

    def __str__(self) -> str:
        return f"{self.claim.function} = {self.record}"


def entries_of(framework: str) -> Callable[..., Equal]:
    """What writes the entries of a framework, which is named by its fixture: ``verl(record, row, function, theirs)``."""

    def entry(record: str, row: Row, function: str, theirs: str = "", **options: float | str) -> Equal:
        return Equal(record, row, Claim(function, RECORDED[framework].title, theirs or f"`{record}`", **options))

    return entry


verl, openrlhf = entries_of("verl"), entries_of("openrlhf")
