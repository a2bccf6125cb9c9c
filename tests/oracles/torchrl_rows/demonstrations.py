"""torchrl's losses on completions that are given: demonstrations, and a teacher's log-probs."""

from types import SimpleNamespace

import torch
from tensordict import TensorDict, lazy_stack
from torch import Tensor, nn
from torchrl.objectives.llm.distillation import DistillationLoss, k3_kl_token_estimate
from torchrl.objectives.llm.sft import SFTLoss

from ..cases import FAR, HOLES, KL_COEF, Case
from ..records import Row

TOKENIZER = SimpleNamespace()  # asked for, and not used where the masks are given


class Answered(nn.Module):
    """A policy whose log-probs are there already."""

    tokenizer = TOKENIZER

    def __init__(self, logprobs: Tensor):
        super().__init__()
        self.answer = stacked({("log_probs", "full"): logprobs})

    def forward(self, tensordict: TensorDict) -> TensorDict:
        return self.answer


def stacked(batch: dict) -> TensorDict:
    """Rows one by one, as torchrl keeps what has different lengths."""
    rows = len(next(iter(batch.values())))
    return lazy_stack([TensorDict({key: x[i] for key, x in batch.items()}, batch_size=[]) for i in range(rows)])


def batch(case: Case) -> TensorDict:
    other = torch.where(case.mask, case.ref, 0.0)
    return stacked(
        {
            ("history", "full"): case.tokens,
            ("masks", "all_assistant_mask"): case.mask,
            ("masks", "all_attention_mask"): torch.ones_like(case.mask),
            ("next", "ref_log_probs", "full"): other,
            ("next", "teacher_log_probs", "full"): other,
        }
    )


def sft_row(*, output: str = "loss_sft", cases: tuple = HOLES, **options: object) -> Row:
    return Row("logprobs", lambda x, c: getattr(SFTLoss(Answered(x), **options)(batch(c)), output), cases)


def distillation_row(**options: object) -> Row:
    def function(logprobs: Tensor, case: Case) -> Tensor:
        return DistillationLoss(Answered(logprobs), **options)(batch(case)).loss_distill

    return Row("logprobs", function, ("ragged", "full", "tools"))


DEMONSTRATIONS = {
    "k3_kl_token_estimate": Row("logprobs", lambda x, c: k3_kl_token_estimate(c.ref, x), FAR),
    "SFTLoss": sft_row(),
    "SFTLoss, normalize_by_seq_length=False": sft_row(normalize_by_seq_length=False),
    "SFTLoss loss_kl_to_ref": sft_row(output="loss_kl_to_ref", kl_to_ref_coeff=KL_COEF, cases=("ragged", "full")),
    "DistillationLoss": distillation_row(),
    "DistillationLoss, sum": distillation_row(reduction="sum", normalize_by_seq_length=False),
    "DistillationLoss, forward": distillation_row(kl_direction="forward"),
}
