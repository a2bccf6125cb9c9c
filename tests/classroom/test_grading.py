"""``grade``: points by cases, no points for the reference's work, and a verdict that the report reads."""

import inspect
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from lessons.test_exercises import offered

from reference import objectives
from reference.classroom import grading
from reference.classroom.grading import NoPoints, TooSlow, begin, end, grade, grade_of
from reference.classroom.results import VERDICT
from reference.lessons import BUGS, EXERCISES
from reference.objectives.shapes import InputError


def graded(name, function, *, points=12, seed=1):
    return grade_of(EXERCISES[name], function, points=points, seed=seed)


def right(x, mask):
    return torch.where(mask, x, 0.0).sum() / mask.sum()


def only_token_mean(token_loss, mask, *, strategy, max_length):
    if strategy == "token_mean":
        return torch.where(mask, token_loss, 0.0).sum() / mask.sum()
    raise NotImplementedError


@pytest.fixture
def shown(monkeypatch) -> list[dict]:
    found: list[dict] = []
    monkeypatch.setattr(grading, "display", lambda data, raw: found.append(data))
    return found


def test_a_right_function_gets_all_points(shown):
    assert grade("masked_mean", right, points=5, seed=1) == 5
    assert shown[0]["text/plain"] == "masked_mean: 5 of 5 points, right on 6 of 6 cases."
    assert shown[0][VERDICT]["status"] == "passed"


def test_points_are_shared_out_by_cases():
    found = graded("aggregate", only_token_mean)
    assert (found.right, found.cases, found.points) == (5, 15, 4)  # one of three strategies, in five cases: 12 / 3


def test_points_are_rounded_to_hundredths():
    assert graded("aggregate", only_token_mean, points=10).points == 3.33


def test_what_was_not_begun_gets_no_points_and_ends_in_one_sentence(shown):
    def stub(x, mask):
        raise NotImplementedError

    with pytest.raises(NoPoints, match="masked_mean: 0 of 5 points") as caught:
        grade("masked_mean", stub, points=5, seed=1)
    assert shown[0][VERDICT]["status"] == "not attempted"
    assert caught.value._render_traceback_() == ["masked_mean: 0 of 5 points, right on 0 of 6 cases."]


def test_a_mistake_of_the_catalogue_is_named():
    (bug,) = [bug for bug in BUGS if bug.breaks == "masked_mean" and "denominator still counts" in bug.mistake]
    found = graded("masked_mean", bug.wrong)
    assert (found.status, found.mistake, found.points) == ("mistake", bug.mistake, 0)


def test_an_input_that_is_changed_costs_the_points_of_its_case():
    def in_place(x, mask):
        return x.mul_(mask).sum() / mask.sum()

    found = graded("masked_mean", in_place)
    assert found.status == "wrong" and found.points == 0


@pytest.mark.parametrize(
    "cheat",
    [
        objectives.masked_mean,
        lambda x, mask: objectives.masked_mean(x, mask),
        lambda x, mask: inspect.unwrap(objectives.masked_mean)(x, mask),
    ],
)
def test_a_function_that_calls_the_reference_gets_no_points(cheat, shown):
    with pytest.raises(NoPoints, match="it calls masked_mean of the reference"):
        grade("masked_mean", cheat, points=5, seed=1)
    assert shown[0][VERDICT]["status"] == "copied" and shown[0][VERDICT]["right"] == 6


def test_a_function_that_looks_whether_it_is_watched_gains_nothing():
    def careful(x, mask):
        return objectives.masked_mean(x, mask) if sys.getprofile() is None else 0 * x.sum()

    assert graded("masked_mean", careful).points == 0


def test_a_function_that_calls_the_reference_in_a_thread_gets_no_points():
    def in_a_thread(x, mask):
        with ThreadPoolExecutor() as pool:
            return pool.submit(objectives.masked_mean, x, mask).result()

    found = graded("masked_mean", in_a_thread)
    assert (found.status, found.points, found.right) == ("copied", 0, 6) and threading.getprofile() is None


def test_a_function_that_ends_the_watch_gets_no_points():
    def unwatched(x, mask):
        before = sys.getprofile()
        sys.setprofile(None)
        try:
            return objectives.masked_mean(x, mask)
        finally:
            sys.setprofile(before)

    found = graded("masked_mean", unwatched)
    assert (found.status, found.points, found.right) == ("copied", 0, 6)
    assert found.message == "✗ masked_mean: it calls sys.setprofile."


def test_another_function_of_the_course_may_be_called():
    def with_an_earlier_lesson(token_logprobs, advantages):
        objectives.masked_mean(token_logprobs, token_logprobs < 0)
        return -advantages.detach() * token_logprobs

    assert graded("reinforce_loss", with_an_earlier_lesson).status == "passed"


def test_what_is_watched_ends_with_the_call():
    before = sys.getprofile()
    graded("masked_mean", right)
    assert sys.getprofile() is before


def test_results_that_were_written_down_get_no_points_and_the_learner_is_told(shown):
    answers = {float(case.arguments["x"].sum()): right(**case.arguments) for case in EXERCISES["masked_mean"].cases(0)}

    def written_down(x, mask):
        no_value = right(x, mask) - right(x, mask).detach()  # the gradient alone
        return answers.get(float(x.detach().sum()), 0.0) + no_value

    with pytest.raises(NoPoints):
        grade("masked_mean", written_down, points=5, seed=1)
    assert "On inputs that check does not show:\n✗ masked_mean" in shown[0]["text/plain"]


def test_the_inputs_of_check_are_no_inputs_of_grading():
    with pytest.raises(InputError, match="seed=0 draws what check shows"):
        graded("masked_mean", right, seed=0)


def test_something_that_is_no_function_gets_no_points():
    found = graded("masked_mean", 3)
    assert found.points == 0 and "pass the function itself" in found.message


@pytest.fixture
def begun(monkeypatch):
    """Puts stderr back, and stops what was begun."""
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    yield
    end()


def test_stderr_is_stdout_in_a_graded_cell(begun, capsys):
    begin(seconds=1000)
    print("a warning", file=sys.stderr)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("a warning\n", "")


def test_a_function_without_end_is_stopped_whatever_check_catches(begun):
    def endless(x, mask):
        signal.raise_signal(signal.SIGALRM)  # as if the time was over now

    begin(seconds=1000)
    with pytest.raises(TooSlow, match="not done after 1000 seconds"):
        graded("masked_mean", endless)
    assert sys.getprofile() is None


def test_the_time_ends_with_the_cell(begun):
    begin(seconds=1000)
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    end()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXERCISES)
def test_every_reference_is_found_out_and_every_short_answer_gets_all_points(name):
    namespace = {"torch": torch}
    exec(EXERCISES[name].in_short, namespace)
    assert graded(name, EXERCISES[name].reference).status == "copied"
    assert graded(name, namespace[name]).points == 12


@pytest.mark.slow
@pytest.mark.parametrize(("name", "solution"), offered("SOLUTIONS"))
def test_no_right_solution_is_taken_for_a_copy_but_those_that_are_one(name, solution):
    copies = ("tuple_pair", "in_another_order")  # they only wrap what the reference returns
    assert graded(name, solution).points == (0 if solution.__name__ in copies else 12)
