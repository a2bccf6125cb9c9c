"""TRL: its GRPO trainer; the others are in ``trl_others``."""

from . import names
from .cells import OTHER, value
from .source import code
from .trl_more import MORE_CELLS
from .trl_options import FILES, GRPO, inherited, line, option
from .trl_others import DPO_CELLS, RLOO_CELLS, SFT_CELLS

LOSS, SCORE, INIT = "GRPOTrainer._compute_loss", "GRPOTrainer._generate_and_score_completions", "GRPOTrainer.__init__"

ADVANTAGE = {
    "group": value("reward minus the group's mean, divided by the group's std", columns={"advantage": "group"}),
    "batch": value(
        "reward minus the group's mean, divided by the std of all rewards of the generation batch, over all processes",
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
WHOLE = "the kept tokens of the optimizer step, over all micro-batches and processes"
ROWS = "each row's tokens, then the rows of the micro-batch, empty ones too; a mean over micro-batches and processes"
DIVISORS = {
    "grpo": value(ROWS, columns={"aggregation": "sequence_mean"}),
    "sapo": value(ROWS, columns={"aggregation": "sequence_mean"}),
    "bnpo": value("the kept tokens of each micro-batch, then a mean over micro-batches and processes",
                  columns={"aggregation": "token_mean", "processes": False}),
    "dr_grpo": value("the rows of the micro-batch times max_completion_length, then a mean over micro-batches and processes",
                     columns={"aggregation": "fixed_length"}),
    "dapo": value(WHOLE, columns={"aggregation": "token_mean", "processes": True}),
    "cispo": value(WHOLE, columns={"aggregation": "token_mean", "processes": True}),
    "vespo": value(WHOLE, columns={"aggregation": "token_mean", "processes": True}),
    "luspo": value("sums over each row's tokens, then a mean over rows, micro-batches and processes"),
}  # fmt: skip
SEQUENCE, TOKEN = (
    "the weight of a completion is the product of its tokens' ratios",
    "each token has a weight of its own",
)

CREDIT_CELLS = [
    option("advantage", "GRPOConfig.scale_rewards", ADVANTAGE),
    line("advantage", code(GRPO, "std_rewards = nanstd(rewards.view(-1, num_generations), dim=1)", of=SCORE),
         "the std has ddof 1", ddof=1),
    line("advantage", code(GRPO, "advantages = advantages / (std_rewards + 1e-4)", of=SCORE),
         "1e-4 is added to the std", eps=1e-4),
    option("advantage", "GRPOConfig.multi_objective_aggregation", {
        "sum_then_normalize": "several rewards are added with their weights, then normalised once",
        "normalize_then_sum": "each reward is normalised in its group, and their sum over the batch (GDPO); scale_rewards is not read",
    }),
    option("advantage", "GRPOConfig.reward_weights", {
        None: "every reward has the weight 1", OTHER: "the rewards have the weights {value}",
    }),
    line("advantage", code(GRPO, "unscorable_mask = torch.isnan(rewards_per_func).all(dim=1)", of=SCORE),
         "a reward that is None counts 0 in the sum; a completion without any reward gets the advantage 0"),
    line("dead groups", code(GRPO, "advantages = rewards - mean_grouped_rewards", of=SCORE),
         "a group that all earns the same stays in the batch and in its counts, with advantage 0 up to rounding"),
    line("dead groups", code(FILES["GRPOConfig"], "if self.num_generations < 2:"), "a group of one is refused"),
    option("kl", "GRPOConfig.beta", "its coefficient is {value}; with 0 no KL is computed", column="kl_coef"),
    line("kl", code(GRPO, "torch.exp(ref_per_token_logps - per_token_logps) - (ref_per_token_logps - per_token_logps) - 1", of=LOSS),
         "with a coefficient, k3 without a cut is added to each token's loss, and divided with it", kl="k3", kl_place="loss"),
    option("kl", "GRPOConfig.use_bias_correction_kl", {
        True: value("k3 is multiplied by the ratio, which has a gradient: on policy the gradient is that of k2",
                    columns={"old_ratio_on_kl": True}),
        False: value("k3 as it stands: in expectation its gradient is that of the forward KL",
                     columns={"old_ratio_on_kl": False}),
    }),
    line("reference", code(GRPO, "# If beta is 0.0, the reference model is not needed", of=INIT),
         "there is none while beta is 0, and so none by default"),
    line("reference", code(GRPO, "self.ref_model = create_model_from_path(get_config_model_id(self.model.config)", of=INIT),
         "it is loaded again from the name that the model came from, and is no copy of the model that was passed"),
    line("reference", code(GRPO, "# If PEFT is used, the reference model is not needed since the adapter can be disabled", of=INIT),
         "with a new PEFT adapter it is the model without the adapter"),
    option("reference", "GRPOConfig.sync_ref_model", {
        False: "it stays as it is", True: "every ref_model_sync_steps steps it takes up the share ref_model_mixup_alpha of the policy",
    }),
    option("truncated", "GRPOConfig.mask_truncated_completions", {
        False: value("they are trained on with what they earned", columns={"overlong": "score"}),
        True: value("they are masked, and their rewards stay in their group", columns={"overlong": "mask"}),
    }),
]  # fmt: skip

LOSS_CELLS = [
    option("clip", "GRPOConfig.epsilon", "the ratio is clipped below at 1 - {value}", column="clip_low"),
    option("clip", "GRPOConfig.epsilon_high", {
        None: "above at 1 + epsilon; with loss_type cispo the cap of the weight is epsilon itself",
        OTHER: "above at 1 + {value}; with loss_type cispo the cap of the weight is {value} itself",
    }, column="clip_high"),
    option("clip", "GRPOConfig.delta", {
        None: value("no further bound where the advantage is negative", columns={"dual_clip": None}),
        OTHER: "where the advantage is negative, the ratio is capped at {value}: the dual clip is on",
    }, column="dual_clip"),
    option("ratio", "GRPOConfig.importance_sampling_level", {
        "token": value("one ratio per token", columns={"ratio": "token"}),
        "sequence": value("the geometric mean of the tokens' ratios, as GSPO has it", columns={"ratio": "sequence"}),
    }),
    option("ratio", "GRPOConfig.loss_type", LOSS_TYPES),
    line("ratio", code(GRPO, "if self.args.gradient_accumulation_steps % generate_every != 0 or (", of=SCORE),
         "old log-probs are the trainer's, computed for vLLM or where a generation serves several optimizer steps; else the current ones"),
    option("ratio", "GRPOConfig.sapo_temperature_pos", "with loss_type sapo, tau is {value} where the advantage is positive"),
    option("ratio", "GRPOConfig.sapo_temperature_neg", "with loss_type sapo, tau is {value} elsewhere"),
    option("ratio", "GRPOConfig.vespo_k_pos", "with loss_type vespo, k is {value} where the advantage is not negative"),
    option("ratio", "GRPOConfig.vespo_lambda_pos", "with loss_type vespo, lambda is {value} where the advantage is not negative"),
    option("ratio", "GRPOConfig.vespo_k_neg", "with loss_type vespo, k is {value} where the advantage is negative"),
    option("ratio", "GRPOConfig.vespo_lambda_neg", "with loss_type vespo, lambda is {value} where the advantage is negative"),
    option("aggregation", "GRPOConfig.loss_type", DIVISORS),
    line("aggregation", code(GRPO, "normalizer = normalizer * self.current_gradient_accumulation_steps / self.args.steps_per_generation", of=LOSS),
         "with dapo, cispo and vespo several optimizer steps per generation are each divided by their mean count, not their own"),
    option("entropy", "GRPOConfig.entropy_coef",
           "{value} times the mean entropy of the micro-batch's tokens, a mean over micro-batches, is taken off the loss",
           column="entropy_coef"),
    option("entropy", "GRPOConfig.use_adaptive_entropy", {
        False: "that coefficient stays as it is",
        True: "that coefficient moves by entropy_coef_delta a step, and acts while the entropy is at most entropy_target",
    }),
    option("entropy", "GRPOConfig.top_entropy_quantile", {
        1.0: "every token is in the policy loss",
        OTHER: "the share {value} of the tokens, those of highest entropy, is in the policy loss; the divisor stays",
    }),
    line("masks", code(GRPO, 'mask = completion_mask if "tool_mask" not in inputs', of=LOSS),
         "prompts and what tools wrote are not trained on", tool_loss=False, prompt_loss=False),
]  # fmt: skip

RUN_CELLS = [
    option("sampling", "GRPOConfig.num_generations", "completions per prompt: {value}", column="group_size"),
    option("sampling", "GRPOConfig.temperature", "temperature {value}, also where log-probs are computed", column="temperature"),
    option("sampling", "GRPOConfig.top_p", "top-p {value}", column="top_p"),
    option("sampling", "GRPOConfig.top_k", {0: value("no top-k", columns={"top_k": None}), OTHER: "top-k {value}"}, column="top_k"),
    line("sampling", code(GRPO, "self.generation_config = GenerationConfig(**generation_kwargs, disable_compile=True)", of=INIT),
         "without vLLM, whatever this config leaves none is taken from the model's generation_config"),
    option("sampling", "GRPOConfig.min_p", {None: "no min-p, unless the model's generation_config has one", OTHER: "min-p {value}"}),
    option("sampling", "GRPOConfig.repetition_penalty", "repetition penalty {value}; 1 is none"),
    option("sampling", "GRPOConfig.max_completion_length", "at most {value} new tokens", column="max_new_tokens"),
    option("steps", "GRPOConfig.num_iterations", "passes over each batch of samples: {value}", column="inner_epochs"),
    option("steps", "GRPOConfig.steps_per_generation", {
        None: value("gradient_accumulation_steps: one optimizer step per generation and pass, so that with one pass no clip acts",
                    columns={"minibatches": 1}),
        OTHER: "micro-batches per generation: {value}",
    }),
    option("correction", "GRPOConfig.vllm_importance_sampling_mode", {
        "sequence_mask": value(f"{SEQUENCE}, and 0 beyond the bounds", columns={"correction": "sequence mask"}),
        "sequence_truncate": value(f"{SEQUENCE}, cut at the bounds", columns={"correction": "sequence truncate"}),
        "token_mask": value(f"{TOKEN}, and 0 beyond the bounds", columns={"correction": "token mask"}),
        "token_truncate": value(f"{TOKEN}, cut at the bounds", columns={"correction": "token truncate"}),
    }),
    option("correction", "GRPOConfig.vllm_importance_sampling_clip_max", {
        None: "there is no upper bound", OTHER: "the upper bound is {value}",
    }, column="correction_high"),
    option("correction", "GRPOConfig.vllm_importance_sampling_clip_min", {
        None: "there is no lower bound", OTHER: "the lower bound is {value}",
    }, column="correction_low"),
    option("correction", "GRPOConfig.vllm_importance_sampling_correction", {
        True: "with use_vllm, token losses are multiplied by a weight, the ratio of trainer and sampler",
        False: value("none", columns={"correction": "none"}),
    }),
    option("correction", "GRPOConfig.use_vllm", {
        False: value("the trainer's own model samples, so that by default there is no correction", columns={"correction": "none"}),
        True: "vLLM samples",
    }),
    option("correction", "GRPOConfig.off_policy_mask_threshold", {
        None: "no completion is masked for being far from the sampler",
        OTHER: "a completion with a negative advantage is masked where its tokens' mean log-ratio of sampler to policy exceeds {value}",
    }),
    option("optimizer", "GRPOConfig.learning_rate", "learning rate {value}", column="lr"),
    *inherited("GRPOConfig"),
    option("optimizer", "GRPOConfig.disable_dropout", {
        False: "dropout stays as the model has it, in training and in scoring", True: "dropout is off",
    }),
]  # fmt: skip

CELLS = CREDIT_CELLS + LOSS_CELLS + RUN_CELLS + RLOO_CELLS + DPO_CELLS + SFT_CELLS + MORE_CELLS
NAMES = [names.fields(file, config) for config, file in FILES.items()]
NAMES += [
    names.fields("trl/trainer/model_config.py", "ModelConfig"),
    names.fields("trl/scripts/utils.py", "ScriptArguments"),
]
