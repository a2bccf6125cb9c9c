"""axolotl: ``rl: grpo``, with TRL's trainer or its own async one, ``rl: dpo``, ``rl: kto``, and training on demonstrations.

What its YAML leaves open is left to TRL 1.9.0, which it pins, so that TRL's files are read too.
"""

from . import names
from .axolotl_options import (
    ASYNC,
    ASYNC_FILE,
    BUILDER,
    CONFIG,
    DIVISORS,
    DPO,
    GRPO,
    GRPO_ARGS,
    GRPO_TRAINER,
    KTO,
    LOSSES,
    MODES,
    OWN_LOSS,
    SCALES,
    SCORES,
    SFT,
    SIMPO,
    TRAINING,
    TRL_LOSS,
    TRL_MODES,
    UNBIASED,
    async_own,
    filtered,
    left,
    line,
    own,
    training,
)
from .cells import OTHER, cell, fixed, inert, value
from .source import code, field, given

GRPO_CELLS = [
    own("advantage", "trl.scale_rewards", SCALES),
    line("advantage", GRPO_TRAINER, "advantages = advantages / (std_rewards + 1e-4)", "the std has ddof 1, and 1e-4 is added to it", ddof=1, eps=1e-4),
    left("advantage", "trl.multi_objective_aggregation", {
        "sum_then_normalize": "several rewards are added with their weights, then normalised once",
        "normalize_then_sum": "each reward is normalised in its group, and their sum over the batch (rl: gdpo)",
    }),
    line("dead groups", GRPO_TRAINER, "advantages = rewards - mean_grouped_rewards", "a group that all earns the same stays in the batch and in its counts, with advantage 0 up to rounding"),
    line("dead groups", GRPO_ARGS, "which is less than the minimum required.", "a group of one is refused"),
    left("kl", "trl.beta", "the coefficient of the KL is {value}", column="kl_coef"),
    own("kl", "rl_beta", {None: "trl.beta is what counts", OTHER: "the coefficient of the KL is {value}, unless trl.beta is given"}, column="kl_coef"),
    left("kl", "trl.use_bias_correction_kl", {
        False: value("k3 as it stands: in expectation its gradient is that of the forward KL", columns={"kl": "k3", "kl_place": "loss", "old_ratio_on_kl": False}),
        True: value(UNBIASED, columns={"kl": "k3_unbiased", "kl_place": "loss", "old_ratio_on_kl": True}),
    }),
    line("reference", GRPO_TRAINER, "# If beta is 0.0, the reference model is not needed", "there is none while beta is 0, and so none by default"),
    line("reference", GRPO_TRAINER, "self.ref_model = create_model_from_path(get_config_model_id(self.model.config), **model_init_kwargs)",
         "it is loaded again from the name that the model came from, and is no copy of the model that was passed"),
    line("reference", GRPO_TRAINER, "# If PEFT is used, the reference model is not needed since the adapter can be disabled",
         "with an adapter it is the model without the adapter"),
    own("reference", "trl.sync_ref_model", {False: "it stays as it is", True: "it follows the policy"}),
    left("clip", "trl.epsilon", "the ratio is clipped below at 1 - {value}", column="clip_low"),
    left("clip", "trl.epsilon_high", {None: "above at 1 + epsilon; with loss_type cispo the cap of the weight is epsilon itself",
        OTHER: "above at 1 + {value}; with loss_type cispo the cap of the weight is {value} itself",
    },
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
    filtered("dead groups", "skip_zero_advantage_batches", "TRL's trainer never gets it: dead micro-batches are gone through"),
    filtered("dead groups", "replay_buffer_size", "TRL's trainer never gets it: with one of trl.use_data_producer and trl.async_prefetch it acts"),
    filtered("dead groups", "reroll_start_fraction", "TRL's trainer never gets it: with one of trl.use_data_producer and trl.async_prefetch it acts"),
    own("truncated", "trl.mask_truncated_completions", {
        False: value("they are trained on with what they earned", columns={"overlong": "score"}),
        True: value("they are masked, and their rewards stay in their group", columns={"overlong": "mask"}),
    }),
    own("sampling", "trl.max_completion_length", {
        None: "None is handed to TRL in the place of its 256", OTHER: "at most {value} new tokens",
    }, column="max_new_tokens"),
    left("sampling", "trl.num_generations", "completions per prompt: {value}", column="group_size"),
    line("sampling", GRPO_ARGS, "if self.generation_batch_size % self.num_generations != 0:", "a generation that does not hold whole groups is refused"),
    left("sampling", "trl.temperature", "temperature {value}, also where log-probs are computed", column="temperature"),
    left("sampling", "trl.top_p", "top-p {value}", column="top_p"),
    left("sampling", "trl.top_k", {0: value("no top-k", columns={"top_k": None}), OTHER: "top-k {value}"}, column="top_k"),
    left("steps", "trl.num_iterations", "passes over each batch of samples: {value}", column="inner_epochs"),
    own("steps", "trl.generation_batch_size", {
        None: value("one optimizer step per generation, so that the ratio is 1 and no clip acts", columns={"minibatches": 1}),
        OTHER: "completions of a generation, of all processes: {value}",
    }),
    left("correction", "trl.vllm_importance_sampling_correction", {
        True: "with vLLM, and only then, losses are weighed by the ratio of trainer and sampler", False: "none",
    }),
    left("correction", "trl.vllm_importance_sampling_mode", TRL_MODES),
    left("correction", "trl.vllm_importance_sampling_clip_max", "the upper bound is {value}", column="correction_high"),
    left("correction", "trl.vllm_importance_sampling_clip_min", {
        None: "there is no lower bound", OTHER: "the lower bound is {value}",
    }, column="correction_low"),
    left("correction", "trl.vllm_importance_sampling_cap", {None: "the upper bound is clip_max", OTHER: "an older name of clip_max, {value}"},
         column="correction_high"),
    left("correction", "trl.off_policy_mask_threshold", {
        None: "no completion is masked for being far from the sampler",
        OTHER: "a completion with a negative advantage is masked where its log-probs fell by more than {value} per token since sampling",
    }),
    own("correction", "trl.use_vllm", {
        False: value("the trainer's own model samples, so that by default there is no correction", columns={"correction": "none"}), True: "vLLM samples",
    }),
    cell("optimizer", "learning_rate", given(None, code(TRAINING, "learning_rate: str | float"))  ,
         {None: "there is no default: it must be given", OTHER: "learning rate {value}"}, column="lr", entry=GRPO),
    own("optimizer", "warmup_steps", {None: "without warmup_ratio too, the learning rate grows over 3 % of the steps, at most 100", OTHER: "the learning rate grows over the first {value} steps"}),
    training("lr_scheduler", {"cosine": "after that the learning rate falls on a cosine", OTHER: "the schedule of the learning rate is {value}"}),
    training("weight_decay", "weight decay {value}"),
    training("max_grad_norm", {None: "left to transformers", OTHER: "the gradient's norm is cut at {value}"}, column="max_grad_norm"),
    inert("sampling", "max_prompt_len", field(CONFIG, "AxolotlInputConfig.max_prompt_len"), "no line of the package reads it: prompts are not cut", entry=GRPO),
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
    async_own("kl", "trl.use_bias_correction_kl", {
        False: value("k3 as it stands", columns={"kl": "k3", "kl_place": "loss"}),
        True: value(UNBIASED, columns={"kl": "k3_unbiased", "kl_place": "loss"}),
    }),
    own("dead groups", "trl.replay_buffer_size", {
        0: "dead groups are not replaced", OTHER: "dead groups are replaced from the last {value} groups that were not dead",
    }, entry=ASYNC),
]  # fmt: skip
DPO_CELLS = [
    cell("preference", "rl_beta", field("trl/trainer/dpo_config.py", "DPOConfig.beta"), "beta is {value}", column="beta", entry=DPO),
    own("preference", "dpo_loss_type", {
        None: value("left to TRL: minus the log sigmoid of beta times the difference of the summed log-ratios", loss="dpo",
                    columns={"average_logprobs": False}),
    }, entry=DPO),
    inert("preference", "dpo_label_smoothing", field(CONFIG, "AxolotlInputConfig.dpo_label_smoothing"),
          "read by TRL with robust, exo_pair, aot and aot_unpaired, and not with sigmoid, the default", entry=DPO),
    own("truncated", "sequence_len", "pairs in which prompt and completion together have more than {value} tokens are dropped", entry=DPO),
    own("truncated", "excess_length_strategy", {
        None: "they are dropped, as with drop", "drop": "they are dropped", "truncate": "completions are cut instead", "raise": "an error is raised instead",
    }, entry=DPO),
    cell("preference", "rl_beta", field("trl/trainer/kto_config.py", "KTOConfig.beta"), "beta is {value}", column="beta", entry=KTO),
    own("preference", "kto_desirable_weight", {None: "good completions weigh 1", OTHER: "good completions weigh {value}"}, entry=KTO),
    own("preference", "kto_undesirable_weight", {None: "bad completions weigh 1", OTHER: "bad completions weigh {value}"}, entry=KTO),
    line("preference", BUILDER, "self.cfg.kto_desirable_weight or 1.0", "a weight of 0, of good or bad completions, is replaced by 1", entry=KTO),
    own("preference", "simpo_gamma", {
        None: "None is handed to TRL, whose loss divides it: it must be given", OTHER: "the target margin is {value}, in units of reward",
    }, column="target_margin", entry=SIMPO),
    cell("preference", "rl_beta", field("trl/experimental/cpo/cpo_config.py", "CPOConfig.beta"), "beta is {value}, on averaged log-probs",
         column="beta", entry=SIMPO),
    cell("preference", "cpo_alpha", field("trl/experimental/cpo/cpo_config.py", "CPOConfig.cpo_alpha"),
         "{value} times the NLL of the chosen tokens is added, which SimPO has not", column="sft_coef", entry=SIMPO),
    cell("masks", "train_on_inputs", field(TRAINING, "HyperparametersConfig.train_on_inputs"), {
        False: value("prompts are left out", columns={"prompt_loss": False}), True: value("prompts are trained on too", columns={"prompt_loss": True}),
    }, entry=SFT),
    own("truncated", "sequence_len", "rows of more than {value} tokens are dropped, unless excess_length_strategy says otherwise", entry=SFT),
    line("aggregation", "axolotl/core/builders/base.py", 'training_args_kwargs["average_tokens_across_devices"] = False',
         "each process divides by its own tokens: transformers' average_tokens_across_devices is turned off", entry=SFT, processes=False),
    own("preference", "use_eaft", {
        None: "the loss on demonstrations is their NLL", True: "each token's NLL is multiplied by the entropy of its likeliest tokens, a constant",
    }, entry=SFT),
]  # fmt: skip
CELLS = GRPO_CELLS + ASYNC_CELLS + DPO_CELLS
PARENTS = [f"axolotl/utils/schemas/{name}.py" for name in (
    "model", "peft", "training", "integrations", "multimodal", "deprecated", "datasets", "fsdp", "fp8", "quantization",
    "vllm", "dynamic_checkpoint", "trl",
)]  # fmt: skip
PLUGINS = {
    "cut_cross_entropy": "CutCrossEntropyArgs", "densemixer": "DenseMixerArgs", "diffusion": "DiffusionArgs",
    "expert_parallel": "ExpertParallelArgs", "grokfast": "GrokfastArgs", "hatchery": "HatcheryArgs", "kd": "KDArgs",
    "kernels": "KernelsArgs", "liger": "LigerArgs", "llm_compressor": "LLMCompressorArgs", "lm_eval": "LMEvalArgs",
    "mora": "MoraArgs", "nemo_gym": "NemoGymArgs", "spectrum": "SpectrumArgs",
}  # fmt: skip
NAMES = [
    names.nested_fields(CONFIG, *PARENTS, owner="AxolotlInputConfig"),
    *(names.fields(f"axolotl/integrations/{folder}/args.py", owner) for folder, owner in PLUGINS.items()),
]
