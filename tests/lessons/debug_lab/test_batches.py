"""Batches of runs with a fault, as the loss sees them; and the guard in the loop."""

from dataclasses import replace

import pytest
import torch

from reference.algorithms.data import Experience
from reference.algorithms.recipes import RECIPES
from reference.algorithms.rl import train_rl
from reference.lessons.debug_lab.batch_checks import check_batch
from reference.lessons.debug_lab.batches import Seen, batch_of, seen_by
from reference.lessons.debug_lab.guard import guarded, mask_shifted, names_for
from reference.lessons.debug_lab.telling import batch_text
from reference.objectives.shapes import InputError
from reference.world.model import load

EOS = 1  # of the shipped tokenizer


def experience(mask) -> Experience:
    """One row: a prompt of two tokens, a word, the EOS, a pad."""
    three = torch.full((1, 3), -0.5)
    return Experience(
        tokens=torch.tensor([[7, 8, 9, EOS, 0]]), attention_mask=torch.tensor([[1, 1, 1, 1, 0]]), prompt_width=2,
        group=torch.tensor([0]), mask=torch.tensor([mask]), old_logprobs=three, rewards=torch.ones(1),
        token_rewards=three, advantages=torch.tensor([[2.0]]),
    )  # fmt: skip


def test_the_completion_part_is_moved_to_the_prediction_axis():
    seen = seen_by(torch.tensor([[-1.0, -2.0, 0.0]]), experience([True, True, False]))
    assert seen.mask.tolist() == [[0, 1, 1, 0]] and seen.logprobs.tolist() == [[0, -1, -2, 0]]
    assert seen.old_logprobs.tolist() == [[0, -0.5, -0.5, -0.5]] and seen.advantages.tolist() == [[0, 2, 2, 2]]


def test_the_guard_lets_a_right_batch_pass_and_names_what_is_wrong():
    loss, same = guarded(check_batch, eos_token_id=EOS), torch.full((1, 3), -0.5)
    right = experience([True, True, False])
    assert loss(same, right, RECIPES["grpo"]).tolist() == [[-2, -2, -2]]  # minus the advantage, at ratio 1
    with pytest.raises(InputError, match="the batch is wrong: ratio"):
        loss(same + torch.tensor([[0.0, 0.1, 0.0]]), right, RECIPES["grpo"])
    with pytest.raises(InputError, match="the batch is wrong: pad, start"):
        mask_shifted(loss, places=1)(same, right, RECIPES["grpo"])
    with pytest.raises(InputError, match="the batch is wrong: eos"):
        loss(same, experience([True, False, False]), RECIPES["grpo"])


def test_the_eos_is_that_of_the_shipped_tokenizer(base):
    assert base[1].eos_token_id == EOS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "fault", "names"),
    [
        ("grpo", None, []),
        ("grpo", "mask_off_by_one", ["ratio"]),
        ("grpo", "temperature_forgotten", ["ratio"]),
        ("grpo", "stale_logprobs", ["ratio"]),
        ("grpo", "weights_frozen", []),
        ("ppo", "value_at_action", []),
    ],
)
def test_what_check_batch_finds_in_a_real_batch(recipe, fault, names):
    assert names_for(check_batch, batch_of(recipe, fault, step=2), eos_token_id=EOS) == names


@pytest.mark.slow
def test_what_stands_in_brackets_is_what_trains():
    masked, trained = (batch_text(batch_of("tool-rl", fault), rows=1) for fault in (None, "tool_output_trained"))
    assert "<|end|>]<|tool|>" in masked and "[<|tool|>" not in masked.replace("]<|tool|>", "")
    assert "<|end|><|tool|>" in trained
    fine, cut = (batch_text(batch_of("sft", fault), rows=1) for fault in (None, "eos_not_trained"))
    assert fine.splitlines()[-1].rstrip("⏎").endswith("<|end|>]") and cut.splitlines()[-1].rstrip("⏎").endswith(
        "]<|end|>"
    )


def test_pads_in_the_loss_are_shown_and_rows_without_numbers_have_none():
    seen = Seen(torch.tensor([[5, 6, 0]]), torch.tensor([[1, 1, 0]]), torch.tensor([[True, True]]), 1)
    text = batch_text(seen)
    assert text.splitlines()[2] == "row 1" and text.endswith("·pad·]")


@pytest.mark.slow
@pytest.mark.parametrize(("places", "stopped"), [(0, False), (1, True), (-1, True)])
def test_a_run_with_a_shifted_mask_is_stopped_at_its_first_step(places, stopped):
    model, tokenizer = load()
    loss = mask_shifted(guarded(check_batch, eos_token_id=EOS), places=places)
    recipe = replace(RECIPES["grpo"], loss=loss, steps=2, prompts_per_step=4, group_size=4, minibatches=1)
    rows = []
    adam = torch.optim.AdamW(model.parameters(), lr=recipe.lr)
    arguments = (model, tokenizer, adam, recipe)
    if stopped:
        with pytest.raises(InputError, match="the batch is wrong: "):
            train_rl(*arguments, on_step=lambda step, row: rows.append(row))
    else:
        train_rl(*arguments, on_step=lambda step, row: rows.append(row))
    assert len(rows) == (0 if stopped else 2)
