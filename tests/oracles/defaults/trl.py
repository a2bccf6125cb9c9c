"""TRL: its trainers of reinforcement learning, GRPO and RLOO. Those on pairs and demonstrations are in trl_others."""

from . import names
from .cells import Cell, value
from .source import code
from .trl_files import FILES, line, option
from .trl_others import OTHER_CELLS

GRPO, RLOO = "trl/trainer/grpo_trainer.py", "trl/trainer/rloo_trainer.py"
LOSS, SCORE, INIT = "GRPOTrainer._compute_loss", "GRPOTrainer._generate_and_score_completions", "GRPOTrainer.__init__"

ADVANTAGE = {
    "group": value("reward minus the group's mean, divided by the group's std", columns={"advantage": "group"}),
    "batch": value(
        "reward minus the group's mean, divided by the std of all rewards of the batch",
        columns={"advantage": "group_mean_batch_std"},
    ),
    "none": value("reward minus the group's mean, not divided", columns={"advantage": "group_mean"}),
    True: value("the same as group", columns={"advantage": "group"}),
    False: value("the same as none", columns={"advantage": "group_mean"}),
}
LOSS_TYPES = {
    "grpo": value("the clipped loss of PPO", loss="ppo_clip"),
    "bnpo": value("the clipped loss of PPO", loss="ppo_clip"),
    "dr_grpo": value("the clipped loss of PPO", loss="ppo_clip"),
    "dapo": value("the clipped loss of PPO", loss="ppo_clip"),
    "cispo": value("-w A log p with a detached weight w, the ratio capped at epsilon_high itself", loss="cispo"),
    "sapo": value("a sigmoid of the ratio in the place of the clip", columns={}),
    "luspo": value("the clipped loss of PPO; meant for a ratio of sequences", loss="ppo_clip"),
    "vespo": value("-w A log p with a detached weight per sequence, a gamma density of the ratio", columns={}),
}
WHOLE = "the kept tokens of the whole generation batch over all processes, per process and accumulation window"
DIVISORS = {
    "grpo": value(
        "mean over each row's tokens, then over all rows of the micro-batch, empty ones too, then over accumulation",
        columns={"aggregation": "sequence_mean"},
    ),
    "sapo": value("as grpo", columns={"aggregation": "sequence_mean"}),
    "bnpo": value(
        "the micro-batch's own kept tokens, then a mean over accumulation", columns={"aggregation": "token_mean"}
    ),
    "dr_grpo": value("rows times max_completion_length", columns={"aggregation": "fixed_length"}),
    "dapo": value(WHOLE, columns={"aggregation": "token_mean", "processes": True}),
    "cispo": value(WHOLE, columns={"aggregation": "token_mean", "processes": True}),
    "vespo": value(WHOLE, columns={"aggregation": "token_mean", "processes": True}),
    "luspo": value("sums over tokens, then a mean over rows"),
}


def synced(config: str) -> list[Cell]:
    """Whether the reference follows the policy."""
    return [
        option("reference", f"{config}.sync_ref_model", {False: "it stays as it is", True: "it follows the policy"}),
        option("reference", f"{config}.ref_model_sync_steps", "with sync_ref_model, every {value} optimizer steps"),
        option("reference", f"{config}.ref_model_mixup_alpha", "with sync_ref_model, {value} of it becomes the policy's each time"),
    ]  # fmt: skip


def steps(config: str) -> list[Cell]:
    """How many optimizer steps a generation sees: GRPO and RLOO count alike."""
    return [
        option("steps", f"{config}.steps_per_generation", {
            None: value("one optimizer step per generation, so that the ratio is 1 and no clip acts", columns={"minibatches": 1}),
        }),
        option("steps", f"{config}.generation_batch_size", {
            None: "a generation has as many completions as steps_per_generation micro-batches of all processes",
        }),
        option("steps", f"{config}.gradient_accumulation_steps", "{value} micro-batches are added up for an optimizer step",
               base="TrainingArguments"),
    ]  # fmt: skip


GRPO_CELLS = [
    option("advantage", "GRPOConfig.scale_rewards", ADVANTAGE),
    line("advantage", code(GRPO, "std_rewards = nanstd(rewards.view(-1, num_generations), dim=1)", of=SCORE),
         "the std has ddof 1", ddof=1),
    line("advantage", code(GRPO, "advantages = advantages / (std_rewards + 1e-4)", of=SCORE),
         "1e-4 is added to the std", eps=1e-4),
    option("advantage", "GRPOConfig.multi_objective_aggregation", {
        "sum_then_normalize": "several rewards are added with their weights, then normalised once",
        "normalize_then_sum": "each reward is normalised in its group, and their sum over the whole batch (GDPO)",
    }),
    line("dead groups", code(GRPO, "advantages = rewards - mean_grouped_rewards", of=SCORE),
         "a group that all earns the same stays in the batch and in its counts, with advantage 0 up to rounding"),
    option("kl", "GRPOConfig.beta", "{value} times k3 in the loss; with 0 no KL is computed at all", column="kl_coef"),
    line("kl", code(GRPO, "torch.exp(ref_per_token_logps - per_token_logps) - (ref_per_token_logps - per_token_logps) - 1", of=LOSS),
         "the estimator is k3, without a clamp, aggregated as the policy loss", kl="k3", kl_place="loss"),
    option("kl", "GRPOConfig.use_bias_correction_kl", {
        True: value("k3 is multiplied by the ratio, which has a gradient: on policy the gradient is that of k2",
                    columns={"old_ratio_on_kl": True}),
        False: value("k3 as it stands: in expectation its gradient is that of the forward KL",
                     columns={"old_ratio_on_kl": False}),
    }),
    line("reference", code(GRPO, "# If beta is 0.0, the reference model is not needed", of=INIT),
         "there is none while beta is 0"),
    line("reference", code(GRPO, "self.ref_model = create_model_from_path(get_config_model_id(self.model.config)", of=INIT),
         "it is loaded again from the name that the model came from, and is no copy of the model that was passed"),
    *synced("GRPOConfig"),
    option("clip", "GRPOConfig.epsilon", "below at 1 - {value}", column="clip_low"),
    option("clip", "GRPOConfig.epsilon_high", {
        None: "above at 1 + epsilon; with loss_type cispo the cap is then epsilon itself: every weight is at most 0.2",
    }, column="clip_high"),
    option("clip", "GRPOConfig.delta", {None: value("no further bound where the advantage is negative", columns={"dual_clip": None})}, column="dual_clip"),
    option("ratio", "GRPOConfig.importance_sampling_level", {
        "token": value("one ratio per token", columns={"ratio": "token"}),
        "sequence": value("the geometric mean of the tokens' ratios, as GSPO has it", columns={"ratio": "sequence"}),
    }),
    option("ratio", "GRPOConfig.loss_type", LOSS_TYPES),
    option("aggregation", "GRPOConfig.loss_type", DIVISORS),
    line("aggregation", code(GRPO, "normalizer = normalizer * self.current_gradient_accumulation_steps / self.args.steps_per_generation", of=LOSS),
         "with dapo, cispo and vespo several optimizer steps per generation are each divided by their mean count, not their own"),
    option("entropy", "GRPOConfig.entropy_coef", "{value} times the mean entropy of the micro-batch's tokens is taken off the loss",
           column="entropy_coef"),
    option("entropy", "GRPOConfig.top_entropy_quantile", "the share {value} of the tokens, those of highest entropy, is trained on"),
    option("truncated", "GRPOConfig.mask_truncated_completions", {
        False: value("they are trained on with what they earned", columns={"overlong": "score"}),
        True: value("they are left out", columns={"overlong": "mask"}),
    }),
    option("sampling", "GRPOConfig.num_generations", "{value} completions per prompt", column="group_size"),
    option("sampling", "GRPOConfig.temperature", "temperature {value}, also where log-probs are computed", column="temperature"),
    option("sampling", "GRPOConfig.top_p", "top-p {value}", column="top_p"),
    option("sampling", "GRPOConfig.top_k", {0: value("no top-k", columns={"top_k": None})}, column="top_k"),
    option("sampling", "GRPOConfig.max_completion_length", "at most {value} new tokens", column="max_new_tokens"),
    option("steps", "GRPOConfig.num_iterations", "each batch of samples is gone through {value} times", column="inner_epochs"),
    *steps("GRPOConfig"),
    option("correction", "GRPOConfig.vllm_importance_sampling_correction", {
        True: "with vLLM, and only then, losses are weighed by the ratio of trainer and sampler", False: "none",
    }),
    option("correction", "GRPOConfig.vllm_importance_sampling_mode", {
        "sequence_mask": "the product of the tokens' ratios; a completion beyond the bound counts 0",
        "sequence_truncate": "the product of the tokens' ratios, cut at the bound",
        "token_mask": "a weight per token, 0 beyond the bound",
        "token_truncate": "a weight per token, cut at the bound",
    }),
    option("correction", "GRPOConfig.vllm_importance_sampling_clip_max", "the upper bound is {value}", column="correction_high"),
    option("correction", "GRPOConfig.vllm_importance_sampling_clip_min", {None: "there is no lower bound"}, column="correction_low"),
    option("optimizer", "GRPOConfig.learning_rate", "learning rate {value}", column="lr"),
    option("optimizer", "GRPOConfig.max_grad_norm", "the gradient's norm is cut at {value}", column="max_grad_norm",
           base="TrainingArguments"),
    option("optimizer", "GRPOConfig.disable_dropout", {
        False: "dropout stays as the model has it, in training and in scoring", True: "dropout is off",
    }),
    line("masks", code(GRPO, 'mask = completion_mask if "tool_mask" not in inputs', of=LOSS),
         "prompts and what tools wrote are not trained on", tool_loss=False, prompt_loss=False),
]  # fmt: skip

RLOO_CELLS = [
    option("advantage", "RLOOConfig.normalize_advantages", {
        False: value("reward minus the mean of the prompt's other completions", columns={"advantage": "leave_one_out"}),
        True: "the same, then whitened over the batch (ddof 1, eps 1e-4)",
    }),
    line("kl", code(RLOO, "per_token_kl = old_per_token_logps - ref_per_token_logps"),
         "the estimator is k1, summed over the completion and taken off the reward", "RLOOConfig", kl="k1", kl_place="reward"),
    option("kl", "RLOOConfig.beta", "its coefficient is {value}", column="kl_coef"),
    line("ratio", code(RLOO, "logps = (per_token_logps * completion_mask).sum(1)"),
         "one ratio per completion, the product of its tokens' ratios, without its length", "RLOOConfig",
         loss="ppo_clip", ratio="sequence"),
    line("aggregation", code(RLOO, "loss = per_sequence_loss.mean()"), "a mean over completions, whose tokens are summed", "RLOOConfig"),
    option("clip", "RLOOConfig.epsilon", "the completion's ratio is clipped below at 1 - {value}", column="clip_low"),
    option("clip", "RLOOConfig.epsilon_high", {None: "above at 1 + epsilon"}, column="clip_high"),
    option("sampling", "RLOOConfig.num_generations", "{value} completions per prompt", column="group_size"),
    option("sampling", "RLOOConfig.temperature", "temperature {value}", column="temperature"),
    option("sampling", "RLOOConfig.max_completion_length", "at most {value} new tokens", column="max_new_tokens"),
    option("steps", "RLOOConfig.num_iterations", "each batch of samples is gone through {value} times", column="inner_epochs"),
    *steps("RLOOConfig"),
    option("truncated", "RLOOConfig.mask_truncated_completions", {
        False: value("they are trained on with what they earned", columns={"overlong": "score"}),
        True: value("they are left out", columns={"overlong": "mask"}),
    }),
    option("sampling", "RLOOConfig.top_p", "top-p {value}", column="top_p"),
    option("sampling", "RLOOConfig.top_k", {0: value("no top-k", columns={"top_k": None})}, column="top_k"),
    *synced("RLOOConfig"),
    option("optimizer", "RLOOConfig.learning_rate", "learning rate {value}", column="lr"),
    option("optimizer", "RLOOConfig.max_grad_norm", "the gradient's norm is cut at {value}; it is the gradient of sums over tokens",
           column="max_grad_norm", base="TrainingArguments"),
]  # fmt: skip

CELLS = GRPO_CELLS + RLOO_CELLS + OTHER_CELLS
NAMES = [names.fields(file, config) for config, file in FILES.items()]
NAMES += [
    names.fields("trl/trainer/base_config.py", "_BaseConfig"),
    names.fields("trl/trainer/model_config.py", "ModelConfig"),
    names.fields("trl/scripts/utils.py", "ScriptArguments"),
]
