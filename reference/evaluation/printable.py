"""Text of a stranger's file as it may be printed: in one line, short, and harmless to a terminal."""

import unicodedata


def printable(text: str, most: int) -> str:
    """The first ``most`` characters; what a terminal would obey or not show, such as an escape sequence, stands as \\x1b."""
    shown = "".join(char if is_harmless(char) else char.encode("unicode_escape").decode() for char in text[: most + 1])
    return shown[:most] + "..." if len(shown) > most else shown


def is_harmless(char: str) -> bool:
    """Neither a control character, nor half of a pair, nor white space that is no plain space, nor a turn of the writing."""
    return char == " " or unicodedata.category(char)[0] not in "CZ"
