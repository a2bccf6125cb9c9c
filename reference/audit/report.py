"""What an audit found, for the terminal and as JSON."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from reference.audit.batch import Batch
from reference.audit.finding import LEVELS, Finding
from reference.evaluation.printable import counted, printable

WIDTH = 110
HEADS = {"fault": "FAULT", "doubt": "doubt", "note": "note"}
LONGEST = 200  # characters of a name from a file


def text(batch: Batch, findings: Sequence[Finding], skipped: Mapping[str, str]) -> str:
    """What the batch is, the findings, the worst first, and what could not be looked at."""
    lines = [*about(batch), ""]
    for finding in findings:
        lines += [*told(finding), *([""] if finding.level != "note" else [])]
    if not any(finding.level == "fault" for finding in findings):
        lines += ["No fault was found by the checks that could be made."]
    lines += paragraph(verdict(findings))
    if skipped:
        lines += ["", "Not looked at, for want of:", *(f"  {name}: {needs}" for name, needs in skipped.items())]
    return "\n".join(lines)


def about(batch: Batch) -> list[str]:
    """One paragraph: sizes, the share in the loss, and which tensor of the file was read as what."""
    rows, time = batch.tokens.shape
    of = f" of {printable(batch.source, LONGEST)}" if batch.source else ""
    sizes = f"A batch{of}: {counted(rows, 'row')} of {counted(time, 'token')}"
    if batch.mask is not None:
        sizes += (
            f"; {int(batch.mask.sum())} of {batch.mask.numel()} slots, from column {batch.start} on, are in the loss"
        )
    read = ", ".join(
        name if name == key else f"{name} = {printable(key, LONGEST)}" for name, key in batch.named.items()
    )
    return [*paragraph(sizes + "."), *paragraph(f"Read: {read}." if read else ""), *(line for note in batch.notes for line in paragraph(printable(note, 1000)))]  # fmt: skip


def told(finding: Finding) -> list[str]:
    """A finding in lines: what and where, why, what to do, where to read on."""
    where = f" ({finding.where})" if finding.where else ""
    lines = paragraph(
        f"{HEADS[finding.level]}: {finding.what[:-1] if where and finding.what.endswith('.') else finding.what}{where}{'.' if where else ''}"
    )
    if finding.level != "note":
        lines += (
            paragraph(finding.why, "    ")
            + paragraph(finding.do, "    ")
            + [f"    Lesson: notebooks/{finding.lesson}.ipynb"]
        )
    return lines


def paragraph(words: str, indent: str = "") -> list[str]:
    return textwrap.wrap(words, WIDTH, initial_indent=indent, subsequent_indent=indent or "  ", break_on_hyphens=False)


def verdict(findings: Sequence[Finding]) -> str:
    counts = [sum(finding.level == level for finding in findings) for level in LEVELS]
    return ", ".join(counted(count, level) for count, level in zip(counts, LEVELS, strict=True)) + "."


def as_json(batch: Batch, findings: Sequence[Finding], skipped: Mapping[str, str]) -> dict[str, Any]:
    """Everything, as plain data. A number that JSON does not have is a null."""
    return {
        "source": batch.source, "rows": len(batch.tokens), "time": batch.tokens.shape[1], "start": batch.start,
        "in_loss": None if batch.mask is None else int(batch.mask.sum()), "named": dict(batch.named),
        "numbers": {name: value if math.isfinite(value) else None for name, value in batch.numbers.items()},
        "notes": list(batch.notes), "findings": [asdict(finding) for finding in findings], "skipped": dict(skipped),
    }  # fmt: skip
