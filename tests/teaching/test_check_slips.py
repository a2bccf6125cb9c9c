"""``check`` names slips that no catalogue needs to hold: of arguments, of options, of the last line, and of the form."""

import sys

import pytest
import torch
from torch.nn.functional import logsigmoid, pad
from verdicts import judge

from reference.lessons import EXERCISES

pytestmark = pytest.mark.slow


def wrapped(name, change):
    """The reference of an exercise with something done to what it returns."""
    return lambda *arguments, **options: change(EXERCISES[name].reference(*arguments, **options))


def kl_of(p, q):
    return torch.expm1(q - p) + p - q


def scale_ignored(rewards, *, group_size, scale, eps):
    return EXERCISES["group_advantages"].reference(rewards, group_size=group_size, scale="group", eps=eps)


def two_scales_swapped(rewards, *, group_size, scale, eps):
    other = {"group": "batch", "batch": "group"}.get(scale, scale)
    return EXERCISES["group_advantages"].reference(rewards, group_size=group_size, scale=other, eps=eps)


def half_of_beta(c, r, rc, rr, *, beta):
    return -logsigmoid(beta / 2 * ((c - rc) - (r - rr)))


def shares_turned_round(*arguments, **options):
    return 1 - EXERCISES["clip_frac"].reference(*arguments, **options)


def values_read_late(rewards, values, mask, *, gamma, gae_lambda, bootstrap):
    late = pad(values[:, :-1], (1, 0))
    options = {"gamma": gamma, "gae_lambda": gae_lambda, "bootstrap": bootstrap}
    return EXERCISES["gae"].reference(rewards, late, mask, **options)


def not_zeroed(rewards, values, mask, *, gamma, gae_lambda, bootstrap):
    options = {"gamma": gamma, "gae_lambda": gae_lambda, "bootstrap": bootstrap}
    return torch.where(mask, EXERCISES["gae"].reference(rewards, values, mask, **options), values)


def one_too_far(tokenizer, prompt, completion):
    ids, start = EXERCISES["encode_pair"].reference(tokenizer, prompt, completion)
    return ids, start + 1


def ends_early(tokens, completion_start, *, eos_token_id):
    mask = EXERCISES["completion_mask"].reference(tokens, completion_start, eos_token_id=eos_token_id)
    last = mask & (mask.long().flip(1).cumsum(dim=1).flip(1) == 1)
    return mask & ~last if mask.shape[1] > 9 else torch.cat([mask[:, :-1], torch.zeros_like(mask[:, -1:])], dim=1)


SLIPS = [
    ("kl_full", wrapped("kl_full", lambda x: x / 2), "the result is 0.5 times what it should be"),
    ("ipo_loss", wrapped("ipo_loss", lambda x: x + 2), "2 is added to the result, in every case"),
    ("kl_k3", wrapped("kl_k3", torch.neg), "the result has the wrong sign"),
    ("value_loss", wrapped("value_loss", lambda x: x.sum()), "the result is added up already"),
    ("token_logprobs", wrapped("token_logprobs", lambda x: x[..., None]), "an axis is missing or too many"),
    ("token_logprobs", wrapped("token_logprobs", lambda x: x.detach()), "the result is detached"),
    ("masked_mean", lambda x, mask: (x * mask).sum(dim=1) / mask.sum(), "one number for each row"),
    ("masked_mean", lambda x, mask: (x * mask).sum() / mask.shape[1], "divided by the number of columns"),
    ("masked_mean", lambda x, mask: (x * mask).sum() / x.isfinite().logical_not().sum(), "the result is infinite"),
    ("clip_frac", shares_turned_round, "the result is 1 minus the target"),
    ("group_advantages", scale_ignored, 'where yours is wrong, it gives what scale="group" gives'),
    ("group_advantages", two_scales_swapped, 'scale="group" and "batch" have changed places'),
    ("kl_penalised_rewards", lambda r, kl, m, *, kl_coef: r - (kl * m).sum(1) / kl_coef, "kl_coef divides where"),
    ("dpo_loss", half_of_beta, "beta enters as half of beta"),
    ("gae", values_read_late, "values is read one place too early"),
    ("gae", not_zeroed, "what the mask leaves out is not 0"),
    ("encode_pair", one_too_far, "the ids are right, and the index is 1 too large"),
    ("position_ids", lambda m: torch.where(m.bool(), m.cumsum(1) - 1, m.shape[1]), "no position"),
]


@pytest.mark.parametrize(("name", "wrong", "words"), SLIPS, ids=[f"{n}: {w}" for n, _, w in SLIPS])
def test_a_slip_is_named_and_its_simplest_case_shown(name, wrong, words):
    verdict = judge(name, wrong)
    assert verdict.status == "mistake" and words in verdict.message, verdict.message
    assert "The simplest: " in verdict.message or verdict.bug


def test_a_mask_that_ends_in_the_wrong_place_is_told_where():
    verdict = judge("completion_mask", ends_early)
    assert "begins in the right place and ends too early" in verdict.message, verdict.message


def test_two_mistakes_at_once_are_both_told():
    def minimum_not_halved(values, returns, *, old_values=None, clip=None):
        error = (values - returns.detach()) ** 2
        if clip is None:
            return error
        moved = old_values.detach() + (values - old_values.detach()).clamp(-clip, clip)
        return torch.minimum(error, (moved - returns.detach()) ** 2)

    verdict = judge("value_loss", minimum_not_halved)
    assert verdict.bug.name == "the smaller of the two"
    assert "two mistakes at once" in verdict.message
    assert "The second: the result is 2 times what it should be" in verdict.message


def test_a_mistake_of_the_simplest_case_only_is_said_to_be_one():
    def population_std_and_batch_mean(rewards, *, group_size, scale, eps):
        groups = rewards.view(-1, group_size)
        centred = rewards - rewards.mean()
        if scale == "none":
            return centred
        std = rewards.std(correction=0) if scale == "batch" else groups.std(dim=1, correction=0)
        return centred / (std.repeat_interleave(1 if scale == "batch" else group_size) + eps)

    message = judge("group_advantages", population_std_and_batch_mean).message
    assert "On the simplest one yours gives what a known mistake gives: your std divides by n" in message
    assert "In a run" not in message  # it is not certain


@pytest.mark.parametrize("eps", [0.0, 1e-10, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3])
def test_a_named_mistake_does_not_hang_on_a_constant(eps):
    def over_the_std(rewards, *, group_size):
        groups = rewards.view(-1, group_size)
        others = (groups.sum(dim=1, keepdim=True) - groups) / (group_size - 1)
        return ((groups - others) / (groups.std(dim=1, keepdim=True) + eps)).flatten()

    assert judge("rloo_advantages", over_the_std).bug.name == "divided by the std"


def test_a_mistake_in_one_branch_is_named_and_the_branch_told():
    def by_n_for_the_batch(rewards, *, group_size, scale, eps):
        options = {"group_size": group_size, "eps": eps}
        if scale != "batch":
            return EXERCISES["group_advantages"].reference(rewards, scale=scale, **options)
        centred = EXERCISES["group_advantages"].reference(rewards, scale="none", **options)
        return centred / (rewards.std(correction=0) + eps)

    verdict = judge("group_advantages", by_n_for_the_batch)
    assert verdict.bug.name == "population std"
    assert "It is so with scale='batch' only." in verdict.message


def test_a_share_that_agrees_by_chance_is_not_named():
    def bounds_of_the_ratio_itself(lp, old, adv, mask, *, clip_low, clip_high):
        ratio = (lp - old).exp()
        return (((ratio > clip_high) & (adv > 0)) | ((ratio < clip_low) & (adv < 0)))[mask].double().mean()

    assert judge("clip_frac", bounds_of_the_ratio_itself).bug is None
    assert "changed places" not in judge("clip_frac", bounds_of_the_ratio_itself).message


# ---- what a solution may do to Python and to torch -------------------------------------------------------------------


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_gradients_are_compared_in_every_mode_and_the_mode_stays(mode):
    with mode():
        before = torch.is_grad_enabled()
        assert judge("kl_k3", kl_of).passed
        assert not judge("kl_k3", lambda p, q: torch.expm1(q - p).detach() + p - q).passed
        assert torch.is_grad_enabled() == before


def test_a_solution_that_switches_gradients_off_changes_nothing_for_others():
    def off(p, q):
        torch.set_grad_enabled(False)
        return kl_of(p, q)

    assert "the result is detached" in judge("kl_k3", off).message
    assert torch.is_grad_enabled()


def test_exit_in_a_solution_is_an_error_like_any_other():
    assert "it raised SystemExit in line" in judge("masked_mean", lambda x, mask: sys.exit(1)).message


def test_only_the_learner_stops_the_check():
    def stopped(x, mask):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge("masked_mean", stopped)


class EqualToAll:
    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


@pytest.mark.parametrize("value", [EqualToAll(), [EqualToAll(), EqualToAll()], ([EqualToAll()], 3)])
def test_what_equals_everything_does_not_pass(value):
    assert not judge("encode_pair", lambda *arguments: value).passed


def test_a_change_in_place_is_told_in_our_words():
    def cleared(x, mask):
        x[~mask] = 0
        return x.sum() / mask.sum()

    def needed_later(x, mask):
        y = x.exp()
        total = (y * mask).sum()
        y += 1
        return total.log()

    assert "the result is right, but x is changed in place" in judge("masked_mean", cleared).message
    assert "something is changed in place" in judge("masked_mean", needed_later).message


def test_a_wrong_result_is_told_of_a_change_in_place_too():
    def scaled(logits, tokens, *, temperature):
        logits *= 2 * temperature
        return EXERCISES["token_logprobs"].reference(logits, tokens, temperature=1.0)

    assert "Besides, logits is changed in place" in judge("token_logprobs", scaled).message


def test_an_operation_that_torch_lacks_is_not_taken_for_a_stub():
    def without_a_kernel(x, mask):
        return torch.empty(2, 2, device="meta").masked_select(torch.ones(2, 2, dtype=torch.bool, device="meta"))

    def own_stub(x, mask):
        raise NotImplementedError("later")

    assert judge("masked_mean", without_a_kernel).status != "not attempted"
    assert judge("masked_mean", own_stub).status == "not attempted"
