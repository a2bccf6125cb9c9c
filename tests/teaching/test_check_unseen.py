"""What ``check`` says of solutions that the catalogue does not hold: which gradient, which input, in how many words."""

import pytest
import torch
from lessons.value.solutions import returns_live_under_the_clip
from verdicts import judge

from reference.lessons import EXERCISES
from reference.teaching.failing_case import compact, telling


def test_the_gradient_that_is_wrong_is_the_one_shown():
    message = judge("value_loss", returns_live_under_the_clip).message
    assert "gradient with respect to returns" in message
    assert "target [[0, 0, 0, 0, 0, 0]]" in message


# ---- what it does to its inputs --------------------------------------------------------------------------------------


def centred_in_place(rewards, *, group_size):
    table = rewards.view(-1, group_size)
    table -= table.mean(dim=1, keepdim=True)
    return (table * group_size / (group_size - 1)).flatten()


def test_a_result_that_costs_the_caller_his_rewards_does_not_pass():
    verdict = judge("rloo_advantages", centred_in_place)
    assert not verdict.passed
    assert "the result is right, but rewards is changed in place" in verdict.message


def gae_in_place(rewards, values, mask, *, gamma, gae_lambda, bootstrap):
    after, running, advantages = bootstrap, torch.zeros_like(bootstrap), torch.zeros_like(rewards)
    for t in reversed(range(rewards.shape[1])):
        keep = mask[:, t]
        delta = rewards[:, t] + gamma * after - values[:, t]
        running = torch.where(keep, delta + gamma * gae_lambda * running, running)
        advantages[keep, t] = running[keep]
        after[keep] = values[keep, t]
    return advantages


def test_an_option_that_is_changed_is_not_taken_for_another_mistake():
    verdict = judge("gae", gae_in_place)
    assert "the result is right, but bootstrap is changed in place" in verdict.message and verdict.bug is None


# ---- what is printed -------------------------------------------------------------------------------------------------


def eps_as_floor_of_the_group(rewards, *, group_size, scale, eps):
    table = rewards.view(-1, group_size)
    centred = table - table.mean(dim=1, keepdim=True)
    if scale == "group":
        return (centred / table.std(dim=1, keepdim=True).clamp_min(eps)).flatten()
    return (centred / (1 if scale == "none" else rewards.std() + eps)).flatten()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("group_advantages", eps_as_floor_of_the_group),
        ("position_ids", lambda mask: (mask.cumsum(1) - 1).masked_fill(mask == 0, mask.shape[1])),
        ("ipo_loss", lambda c, r, rc, rr, *, beta: (c - rc - r.detach() + rr - 1 / (2 * beta)) ** 2),
    ],
)
def test_target_and_yours_are_not_printed_alike(name, wrong):
    verdict = judge(name, wrong)
    *_, target, yours = verdict.message.splitlines()
    assert not verdict.passed and target.split(maxsplit=1)[1] != yours.split(maxsplit=1)[1]


def test_a_long_error_is_cut_and_one_without_a_message_is_none():
    class Own(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def raising(error):
        def wrong(x, mask):
            raise error

        return wrong

    assert len(judge("masked_mean", raising(ValueError("x" * 20_000))).message) < 500
    assert "no message" in judge("masked_mean", raising(Own())).message


def test_a_line_of_your_cell_is_one_of_yours():
    verdict = judge("masked_mean", lambda x, mask: (x * mask).sum() // mask.sum())  # its backward is not implemented
    assert verdict.status != "passed" and "of your cell" not in verdict.message


# ---- right, though the remark after passing cannot be had ------------------------------------------------------------


def with_another_parameter(x, mask, eps=0.0):
    return (x * mask).sum() / (mask.sum() + eps)


def in_double(x, mask):
    return torch.einsum("rt,rt->", x, mask.double()) / mask.sum()


def refuses_nan(x, mask):
    assert not x.isnan().any()
    return x[mask].mean()


@pytest.mark.parametrize("right", [with_another_parameter, in_double, refuses_nan])
def test_what_is_right_passes_without_a_traceback(right):
    assert judge("masked_mean", right).passed


def test_what_may_matter_elsewhere_is_remarked():
    def numbers(tokens, completion_start, *, eos_token_id):
        inside = torch.arange(tokens.shape[1]) >= completion_start[:, None]
        end = inside & (tokens == eos_token_id)
        return (inside & (end.cumsum(dim=1) - end.long() == 0))[:, 1:].long()

    def softmax_first(logits, tokens, *, temperature):
        p = (logits[:, :-1] / temperature).softmax(dim=-1)
        return p.log().gather(-1, tokens[:, 1:, None])[..., 0]

    def padded(logits, ref_logits):
        p, ref = (x[:, :-1].softmax(dim=-1) + 1e-9 for x in (logits, ref_logits))
        return (p * (p / ref).log()).sum(dim=-1)

    for name, right, words in (
        ("completion_mask", numbers, "x[mask] wants .bool()"),
        ("token_logprobs", softmax_first, "-inf"),
        ("kl_full", padded, "rounding ruins it"),
    ):
        verdict = judge(name, right)
        assert verdict.passed and words in verdict.message, verdict.message


# ---- cases that one can recompute ------------------------------------------------------------------------------------


def test_digits_are_shown_by_which_inputs_differ():
    nearly = torch.tensor([1, 1.0000001, 1, 1], dtype=torch.float64)
    clearly = torch.tensor([0.1, 1 / 3, 7.25], dtype=torch.float64)
    assert compact(nearly, digits=telling(nearly)) == "[1, 1.0000001, 1, 1]"
    assert compact(clearly, digits=telling(clearly)) == "[0.1, 0.333, 7.25]"


def test_a_std_of_0_is_named_by_its_rounding():
    verdict = judge("dead_group_share", lambda r, *, group_size: (r.view(-1, group_size).std(1) == 0).double().mean())
    assert verdict.bug.name == "rounding leaves a std above 0"


@pytest.mark.parametrize("name", EXERCISES)
def test_every_case_is_small_enough_to_recompute(name):
    sizes = [x.numel() for case in EXERCISES[name].cases(0) for x in case.arguments.values() if hasattr(x, "numel")]
    assert max(sizes, default=0) <= 24, "no input of a case has more numbers than are printed"


@pytest.mark.parametrize("name", ["gae", "discounted_returns", "position_ids"])
def test_rows_that_are_taken_for_each_other_are_seen(name):
    assert any(len(next(iter(case.arguments.values()))) == 3 for case in EXERCISES[name].cases(0))


@pytest.mark.slow
def test_of_a_large_gradient_one_part_is_shown():
    message = judge("kl_full", lambda logits, ref: kl_without_one_word(logits, ref)).message
    assert max(map(len, message.splitlines())) < 250


def kl_without_one_word(logits, ref_logits):
    logp, ref = logits[:, :-1].log_softmax(-1), ref_logits[:, :-1].log_softmax(-1)
    value = (logp.exp() * (logp - ref)).sum(-1)
    return value + (logp[..., 0] - logp[..., 0].detach()) * (logits.shape[0] > 2)


def test_a_zero_has_no_sign():
    message = judge("ipo_loss", lambda c, r, rc, rr, *, beta: -0.0 * c).message
    assert "-0" not in message.split("yours")[-1]
