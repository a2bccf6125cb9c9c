"""Turns with TRL, and the command. Nothing here says how fast anything is."""

import json
import os
import signal
import subprocess
import time
from dataclasses import replace

import pytest
import torch
from small_runs import PATIENCE, fork, refusal, wait_for

from reference.__main__ import main
from reference.algorithms.recipes import RECIPES
from reference.objectives.shapes import InputError
from reference.runs import bench as module
from reference.runs.bench import require_one_gpu, turns_with_trl, usual_sizes
from reference.runs.bench_before import HERE
from reference.runs.bench_report import bench_report
from reference.world.model import BASE

GRPO = replace(RECIPES["grpo"], prompts_per_step=4, group_size=2, max_new_tokens=16)


@pytest.mark.slow
def test_they_take_turns_on_the_same_prompts(base, monkeypatch):
    order: list[str] = []
    ours, theirs = module.train_rl, module.run_trl

    def our_loop(*args, **options):
        order.append(f"ours {options['first_step']}")
        return ours(*args, **options)

    def their_loop(*args, **options):
        on_step = options.pop("on_step")
        return theirs(*args, **options, on_step=lambda step, m: order.append(f"TRL {step - 1}") or on_step(step, m))

    monkeypatch.setattr(module, "train_rl", our_loop)
    monkeypatch.setattr(module, "run_trl", their_loop)
    monkeypatch.setattr(module, "synchronize", lambda device: order.append("wait"))
    before = {name: value.clone() for name, value in base[0].state_dict().items()}
    turns = turns_with_trl(replace(GRPO, steps=2), base[0], base[1], trl_micro_batch_size=4)
    # a clock is read only after the device has done its work: where TRL's turn ends, around ours, and where TRL's begins
    one = ["wait", "wait", "ours {}", "wait", "wait"]
    assert order == ["wait", "TRL 0", *(w.format(0) for w in one), "TRL 1", *(w.format(1) for w in one)]
    assert all(len(side) == 2 and all(t.seconds > 0 and 8 <= t.tokens <= 128 for t in side) for side in turns.values())
    assert all(torch.equal(before[name], value) for name, value in base[0].state_dict().items())


@pytest.mark.slow
def test_the_command_prints_one_json_object_from_which_the_report_is_made(monkeypatch, capfd):
    monkeypatch.setitem(RECIPES, "grpo", GRPO)
    rows = ["--micro-batch-size", "2", "--trl-micro-batch-size", "4"]
    assert main(["bench", "--turns", "1", "--device", "cpu", "--busy", "1", "--memory", "--json", *rows]) == 0
    measured = json.loads(capfd.readouterr().out)
    assert measured["options"] == {
        "model": str(BASE), "turns": 1, "seed": 0, "busy": 1, "memory": True, "before": None,
        "micro_batch_size": 2, "trl_micro_batch_size": 4,
    }  # fmt: skip
    assert measured["recipe"]["prompts_per_step"] == 4 and measured["versions"].keys() >= {
        "torch",
        "transformers",
        "trl",
    }
    for side, size in (("ours", 2), ("TRL", 4)):
        entry = measured["sides"][side]
        assert entry["micro_batch_size"] == size and (len(entry["warm_up"]), len(entry["turns"])) == (2, 1)
        assert entry["seconds"]["median"] == entry["turns"][0]["seconds"] > 0
    [only] = measured["ratio"]["turns"]
    assert only == measured["sides"]["TRL"]["turns"][0]["seconds"] / measured["sides"]["ours"]["turns"][0]["seconds"]
    assert [(m["side"], m["micro_batch_size"]) for m in measured["memory"]] == [("ours", 2), ("TRL", 4), ("ours", 4)]
    text = bench_report(measured)
    assert text.splitlines()[0].startswith("grpo, 4 prompts x 2 completions, 2 optimizer steps; 1 turn; cpu, ")
    assert text.splitlines()[0].endswith("; beside 1 busy process")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--recipe", "ppo"], "invalid choice: 'ppo'"),
        (["--busy", "-1"], "argument --busy: -1 is below 0"),
        (["--busy", "1.5"], "argument --busy: 1.5 is not a whole number"),
        (["--before", ".", "--memory"], "nothing reads --memory here, since --before compares the times of two checkouts"),
        (["--before", ".", "--trl-micro-batch-size", "8"], "nothing reads --trl-micro-batch-size here"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)  # fmt: skip
def test_what_the_command_refuses(arguments, words, capsys):
    assert words in refusal(capsys, "bench", *arguments)


def test_on_a_gpu_both_sides_take_a_whole_minibatch_at_once():
    assert usual_sizes(RECIPES["grpo"], torch.device("cpu")) == (16, 32)
    assert usual_sizes(RECIPES["grpo"], torch.device("cuda")) == (
        128,
        128,
    )  # 32 prompts x 8 completions in 2 minibatches


def test_several_gpus_are_refused_since_trl_would_take_them_all(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    require_one_gpu(torch.device("cpu"))
    with pytest.raises(InputError, match="write CUDA_VISIBLE_DEVICES=1 before the command"):
        require_one_gpu(torch.device("cuda:1"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    require_one_gpu(torch.device("cuda"))


def children(parent: int) -> list[int]:
    """The processes that it has started and that still run."""
    told = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in told.splitlines()]
    return [int(pid) for pid, above, state in rows if int(above) == parent and not state.startswith("Z")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "option"), [(signal.SIGINT, ["--busy", "2"]), (signal.SIGTERM, ["--before", str(HERE)])]
)
def test_a_signal_ends_the_processes_that_were_started_too(number, option):
    process = fork("bench", "--turns", "1", "--device", "cpu", *option)
    wait_for(lambda: len(children(process.pid)) == 2, process)
    started = children(process.pid)
    process.send_signal(number)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 128 + number and "interrupted" in output and "Traceback" not in output
    # A signal may come while the last one is being started: nobody kills that one, and it ends since its parent has.
    deadline = time.time() + PATIENCE
    while alive := [pid for pid in started if runs(pid)]:
        assert time.time() < deadline, f"{alive} go on without the command that started them"
        time.sleep(0.05)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
