"""Rows of a CSV or TSV file, as wandb, pandas and spreadsheets write them."""

import csv
import io
from typing import Any

from reference.doctor.names_row import listed
from reference.evaluation.printable import printable
from reference.objectives.shapes import InputError

DELIMITERS = ",\t;"
LONGEST_FIELD = 10**7
RUN = " - "  # stands between run and scalar in the columns of wandb


def rows_of_csv(text: str, notes: list[str], *, source: str) -> list[dict[str, Any]]:
    """The rows under the header; a cell without text is left out. A last row that was cut off has its whole cells."""
    text = text.lstrip("\ufeff\r\n")
    header_line = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=header_line.count)
    if not header_line.count(delimiter):
        raise InputError(
            f"{source} is neither JSON nor a table: its first line has no comma, tab or semicolon. Pass a CSV with a "
            "header, JSONL, a trainer_state.json, the console of verl or of a Trainer, or a TensorBoard folder"
        )
    csv.field_size_limit(LONGEST_FIELD)
    try:
        lines = list(csv.reader(io.StringIO(text.replace("\0", "")), delimiter=delimiter))
    except csv.Error as error:
        raise InputError(f"{source} cannot be read as a table ({error}): write it again with pandas to_csv") from None
    names = [name.strip() for name in lines[0]]
    if repeated := sorted({name for name in names if name and names.count(name) > 1}):
        raise InputError(f"{source} has two columns {printable(repeated[0], 60)!r}: rename one of them")
    short = sum(0 < len(line) < len(names) for line in lines[1:])
    if short:
        notes.append(f"{short} of {len(lines) - 1} rows have fewer cells than the header.")
    decimal_comma = delimiter == ";"
    return [
        {name: number_text(cell, decimal_comma) for name, cell in zip(names, line, strict=False) if name and cell.strip()}
        for line in lines[1:]
    ]  # fmt: skip


def number_text(cell: str, decimal_comma: bool) -> str:
    """A cell; 0,5 is 0.5 where semicolons stand between cells, as spreadsheets write it in half of Europe."""
    return cell.strip().replace(",", ".") if decimal_comma else cell.strip()


def without_run(rows: list[dict[str, Any]], source: str) -> list[dict[str, Any]]:
    """Columns "run - train/loss" of wandb as "train/loss", those of smallest and largest values left out.

    Raises ``InputError`` where the table holds several runs.
    """
    names = {name for row in rows for name in row}
    runs = sorted({name.rsplit(RUN, 1)[0] for name in names if RUN in name})
    if not runs:
        return rows
    if len(runs) > 1:
        raise InputError(
            f"{source} holds {len(runs)} runs ({listed(runs, 4)}): export one of "
            "them, or name its columns: columns={'step': 'Step', 'reward': '"
            + f"{printable(runs[0], 60)} - train/reward"
            + "'}"
        )
    return [
        {name.rsplit(RUN, 1)[-1]: cell for name, cell in row.items() if not name.endswith(("__MIN", "__MAX"))}
        for row in rows
    ]
