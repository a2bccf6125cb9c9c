"""Every exercise of every lesson: what is right passes, what is a known mistake is named, what is neither is refused."""

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
    for seed in SEEDS:
        verdict = judge(bug.breaks, bug.wrong, seed)
        assert verdict.bug is bug, verdict.message
        assert bug.mistake in verdict.message


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_file_of_mistakes_is_named_as_the_exercise_that_they_break(lesson):
    folder = Path(lessons.__file__).parent / lesson / "mistakes"
    for file in folder.glob("*.py"):
        found = {bug.breaks for bug in bugs_of(import_module(f"reference.lessons.{lesson}.mistakes.{file.stem}"))}
        assert len(found) <= 1, file
        for exercise in found:
            assert file.stem == exercise or file.stem.startswith(f"{exercise}_"), file
            assert exercise in file_of(lesson, "exercises").EXERCISES


@pytest.mark.parametrize(("name", "solution"), offered("WRONG"))
def test_a_wrong_solution_that_is_on_no_list_is_refused(name, solution):
    for seed in SEEDS:
        assert judge(name, solution, seed).status in ("wrong", "mistake")


def test_names_are_unique_and_every_exercise_has_mistakes_and_hints():
    assert len({(b.breaks, b.name) for b in BUGS}) == len(BUGS)
    for name, exercise in EXERCISES.items():
        assert sum(b.breaks == name for b in BUGS) >= 3 and len(exercise.hints) >= 3


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
