"""Wrong solutions that the catalogue does not hold, as people write them: none passes, and what is said is true.

Each has an input, among the cases of its exercise, on which it is not what the stub's docstring asks for.
"""

import pytest
import torch
from torch.nn.functional import logsigmoid

from reference.teaching.check import judge

SEEDS = range(5)


def off(ratio, advantages, low, high):
    return ((advantages > 0) & (ratio > 1 + high)) | ((advantages < 0) & (ratio < 1 - low))


def share(switched_off, mask):
    return switched_off[mask].double().mean()


def dead_group_counts(p, o, a, mask, *, clip_low, clip_high):
    r = (p - o).exp()
    return share(torch.where(a > 0, r > 1 + clip_high, r < 1 - clip_low).expand(mask.shape), mask)


def range_of_the_log(p, o, a, mask, *, clip_low, clip_high):
    return share(((a > 0) & (p - o > clip_high)) | ((a < 0) & (p - o < -clip_low)), mask)


def one_advantage_per_row(p, o, a, mask, *, clip_low, clip_high):
    return share(off((p - o).exp(), a.mean(dim=1, keepdim=True), clip_low, clip_high), mask)


def mask_from_the_left(p, o, a, mask, *, clip_low, clip_high):
    keep = torch.arange(mask.shape[1]) < mask.sum(dim=1, keepdim=True)
    return share(off((p - o).exp(), a, clip_low, clip_high), keep)


def clipped_value_loss(values, returns, old_values, clip):
    if clip is None:
        return 0.5 * (values - returns) ** 2
    moved = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * torch.maximum((values - returns) ** 2, (moved - returns) ** 2)


def old_values_live(values, returns, *, old_values=None, clip=None):
    return clipped_value_loss(values, returns.detach(), old_values, clip)


def returns_live_under_the_clip(values, returns, *, old_values=None, clip=None):
    if clip is None:
        return 0.5 * (values - returns.detach()) ** 2
    return clipped_value_loss(values, returns, old_values.detach(), clip)


def no_defaults(values, returns, *, old_values, clip):
    detached = old_values if old_values is None else old_values.detach()
    return clipped_value_loss(values, returns.detach(), detached, clip)


def eos_is_always_1(tokens, completion_start, *, eos_token_id):
    inside = torch.arange(tokens.shape[1]) >= completion_start[:, None]
    end = inside & (tokens == 1)
    return (inside & (end.cumsum(dim=1) - end.long() == 0))[:, 1:]


def token_0_is_a_pad(tokens, completion_start, *, eos_token_id):
    inside = torch.arange(tokens.shape[1]) >= completion_start[:, None]
    end = inside & (tokens == eos_token_id)
    return (inside & (end.cumsum(dim=1) - end.long() == 0) & (tokens != 0))[:, 1:]


def rows_by_their_first_column(x, mask, *, num_sequences=None):
    rows = mask[:, 0].sum() if num_sequences is None else num_sequences
    return ((x * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1)).sum() / rows


def rows_that_are_not_0(x, mask, *, num_sequences=None):
    sums = (x * mask).sum(dim=1)
    rows = (sums != 0).sum() if num_sequences is None else num_sequences
    return (sums / mask.sum(dim=1).clamp_min(1)).sum() / rows


def no_shorter_than_the_batch(x, mask, *, max_length, num_sequences=None):
    rows = len(mask) if num_sequences is None else num_sequences
    return (x * mask).sum() / (max(max_length, mask.shape[1]) * rows)


def cut_to_the_length(x, mask, *, max_length, num_sequences=None):
    rows = len(mask) if num_sequences is None else num_sequences
    return (x * mask)[:, :max_length].sum() / (max_length * rows)


def groups(rewards, group_size):
    return rewards.view(-1, group_size)


UNSEEN = [
    ("clip_frac", dead_group_counts),
    ("clip_frac", range_of_the_log),
    ("clip_frac", one_advantage_per_row),
    ("clip_frac", mask_from_the_left),
    ("value_loss", old_values_live),
    ("value_loss", returns_live_under_the_clip),
    ("value_loss", no_defaults),
    ("completion_mask", eos_is_always_1),
    ("completion_mask", token_0_is_a_pad),
    ("sequence_mean", rows_by_their_first_column),
    ("sequence_mean", rows_that_are_not_0),
    ("fixed_length", no_shorter_than_the_batch),
    ("fixed_length", cut_to_the_length),
    ("dead_group_share", lambda r, *, group_size: (groups(r, group_size).std(1) == 0).double().mean()),  # 0.1 thrice: 1e-17
    ("dead_group_share", lambda r, *, group_size: (groups(r, group_size).std(1) < 1e-3).double().mean()),
    ("dead_group_share", lambda r, *, group_size: (groups(r, group_size).mean(1) == r[::group_size]).double().mean()),
    ("dead_group_share", lambda r, *, group_size: groups(r, group_size).isclose(r[::group_size, None]).all(1).double().mean()),
    ("position_ids", lambda mask: (mask.cumsum(1) - 1).clamp_min(0).float()),
    ("implicit_reward", lambda p, ref, *, beta: beta * (p - ref).clamp(-20, 20)),
    ("kl_k1", lambda p, ref: (p - ref).clamp(-20, 20)),
    ("dpo_loss", lambda c, r, rc, rr, *, beta: -logsigmoid((beta * (c - rc - r + rr)).clamp(-10, 10))),
    ("dpo_loss", lambda c, r, rc, rr, *, beta: -((beta * (c - rc - r + rr)).sigmoid() + 1e-8).log()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "wrong"), UNSEEN, ids=lambda x: getattr(x, "__name__", x))
def test_it_does_not_pass(name, wrong):
    for seed in SEEDS:
        assert judge(name, wrong, seed).status in ("wrong", "mistake")


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
    assert verdict.status == "wrong" and target.split(maxsplit=1)[1] != yours.split(maxsplit=1)[1]


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

    for name, right, told in (
        ("completion_mask", numbers, "x[mask] wants .bool()"),
        ("token_logprobs", softmax_first, "-inf"),
        ("kl_full", padded, "rounding ruins it"),
    ):
        verdict = judge(name, right)
        assert verdict.passed and told in verdict.message, verdict.message
