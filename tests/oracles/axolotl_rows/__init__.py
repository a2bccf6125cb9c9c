"""What is recorded of axolotl: its own trainer's arithmetic on the cases, by name of the record."""

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from ..cases import (
    CLIP_HIGH,
    CLIP_LOW,
    COMPLETION,
    DUAL_CLIP,
    FAR,
    GLOBAL_TOKENS,
    GROUP,
    GSPO_HIGH,
    GSPO_LOW,
    HOLES,
    KL_COEF,
    ORDINARY,
    PROMPT,
    SAMPLER_HIGH,
    Case,
)
from ..records import Row
from .extracts import advantages_of, compute_loss, eaft_loss, get_off_policy_mask, sampler_ratio

BUDGET = 2 * COMPLETION  # max_completion_length
THRESHOLD = 0.1  # of the off-policy mask, in nats per token
COMPLETIONS = slice(PROMPT - 1, None)  # its tensors have an entry per token of a completion


def trainer(logprobs: Tensor, loss_type: str, **changes: Any) -> SimpleNamespace:
    """As much of its trainer as the loss asks for."""
    args = SimpleNamespace(delta=None, sapo_temperature_pos=1.0, sapo_temperature_neg=1.05)
    args.use_bias_correction_kl = changes.pop("use_bias_correction_kl", False)
    args.delta = changes.pop("delta", None)
    given = {
        "args": args,
        "loss_type": loss_type,
        "epsilon_low": CLIP_LOW,
        "epsilon_high": CLIP_HIGH,
        "beta": 0.0,
        "importance_sampling_level": "token",
        "off_policy_mask_threshold": None,
        "top_entropy_quantile": 1.0,
        "use_vllm": True,
        "vllm_importance_sampling_correction": True,
        "max_completion_length": BUDGET,
        "current_gradient_accumulation_steps": 1,
        "model": SimpleNamespace(training=True),
        "accelerator": SimpleNamespace(num_processes=1, gather=lambda x: x),
        "_metrics": defaultdict(lambda: defaultdict(list)),
        "is_fsdp_enabled": False,
        "_get_per_token_logps_and_entropies": lambda *_, **__: (logprobs, torch.zeros_like(logprobs)),
        "get_off_policy_mask": get_off_policy_mask,
    }
    return SimpleNamespace(**given | changes)


def inputs_of(case: Case) -> dict[str, Tensor]:
    return {
        "prompt_ids": case.tokens[:, :PROMPT],
        "prompt_mask": torch.ones(len(case.mask), PROMPT, dtype=torch.long),
        "completion_ids": case.tokens[:, PROMPT:],
        "completion_mask": case.mask[:, COMPLETIONS].double(),
        "advantages": case.advantages[:, 0],
        "old_per_token_logps": case.old[:, COMPLETIONS],
        "ref_per_token_logps": case.ref[:, COMPLETIONS],
        "sampling_per_token_logps": case.sampler[:, COMPLETIONS],
        "num_items_in_batch": case.mask.sum(),
    }


def loss_row(loss_type: str = "dapo", cases: tuple = ORDINARY, *, items: int | None = None, **changes: Any) -> Row:
    """One advantage per completion. ``items``: of tokens in the batch that was generated."""

    def function(logprobs: Tensor, case: Case) -> Tensor:
        given = inputs_of(case) | ({} if items is None else {"num_items_in_batch": torch.tensor(items)})
        return compute_loss(trainer(logprobs[:, COMPLETIONS], loss_type, **changes), None, given)

    return Row("logprobs", function, cases)


def corrected_loss(logprobs: Tensor, case: Case) -> Tensor:
    given = inputs_of(case) | {"importance_sampling_ratio": correction(case, "token_truncate")}
    return compute_loss(trainer(logprobs[:, COMPLETIONS], "dapo", beta=KL_COEF), None, given)


def correction(case: Case, mode: str) -> Tensor:
    model = SimpleNamespace(
        use_vllm=True,
        vllm_importance_sampling_correction=True,
        vllm_importance_sampling_mode=mode,
        vllm_importance_sampling_cap=SAMPLER_HIGH,
    )
    data = inputs_of(case)
    return sampler_ratio(model, data["old_per_token_logps"], data["completion_mask"], data)


def advantages_row(
    scale_rewards: str = "group", *, kinds: bool = False, size: int = GROUP, cases: tuple = ORDINARY
) -> Row:
    """``kinds``: two kinds of rewards, the second those of the case in the reverse order."""

    def function(rewards: Tensor, case: Case) -> Tensor:
        given = torch.stack([rewards, rewards.flip(0)] if kinds else [rewards], dim=1).detach()
        count = given.shape[1]
        model = SimpleNamespace(
            multi_objective_aggregation="normalize_then_sum" if kinds else "sum_then_normalize",
            reward_weights=torch.ones(count),
            reward_funcs=[None] * count,
            scale_rewards=scale_rewards,
        )
        return advantages_of(model, given, size, given.device)

    return Row("rewards", function, cases)


def eaft(logits: Tensor, case: Case) -> Tensor:
    labels = torch.where(torch.nn.functional.pad(case.mask, (1, 0)), case.tokens, -100)
    return eaft_loss(SimpleNamespace(logits=logits), labels).float()  # its weights are float32


GSPO = {"epsilon_low": GSPO_LOW, "epsilon_high": GSPO_HIGH, "importance_sampling_level": "sequence"}
ROWS = {
    "_compute_loss grpo": loss_row("grpo"),
    "_compute_loss bnpo": loss_row("bnpo", FAR),
    "_compute_loss dapo": loss_row(items=GLOBAL_TOKENS),
    "_compute_loss dr_grpo": loss_row("dr_grpo"),
    "_compute_loss cispo": loss_row("cispo", epsilon_high=1 + CLIP_HIGH),
    "_compute_loss sapo": loss_row("sapo"),
    "_compute_loss luspo, sequence": loss_row("luspo", **GSPO),
    "_compute_loss luspo": loss_row("luspo"),
    "_compute_loss grpo, sequence": loss_row("grpo", HOLES, **GSPO),
    "_compute_loss dapo, delta": loss_row(delta=DUAL_CLIP),
    "_compute_loss dapo, beta": loss_row(beta=KL_COEF),
    "_compute_loss dapo, beta, use_bias_correction_kl": loss_row(beta=KL_COEF, use_bias_correction_kl=True),
    "_compute_loss dapo, off_policy_mask_threshold": loss_row(off_policy_mask_threshold=THRESHOLD),
    "_compute_loss dapo, beta, importance_sampling_ratio": Row("logprobs", corrected_loss),
    **{
        f"importance_sampling_ratio {mode}": Row(
            "sampler", lambda x, c, mode=mode: correction(c, mode) * c.mask[:, COMPLETIONS], HOLES
        )
        for mode in ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask")
    },
    "advantages group": advantages_row(),
    "advantages group, one each": advantages_row(size=1, cases=("full",)),
    "advantages none": advantages_row("none"),
    "advantages batch": advantages_row("batch"),
    "advantages normalize_then_sum": advantages_row(kinds=True),
    "eaft_loss": Row("logits", eaft),
}
