"""Does a learner's function hand its work to the reference? What it calls is watched while it is graded."""

import functools
import inspect
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from reference.teaching.exercise import Exercise

Place = tuple[str, str]  # file, and name of the function in it


def answers_of(exercise: Exercise) -> set[Place]:
    """The reference of an exercise, and what it hands its work to."""
    return {place_of(inspect.unwrap(function).__code__) for function in (exercise.reference, *exercise.also)}


def place_of(code: CodeType) -> Place:
    return code.co_filename, code.co_qualname


def watched(function: Callable, answers: set[Place], seen: set[str]) -> Callable:
    """``function``, which adds to ``seen`` the names of the answers that run inside of it, at whatever depth."""

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and place_of(frame.f_code) in answers:
            seen.add(frame.f_code.co_qualname)

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        before = sys.getprofile()
        sys.setprofile(note)
        try:
            return function(*arguments, **options)
        finally:
            sys.setprofile(before)

    return call
