"""The weights that a run was begun with. Their fingerprints are in its config.json, under ``weights``.

A run names the folders of its start model, its teacher and its reward models. Other weights may come into such a folder
while the run is stopped. It would then go on with another reward, and nothing in its log would say so.
"""

import os
from pathlib import Path
from typing import Any

from reference.objectives.shapes import InputError
from reference.runs.files import json_text
from reference.world.model import SHIPPED
from reference.world.weights import fingerprint

WORDS = {"model": "start model", "teacher": "teacher", "reward": "reward model"}  # options that name weights


def fingerprints(options: dict[str, Any]) -> dict[str, list[str | None]]:
    """For each option that names weights, the fingerprints of its folders. What names no folder is left out."""
    found = {option: [fingerprint_of(name) for name in names_in(options, option)] for option in WORDS}
    return {option: several for option, several in found.items() if any(several)}


def names_in(options: dict[str, Any], option: str) -> tuple[str, ...]:
    """What an option names: nothing, one thing, or several."""
    value = options.get(option)
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def fingerprint_of(name: str) -> str | None:
    """The fingerprint of a shipped model, or of a folder, which is noted with its whole path."""
    return fingerprint(SHIPPED.get(name, name)) if name in SHIPPED or os.path.isabs(name) else None


def require_noted_weights(run: Path, options: dict[str, Any], noted: Any) -> None:
    """Refuse a run whose folders hold other weights than when it began. ``noted``: the ``weights`` of its config.json, which
    an older run does not have."""
    if noted is None:
        return
    if not isinstance(noted, dict) or not all(isinstance(several, list) for several in noted.values()):
        raise InputError(
            f"{run / 'config.json'}: weights is {json_text(noted)}, which is no value for it: restore it, or start a new run"
        )
    for option, now in fingerprints(options).items():
        for name, weights in zip(names_in(options, option), now, strict=True):
            if weights and weights not in noted.get(option, now):
                raise InputError(
                    f"{name}, the {WORDS[option]} of {run}, holds other weights than when the run began: put those back, or "
                    f"start a new run; without weights in {run / 'config.json'} it goes on with what is there now"
                )
