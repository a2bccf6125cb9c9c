"""``table``: named rows of numbers, aligned, so that a cell holds the idea and not its formatting."""

from collections.abc import Mapping, Sequence

import torch

Cell = float | int | bool | str | torch.Tensor


def table(rows: Mapping[str, Cell | Sequence[Cell]], *columns: str, digits: int = 4) -> None:
    """Print a line for each row: its name, then its numbers, each with ``digits`` decimals.

    ``columns``: their headings, if there are any. A row is a number, a word, or several of them; a tensor counts as its
    numbers. Whole numbers, booleans and words are printed as they are. A number that rounds to 0 has no sign.

        table({"k1": (0.2, -0.1), "k2": torch.tensor([0.02, -0.0])}, "mean", "std", digits=2)

                mean    std
            k1  0.20  -0.10
            k2  0.02   0.00

    Raises ``ValueError`` for a row that has not as many numbers as there are headings.
    """
    cells = {name: [as_text(x, digits) for x in flat(row)] for name, row in rows.items()}
    for name, row in cells.items():
        if columns and len(row) != len(columns):
            raise ValueError(f"table: row {name!r} has {len(row)} numbers for {len(columns)} headings {columns}")
    lines = [["", *columns]] * bool(columns) + [[name, *row] for name, row in cells.items()]
    count = max(map(len, lines), default=0)
    lines = [line + [""] * (count - len(line)) for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for name, *row in lines:
        numbers = [cell.rjust(width) for cell, width in zip(row, widths[1:], strict=True)]
        print("  ".join([name.ljust(widths[0]), *numbers]).rstrip())


def flat(row: Cell | Sequence[Cell]) -> list[float | int | bool | str]:
    """The cells of a row, tensors taken apart."""
    if isinstance(row, torch.Tensor):
        return list(row.detach().flatten().tolist())
    if isinstance(row, (str, bool, int, float)):
        return [row]
    return [cell for part in row for cell in flat(part)]


def as_text(cell: float | int | bool | str, digits: int) -> str:
    if not isinstance(cell, float):
        return str(cell)
    text = f"{cell:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text
