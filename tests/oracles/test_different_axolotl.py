"""How axolotl's own trainer differs from ours by design: what each test claims stands in the table of README.md."""

import pytest
import torch
from torch import Tensor

from reference import objectives as ours

from .cases import HOLES, ORDINARY, PROMPT, SAMPLER_HIGH, Case
from .claims import F32, oracle
from .equal.axolotl import ppo
from .equal.policy import correction
from .recorded import different_in, record_of, same_record
from .records import Row, assert_same, evaluate


@different_in(
    "axolotl",
    *(f"importance_sampling_ratio {mode} | {case}" for mode in ("token_mask", "sequence_mask") for case in HOLES),
)
@oracle(
    "sampler_correction",
    "axolotl",
    "`vllm_importance_sampling_mode` token_mask, sequence_mask",
    differs="masks nothing: a weight above the cap becomes 0, and then the lower bound, 1/cap",
)
def test_a_masked_weight_is_raised_to_the_lower_bound(framework, record):
    case, theirs = record_of(framework, record)
    level = "token" if "token_mask" in record else "sequence"
    weight = correction(case, level=level, high=1e9)
    floor = 1 / SAMPLER_HIGH
    expected = torch.where(weight > SAMPLER_HIGH, floor, weight.clamp(min=floor)) * case.mask
    assert_same(expected[:, PROMPT - 1 :], theirs["value"])
    assert (theirs["value"][case.mask[:, PROMPT - 1 :]] >= floor).all()
    if level == "token":
        masked = correction(case, level=level, mode="mask", low=floor, high=SAMPLER_HIGH)
        assert (masked[case.mask] == 0).any()


@different_in("axolotl", *(f"_compute_loss luspo | {case}" for case in ORDINARY))
@oracle(
    "luspo_loss",
    "axolotl",
    "`luspo` at its default, `importance_sampling_level` token",
    differs="the mean over all positions, padding too, of each token's loss times the length of its row",
)
def test_luspo_per_token_has_no_mask(same, framework, record):
    case, theirs = record_of(framework, record)

    def unmasked(logprobs: Tensor, case: Case) -> Tensor:
        return (ppo(logprobs, case) * case.mask.sum(dim=1, keepdim=True))[:, PROMPT - 1 :].mean()

    same_record(same, evaluate(Row("logprobs", unmasked), case), theirs)
    padding = ~case.mask & (case.lengths > 0)[:, None]
    padding[:, : PROMPT - 1] = False
    if padding.any():
        assert (theirs["gradient"][padding] != 0).any()


@different_in("axolotl", "advantages group, one each | full")
@oracle("group_advantages", "axolotl", differs="a group of 1 gets 0; an error here")
def test_a_group_of_one_gets_nothing_there_and_is_an_error_here(framework, record):
    case, theirs = record_of(framework, record)
    assert (theirs["value"] == 0).all()
    with pytest.raises(ours.InputError, match="group_size is 1"):
        ours.group_advantages(case.rewards, group_size=1)


@different_in("axolotl", *(f"eaft_loss | {case}" for case in ORDINARY))
@oracle("sft_loss", "axolotl", "`eaft_loss`", differs="each token's NLL is multiplied with its entropy, a constant")
def test_eaft_weighs_each_token_with_its_entropy(framework, record):
    case, theirs = record_of(framework, record)

    def weighed(logits: Tensor, case: Case) -> Tensor:
        nll = ours.token_nll(ours.token_logprobs(logits, case.tokens))
        return ours.token_mean(nll * ours.entropy(logits).detach(), case.mask)

    mine = evaluate(Row("logits", weighed), case)
    assert_same(mine["value"], theirs["value"], rtol=F32)
    assert_same(mine["gradient"], theirs["gradient"], rtol=F32, atol=1e-6)
