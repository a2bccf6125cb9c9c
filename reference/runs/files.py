"""The files of a run: damage is told in one sentence, and what is written is never seen half done."""

import json
import os
import shlex
from pathlib import Path
from typing import Any

from reference.objectives.shapes import InputError


def parse_json(text: str | bytes) -> Any:
    """What JSON says. ``ValueError`` for everything else, also for brackets nested too deeply to be read."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_json(path: Path, remedy: str) -> Any:
    """What is in the file; refused, with the ``remedy``, where it cannot be read or is not JSON."""
    try:
        return parse_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): {remedy}") from None
    except ValueError:
        raise InputError(f"{path} is damaged: {remedy}") from None


def is_number(value: Any) -> bool:
    """Whether a value from JSON is a number that a float can hold; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, float) or abs(value) < 2**63


def json_text(value: Any) -> str:
    """A value from JSON as it stands there, shortened for a message."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "a deep nesting"
    return text if len(text) <= 40 else text[:37] + "..."


def shell_path(path: Path) -> str:
    """A path as it can be pasted into a command line: quoted, and not taken for an option or a home folder."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith(("-", "~")) else text)


def write_atomically(path: Path, text: str) -> None:
    """Write beside the file, then rename over it: a reader sees the old text or the new, never half of one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
