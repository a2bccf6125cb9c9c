"""Two tables of log-probs that should be about the same tokens: how far apart they are, and in which manner."""

from dataclasses import dataclass

from torch import Tensor

FEWEST = 30  # tokens below which a correlation is not looked at: by chance it can be anything
SURE = 0.1  # nats: log-probs nearer to 0 say nothing about a temperature, at any they are near 0


@dataclass(frozen=True)
class Difference:
    """first - second on the kept tokens, in nats. ``slope``: of the first on the second, where ``correlation`` is with them."""

    count: int
    mean: float
    mean_size: float
    largest: float
    beyond: float  # share of tokens that differ by more than 0.01
    slope: float
    correlation: float


def difference(first: Tensor, second: Tensor, kept: Tensor) -> Difference:
    a, b = first[kept].double(), second[kept].double()
    d = a - b
    sure = b < -SURE
    slope, correlation = line(b[sure], a[sure])
    return Difference(
        count=len(d), mean=d.mean().item(), mean_size=d.abs().mean().item(), largest=d.abs().max().item(),
        beyond=(d.abs() > 0.01).double().mean().item(), slope=slope, correlation=correlation,
    )  # fmt: skip


def line(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Slope of y on x, and their correlation; nan where there are too few, or one of them does not vary."""
    if len(x) < FEWEST:
        return float("nan"), float("nan")
    x, y = x - x.mean(), y - y.mean()
    if x.square().mean() < 1e-12 or y.square().mean() < 1e-12:
        return float("nan"), float("nan")
    return ((x * y).sum() / x.square().sum()).item(), ((x * y).sum() / (x.norm() * y.norm())).item()


def correlation_at(first: Tensor, second: Tensor, kept: Tensor, by: int) -> float:
    """Of first[t] with second[t + by], where both are kept."""
    width = first.shape[1]
    here, there = slice(max(0, -by), width - max(0, by)), slice(max(0, by), width - max(0, -by))
    both = kept[:, here] & kept[:, there]
    return line(second[:, there][both].double(), first[:, here][both].double())[1]


def best_shift(first: Tensor, second: Tensor, kept: Tensor) -> tuple[int, float, float]:
    """The shift of -1, 0, 1 at which the two are most alike; the correlation there, and at 0. 0 where none can be told.

    Two policies that came from one agree on which tokens are unlikely, and neighbours do not. So the right shift has a
    correlation near 1, and the others do not; a lead of a quarter is far beyond chance for ``FEWEST`` tokens or more.
    """
    found = {by: correlation_at(first, second, kept, by) for by in (0, -1, 1)}
    known = {by: value for by, value in found.items() if value == value}
    if 0 not in known:
        return 0, float("nan"), float("nan")
    best = max(known, key=lambda by: known[by])
    lead = known[best] - known[0]
    return (best if lead > 0.25 and known[best] > 0.5 else 0), known[best], known[0]
