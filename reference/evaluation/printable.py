"""Text as it is printed: a stranger's, in one line and harmless to a terminal; and tables."""

import unicodedata
from collections.abc import Sequence


def printable(text: str, most: int) -> str:
    """The first ``most`` characters; what a terminal would obey or not show, such as an escape sequence, stands as \\x1b."""
    shown = "".join(char if is_harmless(char) else char.encode("unicode_escape").decode() for char in text[: most + 1])
    return shown[:most] + "..." if len(shown) > most else shown


def is_harmless(char: str) -> bool:
    """Neither a control character, nor half of a pair, nor white space that is no plain space, nor a turn of the writing."""
    return char == " " or unicodedata.category(char)[0] not in "CZ"


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def share(count: int, n: int) -> str:
    return f"{count} ({percent(count / n)})" if count else "0"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns. The first column begins at the left, the others end at the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]


def counted(count: int, noun: str) -> str:
    """1 problem, 2 problems."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def file_name(path: str) -> str:
    """A path as it is printed; - is the standard input."""
    return "standard input" if path == "-" else printable(path, 200)
