"""Which file of a folder is the log, and its rows."""

import re
from pathlib import Path
from typing import Any

from reference.doctor.log_csv import rows_of_csv
from reference.doctor.log_json import require_rows, rows_of_console, rows_of_json
from reference.doctor.log_tensorboard import event_folder, rows_of_events
from reference.doctor.log_trainer import rows_of_trainer
from reference.doctor.names_row import listed
from reference.evaluation.file_lines import BLANK, BROKEN, encoding_of, opened, refuse_other_formats
from reference.objectives.shapes import InputError

LARGEST_TABLE = 2**29  # bytes
JSON = re.compile(
    r"\{(?!')|\[\s*([{\[\]\"]|$)"
)  # a console may begin with [INFO] or [2025-02-04, and Python prints {'loss'
LOGS = (
    "metrics.jsonl",
    "trainer_state.json",
    "trainer_log.jsonl",
    "logging.jsonl",
)  # ours, Trainer, LLaMA-Factory, ms-swift


def rows_of(path: Path, notes: list[str]) -> tuple[list[dict[str, Any]], str]:
    """The rows of a log, and its framework where the form of the file says it, else "". Raises ``InputError``."""
    if not path.exists():
        raise InputError(f"{path} does not exist: pass a log, or the folder of a run")
    file = log_in(path) if path.is_dir() else path
    if file.parent != path and file != path:
        notes.append(f"The log of this folder is {file.relative_to(path)}.")
    if folder := event_folder(file):
        rows, hint = rows_of_events(folder), ""
    else:
        rows, hint = rows_of_file(file, notes)
    require_rows(rows, str(path))
    return rows, hint or hint_of(file)


def hint_of(file: Path) -> str:
    """What a file's name says about its framework: "ours?" where the scalars have to say the same."""
    if file.name == "metrics.jsonl":
        return "ours" if (file.parent / "config.json").is_file() else "ours?"
    return "trl" if file.name in ("trainer_log.jsonl", "logging.jsonl") else ""


def log_in(folder: Path) -> Path:
    """The log of a run's folder: the known names, then that of the newest checkpoint, TensorBoard, the one JSONL or CSV."""
    for name in LOGS:
        if (folder / name).is_file():
            return folder / name
    states = {int(found[1]): file for file in folder.glob("checkpoint-*/trainer_state.json")
              if (found := re.fullmatch(r"checkpoint-(\d+)", file.parent.name))}  # fmt: skip
    if states:
        return states[max(states)]
    if events := event_folder(folder):
        return events
    tables = sorted(file for suffix in ("jsonl", "csv", "tsv") for file in folder.glob(f"*.{suffix}*"))
    if len(tables) == 1:
        return tables[0]
    if tables:
        raise InputError(f"{folder} holds {listed([file.name for file in tables], 4)}: name the one that is the log")
    raise InputError(
        f"{folder} holds no log: expected {', '.join(LOGS)}, checkpoint-N, TensorBoard events, a JSONL or a CSV"
    )


def rows_of_file(file: Path, notes: list[str]) -> tuple[list[dict[str, Any]], str]:
    """The rows of one file, by what it begins with."""
    text = ""
    try:
        with opened(str(file)) as (stream, _, _):
            head = stream.peek(64)[:64]  # type: ignore[attr-defined]  # BufferedReader and GzipFile both have it
            refuse_other_formats(head, str(file))
            encoding = encoding_of(head)
            is_json = bool(JSON.match(head.decode(encoding, "ignore").lstrip(BLANK)))
            if not is_json:
                text = stream.read(LARGEST_TABLE).decode(encoding, errors="replace")
    except BROKEN:
        raise InputError(f"{file} is compressed data that end too early: copy it again") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): pass a file that can") from None
    if is_json:
        return rows_of_json(str(file), notes)
    if not text.strip(BLANK):
        raise InputError(f"{file} is empty: pass a log with at least one row")
    if rows := rows_of_console(text):
        return rows, "verl"
    if rows := rows_of_trainer(text, notes, source=str(file)):
        return rows, ""
    return rows_of_csv(text, notes, source=str(file)), ""
