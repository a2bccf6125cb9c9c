"""A batch to look at in a notebook: every token by what it is, whether it is in the loss, and a number that you choose.

A white card with dark text, so that it reads in light and dark pages. Colour says whether a token is in the loss; the
border, and a word in the legend, say what it is, so that nothing hangs on colour alone.
"""

import html
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reference.audit.auditing import read_batch
from reference.audit.batch import Batch
from reference.audit.cells import Cell, row_cells, shown_rows, summary
from reference.style import DROPPED, GREEN, INK, KEPT, MUTED, ORANGE, PAPER, PURPLE, mixed, words_on

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BORDERS = {"prompt": "none", "completion": "none", "EOS": f"3px solid {GREEN}", "tool": f"3px dashed {PURPLE}", "padding": f"2px dotted {MUTED}"}  # fmt: skip
BOX = "display:inline-block;margin:1px;padding:1px 4px;border-radius:4px;text-align:center;vertical-align:top"


def show_batch(
    batch: Batch | Mapping[str, Any],
    *,
    tokenizer: "PreTrainedTokenizerBase | None" = None,
    value: str | None = None,
    rows: int | Sequence[int] = 4,
) -> None:
    """Display the first ``rows`` rows, or those that are named, with ``value`` (such as "advantages") under the tokens.

    Without a ``tokenizer`` the ids stand there. What a screen reader or a diff sees is a summary in words.
    """
    from IPython.display import display

    read = batch if isinstance(batch, Batch) else read_batch(batch, {}, {})
    page = batch_html(read, tokenizer=tokenizer, value=value, rows=rows)
    display({"text/html": page, "text/plain": summary(read, shown_rows(read, rows))}, raw=True)


def batch_html(
    batch: Batch,
    *,
    tokenizer: "PreTrainedTokenizerBase | None" = None,
    value: str | None = None,
    rows: int | Sequence[int] = 4,
) -> str:
    """The page that ``show_batch`` displays. Everything that comes from the batch is escaped."""
    chosen = shown_rows(batch, rows)
    lines = [row_cells(batch, row, tokenizer=tokenizer, value=value) for row in chosen]
    largest = max((abs(c.value) for line in lines for c in line if is_number(c.value)), default=0.0)  # type: ignore[arg-type]
    words = html.escape(summary(batch, chosen), quote=True)
    body = "".join(row_html(row, line, batch, largest) for row, line in zip(chosen, lines, strict=True))
    return (
        f'<div role="img" aria-label="{words}" style="background:{PAPER};color:{INK};padding:10px;border-radius:14px;'
        f'font-family:monospace;line-height:1.5">{legend(value)}{body}</div>'
    )


def legend(value: str | None) -> str:
    """One box for each kind, with its name."""
    kinds = [("in the loss", KEPT, PAPER, "none"), ("not in the loss", DROPPED, INK, "none")]
    kinds += [(name, DROPPED, INK, BORDERS[name]) for name in ("EOS", "tool", "padding")]
    if value:
        kinds.insert(1, ("in the loss, below 0", ORANGE, INK, "none"))
    boxes = "".join(box(name, ground, ink, border) for name, ground, ink, border in kinds)
    number = f'<span style="color:{MUTED}"> under a token: {html.escape(value)}</span>' if value else ""
    return f'<div style="margin-bottom:6px">{boxes}{number}</div>'


def row_html(row: int, cells: Sequence[Cell], batch: Batch, largest: float) -> str:
    facts = [f"row {row}"]
    facts += [f"{name} {float(values[row]):.3g}" for name, values in batch.per_row.items()]
    head = f'<div style="color:{MUTED};margin-top:6px">{html.escape(", ".join(facts))}</div>'
    return head + "<div>" + "".join(cell_html(cell, largest) for cell in cells) + "</div>"


def cell_html(cell: Cell, largest: float) -> str:
    ground, ink = colours(cell, largest)
    number = number_text(cell.value)
    kept = "in the loss" if cell.kept else "not in the loss"
    title = f"column {cell.column}: {cell.role}, {kept}" + (f", {number}" if number else "")
    under = f'<br><span style="font-size:75%">{number}</span>' if number else ""
    return box(cell.word, ground, ink, BORDERS[cell.role], title=title, under=under)


def box(word: str, ground: str, ink: str, border: str, *, title: str = "", under: str = "") -> str:
    tip = f' title="{html.escape(title, quote=True)}"' if title else ""
    return f'<span{tip} style="{BOX};background:{ground};color:{ink};border:{border}">{html.escape(word)}{under}</span>'


def colours(cell: Cell, largest: float) -> tuple[str, str]:
    """Ground and ink: blue in the loss, grey out of it; with numbers orange below 0, and paler the nearer they are to 0."""
    if not cell.kept:
        return DROPPED, INK
    if not is_number(cell.value) or largest == 0:
        return KEPT, PAPER
    assert cell.value is not None
    share = abs(cell.value) / largest
    ground = mixed(KEPT if cell.value >= 0 else ORANGE, 0.15 + 0.85 * share)
    return ground, words_on(ground)


def is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def number_text(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
