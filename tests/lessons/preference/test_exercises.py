"""The exercises of the lesson on DPO: wrong solutions, and what passing remarks on."""

import pytest
from verdicts import judge

from reference.lessons import BUGS

from .solutions import as_the_paper_groups_it, by_softplus

SEEDS = range(5)


def detached(*logprobs, beta):
    return by_softplus(*(x.detach() for x in logprobs), beta=beta)


def chosen_detached(chosen, *rest, beta):
    return by_softplus(chosen.detach(), *rest, beta=beta)


def doubled(*logprobs, beta):
    return 2 * by_softplus(*logprobs, beta=beta)


@pytest.mark.parametrize("solution", [detached, chosen_detached, doubled])
def test_other_wrong_solutions_are_refused(solution):
    for seed in SEEDS:
        assert judge("dpo_loss", solution, seed).status in ("wrong", "mistake")


def test_there_are_enough_named_mistakes():
    count = {name: sum(b.breaks == name for b in BUGS) for name in ("dpo_loss", "implicit_reward", "ipo_loss")}
    assert count["dpo_loss"] >= 10 and min(count.values()) >= 4


def test_a_pass_mentions_a_sigmoid_that_is_zero_before_its_log_is_taken():
    assert "logsigmoid takes both" in judge("dpo_loss", as_the_paper_groups_it).message
    assert "thought" not in judge("dpo_loss", by_softplus).message
