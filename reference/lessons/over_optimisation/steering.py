"""What each steering term costs in proxy and saves in gold, as numbers: at the end of the runs, and at an equal KL."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from reference.runs.measure import read_accuracy
from reference.runs.recorded_runs import RUNS, SEEDS
from reference.teaching.table import table

from .experiments import BASIS, GROUPS, STEER, run_of
from .recorded import Curve, Point, at_kl, curves_of, point, stopped_runs

NO_TERM, STOPPED = "no term", "no term, stopped early"
NATS = 1.0  # at which runs are compared
Seeds = Mapping[int, Curve]  # seed -> curve


def steered_curves(groups: Collection[str] = tuple(GROUPS), *, folder: Path = RUNS) -> dict[str, dict[str, Seeds]]:
    """Group -> words for a kind -> seed -> curve, of those that are recorded. Those of ``ONE_PROXY`` have the reward
    models of the runs without a term."""
    found = {
        group: {
            words: seeds for words, name in GROUPS[group].items() if (seeds := curves_of(run_of(name), folder=folder))
        }
        for group in groups
    }
    return {group: kinds for group, kinds in found.items() if kinds}


def plain_curves(steered: Mapping[str, Mapping[str, Seeds]], *, folder: Path = RUNS) -> dict[int, Curve]:
    """The runs without a term, of those seeds that any of the steered runs has: the same reward models and problems."""
    seeds = {seed for kinds in steered.values() for curves in kinds.values() for seed in curves}
    return {seed: curve for seed, curve in curves_of(BASIS, folder=folder).items() if seed in seeds}


class Row(NamedTuple):
    """One kind of run, by seed."""

    seeds: list[int]
    ends: list[Point]  # the last running mean
    reached: list[Point | None]  # where the KL first was ``nats``; None where it never was
    held_out: list[
        float
    ]  # share of the samples for held-out problems that are right, after the last step; none if stopped


def row_of(name: str, curves: Seeds, *, nats: float, folder: Path = RUNS) -> Row:
    after = [read_accuracy(folder / f"{name}-seed-{seed}")["after"]["sampled"] for seed in curves]
    return Row(list(curves), [point(c, -1) for c in curves.values()], [at_kl(c, nats) for c in curves.values()], after)


def steering_rows(names: Sequence[str] = tuple(STEER), *, nats: float = NATS, folder: Path = RUNS) -> dict[str, Row]:
    """Words for a kind of run -> its numbers: without a term, stopped early, and each steered kind that is recorded.

    ``names``: short names, those of ``STEER``.
    """
    kinds = {NO_TERM: BASIS} | {STEER[name][0]: run_of(name) for name in names}
    found = {words: (run, curves) for words, run in kinds.items() if (curves := curves_of(run, folder=folder))}
    rows = {words: row_of(run, curves, nats=nats, folder=folder) for words, (run, curves) in found.items()}
    kept = stopped_runs(BASIS, folder=folder)
    early = {STOPPED: Row(list(kept), list(kept.values()), [None] * len(kept), [])} if kept else {}
    first = {NO_TERM: rows.pop(NO_TERM)} if NO_TERM in rows else {}
    return first | early | rows


def steering_table(rows: Mapping[str, Row]) -> None:
    """Print where each kind of run ends: mean over its seeds, and their range behind it.

    KL to the base in nats per completion; proxy gained since the base model; gold, the share of right samples in the last
    steps of training and on held-out problems; length in tokens. An ensemble's proxy is its own, on another scale.
    """
    cells = {
        words: [
            seeds_of(row),
            *(spread([getattr(end, name) for end in row.ends], spec) for name, spec in COLUMNS.items()),
            spread(row.held_out, ".2f"),
        ]
        for words, row in rows.items()
    }
    table(cells, "seeds", "KL", "proxy", "gold", "length", "held out")


COLUMNS = {"kl": ".1f", "proxy": "+.2f", "gold": ".2f", "length": ".0f"}


def equal_kl_table(rows: Mapping[str, Row]) -> None:
    """Print proxy and gold where the running KL first reached the distance that the rows were made for, and at which step.

    The last two columns have what a kind gains or loses against the run without a term at the same KL, seed by seed: both
    have the same reward model. An ensemble's proxy is its own, so its difference of proxies compares two scales.
    """
    cells = {}
    for words, row in rows.items():
        if words == STOPPED:
            continue
        there = [at for at in row.reached if at is not None]
        cells[words] = [
            f"{len(there)} of {len(row.seeds)}",
            *(spread([getattr(at, name) for at in there], spec) for name, spec in AT_KL.items()),
            *(spread(differences(row, rows.get(NO_TERM), name), "+.2f") for name in ("proxy", "gold")),
        ]
    table(cells, "reached by", "step", "proxy", "gold", "proxy - no term", "gold - no term")


AT_KL = {"step": ".0f", "proxy": "+.2f", "gold": ".2f"}


def differences(row: Row, plain: Row | None, name: str) -> list[float]:
    """One number of a kind less that without a term at the same KL, of every seed of which both are there."""
    if plain is None or row is plain:
        return []
    without = dict(zip(plain.seeds, plain.reached, strict=True))
    pairs = [(at, without.get(seed)) for seed, at in zip(row.seeds, row.reached, strict=True)]
    return [getattr(at, name) - getattr(base, name) for at, base in pairs if at is not None and base is not None]


def spread(values: Sequence[float], spec: str) -> str:
    """0.53 (0.50..0.56): the mean and the range, or the one number; - where there is none."""
    if not values:
        return "-"
    mean, low, high = (signed(x, spec) for x in (sum(values) / len(values), min(values), max(values)))
    return mean if len(values) == 1 else f"{mean} ({low}..{high})"


def signed(value: float, spec: str) -> str:
    """A number that rounds to 0 is no negative one."""
    text = f"{value:{spec}}"
    return f"{0.0:{spec}}" if float(text) == 0 else text


def seeds_of(row: Row) -> str:
    return f"{len(row.seeds)}" if len(row.seeds) == len(SEEDS) else f"only {', '.join(map(str, row.seeds))}"
