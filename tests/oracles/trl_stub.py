"""TRL's GRPOTrainer without its construction: the real methods, on a table of logits instead of a model.

``GRPOTrainer.__init__`` wants a model, a tokenizer, a dataset and an accelerator. The arithmetic needs none of them, so
an empty instance is given the attributes that the arithmetic reads; their values come from a real ``GRPOConfig``.
"""

from collections import defaultdict
from contextlib import nullcontext
from types import SimpleNamespace

import torch
from torch import Tensor
from trl import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.utils import selective_log_softmax_and_entropy

ONE_PROCESS = SimpleNamespace(
    device=torch.device("cpu"),
    num_processes=1,
    process_index=0,
    is_main_process=True,
    sync_gradients=True,
    state=SimpleNamespace(deepspeed_plugin=None),
    gather=lambda x: x,
    reduce=lambda x, reduction: x,
    unwrap_model=lambda model: model,
    autocast=nullcontext,
)


class TableModel:
    """Answers with the logits it was given, scored by TRL as a TRL-patched model would score them."""

    training = True
    is_gradient_checkpointing = False

    def __init__(self, logits: Tensor, temperature: float = 1.0):
        self.logits, self.temperature = logits, temperature

    def __call__(self, *, input_ids: Tensor, attention_mask: Tensor, labels: Tensor, fused_lm_head: bool):
        logprobs, entropy = selective_log_softmax_and_entropy(
            self.logits[:, :-1], input_ids[:, 1:], temperature=self.temperature, row_mask=labels[:, 1:] != -100
        )
        return SimpleNamespace(log_probs=logprobs, entropy=entropy)


class ScriptedModel:
    """Generates the completions it was given."""

    is_gradient_checkpointing = False

    def __init__(self, completions: Tensor):
        self.completions = completions

    def generate(self, *, input_ids: Tensor, attention_mask: Tensor, generation_config: object) -> Tensor:
        return torch.cat([input_ids, self.completions], dim=1)


def trainer(model: object, *, pad: int = 0, eos: int = 1, **options: object) -> GRPOTrainer:
    """A GRPOTrainer that can compute. ``options`` are GRPOConfig's; what it does not set has TRL's default."""
    options.setdefault("use_bias_correction_kl", False)  # True by default since 1.10: multiplies k3 by the ratio
    args = GRPOConfig(output_dir="unused", use_cpu=True, bf16=False, report_to=[], **options)
    self = object.__new__(GRPOTrainer)
    for name, default in args.__dict__.items():  # most attributes are copies of options of the same name
        if not hasattr(type(self), name):
            setattr(self, name, default)
    self.args = args
    self.model = self.model_wrapped = self.ref_model = model
    self.accelerator = ONE_PROCESS
    self.state = SimpleNamespace(global_step=0, num_input_tokens_seen=0)
    self.is_deepspeed_enabled = False
    self.current_gradient_accumulation_steps = args.gradient_accumulation_steps
    self.num_generations_eval = args.num_generations
    self.epsilon_low = args.epsilon
    self.epsilon_high = args.epsilon if args.epsilon_high is None else args.epsilon_high
    self.aux_loss_enabled = self._entropy_bonus_enabled = self._is_vlm = False
    self.environments = self.environment_factories = self.tools = None
    self.generation_config = self.generation_kwargs = None
    self.eos_token_ids = [eos]
    self._tokenizer = SimpleNamespace(pad_token_id=pad)
    self._dist = SimpleNamespace(summon_full_params=lambda *_, **__: nullcontext())
    metrics = defaultdict(list)
    self._metrics = {"train": metrics, "eval": metrics}
    self._logs = defaultdict(list, rewards=defaultdict(list))
    self._pending_extra_logs, self._pending_metrics = {}, {}
    return self


def rollout(self: GRPOTrainer, prompts: list[list[int]], completions: list[list[int]], rewards: Tensor) -> dict:
    """TRL's inputs to the loss - padding, masks, advantages, token count - for given completions and rewards."""
    self.reward_func_names = ["reward"]
    self.reward_weights = torch.ones(1, dtype=rewards.dtype)
    self._generate = lambda _: (prompts, completions, None, completions, None, {}, None, [])
    self._calculate_rewards = lambda *_: rewards[:, None]
    return self._generate_and_score_completions([{"prompt": "unused"}] * len(prompts))


def metric(self: GRPOTrainer, name: str) -> float:
    (value,) = self._metrics["train"][name]
    return value
