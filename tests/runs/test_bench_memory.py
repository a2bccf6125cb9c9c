"""Memory is counted to the byte, and what was there before is no part of a step."""

from dataclasses import replace

import pytest
import torch

from reference.algorithms.recipes import RECIPES
from reference.objectives.shapes import InputError
from reference.runs.bench_memory import memory_of, step_memory
from reference.runs.tensor_memory import Span, memory_spans, spans_of

CPU = torch.device("cpu")
MB = 1_000_000


@pytest.mark.parametrize(
    ("changes", "span"),
    [
        ([8, None, 4, 4, -4, 2, None], Span(8, 8, 4)),
        ([None, 4, 6, -6, -4, None, 99], Span(0, 10, 6)),
        ([8, None, -8, 4, 8, None], Span(8, 4, 4)),  # of 8 there is one, as before
        ([8, None, -8, 4, None], Span(8, 0, 0)),
        ([None, None], Span(0, 0, 0)),
    ],
)
def test_a_span_by_hand(changes, span):
    assert spans_of(changes) == [span]


def test_spans_lie_between_marks():
    assert spans_of([1, None, 2, None, 4, -2, None]) == [Span(1, 2, 2), Span(3, 4, 4)]


@pytest.mark.parametrize("make", [torch.zeros, torch.ones, torch.empty])
def test_a_hundred_megabytes_are_a_hundred_megabytes(make):
    # of 100 MB from torch.empty nothing is resident, and what was freed before makes room for them in a process
    for _ in range(2):
        with memory_spans(CPU) as (mark, spans):
            mark()
            make(25 * MB)
            mark()
        assert spans == [Span(0, 100 * MB, 100 * MB)]


def test_what_is_held_is_told_apart_and_what_is_older_is_not_counted():
    older = torch.ones(5 * MB)
    with memory_spans(CPU) as (mark, spans):
        kept = torch.ones(2 * MB)
        mark()
        new = kept + kept
        del kept
        new = new + new
        del older
        mark()
        mark()
        del new
    # 8 MB are there; two more of 8 are made, before the second of which the first 8 MB are freed
    assert spans == [Span(8 * MB, 8 * MB, 8 * MB), Span(8 * MB, 0, 0)]


def test_what_lives_inside_an_operation_and_what_autograd_keeps_is_counted():
    weight = torch.ones(MB, requires_grad=True)
    with memory_spans(CPU) as (mark, spans):
        mark()
        loss = (weight.exp() * 2).sum()
        loss.backward()
        mark()
    # most in the backward pass: what exp gave and autograd kept, the gradient that comes back to it and the one that it
    # makes of that, 4 MB each, and scalars
    assert spans[0].held == 0 and 12 * MB <= spans[0].peak < 12.001 * MB


def test_an_error_inside_is_passed_on_and_counting_goes_on_afterwards():
    with pytest.raises(ValueError, match="broken"), memory_spans(CPU):
        raise ValueError("broken")
    test_a_hundred_megabytes_are_a_hundred_megabytes(torch.zeros)


def test_on_cuda_the_counters_of_torch_are_read_after_waiting(monkeypatch):
    # 100 bytes of others; the first step leaves 50, the second has 80 at its peak, of which 30 above these 50
    said = iter([(100, 0), (150, 400), (160, 180)])
    level, asked = {}, []

    def wait(device):
        level["now"], level["peak"] = next(said)
        asked.append("wait")

    monkeypatch.setattr(torch.cuda, "synchronize", wait)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: level["now"])
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: level["peak"])
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: asked.append("reset"))
    with memory_spans(torch.device("cuda")) as (mark, spans):
        mark()
        mark()
    assert spans == [Span(50, 30, None)]
    assert asked == ["wait", "wait", "reset", "wait", "reset"]


def test_elsewhere_no_peak_is_counted():
    with pytest.raises(InputError, match="torch counts no peak of memory on mps"), memory_spans(torch.device("mps")):
        pytest.fail("it began")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grpo", "rloo"])
def test_a_step_holds_weights_and_optimizer_on_both_sides(name, base):
    model, tokenizer = base
    weights = 4 * sum(p.numel() for p in model.parameters())
    copies = 3 + (RECIPES[name].kl_coef > 0)  # weights, two moments of Adam, and the reference where there is one
    recipe = replace(RECIPES[name], prompts_per_step=4, group_size=4, max_new_tokens=16)
    ours, theirs, again = step_memory(recipe, model, tokenizer, sizes=(4, 8))
    assert [(m["side"], m["micro_batch_size"]) for m in (ours, theirs, again)] == [("ours", 4), ("TRL", 8), ("ours", 8)]
    # beside them our loop holds the gradient of its last update, TRL none; the rest is a rollout, small here
    assert (copies + 1) * weights <= ours["held"] < (copies + 1.2) * weights
    assert copies * weights <= theirs["held"] < (copies + 0.2) * weights
    assert again["held"] == ours["held"] and again["tokens"] == ours["tokens"]
    assert min(m["peak"] for m in (ours, theirs, again)) > 0
    # most of TRL's, on such a small model, is the buffer of its head, in float32: 32768 columns, whatever the vocabulary
    assert theirs["largest"] % (4 * 32_768) == 0 and theirs["largest"] > theirs["peak"] / 2


@pytest.mark.slow
def test_more_rows_at_once_need_more_memory(base):
    recipe = replace(RECIPES["grpo"], prompts_per_step=16, group_size=4, max_new_tokens=32, steps=2)
    few, many = (memory_of("ours", replace(recipe, micro_batch_size=size), *base, seed=0) for size in (4, 32))
    assert many["peak"] > 1.5 * few["peak"] and many["tokens"] == few["tokens"]
