"""axolotl: ``rl: grpo``, with TRL's trainer or its own async one, ``rl: dpo``, ``rl: kto``, and training on demonstrations.

What its YAML leaves open is left to TRL 1.9.0, which it pins, so that TRL's files are read too.
"""

from typing import Any

from . import names
from .cells import Cell, Value, cell, fixed, inert, value
from .source import code, field, given

SCHEMAS = "axolotl/utils/schemas/"
TRL_SCHEMA, CONFIG = SCHEMAS + "trl.py", SCHEMAS + "config.py"
GRPO_ARGS, GRPO_TRAINER = "trl/trainer/grpo_config.py", "trl/trainer/grpo_trainer.py"
ASYNC_FILE, BUILDER = "axolotl/core/trainers/grpo/async_trainer.py", "axolotl/core/builders/rl.py"
GRPO, ASYNC, DPO, KTO, SIMPO, SFT = "rl: grpo", "rl: grpo, async", "rl: dpo", "rl: kto", "rl: simpo", "supervised"
OWN_LOSS, TRL_LOSS, SCORES = (
    "AsyncGRPOTrainer._compute_loss",
    "GRPOTrainer._compute_loss",
    "AsyncGRPOTrainer._compute_deferred_scores",
)


def own(slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "", entry: str = GRPO) -> Cell:
    """As its own schema states it: ``trl.scale_rewards``, or a name at the top of the YAML."""
    file, owner = (TRL_SCHEMA, "TRLConfig") if name.startswith("trl.") else (CONFIG, "AxolotlInputConfig")
    return cell(slot, name, field(file, f"{owner}.{name.removeprefix('trl.')}"), says, column=column, entry=entry)


def left(slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "") -> Cell:
    """Left to TRL unless it is set."""
    return cell(
        slot, name, field(GRPO_ARGS, f"GRPOConfig.{name.removeprefix('trl.')}"), says, column=column, entry=GRPO
    )


def async_own(slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "") -> Cell:
    """As the arguments of its async trainer state it."""
    read = field(ASYNC_FILE, f"AsyncGRPOConfig.{name.removeprefix('trl.')}")
    return cell(slot, name, read, says, column=column, entry=ASYNC)


def line(
    slot: str, file: str, text: str, says: str, *, of: str | None = None, entry: str = GRPO, **columns: Any
) -> Cell:
    return fixed(slot, code(file, text, of=of), says, columns=columns, entry=entry)


GROUP = value("reward minus the group's mean, divided by the group's std", columns={"advantage": "group"})
SCALES = {
    True: GROUP, "group": GROUP,
    "batch": value("reward minus the group's mean, divided by the std of all rewards of the batch", columns={"advantage": "group_mean_batch_std"}),
    False: value("reward minus the group's mean, not divided", columns={"advantage": "group_mean"}),
    "none": value("reward minus the group's mean, not divided", columns={"advantage": "group_mean"}),
}  # fmt: skip
WHOLE = "the kept tokens of the generation batch over all processes, per process"
DIVISORS = {
    "dapo": value(WHOLE, columns={"aggregation": "token_mean", "processes": True}),
    "cispo": value(WHOLE, columns={"aggregation": "token_mean", "processes": True}),
    "grpo": value("mean over each row's tokens, then over the micro-batch's rows and accumulation", columns={"aggregation": "sequence_mean"}),
    "sapo": value("as grpo", columns={"aggregation": "sequence_mean"}),
    "bnpo": value("the micro-batch's own kept tokens, then a mean over accumulation", columns={"aggregation": "token_mean"}),
    "dr_grpo": value("rows times trl.max_completion_length, which must then be given", columns={"aggregation": "fixed_length"}),
    "luspo": "sums over tokens, then a mean over rows; with a ratio per token it is over padding too",
}  # fmt: skip
LOSSES = {
    name: value("the clipped loss of PPO", loss="ppo_clip") for name in ("dapo", "grpo", "bnpo", "dr_grpo", "luspo")
} | {
    "cispo": value("-w A log p with a detached weight w, the ratio capped at trl.epsilon_high itself", loss="cispo"),
    "sapo": value("a sigmoid of the ratio in the place of the clip", loss="sapo"),
}
MODES = {
    "token_truncate": "a weight per token, cut at both bounds", "sequence_truncate": "the product of the tokens' ratios, cut at both bounds",
    "token_mask": "a weight per token; above the cap it becomes 0 and then the lower bound, so nothing is masked",
    "sequence_mask": "the product of the tokens' ratios; above the cap it becomes 0 and then the lower bound, so nothing is masked",
}  # fmt: skip
TRL_MODES = {
    "sequence_mask": "the product of the tokens' ratios; a completion beyond the bound counts 0",
    "sequence_truncate": "the product of the tokens' ratios, cut at the bound",
    "token_mask": "a weight per token, 0 beyond the bound", "token_truncate": "a weight per token, cut at the bound",
}  # fmt: skip

GRPO_CELLS = [
    own("advantage", "trl.scale_rewards", SCALES),
    line("advantage", GRPO_TRAINER, "advantages = advantages / (std_rewards + 1e-4)", "the std has ddof 1, and 1e-4 is added to it", ddof=1, eps=1e-4),
    left("advantage", "trl.multi_objective_aggregation", {
        "sum_then_normalize": "several rewards are added with their weights, then normalised once",
        "normalize_then_sum": "each reward is normalised in its group, and their sum over the batch: what rl: gdpo sets",
    }),
    line("dead groups", GRPO_TRAINER, "advantages = rewards - mean_grouped_rewards", "dead groups stay in the batch and in its counts, with the advantage 0"),
    left("kl", "trl.beta", "{value} times k3 in the loss; with 0 no KL is computed; rl_beta is the same option", column="kl_coef"),
    left("kl", "trl.use_bias_correction_kl", {
        False: value("k3 as it stands: in expectation its gradient is that of the forward KL", columns={"kl": "k3", "kl_place": "loss", "old_ratio_on_kl": False}),
        True: value("k3 is multiplied by the ratio, which has a gradient", columns={"kl": "k3", "kl_place": "loss", "old_ratio_on_kl": True}),
    }),
    line("reference", GRPO_TRAINER, "# If beta is 0.0, the reference model is not needed", "there is none while beta is 0"),
    own("reference", "trl.sync_ref_model", {False: "it stays as it is", True: "it follows the policy"}),
    left("clip", "trl.epsilon", "the ratio is clipped below at 1 - {value}", column="clip_low"),
    left("clip", "trl.epsilon_high", {None: "above at 1 + epsilon; with loss_type cispo the cap is then epsilon itself: every weight is at most 0.2"},
         column="clip_high"),
    fixed("clip", code(GRPO_ARGS, "delta: float | None = field("), "the schema has no delta, so there is no further bound where the advantage is negative",
          columns={"dual_clip": None}, entry=GRPO),
    left("ratio", "trl.importance_sampling_level", {
        "token": value("one ratio per token", columns={"ratio": "token"}),
        "sequence": value("the geometric mean of the tokens' ratios", columns={"ratio": "sequence"}),
    }),
    left("ratio", "trl.loss_type", LOSSES),
    left("aggregation", "trl.loss_type", DIVISORS),
    left("entropy", "trl.entropy_coef", "{value} times the mean entropy is taken off the loss", column="entropy_coef"),
    own("truncated", "trl.mask_truncated_completions", {
        False: value("they are trained on with what they earned", columns={"overlong": "score"}),
        True: value("they are left out", columns={"overlong": "mask"}),
    }),
    own("sampling", "trl.max_completion_length", {None: "None is handed to TRL in the place of its 256"}, column="max_new_tokens"),
    left("sampling", "trl.num_generations", "{value} completions per prompt", column="group_size"),
    left("sampling", "trl.temperature", "temperature {value}, also where log-probs are computed", column="temperature"),
    left("sampling", "trl.top_p", "top-p {value}", column="top_p"),
    left("sampling", "trl.top_k", {0: value("no top-k", columns={"top_k": None})}),
    left("steps", "trl.num_iterations", "each batch of samples is gone through {value} times", column="inner_epochs"),
    left("correction", "trl.vllm_importance_sampling_correction", {
        True: "with vLLM, and only then, losses are weighed by the ratio of trainer and sampler", False: "none",
    }),
    left("correction", "trl.vllm_importance_sampling_mode", TRL_MODES),
    left("correction", "trl.vllm_importance_sampling_clip_max", "the upper bound is {value}", column="correction_high"),
    left("correction", "trl.vllm_importance_sampling_clip_min", {None: "there is no lower bound"}, column="correction_low"),
    left("correction", "trl.off_policy_mask_threshold", {None: "no completion is left out for being off-policy"}),
    cell("optimizer", "learning_rate", given(None, code(SCHEMAS + "training.py", "learning_rate: str | float"))  ,
         {None: "there is no default: it must be given"}, entry=GRPO),
    cell("optimizer", "max_grad_norm", field(SCHEMAS + "training.py", "HyperparametersConfig.max_grad_norm"),
         {None: "left to transformers"}, entry=GRPO),
    line("masks", GRPO_TRAINER, 'mask = completion_mask if "tool_mask" not in inputs', "prompts and what tools wrote are not trained on", of=TRL_LOSS,
         prompt_loss=False, tool_loss=False),
]  # fmt: skip
ASYNC_CELLS = [
    own("steps", "trl.async_prefetch", {False: "TRL's trainer runs, unless use_data_producer is on", True: "the async trainer runs, and samples one rollout ahead"}, entry=ASYNC),
    own("steps", "trl.use_data_producer", {False: "TRL's trainer runs, unless async_prefetch is on", True: "the async trainer runs"}, entry=ASYNC),
    own("dead groups", "trl.skip_zero_advantage_batches", {
        True: "a micro-batch in which all advantages are 0 is skipped", False: "it is gone through",
    }, entry=ASYNC),
    line("aggregation", ASYNC_FILE, "loss = (per_token_loss * mask.sum(1, keepdim=True)).mean() / normalizer",
         "luspo has no mask: with a ratio per token it is a mean over padding too", of=OWN_LOSS, entry=ASYNC),
    async_own("correction", "trl.vllm_importance_sampling_mode", MODES),
    async_own("correction", "trl.vllm_importance_sampling_cap", "the upper bound is {value}", column="correction_high"),
    line("correction", ASYNC_FILE, "is_ratio = is_ratio.clamp(min=is_floor)", "the lower bound is 1 over the upper one, in all four modes", of=SCORES, entry=ASYNC),
    inert("correction", "trl.vllm_importance_sampling_clip_max", field(GRPO_ARGS, "GRPOConfig.vllm_importance_sampling_clip_max"),
          "the async trainer reads vllm_importance_sampling_cap alone", entry=ASYNC),
    inert("correction", "trl.vllm_importance_sampling_clip_min", field(GRPO_ARGS, "GRPOConfig.vllm_importance_sampling_clip_min"),
          "the async trainer takes 1 over the cap", entry=ASYNC),
    inert("entropy", "trl.entropy_coef", field(GRPO_ARGS, "GRPOConfig.entropy_coef"),
          "the async trainer's loss has no entropy, whatever is set", entry=ASYNC),
    async_own("kl", "trl.use_bias_correction_kl", {False: "k3 as it stands", True: "k3 is multiplied by the ratio, which has a gradient"}),
]  # fmt: skip
DPO_CELLS = [
    cell("preference", "rl_beta", field("trl/trainer/dpo_config.py", "DPOConfig.beta"), "beta is {value}", column="beta", entry=DPO),
    own("preference", "dpo_loss_type", {None: value("left to TRL: minus the log sigmoid of beta times the difference of the summed log-ratios", loss="dpo")}, entry=DPO),
    own("preference", "dpo_label_smoothing", {None: "no label is smoothed"}, entry=DPO),
    line("truncated", "axolotl/core/trainers/dpo/__init__.py", 'training_args_kwargs["max_length"] = cfg.sequence_len',
         "prompt and completion together are cut at sequence_len", entry=DPO),
    own("preference", "kto_desirable_weight", {None: "the weight is 1, and it is 1 with 0 too"}, entry=KTO),
    own("preference", "kto_undesirable_weight", {None: "the weight is 1, and it is 1 with 0 too"}, entry=KTO),
    line("preference", BUILDER, "self.cfg.kto_desirable_weight or 1.0", "a weight of 0 is replaced by 1", entry=KTO),
    own("preference", "simpo_gamma", {None: "None is handed to TRL, whose loss divides it: it must be given"}, entry=SIMPO),
    cell("preference", "rl_beta", field("trl/experimental/cpo/cpo_config.py", "CPOConfig.beta"), "beta is {value}, on averaged log-probs",
         column="beta", entry=SIMPO),
    cell("preference", "cpo_alpha", field("trl/experimental/cpo/cpo_config.py", "CPOConfig.cpo_alpha"),
         "{value} times the NLL of the chosen tokens is added, which SimPO has not", column="sft_coef", entry=SIMPO),
    own("preference", "use_eaft", {
        None: "the loss on demonstrations is their NLL", True: "each token's NLL is multiplied by the entropy of its likeliest tokens, a constant",
    }, entry=SFT),
]  # fmt: skip
CELLS = GRPO_CELLS + ASYNC_CELLS + DPO_CELLS
NAMES = [
    names.fields(TRL_SCHEMA, "TRLConfig", "trl."),
    names.fields(CONFIG, "AxolotlInputConfig"),
    names.fields(SCHEMAS + "training.py", "HyperparametersConfig"),
]
