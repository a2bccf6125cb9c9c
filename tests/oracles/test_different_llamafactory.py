"""How LLaMA-Factory differs from ours: what each test claims of a record stands in the table of README.md."""

import pytest
import torch

from reference import objectives as ours

from .cases import BETA, ORDINARY, PAIRED
from .claims import F32, oracle
from .equal.llamafactory import GOOD, averages, kto
from .equal.ms_swift_offline import ld_dpo, of_pairs, pair_row, whole_batch_row
from .llamafactory_options import LD_ALPHA, NLL_COEF
from .recorded import different_in, record_of, same_record
from .records import Row, assert_same, evaluate

TITLE = "LLaMA-Factory"
ALWAYS_DPO = "is DPO: with TRL 0.24 the name of the loss does not reach it"


def different(*records: str) -> pytest.MarkDecorator:
    return different_in("llamafactory", *records)


def on_cases(record: str, cases: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{record} | {case}" for case in cases)


@different(*(r for name in ("hinge", "ipo", "kto_pair") for r in on_cases(f"compute_preference_loss {name}", ORDINARY)))
@oracle("hinge_loss", TITLE, "`pref_loss: hinge`", differs=ALWAYS_DPO)
@oracle("ipo_loss", TITLE, "`pref_loss: ipo`", differs=ALWAYS_DPO)
@oracle("kto_loss", TITLE, "`pref_loss: kto_pair`", differs=ALWAYS_DPO)
def test_every_loss_with_a_reference_is_dpo(same, framework, record):
    """The newest TRL that it allows takes the name as an argument, which compute_preference_loss does not pass."""
    case, theirs = record_of(framework, record)
    same_record(same, evaluate(pair_row(ours.dpo_loss), case), theirs)
    for loss in (ours.hinge_loss, ours.ipo_loss):
        assert not torch.allclose(evaluate(pair_row(loss), case)["value"], theirs["value"], rtol=1e-3)


@different(*on_cases("get_batch_loss_metrics ipo", PAIRED))
@oracle("dpo_loss", TITLE, "`pref_loss: ipo`", differs="of log-probs per token, as IPO's would be")
def test_ipo_is_dpo_of_averaged_log_probs(framework, record):
    case, theirs = record_of(framework, record)
    mine = evaluate(whole_batch_row(ours.dpo_loss, average=True), case)
    assert_same(mine["value"], theirs["value"])
    assert_same(mine["gradient"], theirs["gradient"], rtol=F32, atol=1e-6)


@different(*on_cases("get_batch_loss_metrics sigmoid, pref_ftx", PAIRED))
@oracle(
    "sft_loss", TITLE, "`pref_ftx` of its DPO", differs="one mean per chosen completion, here one over their tokens"
)
def test_the_nll_of_dpo_is_a_mean_per_completion(framework, record):
    case, theirs = record_of(framework, record)

    def loss(logits, case):
        chosen = averages(logits, case)[0]
        return whole_batch_row(ours.dpo_loss).function(logits, case) - NLL_COEF * chosen.mean()

    mine = evaluate(Row("logits", loss), case)
    assert_same(mine["value"], theirs["value"])
    assert_same(mine["gradient"], theirs["gradient"], rtol=F32, atol=1e-6)


@different("get_batch_loss_metrics sigmoid, ld_alpha | tools")
@oracle("ld_dpo_loss", TITLE, differs="what a tool wrote counts in the shared part, from the first trained token on")
def test_ld_dpo_counts_positions_and_not_tokens(framework, record):
    case, theirs = record_of(framework, record)
    kept = case.mask.sum(dim=1)
    shared = torch.minimum(*of_pairs(kept)).repeat(2)[:, None]
    position = torch.arange(case.mask.shape[1])
    first = case.mask.int().argmax(dim=1, keepdim=True)

    def loss(logits, case):
        logprobs = ours.token_logprobs(logits, case.tokens)
        weight = torch.where(position < first + shared, 1.0, LD_ALPHA)
        now = of_pairs(ours.sequence_logprobs(logprobs * weight, case.mask))
        before = of_pairs(ours.sequence_logprobs(ours.token_logprobs(case.logits.flip(2), case.tokens), case.mask))
        return ours.dpo_loss(*now, *before, beta=BETA).mean()

    mine = evaluate(Row("logits", loss), case)
    assert_same(mine["value"], theirs["value"])
    assert_same(mine["gradient"], theirs["gradient"], rtol=F32, atol=1e-6)
    assert not torch.allclose(ld_dpo(case.logits, case), theirs["value"].double(), rtol=1e-3)


@different(*on_cases("kto, pref_ftx", PAIRED))
@oracle("total_loss", TITLE, "`pref_ftx` of its KTO", differs="the NLL counts all rows over good rows times as much")
def test_the_nll_of_kto_grows_as_good_rows_get_few(framework, record):
    case, theirs = record_of(framework, record)
    good = torch.tensor(GOOD)

    def loss(logits, case):
        per_completion = torch.cat(averages(logits, case))[good]
        return kto(logits, case) - NLL_COEF * per_completion.mean() * len(good) / good.sum()

    mine = evaluate(Row("logits", loss), case)
    assert_same(mine["value"], theirs["value"])
    assert_same(mine["gradient"], theirs["gradient"], rtol=F32, atol=1e-6)
