"""Small files of completions, and extractors so plain that scores can be counted by hand."""

import json
from pathlib import Path

from reference.evaluation.extractors import Extractor


def write(path: Path, *rows: object) -> str:
    """A JSONL file; a row that is bytes is written as it is."""
    path.write_bytes(b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows))
    return str(path)


def find_end(text: str) -> str | None:
    """What stands behind the last = sign."""
    return text.rpartition("=")[2].strip() or None if "=" in text else None


def find_first(text: str) -> str | None:
    """The first word."""
    return text.split()[0] if text.split() else None


def same_text(found: str, gold: str) -> bool:
    return found == gold


def raises(text: str) -> str | None:
    raise ValueError(text)


END = Extractor("end", "behind the last =", find_end, same_text)
FIRST = Extractor("first", "the first word", find_first, same_text)
BROKEN = Extractor("broken", "raises", raises, same_text)
