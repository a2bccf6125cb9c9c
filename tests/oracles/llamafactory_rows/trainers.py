"""The trainers of LLaMA-Factory without their construction: its methods, above the losses of the TRL that it takes.

Its modules import TRL's trainers, which want another transformers. So the methods are taken out. 0.24.0 is the newest
TRL that LLaMA-Factory 0.9.5 allows, and the one that pip installs for it.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from enum import Enum
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..alone import class_of_methods, taken
from ..cases import BETA, Case
from ..llamafactory_options import SIMPO_GAMMA

IGNORED = -100  # its IGNORE_INDEX
utils = taken(
    "llamafactory",
    "train/trainer_utils.py",
    "_asft_cross_entropy",
    "_dft_cross_entropy",
    "_kl_divergence",
    "asft_loss_func",
    "dft_loss_func",
    "get_batch_logps",
    "nested_detach",
    torch=torch,
    F=F,
    Mapping=Mapping,
    IGNORE_INDEX=IGNORED,
)
trl_utils = taken("trl", "trainer/utils.py", "RunningMoments", torch=torch, dataclass=dataclass)
trl_config = taken("trl", "trainer/dpo_config.py", "FDivergenceType", Enum=Enum)
TRLDPOTrainer = class_of_methods(
    "trl",
    "trainer/dpo_trainer.py",
    "DPOTrainer",
    "dpo_loss",
    torch=torch,
    F=F,
    FDivergenceType=trl_config.FDivergenceType,
)
TRLKTOTrainer = class_of_methods("trl", "trainer/kto_trainer.py", "KTOTrainer", "kto_loss", torch=torch, F=F)
DPO = class_of_methods(
    "llamafactory",
    "train/dpo/trainer.py",
    "CustomDPOTrainer",
    "bco_loss",
    "compute_preference_loss",
    "compute_reference_log_probs",
    "concatenated_forward",
    "get_batch_loss_metrics",
    "odds_ratio_loss",
    "simpo_loss",
    torch=torch,
    F=F,
    nullcontext=nullcontext,
    get_batch_logps=utils.get_batch_logps,
    nested_detach=utils.nested_detach,
)
KTO = class_of_methods(
    "llamafactory",
    "train/kto/trainer.py",
    "CustomKTOTrainer",
    "compute_reference_log_probs",
    "concatenated_forward",
    "forward",
    "get_batch_loss_metrics",
    torch=torch,
    nullcontext=nullcontext,
    get_batch_logps=utils.get_batch_logps,
    nested_detach=utils.nested_detach,
)
PairwiseTrainer = class_of_methods(
    "llamafactory", "train/rm/trainer.py", "PairwiseTrainer", "compute_loss", torch=torch
)
CustomDPOTrainer = type("CustomDPOTrainer", (DPO, TRLDPOTrainer), {})
CustomKTOTrainer = type("CustomKTOTrainer", (KTO, TRLKTOTrainer), {})
ONE_PROCESS = SimpleNamespace(device=torch.device("cpu"), use_distributed=False, gather_for_metrics=lambda x: x)


def dpo_trainer(
    pref_loss: str = "sigmoid",
    *,
    smoothing: float = 0.0,
    ftx: float = 0.0,
    bco_weight: float = 0.0,
    ld_alpha: float | None = None,
) -> Any:
    """A CustomDPOTrainer that can compute, with what its ``__init__`` makes of these options."""
    self = CustomDPOTrainer()
    self.finetuning_args = SimpleNamespace(use_ref_model=pref_loss not in ("orpo", "simpo"))
    self.loss_type, self.beta, self.label_smoothing, self.ftx_gamma = pref_loss, BETA, smoothing, ftx
    self.bco_gemma, self.simpo_gamma, self.ld_alpha = bco_weight, SIMPO_GAMMA, ld_alpha
    self.f_divergence_type, self.reference_free = "reverse_kl", False
    self.accelerator, self.running = ONE_PROCESS, trl_utils.RunningMoments(ONE_PROCESS)
    return self


def kto_trainer(*, ftx: float = 0.0) -> Any:
    self = CustomKTOTrainer()
    self.loss_type, self.beta, self.ftx_gamma, self.accelerator = "kto", BETA, ftx, ONE_PROCESS
    self.calculate_KL, self.desirable_weight, self.undesirable_weight = True, 1.0, 1.0
    return self


def model_of(logits: Tensor) -> Any:
    return lambda **_: SimpleNamespace(logits=logits)


def labels_of(case: Case) -> Tensor:
    """The tokens where they are trained; the first token predicts nothing before it."""
    first = torch.full_like(case.tokens[:, :1], IGNORED)
    return torch.cat([first, torch.where(case.mask, case.tokens[:, 1:], IGNORED)], dim=1)
