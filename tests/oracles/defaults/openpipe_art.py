"""ART: ``train`` and ``train_sft`` of its LocalBackend, as they are with Unsloth."""

from typing import Any

from . import names
from .cells import OTHER, Cell, Value, cell, fixed, inert, value
from .source import code, field, given, parameter

BACKEND, LOSS, TOKENIZE, PACK = (
    "art/local/backend.py",
    "art/loss.py",
    "art/preprocessing/tokenize.py",
    "art/preprocessing/pack.py",
)
UNSLOTH, MODEL = "art/unsloth/train.py", "art/dev/get_model_config.py"
ENTRY, SUPERVISED = "LocalBackend.train", "train_sft"


def option(slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "") -> Cell:
    return cell(slot, name, parameter(BACKEND, f"{ENTRY}.{name}"), says, column=column, entry=ENTRY)


def line(slot: str, file: str, text: str, says: str, *, of: str | None = None, **columns: Any) -> Cell:
    return fixed(slot, code(file, text, of=of), says, columns=columns, entry=ENTRY)


def ignored(slot: str, name: str, value: Any, text: str, says: str) -> Cell:
    """A part of the model's config that nothing reads, or that is replaced before it acts. ``text``: as the code has it."""
    return inert(slot, f"trainer_args.{name}", given(value, code(MODEL, f"{name}={text},")), says, entry=ENTRY)


def dead(slot: str, name: str, says: str) -> Cell:
    return inert(slot, name, parameter(BACKEND, f"{ENTRY}.{name}"), says, entry=ENTRY)


LEVELS = {
    "token": value("one ratio per token", columns={"ratio": "token"}),
    "sequence": value("the geometric mean of the ratios of a trajectory's tokens", columns={"ratio": "sequence"}),
    "average": "the mean of the token's ratio and the sequence's",
    "geometric_average": "the geometric mean of the token's ratio and the sequence's",
}
CELLS = [
    option("advantage", "scale_rewards", {
        True: value("reward minus the group's mean, divided by the group's std", columns={"advantage": "group", "ddof": 0, "eps": 1e-6}),
        False: value("reward minus the group's mean, not divided by a std of the group", columns={"advantage": "group_mean"}),
    }),
    option("advantage", "normalize_advantages", {
        True: "scale_rewards decides", False: value("the same as scale_rewards=False", columns={"advantage": "group_mean"}),
    }),
    line("advantage", TOKENIZE, "advantage /= reward_std + 1e-6", "the std has ddof 0, and 1e-6 is added to it", ddof=0, eps=1e-6),
    line("advantage", PACK, "advantages_tensor[assistant_mask_tensor].abs()",
         "all advantages of a batch are divided by their weighted mean size: the scale of the rewards is gone"),
    option("advantage", "advantage_balance", {
        0.0: "positive and negative advantages both count in full",
        OTHER: "at {value}, the negative advantages count 1 minus that; below 0, the positive ones 1 plus it",
    }),
    line("dead groups", TOKENIZE, "if advantage == 0 and drop_zero_advantage_trajectories:",
         "a trajectory with an advantage of exactly 0 is dropped, and so is a group of one"),
    line("dead groups", TOKENIZE, "advantage = trajectory.reward - reward_mean", "where rounding leaves equal rewards an advantage, they stay"),
    option("kl", "kl_penalty_coef", "each token's advantage gets {value} times the packed sequence's mean k1 minus the token's own", column="kl_coef"),
    line("kl", LOSS, "kl_per_token = (new_logprobs - ref_logprobs).detach() * assistant_mask",
         "the estimator is k1 of the policy of today, detached and centred, over the packed sequence", kl="k1", kl_place="reward"),
    option("kl", "kimi_k2_tau", {
        None: "nothing is taken off for the old policy", OTHER: "{value} times the log-ratio to the old policy is taken off each token's advantage",
    }),
    line("reference", UNSLOTH, "if config.kl_penalty_coef > 0.0:", "there is one only with a KL: the model without its LoRA"),
    option("reference", "kl_penalty_reference_step", {
        None: "the reference is the base model", OTHER: "the reference is the checkpoint of step {value}",
    }),
    option("ratio", "loss_fn", {
        "cispo": value("-w A log p with a detached weight, the clipped ratio", loss="cispo"),
        "ppo": value("the clipped loss of PPO", loss="ppo_clip"),
    }),
    option("ratio", "importance_sampling_level", LEVELS),
    line("ratio", LOSS, "# Assume missing old logprobs were sampled under the current policy",
         "a token whose log-prob is missing has the ratio 1"),
    option("clip", "epsilon", {
        None: "with cispo it is 1, so that a weight has no lower bound but 0; with ppo it is 0.2",
        OTHER: "the ratio is clipped below at 1 - {value}",
    }, column="clip_low"),
    option("clip", "epsilon_high", {
        None: "with cispo it is 4, so that a weight is at most 5, whatever epsilon is; with ppo it is epsilon",
        OTHER: "clipped above at 1 + {value}",
    }, column="clip_high"),
    option("clip", "max_negative_advantage_importance_sampling_weight", {
        None: value("no further bound", columns={"dual_clip": None}),
        OTHER: "the ratio is at most {value}, also where the advantage is positive, although the name says negative",
    }),
    option("clip", "mask_prob_ratio", {
        False: "nothing is masked",
        True: "ratios outside the bounds become 0 and are then clipped: in cispo, epsilon below 1 makes that the lower bound",
    }),
    line("aggregation", LOSS, 'denominator = assistant_mask.sum() + 1e-6 if reduction == "mean" else 1.0',
         "divided by the trained tokens of one packed sequence, which is a micro-batch and an optimizer step of its own", processes=False),
    line("aggregation", TOKENIZE, "weight = 1 / (", "each token weighs 1 over the trained tokens of its trajectory, over the mean of that in the batch"),
    line("entropy", LOSS, "entropy = (shifted_entropies * weights * assistant_mask).sum() / denominator",
         "entropy is logged, and no option puts it into the loss", entropy_coef=0.0),
    option("correction", "truncated_importance_sampling", {
        None: value("none", columns={"correction": "none"}), OTHER: "the loss is multiplied by the ratio to the sampler, cut at {value}",
    }, column="correction_high"),
    option("correction", "precalculate_logprobs", {
        False: "old log-probs are the sampler's",
        True: "the trainer computes the old log-probs once per batch, and the correction is to the sampler's",
    }),
    line("correction", LOSS, "policy_loss *= torch.clamp(prob_ratio, max=upper_bound).detach()",
         "without precalculate_logprobs, truncated_importance_sampling multiplies by the same ratio once more"),
    line("sampling", "art/model.py", '"temperature": 1,', "sampled by the user's own calls, with temperature 1 where ART fills it in", temperature=1.0),
    option("truncated", "packed_sequence_length", {
        None: "packed sequences are as long as the longest trajectory, rounded up to a multiple of 2048",
        OTHER: "packed sequences have {value} tokens",
    }),
    line("truncated", BACKEND, "if len(result.token_ids) > sequence_length", "trajectories longer than a packed sequence are dropped"),
    option("masks", "allow_training_without_logprobs", {
        False: value("only messages that came with log-probs are trained on, in every turn", columns={"prompt_loss": False, "tool_loss": False}),
        True: "every message of the assistant is, with the ratio 1 where there is no log-prob",
    }),
    cell("steps", "trainer_args.gradient_accumulation_steps", given(1, code(MODEL, "gradient_accumulation_steps=1,")),
         "packed sequences of an optimizer step: {value}", entry=ENTRY),
    line("steps", UNSLOTH, 'for offset in range(0, packed_tensors["tokens"].shape[0]):', "the later packed sequences of a batch are off-policy", of="run_unsloth_rl_training"),
    option("optimizer", "learning_rate", "learning rate {value}", column="lr"),
    cell("optimizer", "trainer_args.max_grad_norm", given(0.1, code(MODEL, "max_grad_norm=0.1,")),
         "the gradient's norm is cut at {value}", column="max_grad_norm", entry=ENTRY),
    line("optimizer", UNSLOTH, 'param_group["weight_decay"] = 0.1', "the weight decay is 0.1", of="run_unsloth_rl_training"),
    option("optimizer", "num_trajectories_learning_rate_multiplier_power",
           "the learning rate is multiplied by the number of trajectories of the packed sequence to the power {value}"),
    ignored("optimizer", "learning_rate", 5e-6, "5e-6", "each step sets the learning rate that train() is given"),
    ignored("optimizer", "weight_decay", 0.1, "0.1", "train() sets 0.1 before it begins, whatever stands here"),
    ignored("sampling", "num_generations", 2, "2", "the user samples, and a group has as many trajectories as train() is given"),
    dead("optimizer", "scale_learning_rate_by_reward_std_dev", "it is handed on, and no line of the package reads it"),
    dead("optimizer", "adam_params", "anything but None is an error"),
    dead("ratio", "loss_fn_config", "anything but None is an error"),
    cell("optimizer", "learning_rate", field("art/types.py", "TrainSFTConfig.learning_rate"), "learning rate {value}", column="lr", entry=SUPERVISED),
    cell("steps", "batch_size", field("art/types.py", "TrainSFTConfig.batch_size"), {
        "auto": "an optimizer step for every 2 trajectories", OTHER: "trajectories of an optimizer step: {value}",
    }, entry=SUPERVISED),
    fixed("aggregation", code(UNSLOTH, "num_items_in_batch=num_trainable_tokens,", of="run_unsloth_sft_training"),
          "divided by the trained tokens of the batch", columns={"aggregation": "token_mean", "processes": False}, entry=SUPERVISED),
    fixed("optimizer", code(UNSLOTH, "max_grad_norm: float = 1.0,", of="run_unsloth_sft_training"),
          "the gradient's norm is cut at 1.0", columns={"max_grad_norm": 1.0}, entry=SUPERVISED),
    fixed("masks", code(TOKENIZE, 'labels = train_on_responses_only_fn({"input_ids": [input_ids]})["labels"][0]', of="tokenize_sft_batch"),
          "every answer of the assistant is trained on, and nothing else", columns={"prompt_loss": False}, entry=SUPERVISED),
    fixed("truncated", code(TOKENIZE, "if max_seq_length is not None and len(input_ids) > max_seq_length:", of="tokenize_sft_batch"),
          "trajectories longer than init_args.max_seq_length, 32768 if nothing is said, are dropped", entry=SUPERVISED),
]  # fmt: skip
NAMES = [
    names.parameters(BACKEND, ENTRY),
    names.fields("art/dev/train.py", "TrainConfig"),
    names.fields("art/types.py", "TrainConfig"),
    names.fields("art/types.py", "TrainSFTConfig"),
    names.fields("art/dev/model.py", "TrainerArgs", "trainer_args."),
]
