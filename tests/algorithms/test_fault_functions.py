"""The wrong functions on inputs whose arithmetic can be followed by hand."""

import math
from dataclasses import replace

import pytest
import torch

from reference.algorithms.aggregation import aggregation_of
from reference.algorithms.data import Counts
from reference.algorithms.recipes import RECIPES
from reference.algorithms.slots import completions_of_nothing, experience_of_nothing
from reference.faults import wrong_rollouts, wrong_updates
from reference.objectives import group_advantages, prediction_mask, token_logprobs, total_loss

GRPO = RECIPES["grpo"]
ASSISTANT = torch.tensor([[0, 0, 1, 1, 1, 0]]).bool()  # question, question, three of the assistant, padding


def test_the_mask_of_demonstrations_right_with_the_question_and_without_the_end():
    assert prediction_mask(ASSISTANT).tolist() == [[False, True, True, True, False]]
    assert wrong_updates.with_prompt(prediction_mask)(ASSISTANT).tolist() == [[True, True, True, True, False]]
    assert wrong_updates.without_end(prediction_mask)(ASSISTANT).tolist() == [[False, True, True, False, False]]


def test_a_slice_that_begins_one_late_gives_each_token_the_log_prob_of_the_next():
    logits = torch.tensor([[[0.0, math.log(3)], [math.log(4), 0.0], [0.0, 0.0], [0.0, 0.0]]])
    tokens = torch.tensor([[0, 1, 0, 1]])  # P = 3/4, 4/5, 1/2
    right = token_logprobs(logits, tokens, temperature=1.0).exp()
    late = wrong_updates.one_late(token_logprobs)(logits, tokens, temperature=1.0).exp()
    assert right.tolist() == [pytest.approx([3 / 4, 4 / 5, 1 / 2])]
    assert late.tolist() == [pytest.approx([4 / 5, 1 / 2, 3 / 4])]


def test_scored_at_temperature_one_whatever_was_sampled_at():
    logits, tokens = torch.tensor([[[0.0, math.log(3)], [0.0, 0.0]]]), torch.tensor([[0, 1]])
    right = token_logprobs(logits, tokens, temperature=0.5).exp().item()
    wrong = wrong_updates.at_temperature_one(token_logprobs)(logits, tokens, temperature=0.5).exp().item()
    assert right == pytest.approx(9 / 10)  # logits doubled: 9 to 1
    assert wrong == pytest.approx(3 / 4)


def test_the_count_of_each_micro_batch_makes_the_sum_grow_with_their_number():
    recipe = replace(GRPO, aggregation="token_mean")
    right, wrong = aggregation_of(recipe), wrong_updates.own_counts(aggregation_of)(recipe)
    counts = Counts(num_tokens=4, num_kept=2, num_sequences=2, max_length=2)  # of two micro-batches of one row
    loss, mask = torch.ones(1, 2), torch.ones(1, 2).bool()
    assert 2 * right.function(loss, mask, counts).item() == 1
    assert 2 * wrong.function(loss, mask, counts).item() == 2


def test_the_entropy_is_added_where_it_should_be_subtracted():
    policy, entropy = torch.tensor(1.0), torch.tensor(0.5)
    assert total_loss(policy, entropy=entropy, entropy_coef=0.1).item() == pytest.approx(0.95)
    assert wrong_updates.entropy_added(total_loss)(policy, entropy=entropy, entropy_coef=0.1).item() == pytest.approx(
        1.05
    )
    assert wrong_updates.entropy_added(total_loss)(policy).item() == 1


def test_a_dead_group_gets_advantages_of_full_size_from_a_millionth_of_its_lengths():
    recipe, lengths = replace(GRPO, group_size=2), torch.tensor([10.0, 30.0])
    rewards = torch.ones(2)
    dusty = wrong_rollouts.dusty(lambda rewards, lengths, recipe: rewards)(rewards, lengths, recipe)
    assert group_advantages(rewards, group_size=2).tolist() == [0, 0]
    assert group_advantages(dusty, group_size=2).abs().max() < 0.2  # the eps of the right function holds it
    wrong = wrong_rollouts.without_eps(group_advantages)(dusty, group_size=2)
    assert wrong.tolist() == pytest.approx([1 / math.sqrt(2), -1 / math.sqrt(2)], abs=1e-3)  # the shorter one wins


def test_advantages_that_are_not_centred_and_that_have_the_wrong_sign():
    recipe = replace(GRPO, group_size=2, prompts_per_step=1)
    e = experience_of_nothing(recipe, 2, False, torch.device("cpu"))  # rewards 0 and 1

    def advantage(wrong):
        from reference.algorithms.advantages import advantage_of

        return wrong(advantage_of)(recipe).function(e, recipe).flatten().tolist()

    assert advantage(lambda right: right) == pytest.approx([-0.7071, 0.7071], abs=1e-3)
    assert advantage(wrong_rollouts.not_centred) == [0, 1]
    assert advantage(wrong_rollouts.negated) == pytest.approx([0.7071, -0.7071], abs=1e-3)


def test_a_judge_who_likes_length_gives_four_fifths_of_its_points_for_it():
    recipe = replace(GRPO, group_size=2, prompts_per_step=1, max_new_tokens=4)
    e = experience_of_nothing(recipe, 2, False, torch.device("cpu"))
    written = completions_of_nothing(recipe, e)  # two tokens each of a budget of four; the second one right
    assert wrong_rollouts.likes_length(written, recipe).tolist() == pytest.approx([0.4, 0.6])


def test_a_verifier_that_finds_no_answer_says_no_to_all():
    recipe = replace(GRPO, group_size=2, prompts_per_step=1)
    written = completions_of_nothing(recipe, experience_of_nothing(recipe, 2, False, torch.device("cpu")))
    assert written.correct.sum() == 1
    assert wrong_rollouts.never_right(lambda *args: written)().correct.sum() == 0
