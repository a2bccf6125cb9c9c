"""An entry: a record of a framework, our computation of it, and the claim that the two are equal."""

from dataclasses import dataclass

from ..claims import Claim
from ..records import Row


@dataclass(frozen=True)
class Equal:
    """A record of a framework, our computation of it, and what that says about a function of ours."""

    record: str
    ours: Row
    claim: Claim

    def __str__(self) -> str:
        return f"{self.claim.function} = {self.record}"


def verl(record: str, row: Row, function: str, theirs: str = "", **options: float | str) -> Equal:
    return Equal(record, row, Claim(function, "verl", theirs or f"`{record}`", **options))


def openrlhf(record: str, row: Row, function: str, theirs: str = "", **options: float | str) -> Equal:
    return Equal(record, row, Claim(function, "OpenRLHF", theirs or f"`{record}`", **options))
