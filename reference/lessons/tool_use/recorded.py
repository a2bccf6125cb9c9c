"""What the recorded runs say about tool use: shares after training, by what was varied."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from reference.evaluation.tool_use import ToolUse
from reference.runs.measure import read_accuracy
from reference.runs.recorded_runs import RUNS, SEEDS, require_folder
from reference.teaching.table import table

WORDS = {  # of ToolUse -> above a column
    "success": "solved", "by_head": "by head", "product": "product", "two_calls": "two calls", "recall": "calls if needed",
    "precision": "precision", "waste": "calls for chains", "valid": "readable", "made_up": "made up", "calls": "calls",
}  # fmt: skip


class Uses(NamedTuple):
    """Held-out tool use of the runs of one kind, by seed."""

    before: list[ToolUse]
    after: list[ToolUse]

    def mean(self, name: str) -> float:
        """Mean of a share over the seeds, after training."""
        return sum(getattr(use, name) for use in self.after) / len(self.after)


def recorded_use(names: Mapping[str, str], *, folder: Path = RUNS) -> dict[str, Uses]:
    """For what a run stands for its measurements; what was not recorded is left out.

    ``names``: what it stands for -> its name in ``folder``, without the seed. Raises ``InputError`` where there is no such
    folder.
    """
    require_folder(folder)
    found = {}
    for label, name in names.items():
        paths = [path for seed in SEEDS if (path := folder / f"{name}-seed-{seed}").is_dir()]
        uses = [read_accuracy(path, ToolUse) for path in paths]
        if uses:
            found[label] = Uses(*([ToolUse(**use[when]) for use in uses] for when in ("before", "after")))
    return found


def share_table(found: Mapping[str, Uses], *names: str) -> None:
    """Print a row for each kind of run: the means over its seeds."""
    rows = {label: [uses.mean(name) for name in names] for label, uses in found.items()}
    table(rows, *(WORDS[name] for name in names), digits=2)


def shares_of(found: Mapping[str, Uses], *names: str) -> dict[str, dict[str, list[float]]]:
    """The numbers of every seed, as ``figure_shares`` takes them."""
    return {
        label: {WORDS[name]: [getattr(use, name) for use in uses.after] for name in names}
        for label, uses in found.items()
    }


def points_of(found: Mapping[str, Uses]) -> dict[str, list[tuple[float, float]]]:
    """Calls per problem and success of every run, as ``figure_tradeoff`` takes them."""
    return {label: [(use.calls, use.success) for use in uses.after] for label, uses in found.items()}
