"""What TRL's trainers with a teacher minimise: live, values and gradients. GKD is in test_trl_policy.py."""

import pytest
import torch
from torch import Tensor
from trl.trainer.distillation_trainer import _chunked_divergence_loss

from reference import objectives as ours

from .cases import TEMPERATURE, VOCAB, Case
from .claims import F32, oracle
from .trl_batches import CASES, logits_leaf, other_logits
from .trl_stub import GOLDTrainer, IWOPDTrainer, TableModel, offline, sdpo

SHARES = (0.0, 0.1, 0.5, 1.0)


pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")


def labels_of(case: Case) -> Tensor:
    return torch.where(case.mask, case.tokens[:, 1:], -100)


def iw_opd(case: Case, logits: Tensor, teacher: Tensor, rollout: Tensor | None, gamma: float) -> Tensor:
    self = offline(IWOPDTrainer, TableModel(logits), iw_opd_gamma=gamma, temperature=TEMPERATURE)
    return self._compute_iw_opd_loss(logits[:, :-1], case.tokens[:, 1:], labels_of(case), teacher, rollout)


def iw_opd_weight(rewards: Tensor, gamma: float) -> Tensor:
    """1 + gamma at a row's first token, and less the more of the disagreement lies before."""
    size = rewards.abs()
    before = size.cumsum(dim=1) - size
    return 1 + gamma * (1 - before / size.sum(dim=1, keepdim=True).clamp_min(1e-8))


@oracle("distillation_loss", "TRL", "`IWOPDTrainer` with `iw_opd_gamma=0`, without log-probs of the rollout")
def test_iw_opd_without_its_weight(same):
    case = CASES["ragged"]
    logits = logits_leaf(case)
    new, teacher = (ours.token_logprobs(x, case.tokens, temperature=TEMPERATURE) for x in (logits, other_logits(case)))
    theirs = iw_opd(case, logits, teacher, None, gamma=0.0)
    same(ours.token_mean(ours.distillation_loss(new, teacher), case.mask), theirs, logits)


@pytest.mark.parametrize("gamma", [0.0, 0.5])
@oracle("distillation_rewards", "TRL", "`IWOPDTrainer`: of the rollout's log-probs, before its weight")
def test_iw_opd_weighs_early_tokens_more(same, gamma):
    case = CASES["ragged"]
    logits = logits_leaf(case)
    new, teacher = (ours.token_logprobs(x, case.tokens, temperature=TEMPERATURE) for x in (logits, other_logits(case)))
    rewards = ours.distillation_rewards(case.old, teacher, case.mask)
    mine = ours.token_mean(ours.reinforce_loss(new, iw_opd_weight(rewards, gamma) * rewards), case.mask)
    same(mine, iw_opd(case, logits, teacher, case.old, gamma), logits)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(GOLDTrainer, marks=oracle("generalised_jsd", "TRL", "`generalized_jsd_loss` of GOLD")),
        pytest.param(IWOPDTrainer, marks=oracle("generalised_jsd", "TRL", "`generalized_jsd_loss` of IW-OPD")),
    ],
    ids=["gold", "iw_opd"],
)
def test_the_divergence_of_other_trainers(same, kind, share):
    case = CASES["ragged"]
    student, teacher = logits_leaf(case), other_logits(case)
    theirs = kind.generalized_jsd_loss(
        student[:, :-1], teacher[:, :-1], labels_of(case), beta=share, temperature=TEMPERATURE
    )
    mine = ours.generalised_jsd(student, teacher, teacher_share=share, temperature=TEMPERATURE)
    same(ours.token_mean(mine, case.mask), theirs, student)


@pytest.mark.parametrize("share", SHARES)
@oracle("generalised_jsd", "TRL", "`distillation_alpha` of SDPO and SDFT, full logits; top-k of the whole vocabulary")
def test_the_divergence_of_self_distillation(same, share):
    case = CASES["ragged"]
    student, teacher = logits_leaf(case), other_logits(case)
    pair = (student[:, :-1], teacher[:, :-1])
    mine = ours.generalised_jsd(student, teacher, teacher_share=share)
    same(mine, sdpo.compute_full_logit_self_distillation_loss(*pair, distillation_alpha=share), student)
    top = {"distillation_topk": VOCAB, "distillation_add_tail": False}
    same(mine, sdpo.compute_topk_self_distillation_loss(*pair, distillation_alpha=share, **top), student)


@pytest.mark.parametrize("share", SHARES)
@oracle("generalised_jsd", "TRL", "`DistillationTrainer`, from hidden states", rtol=F32)
def test_the_divergence_of_the_distillation_trainer(same, share):
    case = CASES["ragged"]
    random = torch.Generator().manual_seed(3)
    rows, preds = case.mask.shape
    student, teacher = (torch.randn(rows, preds + 1, 8, generator=random).requires_grad_() for _ in range(2))
    head, teacher_head = (torch.randn(VOCAB, 8, generator=random) for _ in range(2))
    theirs, _, _ = _chunked_divergence_loss(
        student[:, :-1], teacher[:, :-1], head, teacher_head, case.mask, share, temperature=TEMPERATURE
    )
    logits = (student @ head.T, teacher.detach() @ teacher_head.T)
    mine = ours.generalised_jsd(*logits, teacher_share=share, temperature=TEMPERATURE)
    same(ours.token_mean(mine, case.mask), theirs, student)
