"""How AReaL's rewards and returns differ from ours by design: what each test claims of a record stands in the table of README.md."""

import pytest
import torch

from reference import objectives as ours

from .cases import (
    BUFFER,
    COMPLETION,
    EOS,
    GAMMA,
    KL_COEF,
    LAMBDA,
    ORDINARY,
    PROMPT,
    without_longest,
)
from .claims import F32, oracle
from .equal.areal_formulas import gae, lambda_returns, penalised_rewards, returns
from .equal.kl import K1, K2, K3, token_rewards
from .recorded import different_in, record_of
from .records import assert_same, evaluate

TITLE = "AReaL"


def different(record: str, *cases: str) -> pytest.MarkDecorator:
    return different_in("areal", *(f"{record} | {case}" for case in cases))


OF_VALUES = {"compute_advantages, values": gae, "compute_advantages returns, values": lambda_returns}


@different_in("areal", *(f"{name} | tools" for name in ("compute_advantages", *OF_VALUES)))
@oracle(
    "token_rewards",
    TITLE,
    differs="the score is on the last token that is no padding: lost if a tool wrote that one",
)
def test_areal_loses_the_score_of_a_completion_that_ends_with_what_a_tool_wrote(framework, record):
    case, theirs = record_of(framework, record)
    last = PROMPT - 2 + case.lengths
    ends_in_tool = ~case.mask[torch.arange(len(last)), last]
    assert ends_in_tool.any() and not ends_in_tool.all()
    counted = torch.where(ends_in_tool, 0.0, case.scores)
    name = record.partition(" | ")[0]
    if name == "compute_advantages":
        mine, with_score = returns(counted, case), returns(case.scores, case)
    else:
        mine, with_score = gae(case.values, case, counted), gae(case.values, case)
    if "returns" in name:
        mine, with_score = mine + case.values * case.mask, OF_VALUES[name](case.values, case)
    assert_same(mine, theirs["value"], rtol=F32, atol=1e-6)
    assert not torch.allclose(with_score.float(), theirs["value"], rtol=0.01)


@different("compute_advantages, no reference", *ORDINARY)
@oracle(
    "token_rewards",
    TITLE,
    "`kl_ctl` without a reference",
    differs="the reference's log-prob is 0: each token is charged its own log-prob",
)
def test_without_a_reference_a_token_is_charged_its_own_logprob(framework, record):
    """A bonus for unlikely tokens. The coefficient is 0.1 unless set, so a configuration without a reference has it."""
    case, theirs = record_of(framework, record)
    rewards = ours.token_rewards(case.scores, case.mask, kl=case.logprobs, kl_coef=KL_COEF)
    mine = ours.gae(rewards, torch.zeros_like(rewards), case.mask, gamma=GAMMA, gae_lambda=LAMBDA)
    assert_same(mine, theirs["value"], rtol=F32, atol=1e-6)
    assert not torch.allclose(returns(case.scores, case).float(), theirs["value"], rtol=0.01)


@different("compute_advantages, values, all ended", "ragged")
@oracle(
    "gae",
    TITLE,
    differs="the longest rows of a batch count as cut off, also if they ended: the value behind them is the critic's, not 0",
)
def test_the_longest_row_counts_as_cut_off(framework, record):
    case, theirs = record_of(framework, record)
    ended = without_longest(case)
    longest = ended.lengths == ended.lengths.max()
    last = PROMPT - 1 + ended.lengths
    assert (ended.tokens[torch.arange(len(last)), last] == EOS).all()
    rewards = token_rewards(ended.scores, ended)

    def advantages(behind: torch.Tensor) -> torch.Tensor:
        options = {"gamma": GAMMA, "gae_lambda": LAMBDA, "bootstrap": behind}
        return ours.gae(rewards, ended.values, ended.mask, **options)

    critics = torch.where(longest, ended.old_values[:, -1], 0.0)
    assert_same(advantages(critics), theirs["value"], rtol=F32, atol=1e-6)
    alike = torch.isclose(advantages(torch.zeros_like(critics)).float(), theirs["value"], rtol=1e-4).all(dim=1)
    assert alike.tolist() == (~longest).tolist()


@different("compute_advantages, mask_no_eos_with_zero, all ended", "ragged")
@oracle(
    "overlong_mask",
    TITLE,
    "`mask_no_eos_with_zero`",
    differs="the longest rows of a batch have a score of 0, also if they ended; they stay in the loss",
)
def test_the_longest_row_loses_its_score(framework, record):
    case, theirs = record_of(framework, record)
    ended = without_longest(case)
    counted = torch.where(ended.lengths == ended.lengths.max(), 0.0, ended.scores)
    assert_same(returns(counted, ended), theirs["value"], rtol=F32, atol=1e-6)
    assert (theirs["value"] != 0)[ended.mask].all()
    assert not torch.allclose(returns(ended.scores, ended).float(), theirs["value"], rtol=0.01)


@different("reward_overlong_penalty, beyond max_new_tokens", "full")
@oracle("soft_overlong_penalty", TITLE, differs="falls below -1 beyond `max_new_tokens`")
def test_areal_goes_on_punishing_beyond_the_limit(framework, record):
    case, theirs = record_of(framework, record)
    at_limit = penalised_rewards(case.scores, case) - case.scores
    assert (at_limit == -1).all() and (case.lengths == COMPLETION).all()
    assert_same(case.scores - (1 + 1 / BUFFER), theirs["value"], rtol=F32)


@different_in("areal", *(f"KLEstimator {name} | far" for name in ("k1", "k2", "k3")))
@oracle("kl_k1", TITLE, differs="value cut at ±10, no gradient beyond")
@oracle("kl_k2", TITLE, differs="value cut at 10, no gradient beyond")
@oracle("kl_k3", TITLE, differs="value cut at 10, no gradient beyond")
def test_every_estimator_is_cut_at_10(framework, record):
    case, theirs = record_of(framework, record)
    (row,) = (row for name, row in (("k1", K1), ("k2", K2), ("k3", K3)) if f"{name} |" in record)
    mine = evaluate(row, case)
    cut = mine["value"].abs() > 10
    assert cut.any() and not cut.all()
    assert_same(mine["value"].clamp(-10, 10), theirs["value"])
    assert_same(torch.where(cut, 0.0, mine["gradient"]), theirs["gradient"].float())
