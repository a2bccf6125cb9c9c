"""The cases as batches of TRL's GRPOTrainer, and what its loss and its advantages are on them."""

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from reference import objectives as ours

from .cases import BUDGET, EOS, GROUP, PROMPT, VOCAB, Case, make_cases
from .trl_stub import TableModel, rollout, trainer

CASES = make_cases()
LOW, HIGH, BETA = 0.1, 0.28, 0.3
ADVANTAGES = torch.tensor([-1.5, 0.7, -0.4, 0.9], dtype=torch.float64)


def logits_leaf(case: Case) -> Tensor:
    """The logits of a case, as a leaf that takes a gradient."""
    return case.logits.clone().requires_grad_()


def sequences(case: Case) -> tuple[list[list[int]], list[list[int]]]:
    """Prompts, every second one a token shorter so that TRL has to pad left, and completions without their padding."""
    lengths = case.mask.sum(dim=1).tolist()
    prompts = [row[b % 2 : PROMPT] for b, row in enumerate(case.tokens.tolist())]
    completions = [row[PROMPT : PROMPT + n] for row, n in zip(case.tokens.tolist(), lengths, strict=True)]
    return prompts, completions


def old_and_ref(case: Case, temperature: float) -> tuple[Tensor, Tensor]:
    logprobs = ours.token_logprobs(case.logits, case.tokens, temperature=temperature)
    return logprobs + case.old - case.logprobs, logprobs + case.ref - case.logprobs


def batch_for_trl(case: Case, model: object, **options: object) -> tuple[object, dict]:
    """TRL's trainer and its batch. Old and reference log-probs are as far from the policy as in the case."""
    rows = len(case.tokens)
    options = {"per_device_train_batch_size": rows, "num_generations": rows, "max_completion_length": BUDGET} | options
    self = trainer(model, pad=EOS, eos=EOS, gradient_accumulation_steps=1, **options)
    inputs = rollout(self, *sequences(case), rewards=ADVANTAGES[:rows])
    old, ref = old_and_ref(case, self.temperature)
    inputs |= {"old_per_token_logps": old[:, PROMPT - 1 :], "ref_per_token_logps": ref[:, PROMPT - 1 :]}
    inputs["advantages"] = ADVANTAGES[:rows]
    return self, inputs


def loss_and_trainer(case: Case, logits: Tensor, **options: object) -> tuple[Tensor, object]:
    """TRL's loss, and the trainer with what it has logged."""
    model = TableModel(logits, options.get("temperature", 1.0))
    self, inputs = batch_for_trl(case, model, **options)
    return self._compute_loss(model, inputs), self


def trl_loss(case: Case, logits: Tensor, **options: object) -> Tensor:
    return loss_and_trainer(case, logits, **options)[0]


def trainer_after_loss(case: Case, **options: object) -> object:
    return loss_and_trainer(case, case.logits, **options)[1]


def loss_type_mean(loss_type: str, loss: Tensor, mask: Tensor) -> Tensor:
    """The mean that belongs to a loss type of TRL, as an aggregation of ours."""
    if loss_type in ("grpo", "sapo"):
        return ours.sequence_mean(loss, mask, num_sequences=len(mask))
    if loss_type == "dr_grpo":
        return ours.fixed_length(loss, mask, max_length=BUDGET)
    return ours.sequence_sum(loss, mask).mean() if loss_type == "luspo" else ours.token_mean(loss, mask)


def trl_advantages(rewards: Tensor, *, training: bool = True, **options: object) -> tuple[Tensor, object]:
    """Of completions of one token, and the trainer; "reward_weights" and the model make no difference."""
    model = TableModel(torch.zeros(len(rewards), 2, VOCAB, dtype=torch.float64))
    model.training = training
    options = {"per_device_train_batch_size": len(rewards), "num_generations": GROUP} | options
    self = trainer(model, **options)
    return rollout(self, [[3]] * len(rewards), [[2]] * len(rewards), rewards)["advantages"], self


def tiny_llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2, "num_hidden_layers": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=VOCAB, **size, initializer_range=0.5)).eval()


def other_logits(case: Case) -> Tensor:
    """A teacher's, or a reference's: not the same ones, and not far away."""
    return case.logits.roll(1, dims=2) / 2
