"""Printing what a command was asked for: where the output takes nothing more, it is told apart from a full run folder."""


class OutputLost(OSError):
    """Nobody takes what is printed: the disk behind the output is full, say. Told at the end of the program."""


def emit(text: object) -> None:
    """Print, at once. Raises ``OutputLost``; and ``BrokenPipeError`` where nobody reads any more."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputLost(*error.args) from None
