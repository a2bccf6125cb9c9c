"""What a trajectory says in the end, and whether a tool has said it too. Loads nothing heavy: the table of recipes does not
wait for a model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reference.world.tool_rollout import Trajectory


def stated_answer(trajectory: Trajectory) -> str | None:
    """The number behind ``Answer:`` in the last line of the last turn; None where the trajectory does not end so."""
    match = re.search(r"(?:^|\n)Answer: (-?[0-9]+)\s*$", trajectory.answer)
    return match[1] if match and trajectory.ending == "answer" else None


def tool_results(trajectory: Trajectory) -> list[str]:
    """What the tool has returned, errors left out."""
    return [result.text for _, result in trajectory.calls if result.kind == "ok"]


def made_up(trajectory: Trajectory) -> bool:
    """Whether it pretends to be the tool, or answers with a number that no tool has returned. For problems that need the
    tool: a good answer to such a problem is always the result of a call."""
    answer = stated_answer(trajectory)
    return trajectory.ending == "forged turn" or (answer is not None and answer not in tool_results(trajectory))
