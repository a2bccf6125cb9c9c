"""Small random models of the Llama family, and completions made by hand, for the tests of the fast path."""

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, PreTrainedModel, Qwen2Config

from reference.algorithms.data import Experience
from reference.world.rollout import Rollout

SIZES = {"vocab_size": 384, "pad_token_id": 0, "bos_token_id": None, "eos_token_id": 1, "hidden_size": 32,
         "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4,
         "max_position_embeddings": 256}  # fmt: skip


def rope(kind: str, **options: object) -> dict:
    parameters = {"rope_type": kind, "rope_theta": 1e4, "factor": 4.0}
    if kind != "linear":
        parameters["original_max_position_embeddings"] = 16
    return {"rope_parameters": parameters | options}


KINDS = {
    "llama": (LlamaConfig, {}),
    "tied": (LlamaConfig, {"tie_word_embeddings": True}),
    "grouped": (LlamaConfig, {"num_key_value_heads": 2}),
    "head_dim": (LlamaConfig, {"num_key_value_heads": 1, "head_dim": 12}),
    "qwen2": (Qwen2Config, {"num_key_value_heads": 2}),
    "mistral": (MistralConfig, {"num_key_value_heads": 2, "sliding_window": None}),
    "linear": (LlamaConfig, rope("linear")),
    "llama3": (LlamaConfig, rope("llama3", low_freq_factor=1.0, high_freq_factor=4.0)),
    "yarn": (LlamaConfig, rope("yarn")),
}


def small(kind: str = "llama", **changes: object) -> PreTrainedModel:
    """A random model; its norms are not 1 and its biases not 0, or a mistake in them would not show."""
    config, options = KINDS[kind]
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config(**(SIZES | options | changes))).eval()
    for name, weight in model.named_parameters():
        nn.init.normal_(weight, mean=1.0 if "norm" in name else 0.0, std=0.3)
    return model


def completions(prompts: list[int], lengths: list[int], *, budget: int) -> Rollout:
    """Random tokens: prompts of these lengths on the left, completions of these lengths on the right."""
    width, rows = max(prompts), len(prompts)
    generator = torch.Generator().manual_seed(3)
    tokens = torch.randint(2, 384, (rows, width + max(lengths)), generator=generator)
    column = torch.arange(tokens.shape[1])
    before, behind = (torch.tensor(x)[:, None] for x in (prompts, lengths))
    attention = (column >= width - before) & (column < width + behind)
    mask = (attention & (column >= width))[:, 1:]
    return Rollout(
        tokens=torch.where(attention, tokens, 0), attention_mask=attention, completion_mask=mask,
        sampler_logprobs=torch.where(mask, -torch.rand(mask.shape, generator=generator), 0.0),
        truncated=behind.squeeze(1) == budget, prompt_width=width,
    )  # fmt: skip


def experience(rollout: Rollout, old: Tensor, *, groups: list[int]) -> Experience:
    """What a step learns from, every field filled. ``old`` (rows, pred): log-probs of the completions under the model."""
    generator = torch.Generator().manual_seed(4)
    mask = rollout.completion_mask[:, rollout.prompt_width - 1 :]

    def noise(scale: float) -> Tensor:
        return torch.where(mask, scale * torch.randn(mask.shape, generator=generator), 0.0)

    rows = torch.tensor(groups)
    first_of_group = torch.tensor([groups.index(group) for group in groups])
    width = rollout.prompt_width
    tokens = torch.cat([rollout.tokens[first_of_group, :width], rollout.tokens[:, width:]], dim=1)
    rewards = torch.randn(len(groups), generator=generator)
    return Experience(
        tokens=tokens, attention_mask=rollout.attention_mask, prompt_width=width, group=rows, mask=mask,
        old_logprobs=old + noise(0.2), rewards=rewards, token_rewards=noise(1.0), ref_logprobs=old + noise(0.2),
        values=noise(1.0), gae=noise(1.0), advantages=noise(1.0), returns=noise(1.0),
    )  # fmt: skip
