"""Ctrl-C, and the SIGTERM of batch systems: both ask a run to finish its step, to save and to stop.

While something is under way that must not be cut (imports, a training step) a signal is only noted. Everywhere else it
ends the command at once, as a ``KeyboardInterrupt``. Imports nothing heavy: this must work in the first second.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], None]
SIGNALS = (signal.SIGINT, signal.SIGTERM)
received_signals: list[int] = []  # the signals that this process was sent


def exit_code() -> int:
    """128 and the number of the signal, as shells count: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + (received_signals[0] if received_signals else signal.SIGINT)


def note(number: int, frame: FrameType | None) -> None:
    """A handler: remember the signal and go on; the second one stops at once."""
    received_signals.append(number)
    if len(received_signals) > 1:
        raise KeyboardInterrupt


def stop(number: int, frame: FrameType | None) -> None:
    """A handler: stop at once."""
    received_signals.append(number)
    raise KeyboardInterrupt


@contextmanager
def route_signals(handler: Handler) -> Iterator[None]:
    """Both signals go to ``handler`` inside the block. Elsewhere than in the main thread nothing can be changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.signal(number, handler) for number in SIGNALS]
    try:
        yield
    finally:
        for number, old in zip(SIGNALS, before, strict=True):
            signal.signal(number, signal.SIG_DFL if old is None else old)


@contextmanager
def defer_signals() -> Iterator[None]:
    """For imports: they are finished, then the command ends. Cut short, some libraries swallow the interruption, and
    others print a traceback of their own. What came before them need not wait for them."""
    if received_signals:
        raise KeyboardInterrupt
    with route_signals(note):
        yield
    if received_signals:
        raise KeyboardInterrupt


@contextmanager
def interruptible(tell: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Turn the first signal into a question that a loop can ask between two steps; the second one stops at once."""

    def announce(number: int, frame: FrameType | None) -> None:
        note(number, frame)
        tell("finishing this step, then saving (Ctrl-C again: stop at once, back to the last checkpoint)")

    with route_signals(announce):
        yield lambda: bool(received_signals)
