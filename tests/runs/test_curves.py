"""The picture of a training run."""

import pytest

from reference.runs.curves import figure_curves


@pytest.mark.parametrize("steps", [3, 12, 40])
def test_the_ticks_are_whole_steps(steps):
    rows = [{"step": step, "reward": 0.5} for step in range(1, steps + 1)]
    figure = figure_curves(rows, {"reward": "reward", "entropy": "entropy"})
    ticks = figure.axes[0].get_xticks()
    assert len(ticks) > 1 and all(tick == int(tick) for tick in ticks)
