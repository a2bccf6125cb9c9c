"""The trainers of ms-swift without their construction: its own methods, on given log-probs instead of a model.

Its modules import TRL's trainers, modelscope and more, and take TRL's ``__init__`` away. So the methods are taken out.
0.29.1 is the newest TRL that ms-swift 4.6.0 allows, and the one that pip installs for it.
"""

from collections import defaultdict
from contextlib import nullcontext
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..alone import class_of_methods, taken
from ..cases import BETA, BUDGET, CLIP_HIGH, CLIP_LOW, GROUP, PROCESSES, Case

trl_utils = taken("trl", "trainer/utils.py", "selective_log_softmax", torch=torch, F=F)
moments = taken("trl", "experimental/bco/bco_trainer.py", "RunningMoments", torch=torch, dataclass=dataclass)
nanstd = taken("swift", "utils/torch_utils.py", "nanstd", torch=torch).nanstd
advantage = taken(
    "swift",
    "rl_core/advantage.py",
    "RewardMetrics",
    "_sdar_agg_loss",
    "compute_advantages",
    "compute_advantages_dynamic",
    "compute_reward_metrics",
    "compute_sdar_loss",
    "compute_teacher_kl_per_token",
    "compute_teacher_logratio",
    "expand_advantage_to_per_token",
    torch=torch,
    nanstd=nanstd,
    dataclass=dataclass,
)
constants = taken("swift", "rlhf_trainers/grpo_trainer.py", "WINDOW_NORMALIZED_LOSS_TYPES")
GRPOTrainer = class_of_methods(
    "swift",
    "rlhf_trainers/grpo_trainer.py",
    "GRPOTrainer",
    "_apply_rollout_importance_sampling",
    "_compute_advantages",
    "_compute_is_correction_metrics",
    "_compute_loss_and_metrics",
    "_compute_off_policy_sequence_mask",
    "_compute_rollout_offpolicy_metrics",
    "_compute_sequence_level_ratios",
    "_get_rollout_is_correction",
    "_prepare_algorithm_params",
    "_undo_gradient_accumulation_scaling",
    "_update_metrics",
    torch=torch,
    compute_advantages=advantage.compute_advantages,
    compute_reward_metrics=advantage.compute_reward_metrics,
    WINDOW_NORMALIZED_LOSS_TYPES=constants.WINDOW_NORMALIZED_LOSS_TYPES,
    gather=lambda x: x,
    gather_object=lambda x: x,
    nanmax=torch.max,
    nanmin=torch.min,
)
DPOTrainer = class_of_methods(
    "swift",
    "rlhf_trainers/dpo_trainer.py",
    "DPOTrainer",
    "_get_ipo_sequence_logps",
    "compute_ref_log_probs",
    "concatenated_forward",
    "dpo_loss",
    "get_batch_loss_metrics",
    torch=torch,
    F=F,
    nullcontext=nullcontext,
)
RLHFTrainerMixin = class_of_methods(
    "swift",
    "rlhf_trainers/rlhf_mixin.py",
    "RLHFTrainerMixin",
    "get_per_token_logps",
    torch=torch,
    selective_log_softmax=trl_utils.selective_log_softmax,
)
RewardTrainer = class_of_methods(
    "swift", "rlhf_trainers/reward_trainer.py", "RewardTrainer", "compute_loss", torch=torch, nn=nn
)
per_token_loss_func = taken("swift", "trainers/utils.py", "per_token_loss_func", torch=torch, F=F).per_token_loss_func
SoftOverlong = class_of_methods("swift", "rewards/orm.py", "SoftOverlong", "__call__")

ONE_PROCESS = SimpleNamespace(
    device=torch.device("cpu"), num_processes=1, use_distributed=False, gather_for_metrics=lambda x: x
)
ALGORITHM = {  # the defaults of its command line, where a row gives no other
    "loss_type": "grpo",
    "scale_rewards": "group",
    "epsilon": CLIP_LOW,
    "epsilon_high": CLIP_HIGH,
    "delta": None,
    "overlong_filter": False,
    "log_entropy": False,
    "top_entropy_quantile": 1.0,
    "importance_sampling_level": "token",
    "tau_pos": 1.0,
    "tau_neg": 1.05,
    "fipo_decay_rate": 32.0,
    "advantage_estimator": "grpo",
    "kl_in_reward": False,
    "rollout_importance_sampling_mode": None,
    "rollout_importance_sampling_threshold": 2.0,
    "off_policy_sequence_mask_delta": None,
    "sdar_loss_coef": 0.0,
    "gradient_accumulation_steps": 1,
}
# Read by its __init__ for losses that are not recorded.
UNREAD = ("dataset_shuffle", "num_iterations", "dynamic_sample", "max_resample_times", "real_tau", "fipo_clip_range")
UNREAD += ("fipo_clip_high_only", "fipo_safety_threshold", "log_rollout_offpolicy_metrics", "advantage_reweight")
UNREAD += ("rlsd_lambda", "rlsd_reweight_clip_range", "rlsd_lambda_warmup_steps", "rlsd_lambda_decay_steps")
UNREAD += ("rlsd_negative_only", "sdar_gate_beta")


def grpo_trainer(*, beta: float = 0.0, num_generations: int = GROUP, **options: Any) -> Any:
    """A GRPOTrainer that can compute. ``options`` are those of its command line."""
    self = object.__new__(GRPOTrainer)
    self.args = SimpleNamespace(**dict.fromkeys(UNREAD) | ALGORITHM | options)
    self._prepare_algorithm_params()
    self.beta, self.num_generations, self.max_completion_length = beta, num_generations, BUDGET
    self.accelerator = SimpleNamespace(**vars(ONE_PROCESS) | {"num_processes": PROCESSES})
    self.model = SimpleNamespace(training=True)
    self.compute_entropy = self.top_entropy_quantile < 1
    self._has_teacher = self.disable_rollout_importance_sampling = self.model_accepts_loss_kwargs = False
    self.dynamic_num_samples = False
    self.compute_loss_func = self.chord_sft_iterator = None
    self._metrics, self._logs = {"train": defaultdict(list)}, {"rewards": defaultdict(list)}
    self.reward_weights, self.reward_func_names = torch.ones(1, dtype=torch.float64), ["reward"]
    return self


def dpo_trainer(*, loss_type: str | list[str] = "sigmoid", label_smoothing: float = 0.0, **options: Any) -> Any:
    """A DPOTrainer that can compute."""
    self = type("DPOTrainer", (DPOTrainer, RLHFTrainerMixin), {})()
    self.loss_type, self.label_smoothing, self.beta = loss_type, label_smoothing, BETA
    self.f_divergence_type, self.reference_free = "reverse_kl", False
    self.accelerator, self.running = ONE_PROCESS, moments.RunningMoments(ONE_PROCESS)
    self.args = SimpleNamespace(**{"ld_alpha": None, "rpo_alpha": None} | options)
    self.template = SimpleNamespace(padding_free=False, sequence_parallel_size=1)
    self.get_use_logits_to_keep = lambda default: False
    self.aux_loss_enabled = self.is_encoder_decoder = self.use_weighting = self._peft_has_been_casted_to_bf16 = False
    self.label_pad_token_id, self.loss_weights = -100, None
    return self


def labels_of(case: Case) -> Tensor:
    """The tokens where they are trained, else -100; the first token predicts nothing before it."""
    ignored = torch.full_like(case.tokens[:, :1], -100)
    return torch.cat([ignored, torch.where(case.mask, case.tokens[:, 1:], -100)], dim=1)
