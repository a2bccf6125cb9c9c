"""Whom NeMo-RL credits with a reward: penalties, advantages, and which rows it leaves out."""

from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, Optional

import torch
from torch import Tensor

from ..cases import BUFFER, COMPLETION, GAMMA, GROUP, HOLES, KL_COEF, LAMBDA, ORDINARY, PAIRED, SAMPLER_HIGH, Case
from ..records import Row
from ..shared_rows import values_on_mask
from .losses import batch, on_tokens
from .stand_ins import (
    BatchedDataDict,
    advantage_estimator,
    function_alone,
    loss_functions,
    reward_functions,
    utils,
)

AdvEstimatorConfig = advantage_estimator.AdvEstimatorConfig


def prompts(rewards: Tensor, group_size: int) -> Tensor:
    """As many numbers per row as there are tokens in a prompt, here one."""
    return (torch.arange(len(rewards)) // group_size)[:, None]


def advantages_of(kind: str, config: Any, **loss_config: Any) -> Callable:
    return getattr(advantage_estimator, kind)(
        config, loss_functions.ClippedPGLossConfig(**loss_config)
    ).compute_advantage


# --- one reward per completion ---


def group_row(*, group_size: int = GROUP, cases: tuple = ORDINARY, scale: float = 1, add: float = 0, **o: bool) -> Row:
    """In float32, as its rewards are. ``scale`` and ``add`` change the rewards of the case."""

    def function(rewards: Tensor, case: Case) -> Tensor:
        rewards = (add + scale * rewards).detach().float()
        compute = advantages_of("GRPOAdvantageEstimator", AdvEstimatorConfig(**o))
        return compute(prompts(rewards, group_size), rewards, torch.ones(len(rewards), 1))[:, 0]

    return Row("rewards", function, cases)


def gdpo_row(**options: Any) -> Row:
    """The second kind of reward: the first one of the case in the reverse order."""

    def function(rewards: Tensor, case: Case) -> Tensor:
        rewards = rewards.detach().float()
        kinds = {"reward/first": rewards, "reward/second": rewards.flip(0)}
        compute = advantages_of("GDPOAdvantageEstimator", AdvEstimatorConfig(name="gdpo", **options))
        return compute(prompts(rewards, GROUP), rewards, torch.ones(len(rewards), 1), kinds)[:, 0]

    return Row("rewards", function)


# --- per token ---


def reinforce_row(*, kl: bool = False, cases: tuple = HOLES, **options: bool) -> Row:
    def function(scores: Tensor, case: Case) -> Tensor:
        compute = advantages_of(
            "ReinforcePlusPlusAdvantageEstimator",
            AdvEstimatorConfig(**options),
            use_kl_in_reward=kl,
            reference_policy_kl_penalty=KL_COEF,
        )
        rewards, log_probs = scores.detach().float(), (case.logprobs, case.ref)
        return values_on_mask(compute(prompts(rewards, 2), rewards, case.mask.float(), *log_probs).float(), case)

    return Row("scores", function, cases)


def raw_reward_row(*, normalize: bool) -> Row:
    def function(scores: Tensor, case: Case) -> Tensor:
        compute = advantages_of("RawRewardAdvantageEstimator", {"normalize_advantages": normalize})
        return values_on_mask(compute(None, scores.detach(), case.mask.float())[0], case)

    return Row("scores", function)


def gae_row(*, output: int = 0, kl: bool = False, normalize: bool = False, **options: float) -> Row:
    """``output``: 0 the advantages, 1 the returns. The score is on the last kept token."""
    config = {
        "gae_lambda": LAMBDA,
        "gae_gamma": GAMMA,
        "normalize_advantages": normalize,
        "gae_lambda_value": None,
        "gae_lambda_policy": None,
        "length_adaptive_alpha": 0,
    } | options

    def function(values: Tensor, case: Case) -> Tensor:
        penalty = {"use_kl_in_reward": kl, "reference_policy_kl_penalty": KL_COEF}
        compute = advantages_of("GeneralizedAdvantageEstimator", config, **penalty)
        log_probs = {"logprobs": case.logprobs, "reference_logprobs": case.ref}
        result = compute(None, case.scores, case.mask.float(), values.detach(), **log_probs)[output]
        return values_on_mask(result.float() if normalize or config["length_adaptive_alpha"] else result, case)

    return Row("values", function, HOLES)


def distillation_advantages(logprobs: Tensor, case: Case) -> Tensor:
    """The reference serves as the teacher."""
    compute = advantages_of("OPDAdvantageEstimator", {})
    return compute(None, None, case.mask.float(), teacher_logprobs=case.ref, prev_logprobs=logprobs)


# --- lengths, and rows that are left out ---

mask_rows = function_alone("grpo.py", "compute_and_apply_seq_logprob_error_masking", torch=torch, Optional=Optional)


def kept_rows(sampler: Tensor, case: Case) -> Tensor:
    data = batch(case) | {
        "prev_logprobs": on_tokens(case.old),
        "generation_logprobs": on_tokens(sampler.detach()),
    }
    mask_rows(data, case.scores, SAMPLER_HIGH)
    return data["sample_mask"]


filter_rows = function_alone("grpo.py", "dynamic_sampling", torch=torch)


def rows_with_a_std(rewards: Tensor, case: Case) -> Tensor:
    """Which completions its dynamic sampling keeps of a batch, with the std that its default baseline comes with."""
    rewards = rewards.detach().float()
    baseline, std = utils.calculate_baseline_and_std_per_prompt(
        prompts(rewards, GROUP), rewards, torch.ones_like(rewards)
    )
    grpo = SimpleNamespace(
        num_prompts_per_step=len(rewards),  # more than there are, so that it asks for further batches
        num_generations_per_prompt=GROUP,
        use_dynamic_sampling=True,
        dynamic_sampling_max_gen_batches=1,
    )
    batch_of_rows = BatchedDataDict({"total_reward": rewards, "row": torch.arange(len(rewards))})
    timer = SimpleNamespace(time=lambda _: nullcontext())
    kept = filter_rows(batch_of_rows, std, baseline, 1, SimpleNamespace(grpo=grpo), timer)[0]["row"]
    return torch.isin(torch.arange(len(rewards)), kept)


def shaped_rewards(scores: Tensor, lengths: list[list[int]], **options: float) -> Tensor:
    """``lengths``: of each answer that the model gave in a conversation."""
    config = reward_functions.RewardShapingConfig(enabled=True, **options)
    logs = [[{"role": "assistant", "token_ids": torch.zeros(n)} for n in row] for row in lengths]
    return reward_functions.apply_reward_shaping({"total_reward": scores.detach(), "message_log": logs}, config)[
        "total_reward"
    ]


def overlong(scores: Tensor, lengths: list[list[int]], max_length: int = COMPLETION) -> Tensor:
    return shaped_rewards(
        scores, lengths, max_response_length=max_length, overlong_buffer_length=BUFFER, overlong_buffer_penalty=1.0
    )


def one_answer(case: Case) -> list[list[int]]:
    return [[n] for n in case.lengths.tolist()]


CREDIT = {
    "GRPOAdvantageEstimator": group_row(),
    "GRPOAdvantageEstimator, groups of 2": group_row(group_size=2, cases=("full",)),
    "GRPOAdvantageEstimator, one each": group_row(group_size=1, cases=("full",)),
    "GRPOAdvantageEstimator, rewards of 0.9 and 1": group_row(cases=("full",), scale=0.1, add=0.9),
    "GRPOAdvantageEstimator, rewards of 0.9": group_row(cases=("full",), scale=0, add=0.9),
    "GRPOAdvantageEstimator, normalize_rewards=False": group_row(normalize_rewards=False),
    "GRPOAdvantageEstimator, use_leave_one_out_baseline=False": group_row(use_leave_one_out_baseline=False),
    "GRPOAdvantageEstimator, neither": group_row(normalize_rewards=False, use_leave_one_out_baseline=False),
    "GDPOAdvantageEstimator": gdpo_row(),
    "GDPOAdvantageEstimator, use_leave_one_out_baseline=False": gdpo_row(use_leave_one_out_baseline=False),
    "GDPOAdvantageEstimator, reward_weights": gdpo_row(use_leave_one_out_baseline=False, reward_weights=[1.0, 0.25]),
    "ReinforcePlusPlusAdvantageEstimator": reinforce_row(cases=PAIRED),
    "ReinforcePlusPlusAdvantageEstimator, minus_baseline=False": reinforce_row(minus_baseline=False),
    "ReinforcePlusPlusAdvantageEstimator, use_kl_in_reward": reinforce_row(minus_baseline=False, kl=True),
    "RawRewardAdvantageEstimator": raw_reward_row(normalize=False),
    "RawRewardAdvantageEstimator, normalize_advantages": raw_reward_row(normalize=True),
    "GeneralizedAdvantageEstimator": gae_row(),
    "GeneralizedAdvantageEstimator, returns": gae_row(output=1),
    "GeneralizedAdvantageEstimator, gae_lambda=0": gae_row(gae_lambda=0.0),
    "GeneralizedAdvantageEstimator, use_kl_in_reward": gae_row(kl=True),
    "GeneralizedAdvantageEstimator, normalize_advantages": gae_row(normalize=True),
    "GeneralizedAdvantageEstimator, gae_lambda_value, returns": gae_row(output=1, gae_lambda_value=1.0),
    "GeneralizedAdvantageEstimator, length_adaptive_alpha": gae_row(length_adaptive_alpha=0.5),
    "OPDAdvantageEstimator": Row("logprobs", distillation_advantages, HOLES),
    "compute_and_apply_seq_logprob_error_masking": Row("sampler", kept_rows, HOLES),
    "dynamic_sampling": Row("rewards", rows_with_a_std, ("full",)),
    "apply_reward_shaping": Row("scores", lambda x, c: overlong(x, one_answer(c)), HOLES),
    "apply_reward_shaping, beyond max_response_length": Row(
        "scores", lambda x, c: overlong(x, one_answer(c), COMPLETION - 1), ("full",)
    ),
    "apply_reward_shaping, two answers": Row(
        "scores", lambda x, c: overlong(x, [[n - 1, 1] for n in c.lengths.tolist()]), ("full",)
    ),
}
