"""Ctrl-C, the SIGTERM of batch systems and the SIGHUP of a terminal that is closed: a run finishes its step, saves and stops.

While something is under way that must not be cut (imports, a training step) a signal is only noted. Everywhere else it
ends the command at once, as a ``KeyboardInterrupt``. Imports nothing heavy: this must work in the first second.
"""

import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

Handler = Callable[[int, FrameType | None], None]
HANGUP = getattr(signal, "SIGHUP", None)  # Windows has none
SIGNALS = tuple(filter(None, (signal.SIGINT, signal.SIGTERM, HANGUP)))
received_signals: list[int] = []  # the signals that this process was sent


def exit_code() -> int:
    """128 and the number of the signal, as shells count: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP."""
    return 128 + (received_signals[0] if received_signals else signal.SIGINT)


def note(number: int, frame: FrameType | None) -> None:
    """A handler: remember the signal and go on; the second one stops at once."""
    remember(number)
    if len(received_signals) > 1:
        raise KeyboardInterrupt


def stop(number: int, frame: FrameType | None) -> None:
    """A handler: stop at once."""
    remember(number)
    raise KeyboardInterrupt


def remember(number: int) -> None:
    received_signals.append(number)
    if number == HANGUP:
        leave_terminal()


def leave_terminal() -> None:
    """Whatever goes to a terminal goes nowhere from now on. It is closed: a write would fail, and end the step with it."""
    for descriptor in (1, 2):
        with suppress(OSError):  # the shell may have closed it
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)


@contextmanager
def route_signals(handler: Handler) -> Iterator[None]:
    """The signals go to ``handler`` inside the block. Elsewhere than in the main thread nothing can be changed.

    A SIGHUP that is ignored stays so: nohup does that, for what shall go on without its terminal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [n for n in SIGNALS if n != HANGUP or signal.getsignal(n) != signal.SIG_IGN]
    before = [(number, signal.signal(number, handler)) for number in numbers]
    try:
        yield
    finally:
        for number, old in before:
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
