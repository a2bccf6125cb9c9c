"""The newer preference losses as worked out on paper: worked numbers, where each loss rests, and which completion moves.

The two worked pairs have log-ratios of 0.2 and -0.2 (chosen) and of -0.5 and 0.4 (rejected), at beta 0.1. So their
implicit rewards are a = 0.02, -0.02 and b = -0.05, 0.04, and beta * margin is 0.07 and -0.06.
"""

import math

import pytest
import torch
from paper import LN2, LN3, assert_is

from reference.objectives import (
    InputError,
    aot_loss,
    apo_down_loss,
    apo_zero_loss,
    bco_loss,
    cdpo_loss,
    dpo_loss,
    exo_loss,
    implicit_reward,
    kto_loss,
    ld_dpo_loss,
    nca_loss,
    sppo_loss,
)

WORKED = {  # the mean over the two pairs as TRL 1.16 and liger-kernel 0.8.5 gave it, to its four digits
    exo_loss: (2.7531, {"label_smoothing": 1e-3}),
    nca_loss: (1.3852, {}),
    bco_loss: (1.3841, {}),
    sppo_loss: (49.7450, {}),
    apo_zero_loss: (0.9988, {}),
    apo_down_loss: (0.9988, {}),
}


def f64(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def pairs(chosen, rejected):
    """(chosen, rejected, ref_chosen, ref_rejected) with these log-ratios, the first two as leaves."""
    ref_chosen, ref_rejected = f64(*[-3.0] * len(chosen)), f64(*[-5.0] * len(rejected))
    return (f64(*chosen) - 3).requires_grad_(), (f64(*rejected) - 5).requires_grad_(), ref_chosen, ref_rejected


def at(loss, a, b, **options):
    """Value and both slopes of one pair with the implicit rewards a and b, at beta 1/2."""
    arguments = pairs([2 * a], [2 * b])
    value = loss(*arguments, beta=0.5, **options)
    return value, *torch.autograd.grad(value.sum(), arguments[:2])


@pytest.mark.parametrize("loss", WORKED)
def test_the_worked_pairs(loss):
    expected, options = WORKED[loss]
    mean = loss(*pairs([0.2, -0.2], [-0.5, 0.4]), beta=0.1, **options).mean().item()
    assert mean == pytest.approx(expected, abs=5.1e-5)


def test_apo_zero_pulls_at_each_completion_whatever_the_other_one_does():
    """sigmoid(ln 3) = 3/4: 1 - 3/4 + 1/4, and slopes of beta * 3/16; b does not enter the slope of chosen."""
    value, by_chosen, by_rejected = at(apo_zero_loss, LN3, -LN3)
    assert_is(value, 1 / 4 + 1 / 4)
    assert_is(by_chosen, -0.5 * 3 / 16)
    assert_is(by_rejected, 0.5 * 3 / 16)
    assert_is(at(apo_zero_loss, LN3, 5.0)[1], -0.5 * 3 / 16)


def test_apo_zero_is_kto_of_both_completions_without_a_kl():
    chosen, rejected, ref_chosen, ref_rejected = pairs([0.2, -0.2], [-0.5, 0.4])
    good, none = torch.tensor([True, True]), torch.zeros((), dtype=torch.float64)
    both = kto_loss(chosen, ref_chosen, good, none) + kto_loss(rejected, ref_rejected, ~good, none)
    assert_is(apo_zero_loss(chosen, rejected, ref_chosen, ref_rejected) - both, 0, 0)


def test_apo_down_lowers_chosen_where_the_pair_is_already_won():
    """a = 0, b = -ln 3: sigmoid(0) = 1/2 and sigmoid(ln 3) = 3/4. Slopes: 1/4 - 3/16 by a, 3/16 by b."""
    value, by_chosen, by_rejected = at(apo_down_loss, 0.0, -LN3)
    assert_is(value, 1 / 2 + 1 / 4)
    assert_is(by_chosen, 0.5 * (1 / 4 - 3 / 16))
    assert_is(by_rejected, 0.5 * 3 / 16)


def test_apo_down_raises_chosen_only_where_the_pair_is_less_settled_than_chosen_is():
    """a = b = ln 3: sigmoid' is 3/16 at a and 1/4 at a - b = 0, so chosen is pushed up by the difference."""
    value, by_chosen, by_rejected = at(apo_down_loss, LN3, LN3)
    assert_is(value, 3 / 4 + 1 / 2)
    assert_is(by_chosen, 0.5 * (3 / 16 - 1 / 4))
    assert_is(by_rejected, 0.5 / 4)


def test_nca_rests_at_ln_2_for_chosen_and_nowhere_for_rejected():
    """sigmoid(ln 2) = 2/3: -log(2/3) - log(1/3) / 2 - log(1/2) / 2. One third up and half of two thirds down: 0."""
    value, by_chosen, by_rejected = at(nca_loss, LN2, 0.0)
    assert_is(value, 1.5 * math.log(3) - LN2 + 0.5 * LN2)
    assert_is(by_chosen, 0)
    assert_is(by_rejected, 0.5 * 1 / 4)
    _, by_chosen, by_rejected = at(nca_loss, LN3, -LN3)  # beyond ln 2 chosen is pushed down again
    assert_is(by_chosen, 0.5 * (-1 / 4 + 3 / 8))
    assert_is(by_rejected, 0.5 * 1 / 8)


def test_sppo_regresses_each_log_ratio_to_its_win_rate():
    """beta 1/2: the hard targets are 1 and -1. Log-ratios of 2 and 1 are off by 1 and by 2."""
    value, by_chosen, by_rejected = at(sppo_loss, 1.0, 0.5)
    assert_is(value, 1 + 4)
    assert_is(by_chosen, 2 * 1)
    assert_is(by_rejected, 2 * 2)


def test_sppo_with_win_rates_of_a_judge():
    """Rates of 3/4 and 1/2 have the targets 1/2 and 0: off by 1.5 and by 1."""
    rates = f64(0.75)
    value, by_chosen, by_rejected = at(sppo_loss, 1.0, 0.5, chosen_win_rates=rates, rejected_win_rates=f64(0.5))
    assert_is(value, 2.25 + 1)
    assert_is(by_chosen, 2 * 1.5)
    assert_is(by_rejected, 2 * 1)
    assert_is(at(sppo_loss, 1.0, 0.5, chosen_win_rates=rates)[0], 2.25 + 4)  # rejected stays at its hard 0
    assert_is(at(sppo_loss, 1.0, 0.5, rejected_win_rates=f64(0.5))[0], 1 + 1)


def test_neither_a_win_rate_nor_a_shift_gets_a_gradient():
    arguments = pairs([0.2, -0.2], [-0.5, 0.4])
    shift, rates = torch.tensor(0.5, requires_grad=True), f64(0.5, 0.75).requires_grad_()
    by_judge = sppo_loss(*arguments, chosen_win_rates=rates, rejected_win_rates=rates)
    shifted = bco_loss(*arguments, shift=shift)
    assert torch.autograd.grad(by_judge.sum(), rates, allow_unused=True) == (None,)
    assert torch.autograd.grad(shifted.sum(), shift, allow_unused=True) == (None,)


def test_hard_win_rates_are_those_of_no_judge():
    arguments = pairs([0.2, -0.2], [-0.5, 0.4])
    hard = sppo_loss(*arguments, chosen_win_rates=torch.ones(2), rejected_win_rates=torch.zeros(2))
    assert hard.tolist() == sppo_loss(*arguments).tolist()


def test_bco_is_a_classifier_of_both_completions():
    """Scores of ln 3 for chosen and -ln 3 for rejected are right with probability 3/4 each."""
    value, by_chosen, by_rejected = at(bco_loss, LN3, -LN3)
    assert_is(value, 2 * math.log(4 / 3))
    assert_is(by_chosen, -0.5 / 4)
    assert_is(by_rejected, 0.5 / 4)


def test_the_shift_of_bco_moves_both_scores():
    """a = 2 ln 3 and b = 0 with a shift of ln 3 are the scores of the test above. The shift is in units of reward."""
    shift = torch.tensor(LN3, dtype=torch.float64)
    value, by_chosen, by_rejected = at(bco_loss, 2 * LN3, 0.0, shift=shift)
    assert_is(value, 2 * math.log(4 / 3))
    assert_is(by_chosen, -0.5 / 4)
    assert_is(by_rejected, 0.5 / 4)


def test_the_middle_of_all_rewards_as_the_shift_of_bco():
    """The middle of 0.02, -0.02, -0.05 and 0.04 is -0.0025, and the mean loss 1.3841."""
    chosen, rejected, ref_chosen, ref_rejected = pairs([0.2, -0.2], [-0.5, 0.4])
    rewards = implicit_reward(chosen, ref_chosen), implicit_reward(rejected, ref_rejected)
    shift = torch.cat(rewards).mean()
    assert_is(shift, -0.0025)
    assert bco_loss(chosen, rejected, ref_chosen, ref_rejected, shift=shift).mean().item() == pytest.approx(
        1.3841, abs=5.1e-5
    )


@pytest.mark.parametrize("smoothing", [0.001, 0.1, 0.25])
def test_exo_rests_where_the_policy_prefers_chosen_as_often_as_the_labels_do(smoothing):
    """A KL is 0 there. On the way, at margin 0: log(1/2) - (log(1 - e) + log e) / 2, slope -beta / 4 * log((1 - e) / e)."""
    target = math.log((1 - smoothing) / smoothing)
    value, by_chosen, by_rejected = at(exo_loss, target, 0.0, label_smoothing=smoothing)
    torch.testing.assert_close(value, f64(0.0), rtol=0, atol=1e-15)
    torch.testing.assert_close(by_chosen, f64(0.0), rtol=0, atol=1e-15)
    value, by_chosen, by_rejected = at(exo_loss, 1.0, 1.0, label_smoothing=smoothing)
    assert_is(value, -LN2 - (math.log(1 - smoothing) + math.log(smoothing)) / 2)
    assert_is(by_chosen, -0.5 / 4 * target)
    assert_is(by_rejected, 0.5 / 4 * target)


def test_exo_lets_go_of_a_pair_that_is_lost_by_far():
    """DPO pulls hardest there. The KL of a certain choice against a label of probability e is log(1 / e)."""
    value, by_chosen, by_rejected = at(exo_loss, -400.0, 400.0, label_smoothing=0.1)
    assert_is(value, math.log(10))
    assert by_chosen.abs().item() < 1e-300 and by_rejected.abs().item() < 1e-300


# LD-DPO: chosen has three tokens, rejected one, which stands at the end of its row

LONGER, SHORTER = torch.tensor([[1, 1, 1]]), torch.tensor([[0, 0, 1]])
CHOSEN, REJECTED = f64(-1.0, -2.0, -3.0)[None], f64(-9.0, -9.0, -4.0)[None]
REF_CHOSEN, REF_REJECTED = f64(-1.0, -3.0, -5.0)[None], f64(-9.0, -9.0, -6.0)[None]


def ld_dpo(**options):
    """Value, and the slopes of the tokens of chosen and rejected, at beta 1/2 and ld_alpha 1/4."""
    chosen, rejected = CHOSEN.clone().requires_grad_(), REJECTED.clone().requires_grad_()
    options = {"ld_alpha": 0.25, "beta": 0.5} | options
    value = ld_dpo_loss(chosen, rejected, REF_CHOSEN, REF_REJECTED, LONGER, SHORTER, **options)
    return value, *torch.autograd.grad(value.sum(), [chosen, rejected])


def test_ld_dpo_discounts_the_tokens_beyond_the_shorter_completion():
    """Chosen -1 - 5/4, its reference -1 - 8/4, so 3/4; rejected -4 + 6 = 2: a margin of -5/4, times beta -5/8."""
    value, by_chosen, by_rejected = ld_dpo()
    pull = 0.5 / (1 + math.exp(-5 / 8))
    assert_is(value, math.log(1 + math.exp(5 / 8)))
    assert_is(by_chosen, -pull, -pull / 4, -pull / 4)
    assert_is(by_rejected, 0, 0, pull)


def test_ld_dpo_of_the_policy_alone_keeps_the_whole_reference():
    """Chosen -1 - 5/4 against -9, so 27/4; rejected 2: a margin of 19/4, times beta 19/8. Rejected has no rest."""
    value, by_chosen, by_rejected = ld_dpo(discounted="policy")
    pull = 0.5 / (1 + math.exp(19 / 8))
    assert_is(value, math.log1p(math.exp(-19 / 8)))
    assert_is(by_chosen, -pull, -pull / 4, -pull / 4)
    assert_is(by_rejected, 0, 0, pull)


@pytest.mark.parametrize("discounted", ["both", "policy"])
def test_ld_dpo_without_a_discount_is_dpo(discounted):
    assert_is(ld_dpo(ld_alpha=1, discounted=discounted)[0] - dpo_loss(f64(-6), f64(-4), f64(-9), f64(-6), beta=0.5), 0)
    assert_is(ld_dpo(ld_alpha=0)[0] - dpo_loss(f64(-1), f64(-4), f64(-1), f64(-6), beta=0.5), 0)


def test_ld_dpo_discounts_whichever_completion_is_longer():
    """The pair the other way round has the opposite margin."""
    swapped = ld_dpo_loss(REJECTED, CHOSEN, REF_REJECTED, REF_CHOSEN, SHORTER, LONGER, ld_alpha=0.25, beta=0.5)
    assert_is(swapped, math.log(1 + math.exp(-5 / 8)))


def test_where_the_policy_is_the_reference_only_discounting_both_gives_a_margin_of_zero():
    """A rest of -5 nats, of which the policy keeps a quarter: a first margin of 15/4 for the longer completion."""
    same = CHOSEN, REJECTED, CHOSEN, REJECTED, LONGER, SHORTER
    assert_is(ld_dpo_loss(*same, ld_alpha=0.25, beta=1.0), LN2)
    assert_is(ld_dpo_loss(*same, ld_alpha=0.25, beta=1.0, discounted="policy"), math.log1p(math.exp(-15 / 4)))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1000.0])
def test_what_stands_beside_the_tokens_of_ld_dpo_reaches_neither_value_nor_gradient(value):
    padded = REJECTED.clone()
    padded[:, :2] = value
    padded.requires_grad_()
    loss = ld_dpo_loss(CHOSEN, padded, REF_CHOSEN, padded.detach() - 2, LONGER, SHORTER, ld_alpha=0.25, beta=0.5)
    assert_is(loss, math.log(1 + math.exp(5 / 8)))
    assert torch.autograd.grad(loss.sum(), padded)[0][0, :2].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("place", range(6))
def test_ld_dpo_refuses_a_mask_of_weights_and_a_kept_nan(place):
    arguments = [CHOSEN, REJECTED, REF_CHOSEN, REF_REJECTED, LONGER, SHORTER]
    names = ["chosen_token_logprobs", "rejected_token_logprobs", "ref_chosen_token_logprobs"]
    names += ["ref_rejected_token_logprobs", "chosen_mask", "rejected_mask"]
    wrong = arguments[place].double() / 2 if place > 3 else arguments[place].index_fill(1, torch.tensor([2]), math.nan)
    arguments[place] = wrong
    words = "holds values other than 0 and 1" if place > 3 else "is NaN"
    with pytest.raises(InputError, match=f"^ld_dpo_loss: {names[place]} {words}"):
        ld_dpo_loss(*arguments, ld_alpha=0.5)


# AOT


def test_aot_compares_margins_of_one_rank():
    """Policy margins 2 ln 3 and 0, the reference's 0 and 2 ln 3. DPO wins the first pair by 2 ln 3 and loses the second
    by as much. Sorted they are equal: ln 2 each, and a slope of -beta / 2."""
    chosen, rejected, zero = f64(2 * LN3, 0).requires_grad_(), f64(0, 0), f64(0, 0)
    ref_chosen = f64(0, 2 * LN3).requires_grad_()
    loss = aot_loss(chosen, rejected, ref_chosen, zero, beta=0.5)
    assert_is(loss, LN2, LN2)
    by_chosen, by_reference = torch.autograd.grad((loss * f64(1, 3)).sum(), [chosen, ref_chosen])
    assert_is(by_chosen, -0.5 / 2, -3 * 0.5 / 2)
    assert_is(by_reference, 3 * 0.5 / 2, 0.5 / 2)  # the first reference margin is the partner of the second pair
    assert_is(dpo_loss(chosen, rejected, ref_chosen, zero, beta=0.5), math.log(4 / 3), math.log(4))


def test_unpaired_aot_compares_log_ratios_of_one_rank():
    """Chosen 2 ln 3 and 0, rejected 0 and -2 ln 3: both are ahead of their partner by 2 ln 3, which is sigmoid 3/4."""
    chosen, rejected = f64(2 * LN3, 0).requires_grad_(), f64(0, -2 * LN3).requires_grad_()
    loss = aot_loss(chosen, rejected, f64(0, 0), f64(0, 0), beta=0.5, paired=False)
    assert_is(loss, math.log(4 / 3), math.log(4 / 3))
    by_chosen, by_rejected = torch.autograd.grad(loss.sum(), [chosen, rejected])
    assert_is(by_chosen, -0.5 / 4, -0.5 / 4)
    assert_is(by_rejected, 0.5 / 4, 0.5 / 4)
    other_order = aot_loss(chosen, rejected.flip(0), f64(0, 0), f64(0, 0), beta=0.5, paired=False)
    assert_is(other_order, math.log(4 / 3), math.log(4 / 3))  # which rejected stands beside a chosen does not matter


def test_the_worked_pairs_of_aot():
    """Log-ratios -0.2, 0.2 and -0.5, 0.4: differences 0.3 and -0.2. Paired, all reference margins are equal here: DPO."""
    arguments = pairs([0.2, -0.2], [-0.5, 0.4])
    assert aot_loss(*arguments, paired=False).mean().item() == pytest.approx(0.6907, abs=5.1e-5)
    assert aot_loss(*arguments).mean().item() == pytest.approx(0.6912, abs=5.1e-5)
    assert_is(aot_loss(*arguments) - dpo_loss(*arguments), 0, 0)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_one_pair_alone_is_conservative_dpo(paired, smoothing):
    one = pairs([0.2], [-0.5])
    assert_is(aot_loss(*one, label_smoothing=smoothing, paired=paired) - cdpo_loss(*one, label_smoothing=smoothing), 0)
