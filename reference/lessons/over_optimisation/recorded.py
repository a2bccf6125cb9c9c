"""What the logs of recorded runs say: how far a policy went from the base model, and what proxy and gold were there.

``proxy`` is the reward of the reward model, ``gold`` the verifier's word on the same samples. Gold teaches nothing in these
runs: it is only logged. Runs with one seed draw the same problems at the same step.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from reference.evaluation.by_length import Bucket
from reference.objectives.shapes import InputError
from reference.runs.best_of_n import BestOfN
from reference.runs.curves import moving_mean
from reference.runs.folder import read_metrics, read_options
from reference.runs.recorded_runs import RUNS, SEEDS, Rows, require_folder

from .experiments import UNSTEERED

WINDOW = 5  # steps of a running mean
CHOSEN = RUNS.parent / "best_of_n"  # files of best-of-n


class Curve(NamedTuple):
    """A run as running means, one for each step; the first is step 1, whose samples are the base model's."""

    kl: list[float]  # to the base model, nats per completion
    proxy: list[float]  # gained since the base model
    gold: list[float]  # share of the samples that the verifier finds right
    length: list[float]  # tokens
    truncated: list[float]  # share of the samples


class Point(NamedTuple):
    """One place of a run."""

    step: int
    kl: float
    proxy: float
    gold: float
    length: float


def curve_of_log(rows: Rows, *, base: float | None = None, window: int = WINDOW) -> Curve:
    """Running means over the last ``window`` steps (fewer at the beginning) of what a log has.

    The KL of a completion is that of a token times the mean length, and never below 0, which a sampled one may be.
    ``base``: the proxy of the base model, from which the gain counts; where it is not known, that of the first step.
    Raises ``InputError`` for a log without a reward model or without a KL.
    """
    if lacking := [name for name in ("proxy", "kl_k1") if name not in rows[0]]:
        raise InputError(
            f"the log has no {' and no '.join(lacking)}: read a run that was trained with --reward RUN, and with a "
            "--kl-place, such as measure"
        )
    start = rows[0]["proxy"] if base is None else base
    columns = (
        [max(0.0, row["kl_k1"] * row["length"]) for row in rows],
        [row["proxy"] - start for row in rows],
        *([row[name] for row in rows] for name in ("reward", "length", "truncated")),
    )
    return Curve(*(moving_mean(column, window) for column in columns))


def curves_of(name: str, *, folder: Path = RUNS) -> dict[int, Curve]:
    """The curves of NAME-seed-0, NAME-seed-1, ... by seed, as far as they are recorded."""
    require_folder(folder)
    paths = {seed: folder / f"{name}-seed-{seed}" for seed in SEEDS}
    return {
        seed: curve_of_log(read_metrics(path), base=proxy_of_base(path))
        for seed, path in paths.items()
        if path.is_dir()
    }


def proxy_of_base(path: Path) -> float | None:
    """What the reward model of a run gives to the base model, from its file of best of n; None where there is none."""
    reward = read_options(path).get("reward")
    if not isinstance(reward, str):  # several reward models
        return None
    file = (
        CHOSEN
        / f"{reward.strip('{}').replace('proxy', 'best-of-n').replace('reward-model', 'best-of-n-verifier')}.json"
    )
    return rows_of(file)[0].proxy if file.is_file() else None


@cache
def read_chosen(path: Path) -> dict[str, Any]:
    """A file of ``python -m reference best-of-n REWARD --out FILE``."""
    return dict(json.loads(path.read_text()))


def rows_of(path: Path) -> list[BestOfN]:
    """Its rows: one for each n, the first for n = 1."""
    return [BestOfN(**row) for row in read_chosen(path)["rows"]]


def chosen_files(pool: int | str, *, folder: Path = CHOSEN) -> dict[int, Path]:
    """The files of the reward models of ``pool`` comparisons, or of the "verifier", by seed, as far as they are recorded."""
    paths = {seed: folder / f"best-of-n-{pool}-seed-{seed}.json" for seed in SEEDS}
    return {seed: path for seed, path in paths.items() if path.is_file()}


def best_of_n_of(pool: int | str, *, folder: Path = CHOSEN) -> dict[int, list[BestOfN]]:
    """Best of n by the reward models of ``pool`` comparisons, by seed."""
    return {seed: rows_of(path) for seed, path in chosen_files(pool, folder=folder).items()}


def buckets_of(pool: int | str, *, folder: Path = CHOSEN) -> dict[int, list[Bucket]]:
    """What these reward models have learned by length, by seed: all judge the same pairs."""
    files = chosen_files(pool, folder=folder)
    return {seed: [Bucket(**row) for row in read_chosen(path)["by_length"]] for seed, path in files.items()}


def recorded_climbs(*, folder: Path = RUNS) -> dict[int, dict[int, Curve]]:
    """Comparisons -> seed -> curve of the runs without a term, of those that are recorded."""
    found = {pool: curves_of(name, folder=folder) for pool, name in UNSTEERED.items()}
    return {pool: curves for pool, curves in found.items() if curves}


def recorded_choices(*, folder: Path = CHOSEN) -> dict[int, dict[int, list[BestOfN]]]:
    """Comparisons -> seed -> best of n, of those that are recorded."""
    return {pool: rows for pool in UNSTEERED if (rows := best_of_n_of(pool, folder=folder))}


def mean_curve(curves: Mapping[int, Curve]) -> Curve:
    """The mean over seeds, step by step, of as many steps as all of them have."""
    columns = zip(*curves.values(), strict=True)
    return Curve(*([sum(values) / len(values) for values in zip(*column, strict=False)] for column in columns))


def mean_rows(rows: Mapping[int, Sequence[BestOfN]]) -> list[BestOfN]:
    """The mean over seeds, n by n. The proxy counts from n = 1, since each reward model has an origin of its own."""
    origin = {seed: those[0].proxy for seed, those in rows.items()}
    gained = [[row._replace(proxy=row.proxy - origin[seed]) for row in those] for seed, those in rows.items()]
    return [
        BestOfN(same[0].n, *(sum(values) / len(values) for values in list(zip(*same, strict=True))[1:]))
        for same in zip(*gained, strict=False)
    ]


def point(curve: Curve, index: int) -> Point:
    """The place ``index`` of a curve, -1 the last. Its step is counted from 1."""
    at = range(len(curve.kl))[index]
    return Point(at + 1, curve.kl[at], curve.proxy[at], curve.gold[at], curve.length[at])


def peak(curve: Curve, *, window: int = WINDOW) -> Point:
    """Where the running mean of gold is largest, among those of ``window`` steps.

    The largest of many noisy means is above what the policy there is worth. ``early_stop`` reads fresh samples.
    """
    first = min(window, len(curve.gold)) - 1
    return point(curve, max(range(first, len(curve.gold)), key=curve.gold.__getitem__))


def at_kl(curve: Curve, nats: float) -> Point | None:
    """The first place where the running KL is at least ``nats``; None where it is never."""
    return next((point(curve, i) for i, kl in enumerate(curve.kl) if kl >= nats), None)


def early_stop(gold: Sequence[float], *, patience: int, window: int = WINDOW) -> int | None:
    """After how many steps one would stop: when the running mean of gold has not risen for ``patience`` steps.

    ``gold``: of each step, not yet averaged. The policy that is kept is the one of that moment. The next steps have fresh
    samples of it: what the decision has seen would flatter. None where gold never stays below its best for so long.
    Raises ``InputError`` for a patience or a window below 1.
    """
    if patience < 1 or window < 1:
        raise InputError(f"patience is {patience} and window {window}, expected at least 1 step each")
    means, best = moving_mean(list(gold), window), window - 1
    for i in range(window, len(means)):
        if means[i] > means[best]:
            best = i
        elif i - best >= patience:
            return i + 1
    return None


def stopped(rows: Rows, *, base: float | None = None, patience: int, window: int = WINDOW) -> Point | None:
    """What early stopping on gold would have kept of a run: means over the ``window`` steps after the decision.

    Their policies have been trained for up to ``window`` - 1 further steps. None where it never stops, or stops too near to
    the end for fresh samples.
    """
    step = early_stop([row["reward"] for row in rows], patience=patience, window=window)
    if step is None or step + window > len(rows):
        return None
    return point(curve_of_log(rows, base=base, window=window), step + window - 1)._replace(step=step)


def stopped_runs(name: str, *, patience: int = WINDOW, folder: Path = RUNS) -> dict[int, Point]:
    """What early stopping would have kept of the runs of a name, by seed; those left out that never stop."""
    paths = {seed: folder / f"{name}-seed-{seed}" for seed in SEEDS}
    found = {
        seed: stopped(read_metrics(path), base=proxy_of_base(path), patience=patience)
        for seed, path in paths.items()
        if path.is_dir()
    }
    return {seed: kept for seed, kept in found.items() if kept is not None}
