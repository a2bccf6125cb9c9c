"""Results that a reader can work out on paper. Every expected number is written as the arithmetic that gives it.

Returns, advantages, the critic and what steers a run: ``test_closed_forms_credit``. Preferences: ``test_closed_forms_preference``.
"""

import math

import pytest
import torch
from float64 import f64
from paper import LN2, LN3, assert_is
from torch.utils._python_dispatch import TorchDispatchMode

from reference.objectives import (
    adaptive_kl_coef,
    aggregate,
    approx_kl,
    chunked_token_logprobs,
    cispo_loss,
    clip_frac,
    completion_mask,
    dead_group_share,
    entropy,
    fixed_length,
    grad_norm,
    group_advantages,
    group_reward_std,
    gspo_loss,
    kl_abs,
    kl_charge,
    kl_full,
    kl_k1,
    kl_k2,
    kl_k3,
    kl_penalty,
    kl_straight_through,
    kl_unbiased,
    masked_mean,
    mean_entropy,
    mean_kl,
    mean_length,
    mean_ratio,
    position_ids,
    ppo_clip_loss,
    prediction_mask,
    ratio,
    reinforce_loss,
    reward_mean,
    sampler_correction,
    sequence_logprobs,
    sequence_mean,
    sequence_ratio,
    sft_loss,
    token_logprobs,
    token_mean,
    truncated_share,
)

# Log-probabilities


def test_the_logits_at_position_t_score_the_token_at_t_plus_one():
    """Position 0 gives 1/4, 3/4; position 1 gives 1/2, 1/2; what position 2 says is never asked."""
    logits = f64([[math.log(1), math.log(3)], [0.0, 0.0], [50.0, -50.0]])
    tokens = torch.tensor([[0, 1, 0]])
    assert_is(token_logprobs(logits, tokens), math.log(3 / 4), math.log(1 / 2))


def test_the_first_token_is_not_scored():
    logits = torch.randn(1, 3, 5)
    one, other = token_logprobs(logits, torch.tensor([[0, 2, 3]])), token_logprobs(logits, torch.tensor([[4, 2, 3]]))
    assert one.tolist() == other.tolist()


def test_temperature_two_takes_the_square_root_of_the_odds():
    logits = f64([[math.log(9), 0.0], [0.0, 0.0]])  # odds 9 : 1, tempered 3 : 1
    assert_is(token_logprobs(logits, torch.tensor([[0, 0]])), math.log(9 / 10))
    assert_is(token_logprobs(logits, torch.tensor([[0, 0]]), temperature=2.0), math.log(3 / 4))


def test_the_gradient_of_a_log_prob_is_one_hot_minus_softmax():
    logits = f64([[math.log(1), math.log(3)], [0.0, 0.0]]).requires_grad_()
    token_logprobs(logits, torch.tensor([[0, 1]])).sum().backward()
    assert_is(logits.grad, 0 - 1 / 4, 1 - 3 / 4, 0, 0)  # and nothing at the last position


def test_scoring_at_another_temperature_than_the_samplers_moves_the_first_ratio_away_from_one():
    logits = f64([[math.log(9), 0.0], [0.0, 0.0]])
    tokens = torch.tensor([[0, 0]])
    sampled_with = token_logprobs(logits, tokens, temperature=2.0)
    assert_is(ratio(token_logprobs(logits, tokens, temperature=2.0), sampled_with), 1.0)
    assert_is(ratio(token_logprobs(logits, tokens), sampled_with), (9 / 10) / (3 / 4))


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_scored_in_float32(half):
    """In bfloat16 ln(1/3) = -1.0986 would come out as -1.1016."""
    logits, tokens = torch.zeros(1, 2, 3, dtype=half), torch.tensor([[0, 0]])
    for value, exact in ((token_logprobs(logits, tokens), -LN3), (entropy(logits), LN3)):
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.item(), exact, rtol=1e-6, atol=0)  # a few float32 roundings of 1.2e-7
    assert token_logprobs(logits.double(), tokens).dtype == torch.float64


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_divided_by_the_temperature_in_float32(half):
    logits, tokens = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]], dtype=half), torch.tensor([[0, 0]])
    exact = -math.log(1 + math.exp(-1 / 0.7))  # 1 / 0.7 = 1.4286, in bfloat16 1.4297
    assert token_logprobs(logits, tokens, temperature=0.7).item() == pytest.approx(exact, rel=1e-6)


def test_chunked_log_probs_are_untempered_unless_asked():
    """The hidden states are the logits: the head is the identity, and odds are 9 : 1 as above."""
    hidden, head, tokens = f64([[math.log(9), 0.0], [0.0, 0.0]]), f64([1.0, 0.0], [0.0, 1.0]), torch.tensor([[0, 0]])
    assert_is(chunked_token_logprobs(hidden, head, tokens), math.log(9 / 10))
    assert_is(chunked_token_logprobs(hidden, head, tokens, temperature=2.0), math.log(3 / 4))


def test_chunked_log_probs_never_hold_all_logits_at_once_nor_keep_them_for_the_backward_pass():
    """2 rows of 17 positions, 50 tokens, chunks of 4: 200 logits at a time instead of 2 * 16 * 50 = 1600."""

    class Largest(TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for tensor in out if isinstance(out, tuple | list) else [out]:
                if isinstance(tensor, torch.Tensor):
                    self.numbers = max(self.numbers, tensor.numel())
            return out

    hidden = torch.randn(2, 17, 3, requires_grad=True)
    head = torch.randn(50, 3, requires_grad=True)
    tokens = torch.randint(0, 50, (2, 17))
    saved = []
    with Largest() as seen:
        with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x.numel()) or x, lambda x: x):
            logp = chunked_token_logprobs(hidden, head, tokens, chunk_size=4)
        logp.sum().backward()
    assert 200 <= seen.numbers < 400
    assert sum(saved) < 400


def test_sequence_logprobs_add_the_kept_tokens_and_average_divides_by_their_number():
    logp = f64([-1.0, -2.0, -4.0], [-8.0, -16.0, -32.0], [-64.0, -128.0, -256.0])
    mask = torch.tensor([[0, 1, 1], [1, 0, 0], [0, 0, 0]])
    assert_is(sequence_logprobs(logp, mask), -2 - 4, -8, 0)
    assert_is(sequence_logprobs(logp, mask, average=True), (-2 - 4) / 2, -8, 0)


# Entropy


@pytest.mark.parametrize("vocab", [1, 2, 7, 50_000])
def test_the_entropy_of_a_uniform_distribution_is_the_log_of_the_vocabulary(vocab):
    torch.testing.assert_close(
        entropy(torch.full((1, 2, vocab), 3.0, dtype=torch.float64)).item(), math.log(vocab), rtol=1e-12, atol=1e-12
    )


def test_the_entropy_of_one_half_one_quarter_one_quarter_is_one_and_a_half_bits():
    logits = f64([[2 * LN2, LN2, LN2], [0.0, 0.0, 0.0]])
    assert_is(entropy(logits), 0.5 * LN2 + 0.25 * 2 * LN2 + 0.25 * 2 * LN2)


def test_entropy_follows_the_temperature_and_the_prediction_axis():
    logits = f64([[math.log(9), 0.0], [0.0, 0.0], [5.0, 0.0]])
    tempered = -(3 / 4) * math.log(3 / 4) - (1 / 4) * math.log(1 / 4)  # odds 9 : 1 at temperature 2 are 3 : 1
    assert_is(entropy(logits, temperature=2.0), tempered, LN2)


def test_entropy_cannot_grow_at_the_uniform_distribution():
    logits = torch.zeros(1, 2, 4, dtype=torch.float64, requires_grad=True)
    entropy(logits).sum().backward()
    assert_is(logits.grad, *[0.0] * 8)


# Positions and masks


def test_positions_count_real_tokens_from_zero_whatever_precedes_them():
    attention_mask = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]])
    expected = [[0, 1, 2, 3], [0, 0, 0, 1], [0, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert position_ids(attention_mask).tolist() == expected


PROMPT, A, B, EOS, PAD = 5, 1, 2, 3, 0


@pytest.mark.parametrize(
    ("row", "start", "expected"),
    [
        # predictions are of tokens 1, 2, 3, 4, 5
        pytest.param([PROMPT, PROMPT, A, B, EOS, PAD], 2, [0, 1, 1, 1, 0], id="from the start through the EOS"),
        pytest.param([PROMPT, PROMPT, A, B, A, B], 2, [0, 1, 1, 1, 1], id="no EOS: truncated, kept to the end"),
        pytest.param([PROMPT, PROMPT, A, EOS, B, EOS], 2, [0, 1, 1, 0, 0], id="nothing after the first EOS"),
        pytest.param([PROMPT, EOS, A, B, EOS, PAD], 2, [0, 1, 1, 1, 0], id="an EOS in the prompt ends nothing"),
        pytest.param([PAD, PAD, PROMPT, A, EOS, PAD], 3, [0, 0, 1, 1, 0], id="left padding"),
        pytest.param([PROMPT, PROMPT, EOS, PAD, PAD, PAD], 2, [0, 1, 0, 0, 0], id="the EOS alone"),
        pytest.param([PROMPT, A, B, A, B, EOS], 1, [1, 1, 1, 1, 1], id="a prompt of one token"),
        pytest.param([PROMPT] * 6, 6, [0, 0, 0, 0, 0], id="start at the end: an empty row"),
    ],
)
def test_completion_mask_by_hand(row, start, expected):
    mask = completion_mask(torch.tensor([row]), torch.tensor([start]), eos_token_id=EOS)
    assert mask.int().tolist() == [expected]


def test_whichever_of_several_end_tokens_comes_first_ends_the_completion():
    tokens = torch.tensor([[PROMPT, A, 8, EOS, 8], [PROMPT, EOS, 8, A, A], [PROMPT, A, B, A, B]])
    mask = completion_mask(tokens, torch.tensor([1, 1, 1]), eos_token_id=[EOS, 8])
    assert mask.int().tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]]


def test_the_eos_is_kept_and_the_padding_is_not_when_both_have_the_same_id():
    """Left padding, an end-of-turn in the prompt and right padding, all id 3: only the first 3 of the completion counts."""
    tokens = torch.tensor([[3, 3, 5, 3, 1, 2, 3, 3, 3]])
    mask = completion_mask(tokens, torch.tensor([4]), eos_token_id=3)
    assert mask.int().tolist() == [[0, 0, 0, 1, 1, 1, 0, 0]]  # of tokens 4, 5 and 6


def test_prediction_mask_keeps_the_prediction_of_each_kept_token():
    #                            user        assistant      EOS
    assistant = torch.tensor([[0, 0, 0, 1, 1, 1, 0]])
    assert prediction_mask(assistant).int().tolist() == [[0, 0, 1, 1, 1, 0]]


def test_a_completion_mask_and_the_shifted_assistant_mask_keep_the_same_predictions():
    tokens = torch.tensor([[PROMPT, PROMPT, A, B, EOS, PAD]])
    by_position = completion_mask(tokens, torch.tensor([2]), eos_token_id=EOS)
    assert prediction_mask(torch.tensor([[0, 0, 1, 1, 1, 0]])).tolist() == by_position.tolist()


# Normalisers: two completions of 2 and 8 tokens

SHORT_AND_LONG = torch.tensor([[1, 1, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1]])


@pytest.mark.parametrize(
    ("strategy", "short", "long"),
    [
        ("sequence_mean", 1 / (2 * 2), 1 / (2 * 8)),  # 0.25 and 0.0625: four times less for a token of the long one
        ("token_mean", 1 / (2 + 8), 1 / (2 + 8)),
        ("fixed_length", 1 / (2 * 16), 1 / (2 * 16)),  # 2 rows, a budget of 16 tokens
    ],
)
def test_the_weight_of_a_token_in_a_completion_of_2_and_of_8(strategy, short, long):
    loss = torch.zeros(2, 8, dtype=torch.float64, requires_grad=True)
    aggregate(loss, SHORT_AND_LONG, strategy=strategy, max_length=16).backward()
    assert_is(loss.grad, *[short] * 2, *[0.0] * 6, *[long] * 8)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [("sequence_mean", (6 / 2 + 8 / 8) / 2), ("token_mean", 14 / 10), ("fixed_length", 14 / 32)],
)
def test_the_three_means_of_a_loss_of_3_per_short_and_1_per_long_token(strategy, expected):
    loss = f64([3.0] * 8, [1.0] * 8)
    assert_is(aggregate(loss, SHORT_AND_LONG, strategy=strategy, max_length=16), expected)


def test_fixed_length_is_token_mean_times_the_share_of_the_budget_that_was_used():
    loss = torch.randn(2, 8, dtype=torch.float64)
    used = 10 / (2 * 16)
    assert_is(fixed_length(loss, SHORT_AND_LONG, max_length=16), token_mean(loss, SHORT_AND_LONG).item() * used)


def test_an_empty_row_counts_for_fixed_length_only():
    loss = f64([4.0, 4.0], [9.0, 9.0])
    mask = torch.tensor([[1, 1], [0, 0]])
    assert_is(token_mean(loss, mask), 8 / 2)
    assert_is(sequence_mean(loss, mask), 4 / 1)
    assert_is(sequence_mean(loss, mask, num_sequences=2), 4 / 2)  # as TRL counts
    assert_is(fixed_length(loss, mask, max_length=4), 8 / (2 * 4))


def test_global_counts_replace_those_of_the_batch():
    loss, mask = f64([1.0, 2.0], [3.0, 9.0]), torch.tensor([[1, 1], [1, 0]])
    assert_is(token_mean(loss, mask, num_tokens=12), 6 / 12)
    assert_is(sequence_mean(loss, mask, num_sequences=3), (3 / 2 + 3 / 1) / 3)
    assert_is(fixed_length(loss, mask, max_length=10, num_sequences=3), 6 / (10 * 3))


def test_each_strategy_takes_the_global_count_it_divides_by():
    loss, mask = f64([1.0, 2.0], [3.0, 9.0]), torch.tensor([[1, 1], [1, 0]])
    counts = {"num_tokens": 12, "num_sequences": 3, "max_length": 10}
    assert_is(aggregate(loss, mask, strategy="token_mean", **counts), 6 / 12)
    assert_is(aggregate(loss, mask, strategy="sequence_mean", **counts), (3 / 2 + 3 / 1) / 3)
    assert_is(aggregate(loss, mask, strategy="fixed_length", **counts), 6 / 30)


def test_masked_mean_is_the_mean_of_what_is_kept():
    assert_is(masked_mean(f64([1.0, 100.0], [3.0, 8.0]), torch.tensor([[1, 0], [1, 1]])), (1 + 3 + 8) / 3)


# Supervised


def test_sft_loss_is_the_mean_surprise_of_the_kept_tokens():
    logp = f64([math.log(1 / 2), math.log(1 / 4), math.log(1 / 9)])
    logp.requires_grad_()
    loss = sft_loss(logp, torch.tensor([[1, 1, 0]]))
    loss.backward()
    assert_is(loss, (LN2 + 2 * LN2) / 2)
    assert_is(logp.grad, -1 / 2, -1 / 2, 0)


def test_a_model_that_knows_nothing_pays_the_log_of_the_vocabulary():
    logp = token_logprobs(torch.zeros(2, 4, 7, dtype=torch.float64), torch.randint(0, 7, (2, 4)))
    assert_is(sft_loss(logp, torch.ones(2, 3)), math.log(7))


# Advantages


@pytest.mark.parametrize("group_size", [2, 4, 8, 64])
def test_a_lone_success_among_g_gets_g_minus_one_over_the_square_root_of_g(group_size):
    """mean 1/G, variance ((1 - 1/G)^2 + (G - 1) / G^2) / (G - 1) = 1/G; a failure gets -1 / sqrt(G)."""
    g = group_size
    rewards = torch.zeros(g, dtype=torch.float64)
    rewards[1] = 1.0
    advantages = group_advantages(rewards, group_size=g, eps=0.0)
    failure = -1 / math.sqrt(g)
    assert_is(advantages, failure, (g - 1) / math.sqrt(g), *[failure] * (g - 2))


def test_for_eight_samples_that_is_2_47_instead_of_0_875():
    rewards = torch.tensor([1.0, 0, 0, 0, 0, 0, 0, 0])
    assert group_advantages(rewards, group_size=8)[0].item() == pytest.approx(
        7 / 8 / (1 / math.sqrt(8) + 1e-4), rel=1e-5
    )
    assert group_advantages(rewards, group_size=8)[0].item() == pytest.approx(2.47, abs=0.005)
    assert group_advantages(rewards, group_size=8, scale="none").tolist() == [0.875] + [-0.125] * 7


def test_eps_is_added_to_the_standard_deviation():
    """Rewards 0, 2, 4: mean 2, std sqrt(8 / 2) = 2. With eps 2 they are divided by 4."""
    rewards = torch.tensor([0.0, 2.0, 4.0], dtype=torch.float64)
    assert_is(group_advantages(rewards, group_size=3, eps=2.0), -2 / 4, 0, 2 / 4)
    assert_is(group_advantages(rewards, group_size=3), -2 / 2.0001, 0, 2 / 2.0001)


def test_groups_are_neighbours_and_each_has_its_own_mean():
    rewards = torch.tensor([1.0, 3.0, 10.0, 30.0], dtype=torch.float64)
    assert_is(group_advantages(rewards, group_size=2, scale="none"), -1, 1, -10, 10)
    root = 1 / math.sqrt(2)  # of any two different rewards
    assert_is(group_advantages(rewards, group_size=2, eps=0.0), -root, root, -root, root)


def test_a_group_of_one_is_its_own_baseline():
    assert group_advantages(torch.tensor([5.0, -3.0]), group_size=1, scale="none").tolist() == [0.0, 0.0]


def test_a_dead_group_beside_a_living_one_stays_at_zero():
    rewards = torch.tensor([0.1] * 3 + [0.0, 0.0, 1.0])
    advantages = group_advantages(rewards, group_size=3, eps=1e-9)
    assert advantages[:3].tolist() == [0.0, 0.0, 0.0]
    assert advantages[3:].tolist() == pytest.approx([-1 / math.sqrt(3)] * 2 + [2 / math.sqrt(3)], rel=1e-6)


# The clipped surrogate


@pytest.mark.parametrize(
    ("advantage", "r", "loss", "slope"),
    [
        # the loss is max(-A r, -A clip(r)) with bounds 0.8 and 1.2; its slope in logp is -A r, or 0 where it is clipped
        (+2.0, 1.5, -2 * 1.2, 0.0),  # wanted more, has gone far enough: stop
        (+2.0, 0.5, -2 * 0.5, -2 * 0.5),  # wanted more, has gone the wrong way: keep pulling
        (-2.0, 1.5, 2 * 1.5, 2 * 1.5),  # wanted less, has gone the wrong way: keep pushing
        (-2.0, 0.5, 2 * 0.8, 0.0),  # wanted less, has gone far enough: stop
        (+2.0, 1.1, -2 * 1.1, -2 * 1.1),  # inside the bounds
        (-2.0, 0.9, 2 * 0.9, 2 * 0.9),
        (+2.0, 1.0, -2.0, -2.0),
        (-2.0, 1.0, 2.0, 2.0),
        (0.0, 1.5, 0.0, 0.0),
    ],
)
def test_the_clip_quadrants(advantage, r, loss, slope):
    logp = f64([math.log(r) - 3.0]).requires_grad_()
    old = f64([-3.0])
    ours = ppo_clip_loss(logp, old, f64([advantage]))
    ours.sum().backward()
    assert_is(ours, loss)
    assert_is(logp.grad, slope)
    stopped = advantage != 0 and slope == 0
    assert clip_frac(logp, old, f64([advantage]), torch.ones(1, 1)).item() == stopped


@pytest.mark.parametrize(("r", "slope"), [(1.25, -1.25), (1.35, 0.0)])
def test_clip_higher_moves_the_upper_bound_only(r, slope):
    for clip_low in (0.1, 0.2):
        logp = f64([math.log(r)]).requires_grad_()
        ppo_clip_loss(logp, f64([0.0]), f64([1.0]), clip_low=clip_low, clip_high=0.28).sum().backward()
        assert_is(logp.grad, slope)


@pytest.mark.parametrize(("r", "slope"), [(0.85, 0.85), (0.65, 0.0)])
def test_clip_low_moves_the_lower_bound_only(r, slope):
    for clip_high in (0.1, 0.28):
        logp = f64([math.log(r)]).requires_grad_()
        ppo_clip_loss(logp, f64([0.0]), f64([-1.0]), clip_low=0.3, clip_high=clip_high).sum().backward()
        assert_is(logp.grad, slope)


def test_the_default_bounds_are_0_8_and_1_2():
    old = f64([0.0, 0.0, 0.0, 0.0])
    logp = f64([0.79, 0.81, 1.19, 1.21]).log()
    signs = f64([-1.0, -1.0, 1.0, 1.0])
    assert_is(ppo_clip_loss(logp, old, signs), 0.8, 0.81, -1.19, -1.2)
    assert_is(clip_frac(logp, old, signs, torch.ones(1, 4)), 2 / 4)


def test_a_loss_of_zero_at_ratio_one_still_trains():
    logp = f64([-1.0, -2.0], [-3.0, -4.0]).requires_grad_()
    mask = torch.ones(2, 2)
    loss = token_mean(ppo_clip_loss(logp, logp.detach(), f64([1.0], [-1.0])), mask)
    loss.backward()
    assert loss.item() == 0.0
    assert_is(logp.grad, -1 / 4, -1 / 4, 1 / 4, 1 / 4)  # -A / number of tokens


@pytest.mark.parametrize(
    ("loss", "slope"),
    [
        (lambda logp, a: reinforce_loss(logp, a), -2.0),
        (lambda logp, a: ppo_clip_loss(logp, logp.detach(), a), -2.0),
        (lambda logp, a: ppo_clip_loss(logp, logp.detach(), -a, dual_clip=3.0), 2.0),
        (lambda logp, a: gspo_loss(logp, logp.detach(), a, torch.ones(1, 1)), -2.0),
        (lambda logp, a: cispo_loss(logp, logp.detach(), a), -2.0),
    ],
    ids=["reinforce", "ppo", "ppo with dual clip", "gspo", "cispo"],
)
def test_advantages_are_constants(loss, slope):
    """A = 2: the log-prob gets its gradient, the advantage none."""
    logp = f64([-1.0]).requires_grad_()
    advantages = f64([2.0]).requires_grad_()
    loss(logp, advantages).sum().backward()
    assert advantages.grad is None
    assert_is(logp.grad, slope)


def test_the_old_policy_is_what_the_ratio_is_divided_by():
    assert_is(ratio(f64([math.log(0.6)]), f64([math.log(0.2)])), 3.0)


def test_a_ratio_too_large_for_float32_is_clipped_like_any_other():
    """A > 0 and r = e^100: far beyond 1.2, so the loss is -1.2 and has no gradient."""
    logp = torch.tensor([[0.0]], requires_grad=True)
    loss = ppo_clip_loss(logp, torch.tensor([[-100.0]]), torch.ones(1, 1))
    loss.sum().backward()
    assert loss.item() == pytest.approx(-1.2)
    assert logp.grad.item() == 0.0


# KL


@pytest.mark.parametrize(
    ("p", "q", "k3"),
    [
        (0.5, 0.5, 0.0),
        (0.5, 0.25, 0.25 / 0.5 - 1 + LN2),  # d = ln 2
        (0.25, 0.5, 0.5 / 0.25 - 1 - LN2),  # d = -ln 2: not the same, k3 is not symmetric
        (0.9, 0.1, 0.1 / 0.9 - 1 + 2 * LN3),
    ],
)
def test_k3_is_reference_over_policy_minus_one_plus_the_log_ratio(p, q, k3):
    logp = f64([math.log(p)]).requires_grad_()
    ours = kl_k3(logp, f64([math.log(q)]))
    ours.sum().backward()
    assert_is(ours, k3)
    assert_is(logp.grad, 1 - q / p)


def test_k3_keeps_its_digits_where_the_policies_almost_agree():
    """d = 2^-10: k3 = d^2/2 - d^3/6 = 4.77e-7. In float32 exp(-d) - 1 + d is off by up to 6e-8, one part in eight."""
    d = 2.0**-10
    ours = kl_k3(torch.tensor([[d]]), torch.zeros(1, 1)).item()
    # One float32 rounding of expm1(-d) is 2^-10 * 6e-8 = 6e-11, 1.2e-4 of the result.
    assert ours == pytest.approx(d**2 / 2 - d**3 / 6, rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_k3_is_never_negative_not_even_by_a_rounding(dtype):
    sizes = torch.logspace(-12, 1, 2001, dtype=torch.float64).to(dtype)
    d = torch.cat([sizes, -sizes])[None]
    assert (kl_k3(d, torch.zeros_like(d)) >= 0).all()


# Where exp would overflow: float32 ends at e^88.7, and the exponent is capped at three quarters of that, 66.5


def test_a_log_ratio_beyond_66_nats_gives_a_finite_ratio_and_k3_in_float32():
    """e^66 is still itself; e^67, e^89 and e^1000 are all e^66.54."""
    zero, up = torch.zeros(1, 4), torch.tensor([[66.0, 67.0, 89.0, 1000.0]])
    exponents = [66.0] + [0.75 * math.log(torch.finfo(torch.float32).max)] * 3
    # One float32 rounding of the exponent, 66 * 6e-8, is a relative 4e-6 of the result.
    assert ratio(up, zero)[0].tolist() == pytest.approx([math.exp(e) for e in exponents], rel=1e-5)
    assert kl_k3(zero, up)[0].tolist() == pytest.approx([math.expm1(e) for e in exponents], rel=1e-5)
    assert ratio(-up, zero)[0, 3].item() == 0.0  # downwards exp ends at 0 by itself
    assert kl_k3(up, zero).tolist() == [[65.0, 66.0, 88.0, 999.0]]  # pi above the reference: d - 1, no exponent large


def test_k3_beyond_the_cap_stays_where_it_is():
    logp = torch.tensor([[-67.0, -1000.0, -math.inf]], requires_grad=True)
    k3 = kl_k3(logp, torch.zeros(1, 3))
    k3.sum().backward()
    assert (k3 > 1e28).all()
    assert logp.grad.tolist() == [[0.0, 0.0, 0.0]]


def test_the_cap_lets_through_what_the_dtype_can_hold():
    """float16 ends at 65504 = e^11.1, so its cap is 8.3 nats; bfloat16 has the range of float32, float64 that of e^709."""
    for dtype, inside, outside in (
        (torch.float16, 8.0, 9.0),
        (torch.bfloat16, 66.0, 68.0),
        (torch.float32, 66.0, 67.0),
        (torch.float64, 532.0, 533.0),
    ):
        logp = torch.tensor([[inside, outside]], dtype=dtype, requires_grad=True)
        r = ratio(logp, torch.zeros(1, 2, dtype=dtype))
        r.sum().backward()
        assert r.isfinite().all()
        assert logp.grad[0, 0].item() == r[0, 0].item()
        assert logp.grad[0, 1].item() == 0.0


# Scalars


def test_approx_kl_is_k3_of_old_against_new():
    """Old 1/2, new 1/4: new/old - 1 - ln(new/old) = 1/2 - 1 + ln 2. The second token is masked out."""
    new, old = f64([math.log(1 / 4), 0.0]), f64([math.log(1 / 2), -7.0])
    assert_is(approx_kl(new, old, torch.tensor([[1, 0]])), 0.5 - 1 + LN2)
    assert approx_kl(old, old, torch.ones(1, 2)).item() == 0.0


def test_clip_frac_counts_tokens_that_have_stopped_not_those_that_are_pulled_back():
    logp, old = f64([1.5, 1.5, 0.5, 0.5, 1.5]).log(), f64([0.0] * 5)
    advantages = f64([1.0, -1.0, 1.0, -1.0, 1.0])
    assert_is(clip_frac(logp, old, advantages, torch.tensor([[1, 1, 1, 1, 0]])), 2 / 4)
    assert_is(clip_frac(logp, old, f64([1.0]), torch.ones(1, 5)), 3 / 5)  # one advantage for the whole completion
    assert_is(clip_frac(logp, old, advantages, torch.ones(1, 5), clip_low=0.6), 2 / 5)
    assert_is(clip_frac(logp, old, advantages, torch.ones(1, 5), clip_high=0.6), 1 / 5)


def test_group_reward_std_is_the_mean_over_groups_with_ddof_one():
    """0, 2: std sqrt(2). 5, 5: std 0. 1, 4: std 3 / sqrt(2)."""
    rewards = torch.tensor([0.0, 2.0, 5.0, 5.0, 1.0, 4.0], dtype=torch.float64)
    assert_is(group_reward_std(rewards, group_size=2), (math.sqrt(2) + 0 + 3 / math.sqrt(2)) / 3)


def test_a_dead_group_has_a_standard_deviation_of_exactly_zero():
    assert group_reward_std(torch.full((7,), 0.7), group_size=7).item() == 0.0


def test_dead_groups_are_those_in_which_every_reward_is_the_same():
    rewards = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0 + 1e-6])
    assert dead_group_share(rewards, group_size=2).item() == 2 / 4
    assert dead_group_share(rewards, group_size=4).item() == 0.0
    assert dead_group_share(rewards, group_size=1).item() == 1.0


def test_scalars_are_watched_not_trained():
    logp = torch.zeros(2, 2, requires_grad=True)
    mask, advantages = torch.ones(2, 2), torch.ones(2, 1)
    rewards = torch.tensor([0.0, 1.0], requires_grad=True)
    assert not approx_kl(logp, logp, mask).requires_grad
    assert not clip_frac(logp, logp, advantages, mask).requires_grad
    assert not group_reward_std(rewards, group_size=2).requires_grad
    assert not dead_group_share(rewards, group_size=2).requires_grad


@pytest.mark.parametrize("d", [-60.0, -70.0, -1000.0])
def test_k3_far_below_the_reference_is_finite_and_never_pushes_further_away(d):
    # float32 overflows at 88.7 nats and the cap is three quarters of that: before it the gradient is 1 - exp(-d), a
    # huge pull back; beyond it nothing. A gradient above 0 would push the policy further from the reference.
    logp = torch.tensor([[d]], requires_grad=True)
    k3 = kl_k3(logp, torch.zeros(1, 1))
    k3.sum().backward()
    assert k3.isfinite().all()
    assert logp.grad.item() == (pytest.approx(-math.exp(60.0), rel=1e-5) if d == -60.0 else 0.0)


# Other ways to weigh and to clip


def test_reinforce_at_advantage_two_pulls_twice_as_hard():
    logp = f64([-1.0, -3.0]).requires_grad_()
    loss = reinforce_loss(logp, f64([2.0]))
    loss.sum().backward()
    assert_is(loss, 2 * 1, 2 * 3)
    assert_is(logp.grad, -2, -2)


def test_the_sequence_ratio_is_the_geometric_mean():
    """Ratios 2 and 8 have geometric mean 4, and 2, 8, 1/2 have 2: the third is masked out, the empty row is 1.

    Its slope in each of n kept log-probs is itself over n.
    """
    new, old = f64([2.0, 8.0, 0.5]).log().repeat(3, 1).requires_grad_(), torch.zeros(3, 3, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 0], [1, 1, 1], [0, 0, 0]])
    s = sequence_ratio(new, old, mask)
    assert_is(s, 4, 2, 1)
    s.sum().backward()
    assert_is(new.grad, [4 / 2, 4 / 2, 0], [2 / 3, 2 / 3, 2 / 3], [0, 0, 0])


@pytest.mark.parametrize(
    ("advantage", "s", "loss", "slope"),
    [
        (2.0, 1.1, -2 * 1.1, -2 * 1.1),  # inside 0.75 and 1.25
        (2.0, 1.5, -2 * 1.25, 0.0),  # far enough up: the whole completion stops
        (-2.0, 1.5, 2 * 1.5, 2 * 1.5),
        (-2.0, 0.5, 2 * 0.75, 0.0),
    ],
)
def test_gspo_clips_a_completion_whole(advantage, s, loss, slope):
    """Ratios s * 2 and s / 2: one by one both lie outside the bounds, their geometric mean is s. Each gets half the slope."""
    logp = f64([s * 2, s / 2]).log().requires_grad_()
    zero, mask = torch.zeros(1, 2, dtype=torch.float64), torch.ones(1, 2)
    ours = gspo_loss(logp, zero, f64([advantage]), mask, clip_low=0.25, clip_high=0.25)
    assert_is(ours, loss, loss)
    (gradient,) = torch.autograd.grad(aggregate(ours, mask, strategy="sequence_mean"), logp)
    assert_is(gradient, slope / 2, slope / 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_bounds_every_bit_is_that_of_bounds_which_never_bind(dtype):
    """Ratios from 1/50 to 50 and advantages of both signs, between the bounds 0.001 and 1e6."""
    draw, mask = torch.Generator().manual_seed(0), torch.ones(64, 5)
    log_ratio = torch.empty(64, 5, dtype=dtype).uniform_(-math.log(50), math.log(50), generator=draw)
    advantages, old = torch.randn(64, 1, dtype=dtype, generator=draw), torch.zeros(64, 5, dtype=dtype)
    for loss, more in ((ppo_clip_loss, ()), (gspo_loss, (mask,)), (cispo_loss, ())):
        seen = []
        for low, high in ((None, None), (0.999, 1e6)):
            logp = log_ratio.clone().requires_grad_()
            value = loss(logp, old, advantages, *more, clip_low=low, clip_high=high)
            seen.append((value, torch.autograd.grad(value.sum(), logp)[0]))
        assert all(torch.equal(none, wide) for none, wide in zip(*seen, strict=True))
        bounded = loss(log_ratio, old, advantages, *more, clip_low=0.2, clip_high=0.2)
        assert not torch.equal(bounded, seen[0][0])


def test_without_bounds_nothing_is_clipped():
    logp, old, signs = f64([-5.0, 5.0, -5.0, 5.0]), torch.zeros(1, 4), f64([1.0, 1.0, -1.0, -1.0])
    for definition in ("no_gradient", "outside"):
        share = clip_frac(
            logp, old.double(), signs, torch.ones(1, 4), clip_low=None, clip_high=None, definition=definition
        )
        assert_is(share, 0.0)
    assert_is(clip_frac(logp, old.double(), signs, torch.ones(1, 4), clip_low=None, definition="outside"), 2 / 4)
    assert_is(clip_frac(logp, old.double(), signs, torch.ones(1, 4), clip_high=None, definition="outside"), 2 / 4)


def test_gspos_default_bounds_are_0_9997_and_1_0004():
    logp = f64([0.9996], [0.9998], [1.0003], [1.0005]).log()
    ours = gspo_loss(logp, torch.zeros_like(logp), f64([-1.0], [-1.0], [1.0], [1.0]), torch.ones(4, 1))
    assert_is(ours, 0.9997, 0.9998, -1.0003, -1.0004)


@pytest.mark.parametrize(
    ("r", "clip_low", "weight"), [(2.0, None, 2.0), (7.0, None, 5.0), (0.01, None, 0.01), (0.01, 0.25, 0.75)]
)
def test_cispo_caps_the_weight_and_keeps_the_gradient(r, clip_low, weight):
    logp = f64([-3.0]).requires_grad_()
    loss = cispo_loss(logp, f64([-3.0 - math.log(r)]), f64([2.0]), clip_low=clip_low)  # clip_high 4: the cap is 5
    loss.sum().backward()
    assert_is(loss, -weight * 2 * -3)
    assert_is(logp.grad, -weight * 2)


def test_a_dual_clip_ends_the_push_away_from_a_bad_token_that_has_become_likely():
    """A = -2, dual clip 3: at r = 2 the loss is 2 * 2, at r = 10 it stays at 2 * 3. Good tokens are not concerned."""
    logp = f64([2.0, 10.0, 10.0]).log().requires_grad_()
    zero = torch.zeros(1, 3, dtype=torch.float64)
    loss = ppo_clip_loss(logp, zero, f64([-2.0, -2.0, 2.0]), dual_clip=3.0)
    loss.sum().backward()
    assert_is(loss, 2 * 2, 2 * 3, -2 * 1.2)
    assert_is(logp.grad, 2 * 2, 0, 0)


def test_a_sampler_correction_is_what_the_trainer_says_over_what_the_sampler_said():
    """Ratios 3, 1/2 and 4, the last masked out. Of the row: product 3/2, geometric mean sqrt(3/2)."""
    old, sampler = f64([3.0, 0.5, 4.0]).log(), torch.zeros(1, 3, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 0]])
    assert_is(sampler_correction(old, sampler, mask), 2, 0.5, 0)
    assert_is(sampler_correction(old, sampler, mask, mode="mask"), 0, 0.5, 0)
    assert_is(sampler_correction(old, sampler, mask, low=0.75, high=5.0), 3, 0.75, 0)
    assert_is(sampler_correction(old, sampler, mask, mode="mask", low=0.75, high=5.0), 3, 0, 0)
    assert_is(sampler_correction(old, sampler, mask, level="sequence"), 1.5, 1.5, 0)
    assert_is(sampler_correction(old, sampler, mask, level="sequence", high=1.25), 1.25, 1.25, 0)
    assert_is(sampler_correction(old, sampler, mask, level="sequence", mode="mask", high=1.25), 0, 0, 0)
    assert_is(sampler_correction(old, sampler, mask, level="geometric"), math.sqrt(1.5), math.sqrt(1.5), 0)


# Other estimators of the KL, and what is done with them


def test_the_estimators_of_a_token_that_the_policy_likes_twice_as_much():
    """d = ln 2. k1 = d, k2 = d^2 / 2, k3 = 1/2 - 1 + d, abs = d; in a loss their slopes are 1, d, 1/2 and 1."""
    for name, value, slope in (("k1", LN2, 1), ("k2", LN2**2 / 2, LN2), ("k3", LN2 - 0.5, 0.5), ("abs", LN2, 1)):
        logp = f64([LN2]).requires_grad_()
        ours = kl_penalty(logp, f64([0.0]), estimator=name)
        ours.sum().backward()
        assert_is(ours, value)
        assert_is(logp.grad, slope)
    assert_is(kl_k1(f64([0.0]), f64([LN2])), -LN2)
    assert_is(kl_abs(f64([0.0]), f64([LN2])), LN2)
    assert_is(kl_k2(f64([0.0]), f64([LN2])), LN2**2 / 2)


def test_the_full_kl_of_a_biased_against_a_fair_coin():
    """p = 3/4, 1/4 against 1/2, 1/2: 3/4 ln(3/2) + 1/4 ln(1/2); the other way round 1/2 ln(2/3) + 1/2 ln 2."""
    biased, fair = f64([LN3, 0.0], [0.0, 0.0]), torch.zeros(1, 2, 2, dtype=torch.float64)
    biased = biased.view(1, 2, 2)
    assert_is(kl_full(biased, fair), 0.75 * math.log(1.5) - 0.25 * LN2)
    assert_is(kl_full(fair, biased), 0.5 * math.log(2 / 3) + 0.5 * LN2)
    assert_is(kl_full(2 * biased, fair, temperature=2.0), 0.75 * math.log(1.5) - 0.25 * LN2)


def test_a_clamped_kl_no_longer_calls_back():
    """max_kl 10: k3 = e^x - 1 - x reaches 10 at x = 2.61, where ref / pi = e^x = 13.6."""
    logp = f64([math.log(1 / 13.5), math.log(1 / 13.7)]).requires_grad_()
    ours = kl_penalty(logp, torch.zeros(1, 2, dtype=torch.float64), max_kl=10.0)
    ours.sum().backward()
    assert_is(ours, 13.5 - 1 - math.log(13.5), 10)
    assert_is(logp.grad, 1 - 13.5, 0)
    clamped = kl_penalty(f64([3.0, -3.0]), f64([0.0, 0.0]), estimator="k1", max_log_ratio=2.0)
    assert_is(clamped, 2, -2)


def test_the_unbiased_kl_has_the_weight_as_a_factor_and_in_its_gradient():
    """Ratio 3 to the old policy, d = ln 2. k1: value 3 d, slope 3 (d + 1); k2: the ratio is a weight only, slope 3 d."""
    for name, value, slope in (("k1", 3 * LN2, 3 * (LN2 + 1)), ("k2", 3 * LN2**2 / 2, 3 * LN2)):
        logp = f64([0.0]).requires_grad_()
        ours = kl_unbiased(logp, f64([-LN2]), f64([-LN3]), estimator=name)
        ours.sum().backward()
        assert_is(ours, value)
        assert_is(logp.grad, slope)
    logp = f64([0.0]).requires_grad_()
    kl_unbiased(logp, f64([-LN2]), f64([0.0])).sum().backward()  # on policy: k3 + its own slope = d, as k2 has it
    assert_is(logp.grad, LN2 - 0.5 + 0.5)


def test_straight_through_is_worth_k1_and_pulls_like_k2():
    logp = f64([-LN2]).requires_grad_()
    ours = kl_straight_through(logp, f64([0.0]), estimator="k1")
    ours.sum().backward()
    assert_is(ours, -LN2)
    assert_is(logp.grad, -LN2)


def test_three_ways_to_charge_a_completion_for_its_kl():
    kl, mask = f64([1.0, 2.0, 9.0, 4.0]), torch.tensor([[1, 1, 0, 1]])
    assert_is(kl_charge(kl, mask, credit="own"), 1, 2, 0, 4)
    assert_is(kl_charge(kl, mask), 1 + 2 + 4, 2 + 4, 0, 4)
    assert_is(kl_charge(kl, mask, credit="sequence"), 7, 7, 0, 7)


def test_the_adaptive_coefficient_follows_the_error_up_to_a_fifth():
    """Target 10 nats, 50 samples of a horizon of 100. Observed 11: error 0.1; observed 40: 3, clipped to 0.2."""
    options = {"target": 10.0, "horizon": 100, "num_samples": 50}
    for observed, coef in ((10.0, 0.4), (11.0, 0.4 * 1.05), (40.0, 0.4 * 1.1), (9.0, 0.4 * 0.95), (0.0, 0.4 * 0.9)):
        assert adaptive_kl_coef(0.4, observed, **options) == pytest.approx(coef, rel=1e-15)


# What one watches


def test_what_one_watches():
    new, old = f64([2.0, 4.0]).log(), f64([1.0, 8.0]).log()  # ratios 2 and 1/2
    both = torch.ones(1, 2)
    assert_is(mean_ratio(new, old, both), (2 + 0.5) / 2)
    assert_is(mean_kl(new, old, both, estimator="k1"), (LN2 - LN2) / 2)
    assert_is(mean_kl(new, old, both, estimator="abs"), LN2)
    assert_is(mean_kl(new, old, both, estimator="k2"), LN2**2 / 2)
    assert_is(mean_kl(new, old, both), ((0.5 - 1 + LN2) + (2 - 1 - LN2)) / 2)
    assert_is(mean_kl(new, old, torch.tensor([[0, 1]])), 2 - 1 - LN2)
    assert_is(reward_mean(torch.tensor([0.0, 1.0, 1.0, 4.0], dtype=torch.float64)), 6 / 4)
    assert mean_length(torch.tensor([[1, 1, 1], [0, 1, 0], [0, 0, 0], [1, 1, 0]])).item() == 6 / 4
    assert truncated_share(torch.tensor([True, False, False, False])).item() == 1 / 4
    uniform = torch.zeros(1, 3, 4, dtype=torch.float64)
    assert_is(mean_entropy(uniform, both), 2 * LN2)


def test_the_two_definitions_of_the_clip_fraction():
    """Ratios 1.5 and 0.5 with advantages of both signs: all four are outside, the gradient of two is off."""
    logp, old = f64([1.5, 1.5, 0.5, 0.5]).log(), f64([0.0] * 4)
    advantages, mask = f64([1.0, -1.0, 1.0, -1.0]), torch.ones(1, 4)
    assert_is(clip_frac(logp, old, advantages, mask), 2 / 4)
    assert_is(clip_frac(logp, old, advantages, mask, definition="outside"), 4 / 4)
    assert_is(clip_frac(logp, old, advantages, mask, definition="outside", clip_high=0.6), 2 / 4)


def test_the_clip_fraction_of_gspo_counts_completions():
    """Ratios 4, 1/4 and 2 of whole completions with A = 1, -1, -1, the last without tokens: of four rows, three count."""
    s, mask = (
        f64([4.0, 4.0], [0.25, 0.25], [2.0, 2.0], [9.0, 9.0]).log(),
        torch.tensor([[1, 1], [0, 1], [1, 1], [0, 0]]),
    )
    zero, advantages = torch.zeros(4, 2, dtype=torch.float64), f64([1.0], [-1.0], [-1.0], [1.0])
    log_s, one = sequence_ratio(s, zero, mask).log(), mask.any(dim=1)[:, None]
    assert_is(clip_frac(log_s, zero[:, :1], advantages, one), 2 / 3)
    assert_is(clip_frac(log_s, zero[:, :1], advantages, one, definition="outside"), 3 / 3)


def test_the_gradient_norm_is_that_of_all_parameters_together():
    one, two, frozen = (torch.nn.Parameter(torch.zeros(2)) for _ in range(3))
    one.grad, two.grad = torch.tensor([2.0, 4.0]), torch.tensor([5.0, 6.0])
    assert grad_norm([one, two, frozen]).item() == 9.0  # 4 + 16 + 25 + 36 = 81
    assert torch.nn.utils.clip_grad_norm_([one, two], max_norm=1.0).item() == 9.0
    assert grad_norm([one, two]).item() == pytest.approx(1.0, rel=1e-5)
