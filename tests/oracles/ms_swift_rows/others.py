"""Trainers of ms-swift that add little to others: GRPO on Megatron, which repeats the loss, and ORPO, which calls TRL's."""

from collections import defaultdict, namedtuple
from contextlib import contextmanager
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..alone import class_of_methods, taken
from ..cases import BETA, CLIP_HIGH, CLIP_LOW, PAIRED, PROCESSES, Case
from ..records import Row
from .policy import batch_of
from .trainers import ALGORITHM, ONE_PROCESS, DPOTrainer, labels_of, trl_utils

MegatronGRPOTrainer = class_of_methods(
    "swift",
    "megatron/trainers/grpo_trainer.py",
    "MegatronGRPOTrainer",
    "loss_func",
    torch=torch,
    gather=lambda x, group: x,
    mpu=SimpleNamespace(
        get_data_parallel_world_size=lambda: PROCESSES, get_data_parallel_group=lambda with_context_parallel: None
    ),
)
MegatronDPOTrainer = class_of_methods(
    "swift",
    "megatron/trainers/dpo_trainer.py",
    "MegatronDPOTrainer",
    "loss_func",
    torch=torch,
    mpu=SimpleNamespace(get_context_parallel_world_size=lambda: 1),
)
DummyDPOTrainer = class_of_methods(
    "swift",
    "megatron/trainers/dpo_trainer.py",
    "DummyDPOTrainer",
    "__init__",
    namedtuple=namedtuple,
    get_current_device=lambda: torch.device("cpu"),
)
TRLs = class_of_methods(
    "trl",
    "experimental/orpo/orpo_trainer.py",
    "ORPOTrainer",
    "concatenated_forward",
    "get_batch_logps",
    "get_batch_loss_metrics",
    "odds_ratio_loss",
    torch=torch,
    nn=nn,
    F=F,
    selective_log_softmax=trl_utils.selective_log_softmax,
    log1mexp=taken("trl", "experimental/orpo/orpo_trainer.py", "log1mexp", torch=torch).log1mexp,
    is_torch_xla_available=lambda: False,
)
Mixin = class_of_methods(
    "swift",
    "rlhf_trainers/rlhf_mixin.py",
    "RLHFTrainerMixin",
    "concatenated_forward",
    torch=torch,
    contextmanager=contextmanager,
)
ORPOTrainer = type("ORPOTrainer", (Mixin, TRLs), {"concatenated_inputs": None})


def megatron_row(loss_type: str) -> Row:
    def function(logprobs: Tensor, case: Case) -> Tensor:
        self = object.__new__(MegatronGRPOTrainer)
        self.args = SimpleNamespace(**ALGORITHM, num_microbatches=1)
        self.loss_type, self.beta, self.micro_batch_size = loss_type, 0.0, len(logprobs)
        self.importance_sampling_level, self.epsilon_low, self.epsilon_high = "token", CLIP_LOW, CLIP_HIGH
        self.rollout_importance_sampling_mode = self.off_policy_sequence_mask_delta = None
        self.disable_rollout_importance_sampling, self._has_teacher, self.compute_entropy = True, False, False
        self.kl_in_reward, self._metrics = False, {"train": defaultdict(list)}
        self.unwrapped_models = [SimpleNamespace(training=True)]
        self._all_reduce_metric, self._step, self.steps_per_generation = lambda x: x, 0, 2
        batch = batch_of(case, case.advantages, sampled=False)
        batch.num_items_in_batch = torch.tensor(batch.num_items_in_batch)
        return self.loss_func(logprobs, {"grpo_batch": batch})[0]

    return Row("logprobs", function)


def megatron_dpo_row(loss_type: str) -> Row:
    """Rows of one token each, so that its log-prob is that of the row."""

    def function(pairs: Tensor, case: Case) -> Tensor:
        self = object.__new__(MegatronDPOTrainer)
        options = {
            "reference_free": False,
            "label_smoothing": 0.0,
            "f_divergence_type": "reverse_kl",
            "rpo_alpha": None,
        }
        self.args = SimpleNamespace(**options, loss_type=loss_type, beta=BETA)
        self.dummy_dpo_trainer = type("Dummy", (DummyDPOTrainer, DPOTrainer), {})(self.args)
        self.get_logps = lambda logprobs, labels, packed: logprobs[:, 0]
        self._all_reduce_metric = lambda metric: metric
        chosen, rejected, ref_chosen, ref_rejected = pairs
        logprobs = torch.cat([ref_chosen, ref_rejected, chosen, rejected])[:, None]
        labels = torch.zeros(len(logprobs) // 2, 1)
        return self.loss_func(logprobs, labels=labels, packed_seq_params=None)[0]

    return Row("pairs", function, ("ragged",))


class Answers:
    """A model that answers with given logits."""

    def __init__(self, logits: Tensor):
        self.logits = logits

    def __call__(self, **inputs: object) -> SimpleNamespace:
        return SimpleNamespace(logits=self.logits)


def orpo(logits: Tensor, case: Case) -> Tensor:
    self = ORPOTrainer()
    self.beta, self.label_pad_token_id, self.padding_value, self.accelerator = BETA, -100, 0, ONE_PROCESS
    self.is_encoder_decoder = self.aux_loss_enabled = False
    attended = torch.ones_like(case.tokens)
    batch = {"input_ids": case.tokens, "attention_mask": attended, "labels": labels_of(case)}
    return self.get_batch_loss_metrics(type("Model", (Answers,), {})(logits), batch)[0].float()  # as its odds are


OTHERS = {
    "MegatronGRPOTrainer bnpo": megatron_row("bnpo"),
    "MegatronDPOTrainer sigmoid": megatron_dpo_row("sigmoid"),
    "MegatronDPOTrainer hinge": megatron_dpo_row("hinge"),
    "MegatronDPOTrainer ipo": megatron_dpo_row("ipo"),
    "ORPOTrainer": Row("logits", orpo, PAIRED),
}
