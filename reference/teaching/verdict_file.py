"""The verdicts that ``check`` has given, kept in one file of the learner: a line for each.

A line holds the exercise, the verdict, the mistake if it was named, and the time. It holds no code, and nothing is sent
anywhere. The file lies where the system wants the data of a program (``verdict_file``), so that it stays when a notebook is
moved. The environment variable REFERENCE_PROGRESS names another file; with the value "off", nothing is kept.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from IPython import get_ipython

from reference.objectives.shapes import InputError

VARIABLE, OFF = "REFERENCE_PROGRESS", "off"
KEPT = ("passed", "mistake", "wrong")  # not the verdict on a stub: whoever runs all cells has not tried anything yet


@dataclass(frozen=True)
class Line:
    """One verdict of the file."""

    exercise: str
    status: str
    mistake: str = ""
    at: str = ""  # in UTC, as 2026-03-04T05:06:07+00:00


def verdict_file(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path | None:
    """Where the verdicts are kept; ``None`` if they are not, because the variable says so or there is no home folder."""
    named = environment.get(VARIABLE, "")
    if named.lower() == OFF:
        return None
    try:
        return Path(named).expanduser() if named else data_folder(environment, platform) / "verdicts.jsonl"
    except RuntimeError:  # of pathlib: nobody knows the home folder
        return None


def data_folder(environment: Mapping[str, str], platform: str) -> Path:
    """Where the system wants what a program keeps for its user."""
    home = Path.home()
    if platform == "win32":
        place = Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif platform == "darwin":
        place = home / "Library" / "Application Support"
    else:
        place = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    return place / "llm-post-training-course"


def a_person_is_there() -> bool:
    """Whether a notebook, IPython or the prompt of Python is running. A script and a test are not a learner."""
    return get_ipython() is not None or hasattr(sys, "ps1")


def keep(exercise: str, status: str, mistake: str = "") -> None:
    """Append a verdict, if a person is there. A file that cannot be written changes nothing: the check goes on."""
    file = verdict_file()
    if file is None or status not in KEPT or not a_person_is_there():
        return
    at = datetime.now(UTC).isoformat(timespec="seconds")
    line = json.dumps({"exercise": exercise, "status": status, "mistake": mistake, "at": at})
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as end:  # one write at the end: two open notebooks do not mix their lines
            end.write(f"{line}\n")
    except (OSError, ValueError):  # no right, a full disk, a folder in its place; a name that no file can have
        pass


def kept(file: Path) -> list[Line]:
    """The verdicts of the file in their order. What is no verdict, such as half a line, is left out."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{file} cannot be read ({why}): delete it, or name another file in {VARIABLE}") from None
    return [line for text in lines if (line := parsed(text))]


def parsed(text: str) -> Line | None:
    """A line of the file; ``None`` if it is no verdict."""
    try:
        values = json.loads(text)
        line = Line(**{name: values[name] for name in ("exercise", "status", "mistake", "at")})
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return line if all(type(value) is str for value in vars(line).values()) and line.status in KEPT else None


def delete(file: Path) -> int:
    """Delete the file. Returns how many verdicts it held."""
    count = len(kept(file))
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{file} cannot be deleted ({error.strerror}): delete it yourself") from None
    return count
