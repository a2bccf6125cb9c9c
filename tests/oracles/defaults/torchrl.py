"""torchrl: its ``GRPOTrainer``, and what such a run is put together of: losses, advantages, a KL transform, a sampler."""

from typing import Any

from . import names
from .cells import OTHER, Cell, Value, cell, fixed, inert, value
from .source import code, parameter

OBJECTIVES = "torchrl/objectives/llm"
FILES = {
    "GRPOLoss": f"{OBJECTIVES}/grpo.py",
    "MCAdvantage": f"{OBJECTIVES}/grpo.py",
    "SFTLoss": f"{OBJECTIVES}/sft.py",
    "DistillationLoss": f"{OBJECTIVES}/distillation.py",
    "GRPOTrainer": "torchrl/trainers/algorithms/grpo.py",
    "RetrieveKL": "torchrl/envs/llm/transforms/kl.py",
    "vLLMWrapper": "torchrl/modules/llm/policies/vllm_wrapper.py",
}
GRPO, MC, SFT, DISTILL, TRAINER, KL, SAMPLER = FILES
STEPPER = "torchrl/trainers/trainers.py"
ENTRY = dict.fromkeys((GRPO, MC, SAMPLER), TRAINER)  # a run of this trainer is put together of them


def option(slot: str, owner: str, name: str, says: str | dict[Any, Value | str], *, column: str = "") -> Cell:
    return cell(
        slot,
        name,
        parameter(FILES[owner], f"{owner}.__init__.{name}"),
        says,
        column=column,
        entry=ENTRY.get(owner, owner),
    )


def unread(slot: str, owner: str, name: str, says: str) -> Cell:
    return inert(slot, name, parameter(FILES[owner], f"{owner}.__init__.{name}"), says, entry=ENTRY.get(owner, owner))


def line(slot: str, owner: str, text: str, says: str, *, of: str | None = None, file: str = "", **columns: Any) -> Cell:
    return fixed(slot, code(file or FILES[owner], text, of=of), says, columns=columns, entry=ENTRY.get(owner, owner))


CELLS = [
    option("advantage", MC, "trajectory_return", {
        None: value("each step's reward minus the mean of all steps of the group, divided by their std: long trajectories count for more",
                    columns={"advantage": "group"}),
        "sum": value("a trajectory's return minus the group's mean, divided by the group's std", columns={"advantage": "group"}),
        "max": value("a trajectory's largest reward minus the group's mean of them, divided by their std", columns={"advantage": "group"}),
        "mean": value("a trajectory's mean reward minus the group's mean of them, divided by their std", columns={"advantage": "group"}),
    }),
    line("advantage", MC, "reward_scale = reward_values.std()", "the std has ddof 1", ddof=1),
    line("advantage", MC, "advantage = (reward - reward_mean) / reward_scale.clamp_min(1e-6)",
         "the std is held at 1e-6 or above, and nothing is added to it", eps=0.0),
    option("dead groups", MC, "keep_return_bounds", {
        None: "groups that all earn the same stay, with advantage 0 up to rounding",
        OTHER: "with trajectory_return, groups whose mean return is not between the two of {value} are dropped",
    }),
    line("dead groups", MC, "if trajectory_return is not None and grpo_size < 2:",
         "a group of one is refused with trajectory_return, and without it gets NaN if it has one step"),
    option("dead groups", MC, "candidate_group_size", {
        None: "no more completions are sampled than a group has",
        OTHER: "with trajectory_return, up to {value} completions are sampled, and the group is chosen from them",
    }),
    option("kl", GRPO, "kl_to_ref_coeff", {
        None: value("no KL to the reference in the loss", columns={"kl_coef": 0.0}), OTHER: "{value} times the KL in the loss",
    }, column="kl_coef"),
    line("kl", GRPO, "kl_penalty = (diff.expm1() - diff).mean()",
         "in the loss it is k3, a mean over the padded width: short completions have less of it, whatever aggregation says",
         of="GRPOLoss._kl_to_ref", kl="k3", kl_place="loss"),
    option("kl", GRPO, "kl_to_inference_coeff", {
        None: "no KL to the sampler's log-probs in the loss", OTHER: "{value} times k3 to the sampler's log-probs is in the loss too",
    }),
    option("kl", KL, "add_to_reward", {
        True: value("with this transform the KL is taken off each token's reward", columns={"kl": "k1", "kl_place": "reward"}),
        False: "with this transform the KL is only noted",
    }),
    option("kl", KL, "coeff", "its coefficient is then {value}"),
    line("kl", KL, "reward = reward - self.coeff * kl.unsqueeze(-1)",
         "a completion's one reward then stands at every token, less the token's own k1, and is normalised as such",
         of="KLComputation._step"),
    line("reference", GRPO, "Couldn't find the ref log-prob", "if its KL is asked for, its log-probs must be in the batch: a transform puts them there",
         of="GRPOLoss._kl_to_ref"),
    option("clip", GRPO, "clip_epsilon", "the ratio is clipped below at 1 - {value}, or at 1 minus the first of two numbers", column="clip_low"),
    option("clip", GRPO, "clip_epsilon", "above at 1 + {value}, in DAPO too", column="clip_high"),
    line("clip", GRPO, "gain = torch.stack([gain1, gain2], -1).min(dim=-1).values",
         "no further bound where the advantage is negative, and the log-ratio is not clamped", dual_clip=None),
    line("ratio", GRPO, "log_weight = (cur_log_prob - prev_log_prob).unsqueeze(-1)", "one ratio per token, in the clipped loss of PPO",
         of="GRPOLoss._log_weight", ratio="token", loss="ppo_clip"),
    line("ratio", "CISPOLoss", "gain = ratio * advantage", "-A times the clipped ratio with its gradient: a clipped token is not trained on",
         of="CISPOLoss._compute_policy_objective", file=FILES[GRPO]),
    option("ratio", GRPO, "kl_mask_threshold", {
        None: "no token is left out for having moved far",
        OTHER: "tokens with half the squared log-ratio to the sampler, not the reference, above {value} leave the loss and its count",
    }),
    option("aggregation", GRPO, "aggregation", {
        "token_mean": value("the kept tokens of each micro-batch, then a mean over micro-batches",
                            columns={"aggregation": "token_mean", "processes": False}),
        "prompt_mean": value("a mean over each row's tokens, then over all rows of the micro-batch, empty ones too",
                             columns={"aggregation": "sequence_mean", "processes": False}),
        "none": "not divided: a loss per token",
    }),
    unread("aggregation", GRPO, "reduction", "'sum' changes nothing, and 'none' gives a loss per token"),
    line("aggregation", TRAINER, "loss = sum(loss_items) / self.gradient_accumulation_steps",
         "micro-batches weigh the same in accumulation, however many tokens they have", file=STEPPER),
    option("entropy", GRPO, "entropy_coeff", "{value} times the mean entropy of the kept tokens is taken off the loss", column="entropy_coef"),
    option("entropy", GRPO, "entropy_bonus", {
        True: "entropy is in the loss", False: value("entropy is not in the loss", columns={"entropy_coef": 0.0}),
    }),
    unread("entropy", GRPO, "samples_mc_entropy", "read only where the entropy has no formula, or is not finite"),
    unread("clip", GRPO, "clip_value", "there is no critic whose values it could clip"),
    unread("advantage", GRPO, "gamma", "nothing reads it: rewards are not discounted"),
    option("sampling", SAMPLER, "num_samples", {
        None: "one completion per prompt and call", OTHER: "completions per prompt: {value}",
    }, column="group_size"),
    option("sampling", SAMPLER, "generate_kwargs", {None: "temperature, top-p, top-k and the budget are vLLM's own defaults"}),
    option("steps", TRAINER, "num_epochs", "passes over each batch of samples: {value}", column="inner_epochs"),
    option("steps", TRAINER, "optim_steps_per_batch", {
        None: "the replay buffer is gone through once per epoch", OTHER: "micro-batches per batch of samples and epoch: {value}",
    }),
    option("steps", TRAINER, "async_collection", {
        False: "the sampler gets new weights once per batch of samples", True: "the sampler gets new weights every weight_update_frequency optimizer steps",
    }),
    option("steps", TRAINER, "empty_replay_buffer_on_weight_update", {
        False: "samples stay in the buffer when the sampler gets new weights", True: "the buffer is emptied with each update",
    }),
    line("correction", GRPO, "prev_log_prob = tensordict.get(",
         "the ratio is to the sampler's own log-probs, so that it corrects for them", of="GRPOLoss._log_weight",
         correction="none"),
    option("optimizer", TRAINER, "clip_norm", {
        None: value("the gradient is not cut", columns={"max_grad_norm": None}), OTHER: "the gradient's norm is cut at {value}",
    }, column="max_grad_norm"),
    option("optimizer", TRAINER, "mixed_precision", {False: "the precision is that of the model", True: "forward passes are in bfloat16"}),
    option("optimizer", TRAINER, "gradient_accumulation_steps", "micro-batches of an optimizer step: {value}"),
    option("masks", GRPO, "masking_strategy", {
        "sft": value("what follows the prompt is trained on, or without a prompt what the assistant wrote", columns={"prompt_loss": False}),
        "rlhf": value("what the assistant wrote is trained on, in every turn", columns={"prompt_loss": False}),
        "generic": value("everything but padding is trained on, prompts too", columns={"prompt_loss": True}),
    }),
    option("aggregation", SFT, "normalize_by_seq_length", {
        True: "a mean over each row's tokens, then over rows", False: "sums over tokens, then a mean over rows",
    }),
    option("kl", SFT, "kl_to_ref_coeff", {None: "no KL to a reference", OTHER: "{value} times k3 to a reference, a mean over tokens, is added"}),
    option("preference", SFT, "loss_function", {
        "sft": "minus the log-prob of what the assistant wrote", "minor_sft": "minus the log sigmoid of beta times the log-ratio to a reference",
    }),
    unread("preference", SFT, "beta", "read with loss_function minor_sft alone"),
    option("masks", DISTILL, "assistant_only", {
        True: value("what the assistant wrote counts", columns={"prompt_loss": False}), False: value("every token counts", columns={"prompt_loss": True}),
    }),
    option("preference", DISTILL, "kl_direction", {
        "reverse": "k3 of student and teacher in the loss: its gradient is in expectation that of the forward KL",
        "forward": "k3 of teacher and student: for tokens that the teacher wrote",
    }),
    option("aggregation", DISTILL, "normalize_by_seq_length", {
        True: "a mean over each row's tokens, then over rows", False: "sums over tokens, then a mean over rows",
    }),
]  # fmt: skip
NAMES = [names.parameters(file, f"{owner}.__init__") for owner, file in FILES.items()]
