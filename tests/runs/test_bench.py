"""The benchmark's arithmetic, and one short run of it. Nothing here says how fast anything is."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from reference.__main__ import main
from reference.algorithms.recipes import RECIPES
from reference.runs import bench as module
from reference.runs.bench import Turn, bench, flops, matmul_peak, report

pytestmark = pytest.mark.slow

GRPO = replace(RECIPES["grpo"], prompts_per_step=4, group_size=2)


class Model:
    """1000 weights on the CPU."""

    device = torch.device("cpu")

    def parameters(self):
        return [torch.zeros(600), torch.zeros(400)]


def test_flops_by_hand():
    # 8 rows of 10 prompt and 20 completion tokens. Sampled: 160 + 80 / 2 (a prompt once per group) = 200 tokens at 2.
    # Trained: 240 tokens at 6. 1000 * (400 + 1440) = 1.84 million.
    assert flops(Model(), GRPO, completion_tokens=160, prompt_tokens=80) == 1_840_000


def test_the_report_by_hand(monkeypatch):
    monkeypatch.setattr(module, "matmul_peak", lambda device: 1.84e7)
    ours = [Turn(1.0, 160.0), Turn(2.0, 160.0), Turn(1.0, 160.0)]
    theirs = [Turn(3.0, 160.0), Turn(4.0, 160.0), Turn(2.5, 160.0)]
    text = report(GRPO, Model(), ours, theirs, prompt_tokens=80)
    # turn by turn 3.0, 2.0 and 2.5; per second 8 rollouts and 160 tokens; 1.84 of 18.4 million a second is a tenth
    assert "takes 2.50 times as long as ours (median of the turns; 2.00 to 3.00)" in text
    mine, trl = (line.split() for line in text.splitlines()[3:5])
    assert mine == ["ours", "1.00", "1.00", "2.00", "8", "160", "10%"]
    assert trl == ["TRL", "3.00", "2.50", "4.00", "3", "53", "3%"]


def test_more_tokens_are_not_held_against_anyone(monkeypatch):
    monkeypatch.setattr(module, "matmul_peak", lambda device: 1e9)
    text = report(GRPO, Model(), [Turn(1.0, 100.0)], [Turn(3.0, 150.0)], prompt_tokens=80)
    assert "3.00 times as long" in text and "per completion token 2.00 times" in text


def test_they_take_turns_on_the_same_prompts(base, monkeypatch):
    monkeypatch.setattr(module, "WARM_UP", 1)
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
    before = {name: value.clone() for name, value in base[0].state_dict().items()}
    text = bench(replace(GRPO, max_new_tokens=16), base[0], base[1], turns=2)
    assert order == ["TRL 0", "ours 0", "TRL 1", "ours 1", "TRL 2", "ours 2"]
    assert "2 turns" in text and text.count("tokens/s") == 1
    assert all(torch.equal(before[name], value) for name, value in base[0].state_dict().items())


def test_the_peak_is_the_work_over_the_shortest_time(monkeypatch):
    clock = iter([0.0, 3.0, 3.0, 5.0, 5.0, 9.0])  # 3, 2 and 4 seconds
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    assert matmul_peak(torch.device("cpu"), size=256, repeats=3) == 2 * 256**3 / 2.0


def test_the_command(capsys):
    with pytest.raises(SystemExit):
        main(["bench", "--recipe", "ppo"])
    assert "invalid choice" in capsys.readouterr().err
