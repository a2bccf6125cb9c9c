"""The picture of a training run."""

import math

import pytest

from reference.runs.curves import PANELS, figure_curves


@pytest.mark.parametrize("steps", [3, 12, 40])
def test_the_ticks_are_whole_steps(steps):
    rows = [{"step": step, "reward": 0.5} for step in range(1, steps + 1)]
    figure = figure_curves(rows, {"reward": "reward", "entropy": "entropy"})
    ticks = figure.axes[0].get_xticks()
    assert len(ticks) > 1 and all(tick == int(tick) for tick in ticks)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 2])
def test_numbers_at_the_ends_of_what_a_run_can_log_are_painted(steps, tmp_path):
    ends = (0.0, 1e-320, -1e-320, 1e30, -1e30, math.nan)
    for turned in (ends, ends[::-1]):
        rows = [
            {"step": step, **dict(zip(PANELS["rl"], turned[step:] + turned[:step], strict=True))}
            for step in range(steps)
        ]
        figure_curves(rows, PANELS["rl"], title="grpo").savefig(tmp_path / "training.png", dpi=20)
        assert (tmp_path / "training.png").read_bytes().startswith(b"\x89PNG")
