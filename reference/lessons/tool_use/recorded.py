"""What the recorded runs say about tool use: shares after training, by what was varied."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from reference.evaluation.tool_use import ToolUse
from reference.runs.measure import read_accuracy
from reference.runs.recorded_runs import RUNS, SEEDS, require_folder


class Uses(NamedTuple):
    """Held-out tool use of the runs of one kind, by seed."""

    before: list[ToolUse]
    after: list[ToolUse]

    def mean(self, name: str) -> float:
        """Mean of a share over the seeds, after training."""
        return sum(getattr(use, name) for use in self.after) / len(self.after)

    def per_seed(self, name: str) -> list[float]:
        return [getattr(use, name) for use in self.after]


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
