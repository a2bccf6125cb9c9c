"""The losses of proposed calls, and what the calls are worth: numbers of the shipped self-labelled source."""

import json
from collections.abc import Mapping
from typing import Any

from reference.world.trajectories import FOLDER

Score = Mapping[str, Any]
SCORES = FOLDER / "self_labelled_scores.json"


def shipped_scores() -> dict[str, list[Score]]:
    """By how the losses were measured: one score of each proposed call, as ``figure_keep`` takes them."""
    columns = json.loads(SCORES.read_text())
    return {how: score_rows(columns, losses) for how, losses in columns["losses"].items()}


def score_rows(columns: Mapping[str, list], losses: Mapping[str, list[float]]) -> list[Score]:
    """One dict per call out of the columns ``needed`` and ``right``, and those of the three losses."""
    table = {"needed": columns["needed"], "right": columns["right"], **losses}
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
