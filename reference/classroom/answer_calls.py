"""Does a learner's function hand its work to the reference? What it calls is watched while it is graded."""

import functools
import inspect
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from reference.teaching.exercise import Exercise

Place = tuple[str, str]  # file, and name of the function in it
WATCH = "sys.setprofile"  # what would end the watch


def answers_of(exercise: Exercise) -> set[Place]:
    """The reference of an exercise, and what it hands its work to."""
    return {place_of(inspect.unwrap(function).__code__) for function in (exercise.reference, *exercise.also)}


def place_of(code: CodeType) -> Place:
    return code.co_filename, code.co_qualname


def watched(function: Callable, answers: set[Place], seen: set[str]) -> Callable:
    """``function``, which adds to ``seen`` the names of the answers that run inside of it, at whatever depth.

    Threads that it starts are watched too, and so is the attempt to end the watch.
    """

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and place_of(frame.f_code) in answers:
            seen.add(frame.f_code.co_qualname)
        if event == "c_call" and argument is sys.setprofile and frame.f_code is not call.__code__:
            seen.add(WATCH)

    def call(*arguments: Any, **options: Any) -> Any:
        before, of_threads = sys.getprofile(), threading.getprofile()
        threading.setprofile(note)
        sys.setprofile(note)
        try:
            return function(*arguments, **options)
        finally:
            sys.setprofile(before)
            threading.setprofile(of_threads)

    return functools.wraps(function)(call)
