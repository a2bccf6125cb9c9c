"""How ms-swift's preferences and teachers differ from ours: what each test claims stands in the table of README.md."""

import torch

from reference import objectives as ours

from .cases import BETA, ORDINARY, PAIRED
from .claims import F32, oracle
from .equal.ms_swift_offline import of_pairs, pair_row
from .ms_swift_options import GATE_BETA
from .recorded import record_of, same_record
from .records import Row, assert_same, evaluate
from .test_different_ms_swift import TITLE, different, on_cases

ALWAYS_DPO = "is DPO: the name of the loss does not reach it"


@different("dpo_loss sigmoid, after exo_pair | ragged")
@oracle(
    "dpo_loss",
    TITLE,
    '`loss_type=["exo_pair", "sigmoid"]`',
    differs="from its first call on, `exo_pair` without label smoothing gives the trainer 0.001 of it",
)
def test_exo_pair_leaves_its_label_smoothing_to_the_losses_that_follow(same, framework, record):
    case, theirs = record_of(framework, record)
    smoothed = Row("pairs", lambda x, c: ours.cdpo_loss(*x, beta=BETA, label_smoothing=1e-3).mean())
    same_record(same, evaluate(smoothed, case), theirs)
    plain = Row("pairs", lambda x, c: ours.dpo_loss(*x, beta=BETA).mean())
    assert not torch.allclose(evaluate(plain, case)["value"], theirs["value"], rtol=1e-5)


@different(*on_cases("compute_sdar_loss", ORDINARY))
@oracle(
    "distillation_loss",
    TITLE,
    "`compute_sdar_loss`",
    differs="makes every sampled token likelier, those that the teacher finds unlikely too",
)
def test_sdar_makes_every_token_likelier_whatever_the_teacher_says(same, framework, record):
    case, theirs = record_of(framework, record)

    def loss(logprobs, case):
        gap = case.ref - logprobs
        return ours.token_mean((GATE_BETA * gap).sigmoid().detach() * gap, case.mask)

    same_record(same, evaluate(Row("logprobs", loss), case), theirs)
    mine = evaluate(Row("logprobs", lambda x, c: ours.token_mean(ours.distillation_loss(x, c.ref), c.mask)), case)
    unlikely = case.mask & (case.ref < case.logprobs)  # for the teacher
    assert unlikely.any()
    assert (theirs["gradient"][unlikely] < 0).all() and (mine["gradient"][unlikely] > 0).all()
    assert (theirs["gradient"][case.mask & ~unlikely] < 0).all() and (mine["gradient"][case.mask & ~unlikely] < 0).all()


@different(*on_cases("ORPOTrainer", PAIRED))
@oracle(
    "orpo_loss", TITLE, "`ORPOTrainer`", differs="the NLL is one mean over all chosen tokens, here one per completion"
)
def test_orpo_has_one_mean_over_the_chosen_tokens_and_none_of_the_prompt(framework, record):
    case, theirs = record_of(framework, record)

    def loss(logits, case):
        logprobs = ours.token_logprobs(logits, case.tokens)
        chosen, rejected = of_pairs(ours.sequence_logprobs(logprobs, case.mask, average=True))
        nll = ours.sft_loss(*(of_pairs(x)[0] for x in (logprobs, case.mask)))
        return (ours.orpo_loss(chosen, rejected, beta=BETA) + chosen).mean() + nll

    mine = evaluate(Row("logits", loss), case)
    assert_same(mine["value"], theirs["value"])
    assert_same(mine["gradient"], theirs["gradient"], rtol=F32, atol=1e-6)
    kept = of_pairs(case.mask)[0].sum(dim=1)
    assert (len(kept.unique()) > 1) == ("ragged" in record)  # of one length, the two means are one


@different(*(f"MegatronDPOTrainer {loss_type} | ragged" for loss_type in ("sigmoid", "hinge", "ipo")))
@oracle("hinge_loss", TITLE, "`hinge` of its Megatron trainer", differs=ALWAYS_DPO)
@oracle("ipo_loss", TITLE, "`ipo` of its Megatron trainer", differs=ALWAYS_DPO)
def test_the_loss_type_does_not_reach_dpo_on_megatron(framework, record):
    case, theirs = record_of(framework, record)
    mine = evaluate(pair_row(ours.dpo_loss), case)
    assert_same(mine["value"], theirs["value"])
    assert_same(mine["gradient"][:2], theirs["gradient"][:2])
    assert (theirs["gradient"][2:] == 0).all()  # of the reference, which is detached
    for loss in (ours.hinge_loss, ours.ipo_loss):
        assert not torch.allclose(evaluate(pair_row(loss), case)["value"], theirs["value"], rtol=1e-3)
