"""Every exercise of every lesson: what is right passes, what is a known mistake is named, what is neither is refused."""

from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest
import torch
from verdicts import judge

import reference
from reference import check, lessons
from reference.lessons import BUGS, EXERCISES, LESSONS, file_of
from reference.teaching.bug import bugs_of

pytestmark = pytest.mark.slow

SEEDS = range(5)


def offered(table):
    """(exercise, function) of SOLUTIONS or WRONG in the solutions.py of each lesson's tests."""
    with_exercises = [lesson for lesson in LESSONS if file_of(lesson, "exercises")]
    found = [getattr(import_module(f"lessons.{lesson}.solutions"), table) for lesson in with_exercises]
    return [
        pytest.param(name, function, id=f"{name}-{function.__name__}")
        for one in found
        for name, functions in one.items()
        for function in functions
    ]


@pytest.mark.parametrize("name", EXERCISES)
def test_the_reference_always_passes(name):
    for seed in range(20):
        assert judge(name, EXERCISES[name].reference, seed).passed


@pytest.mark.parametrize(("name", "solution"), offered("SOLUTIONS"))
def test_a_right_solution_passes_however_it_is_written(name, solution):
    for seed in SEEDS:
        verdict = judge(name, solution, seed)
        assert verdict.passed, verdict.message


def test_every_exercise_has_a_solution_written_in_another_way():
    assert {case.values[0] for case in offered("SOLUTIONS")} == EXERCISES.keys()


@pytest.mark.parametrize("name", EXERCISES)
def test_the_short_answer_is_a_right_one(name):
    namespace = {"torch": torch}
    exec(EXERCISES[name].in_short, namespace)
    for seed in SEEDS:
        assert judge(name, namespace[name], seed).passed


@pytest.mark.parametrize("bug", BUGS, ids=lambda b: f"{b.breaks}: {b.name}")
def test_every_catalogued_mistake_is_named(bug):
    assert bug.breaks in EXERCISES, f"{bug.wrong.__name__} breaks no exercise: what stands before its __ is to be one"
    for seed in SEEDS:
        verdict = judge(bug.breaks, bug.wrong, seed)
        assert verdict.bug is bug, verdict.message
        assert bug.mistake in verdict.message


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_file_of_mistakes_is_named_as_the_exercise_that_they_break(lesson):
    folder = Path(lessons.__file__).parent / lesson / "mistakes"
    exercises = file_of(lesson, "exercises")
    here = exercises.EXERCISES if exercises else {}
    for file in folder.glob("*.py"):
        found = {bug.breaks for bug in bugs_of(import_module(f"reference.lessons.{lesson}.mistakes.{file.stem}"))}
        place = file.relative_to(folder.parents[1])
        assert len(found) <= 1, f"{place} breaks {sorted(found)}: give each exercise a file of its own"
        for exercise in found:
            assert exercise in here, f"{place} breaks {exercise}, no exercise of {lesson}: these are {', '.join(here)}"
            assert file.stem == exercise or file.stem.startswith(f"{exercise}_"), f"{place}: name it {exercise}.py"


@pytest.mark.parametrize(("name", "solution"), offered("WRONG"))
def test_a_wrong_solution_that_is_on_no_list_is_refused(name, solution):
    for seed in SEEDS:
        assert judge(name, solution, seed).status in ("wrong", "mistake")


def test_no_two_mistakes_of_an_exercise_have_one_name():
    counts = Counter(f"{bug.breaks}: {bug.name}" for bug in BUGS)
    assert not (twice := [name for name, count in counts.items() if count > 1]), f"rename one of each: {twice}"


@pytest.mark.parametrize("name", EXERCISES)
def test_every_exercise_has_mistakes_and_hints(name):
    mistakes, hints = sum(bug.breaks == name for bug in BUGS), len(EXERCISES[name].hints)
    assert mistakes >= 3, f"{name} has {mistakes} mistakes: write 3 or more, each a function {name}__WHAT"
    assert hints >= 3, f"{name} has {hints} hints: write 3 or more"


@pytest.mark.parametrize("value", [object(), {"a": 1}, "text", [[1], 2], torch.zeros(2, 3).to_sparse()])
def test_no_return_value_can_crash_it(value):
    for name in EXERCISES:
        assert judge(name, lambda *a, value=value, **k: value).status in ("wrong", "mistake")


def unsolved(*args, **kwargs):
    raise NotImplementedError


@pytest.mark.parametrize("name", EXERCISES)
def test_a_stub_is_not_attempted_yet(name, capsys):
    verdict = getattr(check, name)(unsolved)
    assert verdict.status == "not attempted"
    assert capsys.readouterr().out == f'○ {name}: not attempted yet. hint("{name}") helps you start.\n'


def test_feedback_never_contains_the_answer():
    for bug in BUGS:
        message = judge(bug.breaks, bug.wrong).message
        assert "def " not in message and "gather(" not in message and "cumsum" not in message


@pytest.mark.parametrize("name", EXERCISES)
def test_the_answer_is_the_source_of_the_reference(name, monkeypatch):
    from reference.teaching import help as module

    shown = []
    monkeypatch.setattr(module, "display", shown.append)
    reference.answer(name)
    assert EXERCISES[name].in_short in shown[0].data  # the essential lines first
    assert shown[0].data.count(f"def {name}(") == 2 and '"""' in shown[0].data  # then the reference itself
