"""Parts of a job beside each other: order, errors and ends are those of a plain loop."""

import _thread
import signal
import threading
import time
from types import SimpleNamespace

import pytest
import torch
from llamas import small

from reference.objectives.shapes import InputError
from reference.world import workers
from reference.world.workers import cores_for_rows, cores_of, in_parallel, is_small, one_core_per_operation, workers_for

# ---- the pool ----------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def several_threads():
    """torch counts one thread in the tests; with two there is something to restore."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_results_come_in_the_order_of_the_parts(count):
    def late(part: int) -> int:
        time.sleep(0.002 * (5 - part % 5))
        return part * part

    assert list(in_parallel(late, range(12), workers=count)) == [part * part for part in range(12)]
    assert list(in_parallel(late, [], workers=count)) == []


def test_parts_are_worked_on_at_the_same_time():
    meet = threading.Barrier(2, timeout=10)
    assert sorted(in_parallel(lambda part: meet.wait(), range(2), workers=2)) == [0, 1]


@pytest.mark.parametrize("count", [1, 2])
def test_an_error_is_itself_and_stops_the_rest(count):
    started = []

    def part_of(part: int) -> int:
        started.append(part)
        if part == 3:
            raise InputError("part 3 is wrong")
        return part

    done = []
    with pytest.raises(InputError, match=r"^part 3 is wrong$"):
        for result in in_parallel(part_of, range(100), workers=count):
            done.append(result)
    assert done == [0, 1, 2] and len(started) < 12


def test_an_error_of_who_makes_the_parts_is_itself():
    def parts():
        yield 1
        raise KeyError("no second part")

    with pytest.raises(KeyError, match="no second part"):
        list(in_parallel(lambda part: part, parts(), workers=2))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("enabled", [True, False])
def test_the_callers_grad_mode_holds_in_the_parts(count, enabled):
    with torch.set_grad_enabled(enabled):
        assert set(in_parallel(lambda part: torch.is_grad_enabled(), range(6), workers=count)) == {enabled}


def test_parts_in_a_part_are_taken_one_after_the_other():
    def outer(part: int) -> set[int]:
        return set(in_parallel(lambda inner: threading.get_ident(), range(4), workers=3))

    threads = list(in_parallel(outer, range(2), workers=2))
    assert all(len(each) == 1 for each in threads) and threading.get_ident() not in set.union(*threads)
    here = set(in_parallel(lambda part: threading.get_ident(), range(4), workers=2))
    assert threading.get_ident() not in here  # outside of a part they are beside each other again


def test_one_core_for_each_operation_in_the_parts():
    counts = in_parallel(lambda part: torch.get_num_threads(), range(4), workers=2)
    assert set(counts) == {1}


def test_parts_are_made_as_they_are_needed():
    taken = []
    parts = (taken.append(part) or part for part in range(100))
    results = in_parallel(lambda part: part, parts, workers=3)
    assert next(results) == 0 and len(taken) == 6  # three at a time, and three ahead
    assert next(results) == 1 and len(taken) == 7
    results.close()


def test_an_early_end_leaves_no_thread_working():
    before, finished = threading.active_count(), []

    def slow(part: int) -> int:
        time.sleep(0.01)
        finished.append(part)
        return part

    results = in_parallel(slow, range(100), workers=2)
    assert next(results) == 0
    results.close()
    assert threading.active_count() == before and len(finished) < 10
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_threads_are_counted_as_before_after_an_error_of_the_caller(error):
    before = threading.active_count()
    with pytest.raises(error):
        for result in in_parallel(lambda part: part, range(100), workers=2):
            if result == 2:
                raise error
    assert torch.get_num_threads() == 2 and threading.active_count() == before


def test_ctrl_c_while_the_caller_waits_for_a_part():
    before, handler = threading.active_count(), signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background ignores Ctrl-C

    def interrupt(part: int) -> None:
        if part == 5:  # both threads are there by now
            _thread.interrupt_main()
        time.sleep(0.02)

    try:
        with pytest.raises(KeyboardInterrupt):
            list(in_parallel(interrupt, range(100), workers=2))
    finally:
        signal.signal(signal.SIGINT, handler)
    assert torch.get_num_threads() == 2 and threading.active_count() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_one_core_per_operation_ends_with_its_block(error):
    with pytest.raises(error), one_core_per_operation():
        assert torch.get_num_threads() == 1
        raise error
    assert torch.get_num_threads() == 2


# ---- how many cores ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("running", "of_torch", "spare"),
    [("3", 4, 4), ("5", 4, 2), ("6", 4, 1), ("7", 4, 1), ("9", 4, 1), ("1", 4, 4), ("4", 2, 2), ("no number", 4, 4)],
)
def test_a_core_that_another_program_computes_on_is_not_taken(running, of_torch, spare, monkeypatch):
    """Of 4 cores. Of the threads that run 3 are our own."""
    text = f"0.10 0.20 0.30 {running}/321 4567\n"
    monkeypatch.setattr(workers, "Path", lambda name: SimpleNamespace(read_text=lambda: text))
    monkeypatch.setattr(workers, "own_running_threads", lambda: 3)
    monkeypatch.setattr(workers.os, "cpu_count", lambda: 4)
    monkeypatch.setattr(workers, "CORES", of_torch)
    assert workers.spare_cores() == spare


def test_all_cores_are_taken_where_nothing_says_what_runs(monkeypatch, tmp_path):
    monkeypatch.setattr(workers, "Path", lambda name: tmp_path / "not there")
    monkeypatch.setattr(workers, "CORES", 3)
    assert workers.spare_cores() == 3


def test_our_own_threads_are_counted_while_they_run(monkeypatch, tmp_path):
    """The name of a thread may hold anything; one that ended meanwhile has no file."""
    for number, text in enumerate(["7 (a) R 1", "8 (b) R) S 1", "9 (c) S R", "10 (d) ) R 1"]):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "stat").write_text(text)
    (tmp_path / "ended").mkdir()
    monkeypatch.setattr(workers, "Path", lambda name: tmp_path)
    assert workers.own_running_threads() == 2


def test_few_rows_have_one_core_and_many_rows_the_spare_ones(monkeypatch):
    monkeypatch.setattr(workers, "spare_cores", lambda: 3)
    model, counts = small(), []
    with cores_for_rows(model) as rows_are:
        for rows in (12, 11, 100, 1):
            rows_are(rows)
            counts.append(torch.get_num_threads())
    assert counts == [3, 1, 3, 1] and torch.get_num_threads() == 2
    with cores_for_rows(model.train()) as rows_are:
        rows_are(1)
        assert torch.get_num_threads() == 2


def test_a_loop_in_a_part_keeps_its_one_core(monkeypatch):
    monkeypatch.setattr(workers, "spare_cores", lambda: 3)
    model = small()

    def cores_in_a_part(rows: int) -> int:
        with cores_for_rows(model) as rows_are:
            rows_are(rows)
            return torch.get_num_threads()

    assert list(in_parallel(cores_in_a_part, [1, 100], workers=2)) == [1, 1]


def test_only_a_small_model_leaves_the_cores_to_the_parts(monkeypatch):
    monkeypatch.setattr(workers, "spare_cores", lambda: 3)
    model = small()
    with cores_of(model):
        assert torch.get_num_threads() == 1 and workers_for(model) == 3
    with cores_of(model.train()):
        assert torch.get_num_threads() == 2 and workers_for(model) == 1


# ---- which models ------------------------------------------------------------------------------------------------------


def test_only_a_small_model_without_state_or_chance_is_worked_on_in_parts(monkeypatch):
    model = small()
    assert is_small(model) and not is_small(small().to("meta"))
    with torch.autocast("cpu", dtype=torch.bfloat16):  # the threads would not know of it
        assert not is_small(model)
    model.model.layers[0].train()
    assert not is_small(model)
    model.eval()
    weights = sum(p.numel() for p in model.parameters())
    monkeypatch.setattr(workers, "SMALL", weights)
    assert is_small(model)
    monkeypatch.setattr(workers, "SMALL", weights - 1)
    assert not is_small(model)
    monkeypatch.undo()
    handle = model.lm_head.register_forward_hook(lambda *a: None)
    assert not is_small(model)
    handle.remove()
    assert is_small(model)


def test_rotary_positions_that_change_while_they_are_read_are_not():
    model = small("llama", rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0})
    assert not is_small(model)
