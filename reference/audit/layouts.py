"""What the keys of a saved batch mean, codebase by codebase: a name of ours, and the keys that hold it.

Names that are not in ``Batch`` are parts of one: ``prompts`` and ``completions`` are the two halves of the tokens,
``labels`` the tokens with -100 where there is no loss, ``sample_mask`` keeps or drops a whole row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from reference.audit.batch import NUMBERS, PER_ROW, PER_TOKEN

IGNORED = -100  # transformers' label of a token without a loss
PARTS = (
    "tokens",
    "prompts",
    "completions",
    "attention_mask",
    "prompt_mask",
    "completion_mask",
    "lengths",
    "position_ids",
    "start",
    "mask",
    "labels",
    "shift_labels",
    "sample_mask",
    "model_mask",
    "tool",
)
CANONICAL = tuple(dict.fromkeys((*PARTS, *PER_TOKEN, *PER_ROW, *NUMBERS)))


@dataclass(frozen=True)
class Layout:
    """One way to save a batch. Of several keys the first that is there is read: a framework has them one after another."""

    source: str  # the framework, or "" for keys that many have
    marks: tuple[str, ...]  # a file with these keys has this layout
    keys: Mapping[str, tuple[str, ...]]  # our name -> the keys that hold it


# Experience of reference/algorithms/data.py: index t of a per-token tensor is about token prompt_width + t. A batch of
# the SFT loop is tokens and a mask that is one narrower.
OURS = Layout("ours", ("tokens",), {"start": ("prompt_width",)})

# What GRPOTrainer._generate_and_score_completions returns. completion_mask says which tokens are there; tool_mask is 1 on
# what the model wrote and on padding, 0 on what a tool wrote; the loss takes their product.
TRL = Layout(
    "trl",
    ("prompt_ids", "completion_ids"),
    {
        "prompts": ("prompt_ids",),
        "completions": ("completion_ids",),
        "prompt_mask": ("prompt_mask",),
        "completion_mask": ("completion_mask",),
        "model_mask": ("tool_mask",),
        "old_logprobs": ("old_per_token_logps",),
        "ref_logprobs": ("ref_per_token_logps",),
        "sampler_logprobs": ("sampling_per_token_logps",),
        "num_tokens": ("num_items_in_batch",),
    },
)

# DataProto.batch of RayPPOTrainer, padded, and the nested tensors of the trainers in trainer/ppo/v1.
VERL = Layout(
    "verl",
    ("prompts", "responses"),
    {
        "tokens": ("input_ids",),
        "completions": ("responses",),
        "mask": ("response_mask", "loss_mask"),
        "old_logprobs": ("old_log_probs",),
        "ref_logprobs": ("ref_log_prob",),
        "sampler_logprobs": ("rollout_log_probs",),
        "token_rewards": ("token_level_rewards", "token_level_scores", "rm_scores"),
        "entropy": ("entropys", "entropy"),
        "num_tokens": ("batch_num_tokens",),
    },
)

# Experience of trainer/ppo_utils/experience.py. The action axis is one narrower than the sequences: index t is about
# token t + 1. action_log_probs are those before the update, rollout_log_probs those of vLLM.
OPENRLHF = Layout(
    "openrlhf",
    ("sequences", "action_mask"),
    {
        "tokens": ("sequences",),
        "mask": ("action_mask",),
        "old_logprobs": ("action_log_probs",),
        "ref_logprobs": ("base_action_log_probs",),
        "sampler_logprobs": ("rollout_log_probs",),
    },
)

# TrainingInputBatch: padded on the left alone, so that every response ends in the last column; rewards are per token.
SKYRL = Layout(
    "skyrl",
    ("sequences", "loss_mask"),
    {
        "tokens": ("sequences",),
        "mask": ("loss_mask",),
        "old_logprobs": ("action_log_probs",),
        "ref_logprobs": ("base_action_log_probs",),
        "sampler_logprobs": ("rollout_logprobs",),
        "token_rewards": ("rewards",),
        "rewards": (),
    },
)

# The train_data of algorithms/grpo.py: all tensors as wide as the tokens, index t about token t; the loss drops column 0.
NEMO = Layout(
    "nemo",
    ("input_ids", "token_mask"),
    {
        "tokens": ("input_ids",),
        "mask": ("token_mask",),
        "lengths": ("input_lengths",),
        "old_logprobs": ("prev_logprobs",),
        "ref_logprobs": ("reference_policy_logprobs",),
        "sampler_logprobs": ("generation_logprobs",),
    },
)

# DataCollatorForPreference and the collator of KTO: completion_mask is as wide as input_ids.
TRL_PREFERENCE = Layout(
    "trl", ("input_ids", "completion_mask"), {"tokens": ("input_ids",), "mask": ("completion_mask",)}
)

# What DPOTrainer.concatenated_inputs of older versions returns: whole rows, or prompts and completions apart.
TRL_CONCATENATED = Layout(
    "trl",
    ("concatenated_input_ids",),
    {
        "tokens": ("concatenated_input_ids",),
        "attention_mask": ("concatenated_attention_mask",),
        "labels": ("concatenated_labels",),
    },
)
TRL_PAIRS = Layout(
    "trl",
    ("prompt_input_ids", "completion_input_ids"),
    {
        "prompts": ("prompt_input_ids",),
        "completions": ("completion_input_ids",),
        "prompt_mask": ("prompt_attention_mask",),
        "completion_mask": ("completion_attention_mask",),
    },
)

# transformers' names, which TRL's SFT, LLaMA-Factory, axolotl and ms-swift share, and what else may stand beside them.
GENERIC = Layout(
    "",
    ("input_ids",),
    {
        "tokens": ("input_ids",),
        "mask": ("loss_mask", "assistant_masks", "assistant_mask", "completion_mask", "response_mask", "action_mask"),
        "lengths": ("input_lengths", "length"),
        "logprobs": ("log_probs", "per_token_logps"),
        "old_logprobs": ("old_log_probs", "old_per_token_logps", "prev_logprobs"),
        "ref_logprobs": ("ref_log_prob", "ref_log_probs", "ref_per_token_logps", "reference_policy_logprobs"),
        "sampler_logprobs": (
            "rollout_log_probs",
            "rollout_logprobs",
            "sampling_per_token_logps",
            "generation_logprobs",
        ),
        "token_rewards": ("token_level_rewards",),
        "num_tokens": ("num_items_in_batch", "batch_num_tokens"),
    },
)

LAYOUTS = (OURS, TRL, VERL, OPENRLHF, SKYRL, NEMO, TRL_PREFERENCE, TRL_CONCATENATED, TRL_PAIRS, GENERIC)


def layout_of(keys: Collection[str], names: Mapping[str, str]) -> Layout | None:
    """The first layout whose marks are all there. ``names`` with tokens of their own need none."""
    for layout in LAYOUTS:
        if set(layout.marks) <= set(keys) and not (layout is TRL_PREFERENCE and "labels" in keys):
            return layout
    return GENERIC if names.keys() & {"tokens", "prompts"} else None


def keys_of(layout: Layout, name: str) -> tuple[str, ...]:
    """The keys that may hold one of our names: those of the layout, and the name itself.

    Not the name itself where the layout has it for something else: SkyRL's rewards are per token.
    """
    taken = any(name in keys for other, keys in layout.keys.items() if other != name)
    return tuple(dict.fromkeys((*layout.keys.get(name, ()), *(() if taken else (name,)))))
