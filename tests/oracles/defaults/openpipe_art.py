"""ART: ``train`` and ``train_sft`` of its LocalBackend, as they are with Unsloth."""

from typing import Any

from . import names
from .cells import Cell, Value, cell, fixed, inert, value
from .source import code, given, parameter

BACKEND, LOSS, TOKENIZE, PACK = (
    "art/local/backend.py",
    "art/loss.py",
    "art/preprocessing/tokenize.py",
    "art/preprocessing/pack.py",
)
UNSLOTH, MODEL = "art/unsloth/train.py", "art/dev/get_model_config.py"
ENTRY = "LocalBackend.train"


def option(slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "") -> Cell:
    return cell(slot, name, parameter(BACKEND, f"{ENTRY}.{name}"), says, column=column, entry=ENTRY)


def line(slot: str, file: str, text: str, says: str, *, of: str | None = None, **columns: Any) -> Cell:
    return fixed(slot, code(file, text, of=of), says, columns=columns, entry=ENTRY)


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
        False: value("reward minus the group's mean; packing then divides it by the mean size", columns={"advantage": "group_mean"}),
    }),
    option("advantage", "normalize_advantages", {True: "scale_rewards decides", False: "the same as scale_rewards=False"}),
    line("advantage", TOKENIZE, "advantage /= reward_std + 1e-6", "the std has ddof 0, and 1e-6 is added to it", ddof=0, eps=1e-6),
    line("advantage", PACK, "advantages_tensor[assistant_mask_tensor].abs()",
         "all advantages of a batch are divided by their mean size, weighed by row: the scale of the rewards is gone"),
    option("advantage", "advantage_balance", "{value}: positive and negative advantages both count in full; 1 leaves the positive ones"),
    line("dead groups", TOKENIZE, "if advantage == 0 and drop_zero_advantage_trajectories:",
         "a trajectory with an advantage of exactly 0 is dropped, so a group of one is too; a rounding error of equal rewards is not"),
    option("kl", "kl_penalty_coef", "{value} times (the packed sequence's mean k1 minus the token's own k1) is added to the advantage", column="kl_coef"),
    line("kl", LOSS, "kl_per_token = (new_logprobs - ref_logprobs).detach() * assistant_mask",
         "the estimator is k1 of the policy of today, detached and centred, over the packed sequence", kl="k1", kl_place="reward"),
    option("kl", "kimi_k2_tau", {None: "nothing is taken off; a number times the log-ratio to the old policy would be"}),
    line("reference", UNSLOTH, "if config.kl_penalty_coef > 0.0:", "there is one only with a KL: the model without its LoRA"),
    option("reference", "kl_penalty_reference_step", {None: "the reference is the base model; a number is a checkpoint"}),
    option("ratio", "loss_fn", {
        "cispo": value("-w A log p with a detached weight, the clipped ratio", loss="cispo"),
        "ppo": value("the clipped loss of PPO", loss="ppo_clip"),
    }),
    option("ratio", "importance_sampling_level", LEVELS),
    line("ratio", LOSS, "# Assume missing old logprobs were sampled under the current policy",
         "a token whose log-prob is missing has the ratio 1"),
    option("clip", "epsilon", {
        None: "with cispo 1, so that a weight has no lower bound but 0; with ppo 0.2: the ratio is clipped below at 1 - that",
    }),
    option("clip", "epsilon_high", {
        None: "with cispo 4, so that a weight is at most 5, whatever epsilon is; with ppo epsilon: clipped above at 1 + that",
    }),
    option("clip", "max_negative_advantage_importance_sampling_weight", {
        None: "no further bound; a number bounds the ratio for positive advantages too, although the name says negative",
    }),
    option("clip", "mask_prob_ratio", {
        False: "nothing is masked",
        True: "ratios outside the bounds become 0, then the lower bound: with epsilon below 1 nothing is masked in cispo",
    }),
    line("aggregation", LOSS, 'denominator = assistant_mask.sum() + 1e-6 if reduction == "mean" else 1.0',
         "the trained tokens of one packed sequence, which is a micro-batch and an optimizer step of its own", processes=False),
    line("aggregation", TOKENIZE, "weight = 1 / (", "each token weighs 1 over the trained tokens of its trajectory, over the mean of that in the batch"),
    line("entropy", LOSS, "entropy = (shifted_entropies * weights * assistant_mask).sum() / denominator",
         "logged alone; no option puts it into the loss", entropy_coef=0.0),
    option("correction", "truncated_importance_sampling", {
        None: value("none", columns={"correction": "none"}),
    }, column="correction_high"),
    option("correction", "precalculate_logprobs", {
        False: "old log-probs are the sampler's; with truncated_importance_sampling the ratio to them then counts twice",
        True: "the trainer computes the old log-probs once per batch, and the correction is to the sampler's",
    }),
    line("sampling", "art/model.py", '"temperature": 1,', "sampled by the user's own calls, with temperature 1 where ART fills it in", temperature=1.0),
    option("truncated", "packed_sequence_length", {
        None: "packed sequences are as long as the longest trajectory, up to a multiple of 2048",
    }),
    option("masks", "allow_training_without_logprobs", {
        False: value("only messages that came with log-probs are trained on, in every turn", columns={"prompt_loss": False, "tool_loss": False}),
        True: "every message of the assistant is, with the ratio 1 where there is no log-prob",
    }),
    cell("steps", "trainer_args.gradient_accumulation_steps", given(1, code(MODEL, "gradient_accumulation_steps=1,")),
         "an optimizer step for every {value} packed sequence, so that the later ones of a batch are off-policy", entry=ENTRY),
    option("optimizer", "learning_rate", "learning rate {value}", column="lr"),
    cell("optimizer", "trainer_args.max_grad_norm", given(0.1, code(MODEL, "max_grad_norm=0.1,")),
         "the gradient's norm is cut at {value}", column="max_grad_norm", entry=ENTRY),
    line("optimizer", UNSLOTH, 'param_group["weight_decay"] = 0.1', "the weight decay is 0.1", of="run_unsloth_rl_training"),
    option("optimizer", "num_trajectories_learning_rate_multiplier_power",
           "the learning rate is multiplied by the number of trajectories of the packed sequence to the power {value}"),
    dead("optimizer", "scale_learning_rate_by_reward_std_dev", "it is handed on, and no line of the package reads it"),
    dead("optimizer", "adam_params", "anything but None is an error"),
    dead("ratio", "loss_fn_config", "anything but None is an error"),
]  # fmt: skip
NAMES = [
    names.parameters(BACKEND, ENTRY),
    names.fields("art/dev/train.py", "TrainConfig"),
    names.fields("art/types.py", "TrainConfig"),
    names.fields("art/dev/model.py", "TrainerArgs", "trainer_args."),
]
