"""What a notebook works with: the tools of ``teaching``, for the exercises, questions and widgets of all lessons."""

from collections.abc import Callable

from reference.lessons import BUGS, EXERCISES, LESSONS, QUESTIONS, WIDGETS, file_of
from reference.teaching import carry, help
from reference.teaching import progress as progress_page
from reference.teaching import quiz as questions
from reference.teaching.check import Check
from reference.teaching.exercise import find
from reference.teaching.play import Play
from reference.teaching.show import show
from reference.teaching.table import table

__all__ = ["answer", "check", "hint", "mine", "play", "progress", "quiz", "show", "table"]

check = Check(EXERCISES, BUGS)
play = Play(WIDGETS)


def hint(name: str) -> None:
    """Print the next hint for an exercise: a question first, the method next, nearly the line last."""
    help.hint(EXERCISES, name)


def answer(name: str) -> None:
    """Show a solution in its essential lines, and below it the reference with its docstring and checks."""
    help.answer(EXERCISES, name)


def quiz(name: str) -> None:
    """Show the question ``name`` with its options. Pressing one answers it and says why it is right or wrong."""
    questions.quiz(QUESTIONS, name)


def progress(*, reset: bool = False) -> None:
    """Show which exercises are solved, which were tried, and what is next. ``reset=True`` deletes what is kept of it."""
    progress_page.progress(exercises_by_notebook(), reset=reset)


def exercises_by_notebook() -> dict[str, list[str]]:
    """The names of the exercises of each notebook, in the order of the course."""
    found = [(file_of(lesson, "__init__"), file_of(lesson, "exercises")) for lesson in LESSONS]
    return {lesson.NOTEBOOK: list(file.EXERCISES) for lesson, file in found if lesson and file}


def mine(function: Callable, name: str) -> Callable:
    """``function`` if it passes the check of the exercise ``name``, else the reference. Prints which.

    replace(RECIPES["grpo"], loss=lambda logp, e, r: policy_loss(logp, e.old_logprobs, e.advantages))

    with ``policy_loss = mine(ppo_clip_loss, "ppo_clip_loss")`` trains with the function of the notebook, and a notebook
    that was not solved still runs to its end.
    """
    return carry.mine(find(EXERCISES, name), BUGS, function)
