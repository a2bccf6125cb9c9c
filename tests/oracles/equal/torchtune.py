"""torchtune: which function of ours equals each of its records."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from reference import objectives as ours

from ..cases import BETA, CLIP_LOW, EOS, FAR, HOLES, KL_COEF, PROMPT, SMOOTHING, Case
from ..claims import F32
from ..records import Row
from .credit import gae_over_all_positions, group_advantages_row, whitened_row
from .entry import Equal, entries_of
from .kl import token_rewards
from .policy import VALUE_LOSS_CLIPPED
from .tokens import LOGPROBS, LOGPROBS_TEMPERED, MASKED_MEAN

torchtune = entries_of("torchtune")


def of_response(x: Tensor) -> Tensor:
    return x[:, PROMPT - 1 :]


def policy(logprobs: Tensor, case: Case) -> Tensor:
    loss = ours.ppo_clip_loss(logprobs, case.old, case.advantages, clip_low=CLIP_LOW, clip_high=CLIP_LOW)
    return ours.token_mean(loss, case.mask)


def total_loss(logprobs: Tensor, case: Case) -> Tensor:
    value = VALUE_LOSS_CLIPPED.function(case.values.clone().requires_grad_(), case)  # ours refuses a constant
    return ours.total_loss(policy(logprobs, case), value_loss=value, vf_coef=KL_COEF)


def clip_frac(logprobs: Tensor, case: Case) -> Tensor:
    return ours.clip_frac(logprobs, case.old, case.advantages, case.mask, clip_low=CLIP_LOW, clip_high=CLIP_LOW)


def gae(values: Tensor, case: Case) -> Tensor:
    return gae_over_all_positions(values, case)


def lambda_returns(values: Tensor, case: Case) -> Tensor:
    return gae(values, case) + values.detach() * case.mask


def divergence_row(divergence: Callable[[Tensor, Tensor], Tensor]) -> Row:
    """Of student and teacher, whose logits are the student's in another order."""
    return Row("logits", lambda x, c: ours.token_mean(divergence(x, c.logits.flip(dims=[2])), c.mask))


def reverse_jsd(student: Tensor, teacher: Tensor) -> Tensor:
    return ours.generalised_jsd(student, teacher, teacher_share=1)


def sequence_logprobs_row(*, average: bool, cases: tuple) -> Row:
    def function(logits: Tensor, case: Case) -> Tensor:
        return ours.sequence_logprobs(ours.token_logprobs(logits, case.tokens), case.mask, average=average)

    return Row("logits", function, cases)


def completion_mask(tokens: Tensor, case: Case) -> Tensor:
    return of_response(ours.completion_mask(tokens, case.start, eos_token_id=EOS)).long()


def implicit_reward_row(side: int) -> Row:
    return Row("pairs", lambda x, c: ours.implicit_reward(x[side], x[side + 2], beta=BETA).detach())


POLICY = Row("logprobs", policy)
REWARDS = Row("scores", lambda x, c: of_response(token_rewards(x, c)), ("ragged", "full"))
REVERSE_KL = divergence_row(ours.kl_full)
ENTRIES: list[Equal] = [
    # tokens
    torchtune("logits_to_logprobs", LOGPROBS, "token_logprobs"),
    torchtune("logits_to_logprobs, temperature", LOGPROBS_TEMPERED, "token_logprobs", "`logits_to_logprobs`"),
    torchtune("get_batch_log_probs", sequence_logprobs_row(average=False, cases=HOLES), "sequence_logprobs"),
    torchtune(
        "get_batch_log_probs, average",
        sequence_logprobs_row(average=True, cases=("ragged", "tools")),
        "sequence_logprobs",
        "`get_batch_log_probs`",
    ),
    torchtune("masked_mean", MASKED_MEAN, "masked_mean"),
    torchtune(
        "truncate_sequence_at_first_stop_token", Row("tokens", completion_mask, ("ragged", "full")), "completion_mask"
    ),
    torchtune(
        "CEWithChunkedOutputLoss",
        Row("logits", lambda x, c: ours.sft_loss(ours.token_logprobs(x, c.tokens), c.mask)),
        "sft_loss",
        rtol=F32,
    ),
    torchtune("ReverseKLWithChunkedOutputLoss", REVERSE_KL, "kl_full", rtol=F32),
    torchtune(
        "ReverseKLWithChunkedOutputLoss",
        divergence_row(reverse_jsd),
        "generalised_jsd",
        "`ReverseKLWithChunkedOutputLoss`, ours with `teacher_share=1`",
        rtol=F32,
    ),
    # losses
    torchtune("PPOLoss", replace(POLICY, cases=FAR), "ppo_clip_loss", "`PPOLoss`, one `epsilon` for both sides"),
    torchtune("PPOLoss", replace(POLICY, cases=FAR), "token_mean", "`PPOLoss`"),
    torchtune("PPOLoss, value_coeff", Row("logprobs", total_loss), "total_loss", "`PPOLoss` with `value_coeff`"),
    torchtune("PPOLoss clipfrac", Row("logprobs", clip_frac), "clip_frac", "`clipfrac` of `PPOLoss`"),
    torchtune("PPOLoss of values", VALUE_LOSS_CLIPPED, "value_loss", "`PPOLoss`"),
    torchtune("DPOLoss", Row("pairs", lambda x, c: ours.dpo_loss(*x, beta=BETA)), "dpo_loss"),
    torchtune(
        "DPOLoss, label_smoothing",
        Row("pairs", lambda x, c: ours.cdpo_loss(*x, beta=BETA, label_smoothing=SMOOTHING)),
        "cdpo_loss",
        "`DPOLoss` with `label_smoothing`",
    ),
    torchtune("RSOLoss", Row("pairs", lambda x, c: ours.hinge_loss(*x, beta=BETA)), "hinge_loss"),
    *(
        torchtune(f"DPOLoss {name}", implicit_reward_row(side), "implicit_reward", f"`{name}`, detached")
        for side, name in enumerate(["chosen_rewards", "rejected_rewards"])
    ),
    # credit
    torchtune("whiten", whitened_row(shift_mean=False), "whiten", "`whiten`, ours with `shift_mean=False`", rtol=F32),
    torchtune("whiten, shift_mean=False", whitened_row(), "whiten", "`whiten` with `shift_mean=False`", rtol=F32),
    torchtune("get_rewards_ppo", REWARDS, "token_rewards"),
    torchtune("get_rewards_ppo, no place", replace(REWARDS, cases=("full",)), "token_rewards", "`get_rewards_ppo`"),
    torchtune("estimate_advantages, returns", Row("values", lambda_returns), "gae", "returns of `estimate_advantages`"),
    torchtune(
        "GRPO recipe, advantages",
        group_advantages_row(),
        "group_advantages",
        "`grpo_full_finetune_distributed`",
    ),
]
