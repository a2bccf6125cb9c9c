"""TRL's trainers without their construction: the real methods, on a table of logits instead of a model.

The ``__init__`` of a trainer wants a model, a tokenizer, a dataset and an accelerator. The arithmetic needs none of them,
so an empty instance is given the attributes that the arithmetic reads; their values come from a real config.
"""

import warnings
from collections import defaultdict
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch import Tensor
from trl import (
    DPOConfig,
    DPOTrainer,
    GRPOConfig,
    KTOConfig,
    KTOTrainer,
    RewardConfig,
    RewardTrainer,
    RLOOConfig,
    SFTConfig,
    SFTTrainer,
)
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_trainer import RLOOTrainer
from trl.trainer.utils import selective_log_softmax_and_entropy

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # "APIs here are unstable"
    from trl.experimental.a2po import A2POConfig, A2POTrainer
    from trl.experimental.async_grpo import AsyncGRPOConfig, AsyncGRPOTrainer
    from trl.experimental.cpo import CPOConfig, CPOTrainer
    from trl.experimental.gkd import GKDTrainer  # noqa: F401
    from trl.experimental.gmpo import GMPOTrainer  # noqa: F401
    from trl.experimental.gold import GOLDTrainer  # noqa: F401
    from trl.experimental.iw_opd import IWOPDConfig, IWOPDTrainer
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer
    from trl.experimental.sdpo import loss_utils as sdpo  # noqa: F401
    from trl.experimental.tpo import TPOConfig, TPOTrainer

CONFIGS = {
    A2POTrainer: A2POConfig,
    AsyncGRPOTrainer: AsyncGRPOConfig,
    CPOTrainer: CPOConfig,
    DPOTrainer: DPOConfig,
    GRPOTrainer: GRPOConfig,
    IWOPDTrainer: IWOPDConfig,
    KTOTrainer: KTOConfig,
    ORPOTrainer: ORPOConfig,
    RewardTrainer: RewardConfig,
    RLOOTrainer: RLOOConfig,
    SFTTrainer: SFTConfig,
    TPOTrainer: TPOConfig,
}

ONE_PROCESS = SimpleNamespace(
    device=torch.device("cpu"),
    num_processes=1,
    process_index=0,
    is_main_process=True,
    sync_gradients=True,
    parallelism_config=None,
    state=SimpleNamespace(deepspeed_plugin=None),
    gather=lambda x: x,
    gather_for_metrics=lambda x: x,
    reduce=lambda x, reduction: x,
    unwrap_model=lambda model: model,
    autocast=nullcontext,
)


class TableModel:
    """Answers with the logits it was given, scored by TRL as a TRL-patched model would score them."""

    training = True
    is_gradient_checkpointing = False
    _modules: ClassVar[dict] = {}  # where peft is installed, accelerate looks for adapters and compiled parts inside

    def __init__(self, logits: Tensor, temperature: float = 1.0):
        self.logits, self.temperature = logits, temperature

    def logits_of(self, input_ids: Tensor) -> Tensor:
        return self.logits

    def __call__(
        self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None, **_: bool
    ) -> SimpleNamespace:
        logits = self.logits_of(input_ids)
        if labels is None:
            return SimpleNamespace(logits=logits)
        predicting, following = logits[:, :-1], input_ids[:, 1:]
        scored = labels[:, 1:] != -100
        logprobs, entropy = selective_log_softmax_and_entropy(
            predicting, following, temperature=self.temperature, row_mask=scored
        )
        is_top1 = predicting.argmax(dim=-1) == following
        mean_logits = predicting.detach().mean(dim=-1) / self.temperature
        return SimpleNamespace(
            log_probs=logprobs, entropy=entropy, mean_logits=mean_logits, is_top1=is_top1, label_mask=scored
        )


class BigramModel(TableModel):
    """Logits that depend on the token and its position, (time, vocab, vocab): for trainers that make their own batch."""

    def logits_of(self, input_ids: Tensor) -> Tensor:
        return self.logits[torch.arange(input_ids.shape[1]), input_ids]


class ScriptedModel:
    """Generates the completions it was given."""

    is_gradient_checkpointing = False

    def __init__(self, completions: Tensor):
        self.completions = completions

    def generate(self, *, input_ids: Tensor, attention_mask: Tensor, generation_config: object) -> Tensor:
        return torch.cat([input_ids, self.completions], dim=1)


def bare(kind: type, model: object, ref_model: object, **options: object) -> Any:
    """An instance of a trainer with what all of them read. ``options`` are its config's; the rest has TRL's default."""
    args = CONFIGS[kind](output_dir="unused", use_cpu=True, bf16=False, report_to=[], **options)
    self = object.__new__(kind)
    for name, default in args.__dict__.items():  # most attributes are copies of options of the same name
        if not hasattr(type(self), name):
            setattr(self, name, default)
    self.args = args
    self.model = self.model_wrapped = model
    self.ref_model = ref_model
    self.accelerator = ONE_PROCESS
    self.state = SimpleNamespace(global_step=0, num_input_tokens_seen=0)
    self.is_deepspeed_enabled = self.is_encoder_decoder = self.aux_loss_enabled = self._is_vlm = False
    self._total_train_tokens, self._tp_size = 0, 1
    self._metrics = {"train": (metrics := defaultdict(list)), "eval": metrics}
    return self


def trainer(
    model: object,
    *,
    pad: int = 0,
    eos: int = 1,
    kind: type = GRPOTrainer,
    ref_model: object | None = None,
    **options: object,
) -> Any:
    """A GRPOTrainer or RLOOTrainer that can compute. The reference is the model itself unless given."""
    if kind is GRPOTrainer:
        options.setdefault("use_bias_correction_kl", False)  # True by default since 1.10: multiplies k3 by the ratio
    self = bare(kind, model, model if ref_model is None else ref_model, **options)
    args = self.args
    self.current_gradient_accumulation_steps = args.gradient_accumulation_steps
    self.num_generations_eval = args.num_generations if args.num_generations_eval is None else args.num_generations_eval
    self.epsilon_low = args.epsilon
    self.epsilon_high = args.epsilon if args.epsilon_high is None else args.epsilon_high
    self._entropy_bonus_enabled = kind is GRPOTrainer and args.entropy_coef != 0
    self.environments = self.environment_factories = self.tools = self.rollout_func = None
    self.generation_config = self.generation_kwargs = None
    self.eos_token_ids = [eos]
    self._tokenizer = SimpleNamespace(pad_token_id=pad)
    self.processing_class = SimpleNamespace(batch_decode=lambda ids, **_: ids)
    self._dist = SimpleNamespace(summon_full_params=lambda *_, **__: nullcontext())
    self._logs = defaultdict(list, rewards=defaultdict(list))
    self._pending_extra_logs, self._pending_metrics = {}, {}
    return self


def offline(kind: type, model: object, ref_model: object | None = None, *, pad: int = 0, **options: object) -> Any:
    """A trainer that generates nothing: preferences, demonstrations, rewards."""
    self = bare(kind, model, ref_model, **options)
    if kind is DPOTrainer:
        self.loss_types = self.args.loss_type
        self.loss_weights = self.args.loss_weights or [1.0] * len(self.loss_types)
    if kind is KTOTrainer:
        self.calculate_KL = self.args.loss_type != "apo_zero_unpaired"
    self.precompute_ref_logps = False
    self.pad_token_id = self.padding_value = pad
    self.compute_loss_func = self.label_smoother = None
    return self


def rollout(
    self: Any,
    prompts: list[list[int]],
    completions: list[list[int]],
    rewards: Tensor,
    sampler_logprobs: list[list[float]] | None = None,
    reward_weights: Tensor | None = None,
) -> dict:
    """TRL's inputs to the loss - padding, masks, advantages, token count - for given completions and rewards.

    Rewards of several functions have a column for each, and then there are weights.
    """
    rewards = rewards if rewards.dim() == 2 else rewards[:, None]
    self.reward_func_names = [f"reward {k}" for k in range(rewards.shape[1])] if rewards.shape[1] > 1 else ["reward"]
    self.reward_funcs = [None] * rewards.shape[1]
    self.reward_weights = torch.ones(1, dtype=rewards.dtype) if reward_weights is None else reward_weights
    self._tokenize_prompts = lambda _: (prompts, None, {})
    generated = (completions, sampler_logprobs) if isinstance(self, GRPOTrainer) else completions
    self._generate_single_turn = lambda *_: generated
    self._calculate_rewards = lambda *_: rewards
    return self._generate_and_score_completions([{"prompt": "unused"}] * len(prompts))


def metric(self: Any, name: str) -> float:
    (value,) = self._metrics["train"][name]
    return value
