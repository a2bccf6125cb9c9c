"""The exercises of notebook 08: right solutions pass however they are written, wrong ones do not."""

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from reference import objectives
from reference.teaching.bugs import BUGS
from reference.teaching.check import judge

SEEDS = range(5)


def by_softplus(chosen, rejected, ref_chosen, ref_rejected, *, beta):
    return softplus(beta * ((rejected - ref_rejected) - (chosen - ref_chosen)))


def as_the_paper_groups_it(chosen, rejected, ref_chosen, ref_rejected, *, beta):
    policy, reference = chosen - rejected, ref_chosen - ref_rejected
    return -(beta * policy - beta * reference).sigmoid().log()


def of_implicit_rewards(chosen, rejected, ref_chosen, ref_rejected, *, beta):
    good = objectives.implicit_reward(chosen, ref_chosen, beta=beta)
    return objectives.bradley_terry_loss(good, objectives.implicit_reward(rejected, ref_rejected, beta=beta))


def as_a_classifier(chosen, rejected, ref_chosen, ref_rejected, *, beta):
    logit = beta * (chosen - rejected - ref_chosen.detach() + ref_rejected.detach())
    return binary_cross_entropy_with_logits(logit, torch.ones_like(logit), reduction="none")


def in_loops_and_float32(chosen, rejected, ref_chosen, ref_rejected, *, beta):
    rows = zip(chosen.float(), rejected.float(), ref_chosen.float(), ref_rejected.float(), strict=True)
    return torch.stack([torch.log1p(torch.exp(-beta * (c - rc - r + rr))) for c, r, rc, rr in rows])


def log_of_a_quotient(logprobs, ref_logprobs, *, beta):
    return beta * torch.log(logprobs.exp() / ref_logprobs.exp())


def expanded(chosen, rejected, ref_chosen, ref_rejected, *, beta):
    m = (chosen - rejected) - (ref_chosen - ref_rejected)
    return m * m - m / beta + 1 / (4 * beta**2)


@pytest.mark.parametrize(
    ("name", "solution"),
    [
        ("dpo_loss", by_softplus),
        ("dpo_loss", as_the_paper_groups_it),
        ("dpo_loss", of_implicit_rewards),
        ("dpo_loss", as_a_classifier),
        ("dpo_loss", in_loops_and_float32),
        ("implicit_reward", log_of_a_quotient),
        ("ipo_loss", expanded),
    ],
)
def test_a_right_solution_passes_however_it_is_written(name, solution):
    for seed in SEEDS:
        verdict = judge(name, solution, seed)
        assert verdict.passed, verdict.message


def detached(*logprobs, beta):
    return by_softplus(*(x.detach() for x in logprobs), beta=beta)


def chosen_detached(chosen, *rest, beta):
    return by_softplus(chosen.detach(), *rest, beta=beta)


def doubled(*logprobs, beta):
    return 2 * by_softplus(*logprobs, beta=beta)


@pytest.mark.parametrize("solution", [detached, chosen_detached, doubled])
def test_wrong_solutions_that_no_entry_describes_are_refused(solution):
    for seed in SEEDS:
        assert judge("dpo_loss", solution, seed).status == "wrong"


def test_there_are_enough_named_mistakes():
    count = {name: sum(b.breaks == name for b in BUGS) for name in ("dpo_loss", "implicit_reward", "ipo_loss")}
    assert count["dpo_loss"] >= 10 and min(count.values()) >= 4


def test_a_pass_mentions_a_sigmoid_that_is_zero_before_its_log_is_taken():
    assert "logsigmoid takes both" in judge("dpo_loss", as_the_paper_groups_it).message
    assert "thought" not in judge("dpo_loss", by_softplus).message
