"""NeMo-RL: what its programs have in common, and how their options are read."""

from typing import Any

from .cells import OTHER, Cell, Value, cell, fixed, inert, value
from .source import Reader, code, field, yaml_value

YAML = {
    "run_grpo.py": "examples/configs/grpo_math_1B.yaml",
    "run_ppo.py": "examples/configs/ppo_math_1B.yaml",
    "run_dpo.py": "examples/configs/dpo.yaml",
    "run_sft.py": "examples/configs/sft.yaml",
}
GRPO, PPO = "run_grpo.py", "run_ppo.py"
ALGORITHMS = "nemo_rl/algorithms/"
TRAINER, ADVANTAGE = ALGORITHMS + "grpo.py", ALGORITHMS + "advantage_estimator.py"
UTILS, LOSS = ALGORITHMS + "utils.py", ALGORITHMS + "loss/loss_functions.py"
CALL = "ClippedPGLossFn.__call__"
ESTIMATOR = (ADVANTAGE, "AdvEstimatorConfig")


def option(entry: str, slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "") -> Cell:
    """As the YAML of the program states it."""
    return cell(slot, name, yaml_value(YAML[entry], name), says, column=column, entry=entry)


def of_class(
    slot: str, name: str, file: str, owner: str, says: str | dict[Any, Value | str], *, column: str = ""
) -> Cell:
    """As the class behind the YAML of run_grpo.py states it, where the YAML is silent or points to another option."""
    return cell(slot, name, field(file, f"{owner}.{name.rpartition('.')[2]}"), says, column=column, entry=GRPO)


def line(slot: str, read: Reader, says: str, entry: str = GRPO, **columns: Any) -> Cell:
    return fixed(slot, read, says, columns=columns, entry=entry)


KL_TYPES = {
    "k1": "in the loss, k1 times a ratio of value 1, so that its gradient is that of the reverse KL, with noise",
    "k2": "in the loss, k2 times a ratio of value 1, whose gradient is d + d * d / 2, and not d",
    "k3": value(
        "in the loss, k3 times a ratio of value 1, so that on policy its gradient is that of the reverse KL",
        columns={"kl": "k3_unbiased"},
    ),
}
INPUT = {
    None: "the log-ratio of the KL is not cut",
    OTHER: "in the loss, the log-ratio of the KL is cut at {value} on both sides, without a gradient beyond",
}
OUTPUT = {
    None: "the KL of a token is not cut",
    OTHER: "in the loss, the KL of a token is cut at {value}, without a gradient beyond",
}
KL: list[tuple[str, dict[Any, Value | str]]] = [
    ("loss_fn.kl_input_clamp_value", INPUT),
    ("loss_fn.kl_output_clamp_value", OUTPUT),
]
DUAL = {
    None: value("no further bound where the advantage is negative", columns={"dual_clip": None}),
    OTHER: "where the advantage is negative, the loss is bounded at the ratio {value}: the dual clip is on",
}
ERROR = "rows whose mean of exp(|trainer - sampler|) is above {value} are left out"
CORRECTION = {
    None: "with use_importance_sampling_correction, the weight has no bound", "tis": value("each token has a weight of its own, cut at both bounds", columns={"correction": "token truncate"}),
    "icepop": value("each token has a weight of its own, and 0 beyond the bounds", columns={"correction": "token mask"}),
    "seq-mask-tis": value("rows whose geometric mean is beyond the bounds count 0; the others keep token weights without a bound",
                          columns={"correction": "geometric mask"}),
}  # fmt: skip
LEVEL = {
    True: value("kept tokens of the global batch over all processes, so that micro-batches do not matter",
                columns={"aggregation": "token_mean", "processes": True}),
    False: value("mean over each row's tokens, then over the rows of the global batch that no filter left out, empty ones too",
                 columns={"aggregation": "sequence_mean", "processes": True}),
}  # fmt: skip
TEMPERATURE = "temperature {value}, also where log-probs are computed for training"


def loss_cells(entry: str) -> list[Cell]:
    """What GRPO and PPO have in common: one loss function."""
    return [
        option(entry, "kl", "loss_fn.reference_policy_kl_penalty", "the coefficient of the KL is {value}", column="kl_coef"),
        option(entry, "kl", "loss_fn.reference_policy_kl_type", KL_TYPES),
        option(entry, "kl", "loss_fn.use_kl_in_reward", {
            False: value("the KL is in the loss, divided as the policy loss", columns={"kl_place": "loss"}),
            True: value("the KL is taken off each token's advantage or reward, but with adv_estimator grpo or gdpo it is nowhere",
                        columns={"kl_place": "reward"}),
        }),
        *(option(entry, "kl", name, says) for name, says in KL),
        option(entry, "kl", "loss_fn.use_on_policy_kl_approximation", {
            False: value("samples of an older policy are not corrected for in the KL", columns={"old_ratio_on_kl": False}),
            True: value("the ratio on the KL is that of the policy to the sampler, with a gradient", columns={"old_ratio_on_kl": True}),
        }),
        option(entry, "clip", "loss_fn.ratio_clip_min", "the ratio is clipped below at 1 - {value}", column="clip_low"),
        option(entry, "clip", "loss_fn.ratio_clip_max", "above at 1 + {value}", column="clip_high"),
        line("clip", code(LOSS, "log_ratios = curr_logprobs - prev_logprobs", of=CALL), "the log-ratio has no clamp of its own", entry),
        option(entry, "ratio", "loss_fn.sequence_level_importance_ratios", {
            False: value("one ratio per token", columns={"ratio": "token"}),
            True: value("the geometric mean of the tokens' ratios, with token_level_loss=false alone", loss="gspo", columns={"ratio": "sequence"}),
        }),
        option(entry, "ratio", "loss_fn.disable_ppo_ratio", {
            False: value("the clipped loss of PPO", loss="ppo_clip"),
            True: value("-log p A, without a ratio and without the clip bounds", loss="reinforce"),
        }),
        option(entry, "ratio", "loss_fn.force_on_policy_ratio", {
            False: "the ratio is to the log-probs before the update", True: "the ratio is 1 with a gradient, so that no clip acts",
        }),
        option(entry, "aggregation", "loss_fn.token_level_loss", LEVEL),
        line("aggregation", code("nemo_rl/models/automodel/train.py", "loss = result * dp_size * cp_size"),
             "gradients of processes are added, not averaged, and those of micro-batches too", entry),
        line("entropy", code(LOSS, "seq_entropy_approx = -masked_mean(", of=CALL),
             "entropy is not in the loss, and no option puts it there", entry, entropy_coef=0.0),
        option(entry, "correction", "loss_fn.use_importance_sampling_correction", {
            False: value("none", columns={"correction": "none"}),
            True: value("the policy loss is weighed by the ratio of trainer and sampler, the KL is not", columns={"correction": "token"}),
        }),
        option(entry, "correction", "loss_fn.truncated_importance_sampling_type", CORRECTION),
        option(entry, "correction", "loss_fn.truncated_importance_sampling_ratio", {
            None: "there is no upper bound", OTHER: "the upper bound is {value}",
        }, column="correction_high"),
        option(entry, "correction", "loss_fn.truncated_importance_sampling_ratio_min", {
            None: "there is no lower bound, and with tis it is 0", OTHER: "the lower bound is {value}",
        }, column="correction_low"),
        line("correction", code(LOSS, "seq_lp_diff = ((prev_logprobs - generation_logprobs) * mask).sum(dim=-1)", of=CALL),
             "with sequence_level_importance_ratios the weight is the product over the completion, although the ratio is a geometric mean", entry),
        option(entry, "sampling", "policy.generation.temperature", TEMPERATURE, column="temperature"),
        option(entry, "sampling", "policy.generation.top_p", "top-p {value}", column="top_p"),
        option(entry, "sampling", "policy.generation.top_k", {
            None: value("no top-k", columns={"top_k": None}), OTHER: "top-k {value}",
        }, column="top_k"),
        option(entry, "sampling", "policy.generation.max_new_tokens", {
            "${policy.max_total_sequence_length}": value("as many new tokens as the prompt leaves of max_total_sequence_length",
                                                         columns={"max_new_tokens": None}),
            OTHER: "at most {value} new tokens",
        }, column="max_new_tokens"),
        option(entry, "sampling", "policy.max_total_sequence_length", "prompt and completion together have at most {value} tokens"),
        option(entry, "steps", "policy.train_global_batch_size",
               "an optimizer step for every {value} completions of a rollout"),
        option(entry, "optimizer", "policy.optimizer.kwargs.lr", "learning rate {value}", column="lr"),
        option(entry, "optimizer", "policy.max_grad_norm", "the gradient's norm is cut at {value}", column="max_grad_norm"),
        option(entry, "optimizer", "policy.optimizer.kwargs.weight_decay", "weight decay {value}"),
        option(entry, "optimizer", "policy.precision", "the model computes in {value}"),
        inert("sampling", "policy.generation_batch_size", yaml_value(YAML[entry], "policy.generation_batch_size"), "no line of the package reads it",
              entry=entry),
    ]  # fmt: skip


def rollout_cells(entry: str, at: str) -> list[Cell]:
    """``at``: grpo or ppo, the part of the YAML."""
    return [
        option(entry, "truncated", f"{at}.overlong_filtering", {
            False: value("they are trained on with what they earned", columns={"overlong": "score"}),
            True: value("they are left out of the loss and its counts, and stay in their group", columns={"overlong": "mask"}),
        }),
        option(entry, "truncated", f"{at}.reward_shaping.overlong_buffer_length", "with reward_shaping, a penalty over the last {value} tokens"),
        option(entry, "truncated", f"{at}.reward_shaping.overlong_buffer_penalty", "with reward_shaping, {value} at the end of them"),
        option(entry, "truncated", f"{at}.reward_shaping.max_response_length", "with reward_shaping, they end at {value} tokens"),
        option(entry, "truncated", f"{at}.reward_shaping.enabled", {
            False: "no penalty for length", True: value("a soft penalty for length", columns={"overlong": "penalty"}),
        }),
        option(entry, "truncated", f"{at}.reward_shaping.stop_properly_penalty_coef", {
            None: "with reward_shaping, it is their length that costs",
            OTHER: "with reward_shaping, the reward of a truncated completion is multiplied by {value}, and length costs nothing",
        }),
        line("truncated", code(ALGORITHMS + "reward_functions.py", "-exceed_length / overlong_buffer_length * overlong_buffer_penalty, 0"),
             "the penalty goes on falling below -1 beyond max_response_length", entry),
        line("truncated", code(ALGORITHMS + "reward_functions.py", 'length = message["token_ids"].shape[0]'),
             "of several answers in a conversation, the penalty counts the tokens of the first one alone", entry),
        option(entry, "sampling", f"{at}.num_generations_per_prompt", "completions per prompt: {value}", column="group_size"),
        option(entry, "sampling", f"{at}.num_prompts_per_step", "prompts per step: {value}", column="prompts_per_step"),
        option(entry, "masks", f"{at}.max_rollout_turns", "turns of a conversation, at most: {value}"),
        line("masks", code(TRAINER, 'if role == "assistant" and "generation_logprobs" in message:'),
             "only what was generated: no prompt, no earlier answer in the prompt, and nothing that a tool wrote", entry, tool_loss=False, prompt_loss=False),
    ]  # fmt: skip
