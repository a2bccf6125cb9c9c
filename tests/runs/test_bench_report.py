"""The benchmark's arithmetic and its text, by hand."""

from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
import torch

from reference.algorithms.recipes import RECIPES
from reference.runs import machine as machine_module
from reference.runs.bench_report import aligned, bench_report
from reference.runs.bench_turns import Turn, flops, ratio, side, spread
from reference.runs.machine import machine, matmul_peak, matmul_size, synchronize, versions

GRPO = replace(RECIPES["grpo"], prompts_per_step=4, group_size=2)
WARM = [Turn(9.0, 1.0), Turn(9.0, 1.0)]  # would spoil every number if it were counted
OURS = [Turn(1.0, 160.0), Turn(2.0, 160.0), Turn(1.0, 160.0)]
THEIRS = [Turn(3.0, 160.0), Turn(4.0, 160.0), Turn(2.5, 160.0)]


class Model:
    """1000 weights on the CPU."""

    device = torch.device("cpu")

    def parameters(self):
        return [torch.zeros(600), torch.zeros(400)]


def measured(ours: list[Turn], theirs: list[Turn], **changes: object) -> dict:
    """What ``bench`` returns of such turns, on a machine that makes 18.4 million FLOP a second."""
    sides = {
        name: {"micro_batch_size": size}
        | side(WARM + turns, rows=8, flops=flops(Model(), GRPO, turns=turns, prompt_tokens=80), peak=1.84e7)
        for name, size, turns in (("ours", 16, ours), ("TRL", 32, theirs))
    }
    return {
        "recipe": asdict(GRPO), "options": {"turns": len(ours), "busy": 0, "before": None},
        "machine": {"device": "cpu", "gpu": None, "threads": 2}, "versions": {"torch": "2.9"},
        "matmul": {"size": 1024, "flops_per_second": 1.84e9}, "sides": sides, "ratio": ratio(ours, theirs), "memory": None,
    } | changes  # fmt: skip


def test_flops_by_hand():
    # 8 rows of 10 prompt and 20 completion tokens. Sampled: 160 + 80 / 2 (a prompt once per group) = 200 tokens at 2.
    # Trained: 240 tokens at 6. 1000 * (400 + 1440) = 1.84 million.
    assert flops(Model(), GRPO, turns=[Turn(1.0, 150.0), Turn(9.0, 170.0)], prompt_tokens=80) == 1_840_000


@pytest.mark.parametrize(
    ("values", "five"),
    [
        ([7.0], (7.0, 7.0, 7.0, 7.0, 7.0)),
        ([3.0, 1.0], (1.0, 1.5, 2.0, 2.5, 3.0)),
        ([5.0, 1.0, 2.0, 4.0, 3.0], (1.0, 2.0, 3.0, 4.0, 5.0)),
    ],
)
def test_the_spread_by_hand(values, five):
    assert tuple(spread(values)[name] for name in ("least", "quartile_1", "median", "quartile_3", "most")) == five


def test_the_report_by_hand():
    first, _, _, mine, trl, _, words, *_ = bench_report(measured(OURS, THEIRS)).splitlines()
    assert first == "grpo, 4 prompts x 2 completions, 2 optimizer steps; 3 turns; cpu, 2 threads, torch 2.9"
    # turn by turn 3.0, 2.0 and 2.5; per second 8 rollouts and 160 tokens; 1.84 of 18.4 million a second is a tenth
    assert mine.split() == ["ours", "16", "1.00", "1.00", "1.50", "1.00", "2.00", "8", "160", "10%"]
    assert trl.split() == ["TRL", "32", "3.00", "2.75", "3.50", "2.50", "4.00", "3", "53", "3%"]
    assert words.startswith(
        "TRL's step takes 2.50 times as long as ours: the median of the turns, half of which lie from 2.25 to 2.75, all "
        "from 2.00 to 3.00. Per completion token: 2.50 times."
    )


def test_every_turn_is_kept_and_the_warm_up_is_not_counted():
    entry = measured(OURS, THEIRS)["sides"]["ours"]
    assert entry["warm_up"] == [{"seconds": 9.0, "tokens": 1.0}] * 2
    assert entry["turns"] == [{"seconds": turn.seconds, "tokens": 160.0} for turn in OURS]


def test_more_tokens_are_not_held_against_anyone():
    text = bench_report(measured([Turn(1.0, 100.0)], [Turn(3.0, 150.0)]))
    assert "3.00 times as long" in text and "Per completion token: 2.00 times" in text


def test_the_first_line_tells_of_busy_processes_and_the_ratio_of_the_checkout():
    options = {"turns": 3, "busy": 2, "before": "../old"}
    lines = bench_report(measured(OURS, THEIRS, options=options)).splitlines()
    assert lines[0].endswith("torch 2.9; beside 2 busy processes")
    assert "The step of ../old takes 2.50 times as long as ours" in lines[6]


def entry(name: str, rows: int, held: int, peak: int, largest: int | None) -> dict:
    return {"side": name, "micro_batch_size": rows, "held": held, "peak": peak, "largest": largest, "tokens": 160.0}


def test_the_memory_by_hand():
    counted = [entry("ours", 16, 2_000_000, 3_000_000, 500_000), entry("TRL", 32, 1_000_000, 9_000_000, 4_000_000),
               entry("ours", 32, 2_000_000, 6_000_000, 2_000_000)]  # fmt: skip
    lines = bench_report(measured(OURS, THEIRS, memory=counted)).splitlines()
    head = next(place for place, line in enumerate(lines) if line.startswith("Memory of one step"))
    assert lines[head + 1].split() == ["MB", "rows", "held", "peak", "total", "largest", "tokens"]
    assert lines[head + 2].split() == ["ours", "16", "2.0", "3.0", "5.0", "0.5", "160"]
    assert lines[head + 3].split() == ["TRL", "32", "1.0", "9.0", "10.0", "4.0", "160"]
    # both with 32: 9 / 6, 10 / 8, (9 - 4) / (6 - 2); apart: 9 / 3, 10 / 5, (9 - 4) / (3 - 0.5)
    assert lines[head + 5] == (
        "With 32 rows per forward pass on both sides, TRL's peak is 1.50 times as large as ours, its total 1.25 times; "
        "without the largest tensor of each, its peak 1.25 times."
    )
    assert lines[head + 6] == (
        "With 16 rows for ours and 32 for TRL, TRL's peak is 3.00 times as large as ours, its total 2.00 times; without "
        "the largest tensor of each, its peak 2.00 times."
    )


def test_on_cuda_the_largest_tensor_is_not_known_and_with_equal_rows_nothing_is_said_twice():
    counted = [entry("ours", 32, 2_000_000, 6_000_000, None), entry("TRL", 32, 1_000_000, 9_000_000, None)]
    text = bench_report(measured(OURS, THEIRS, memory=counted))
    assert "on both sides, TRL's peak is 1.50 times as large as ours, its total 1.25 times.\nheld:" in text
    assert "without the largest" not in text and "1.0   9.0   10.0        -" in text


def test_columns_lie_under_each_other():
    assert aligned([("", "step"), ("ours", "1.25")]) == ["      step", "ours  1.25"]


def test_the_peak_is_the_work_over_the_shortest_time(monkeypatch):
    clock = iter([0.0, 3.0, 3.0, 5.0, 5.0, 9.0])  # 3, 2 and 4 seconds
    monkeypatch.setattr(machine_module, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    assert matmul_peak(torch.device("cpu"), size=256, repeats=3) == 2 * 256**3 / 2.0
    assert matmul_size(torch.device("cpu")) == 1024 < matmul_size(torch.device("cuda"))


def test_a_clock_waits_for_every_device_that_works_by_itself(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.accelerator, "synchronize", waited.append)
    for name in ("cpu", "cuda:1", "mps"):
        synchronize(torch.device(name))
    assert waited == [torch.device("cuda:1"), torch.device("mps")]


def test_the_machine_and_the_versions_are_those_of_this_process(monkeypatch):
    assert versions()["torch"] == torch.__version__
    assert machine_module.version("a-package-that-nobody-has") is None
    here = machine(torch.device("cpu"))
    assert here["threads"] == torch.get_num_threads() and here["gpu"] is None and here["processor"]
    monkeypatch.setattr(machine_module.torch.cuda, "get_device_name", lambda device: "a GPU")
    assert machine(torch.device("cuda"))["gpu"] == "a GPU"
