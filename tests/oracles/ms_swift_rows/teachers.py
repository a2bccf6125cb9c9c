"""How ms-swift learns from a teacher: whole distributions (GKD), or log-probs of sampled tokens (OPD-RL, SDAR)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..alone import class_of_methods, taken
from ..cases import HOLES, TEMPERATURE, Case
from ..ms_swift_options import GATE_BETA, TEACHER_COEF, TOP
from ..records import Row
from ..shared_rows import values_on_mask
from .trainers import advantage, labels_of

gkd = taken(
    "swift",
    "rlhf_trainers/gkd_loss.py",
    "TeacherOutput",
    "_align_vocab",
    "default_gather",
    "default_kl_div",
    "default_log_softmax",
    "extract_active",
    "gkd_loss",
    "jsd_loss",
    torch=torch,
    F=F,
    dataclass=dataclass,
)
GKDTrainer = class_of_methods(
    "swift", "rlhf_trainers/gkd_trainer.py", "GKDTrainer", "_compute_jsd_loss", torch=torch, gkd_loss=gkd.gkd_loss
)


def gkd_row(beta: float, *, temperature: float = 1.0, top: int | None = None, cases: tuple = HOLES) -> Row:
    def function(logits: Tensor, case: Case) -> Tensor:
        self = object.__new__(GKDTrainer)
        self.beta, self.temperature, self.gkd_logits_topk = beta, temperature, top
        teacher = gkd.TeacherOutput(full_logits=case.logits.flip(2), labels=labels_of(case))
        return self._compute_jsd_loss(logits, teacher, labels_of(case))

    return Row("logits", function, cases)


def with_teacher(logprobs: Tensor, case: Case) -> Tensor:
    """The reference stands in for the teacher."""
    per_token = advantage.expand_advantage_to_per_token(
        case.scores, case.mask, case.ref, logprobs.detach(), TEACHER_COEF
    )
    return values_on_mask(per_token, case)


def sdar(logprobs: Tensor, case: Case) -> Tensor:
    return advantage.compute_sdar_loss(logprobs, case.ref, case.mask, gate_beta=GATE_BETA)[0]


TEACHERS = {
    "_compute_jsd_loss beta 0": gkd_row(0, cases=("ragged",)),
    "_compute_jsd_loss beta 1": gkd_row(1, cases=("ragged",)),
    "_compute_jsd_loss beta 0.3, temperature": gkd_row(0.3, temperature=TEMPERATURE),
    "_compute_jsd_loss gkd_logits_topk": gkd_row(0.5, top=TOP, cases=("tools",)),
    "compute_teacher_kl_per_token": Row(
        "logprobs", lambda x, c: advantage.compute_teacher_kl_per_token(c.ref, x, c.mask), ("ragged",)
    ),
    "expand_advantage_to_per_token, teacher": Row("logprobs", with_teacher, HOLES),
    "compute_sdar_loss": Row("logprobs", sdar),
}
