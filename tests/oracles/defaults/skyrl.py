"""SkyRL: its trainer of GRPO and PPO with FSDP, ``skyrl.train.entrypoints.main_base``, and ``skyrl.train.main_sft``."""

from typing import Any

from . import names
from .cells import Cell, Value, cell, fixed, inert, value
from .source import Reader, code, field, given

CONFIG, SFT = "skyrl/train/config/config.py", "skyrl/train/config/sft_config.py"
LOSSES = "skyrl/backends/skyrl_train/utils/ppo_utils.py"
TRAINER, WORKER = "skyrl/train/trainer.py", "skyrl/backends/skyrl_train/workers/worker.py"
CORRECTIONS = "skyrl/backends/skyrl_train/utils/off_policy_correction_utils.py"
VALIDATE, GENERATOR = "skyrl/train/utils/utils.py", "skyrl/train/generators/skyrl_gym_generator.py"
ENGINE = "skyrl/backends/skyrl_train/inference_servers/engine_utils.py"
COLLATORS = "skyrl/train/dataset/collators.py"
RL, SUPERVISED = "main_base", "main_sft"

A = "trainer.algorithm"
CLASSES = {  # the first part of an option's name -> the dataclass that states its default
    f"{A}.off_policy_correction": "OffPolicyCorrectionConfig",
    f"{A}.dynamic_sampling": "DynamicSamplingConfig",
    f"{A}.kl_ctrl": "KLCtrlConfig",
    f"{A}.cispo": "CISPOConfig",
    f"{A}.sapo": "SAPOConfig",
    f"{A}.dppo": "DPPOConfig",
    f"{A}.clip_cov": "ClipCovConfig",
    f"{A}.kl_cov": "KLCovConfig",
    A: "AlgorithmConfig",
    "trainer.policy.optimizer_config": "OptimizerConfig",
    "trainer.fully_async": "FullyAsyncConfig",
    "trainer.critic.model": "ModelConfig",
    "trainer.ref.model": "ModelConfig",
    "trainer": "TrainerConfig",
    "generator.sampling_params": "SamplingParams",
    "generator": "GeneratorConfig",
}


def stated(name: str) -> Reader:
    prefix, _, attribute = name.rpartition(".")
    return field(CONFIG, f"{CLASSES[prefix]}.{attribute}")


def option(slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "") -> Cell:
    return cell(slot, name, stated(name), says, column=column, entry=RL)


def unread(slot: str, name: str, says: str) -> Cell:
    return inert(slot, name, stated(name), says, entry=RL)


def line(slot: str, file: str, text: str, of: str, says: str, **columns: Any) -> Cell:
    return fixed(slot, code(file, text, of=of), says, columns=columns, entry=RL)


OFF = f"{A}.off_policy_correction"
WHITENED = "whitened over the batch (ddof 1, 1e-8 on the variance), where a tool's tokens count too"
ESTIMATORS = {
    "grpo": value("reward minus the group's mean, divided by the group's std",
                  columns={"advantage": "group", "ddof": 1, "eps": 1e-6}),
    "rloo": value("reward minus the mean of the prompt's other completions", columns={"advantage": "leave_one_out"}),
    "reinforce++": value(f"discounted returns, {WHITENED}", columns={"advantage": "reinforce_plus_plus"}),
    "gae": value(f"GAE with a critic, {WHITENED}", columns={"advantage": "gae"}),
    "maxrl": value("reward minus the group's mean, divided by that mean plus 1e-6; a negative mean turns every sign",
                   columns={"advantage": "maxrl"}),
}  # fmt: skip
LOSS_TYPES = {
    "regular": value("the clipped loss of PPO", loss="ppo_clip", columns={"ratio": "token", "dual_clip": None}),
    "dual_clip": value("the clipped loss of PPO, with clip_ratio_c for negative advantages", loss="ppo_clip",
                       columns={"ratio": "token"}),
    "gspo": value("GSPO-token: the ratio of the sequence, the gradient of each token", loss="gspo",
                  columns={"ratio": "sequence"}),
    "cispo": value("-w A log p with a detached weight w, a ratio cut on both sides", loss="cispo"),
    "sapo": value("a sigmoid of the ratio in the place of the clip, divided as loss_reduction says", loss="sapo"),
    "dppo": value("the ratio to the sampler, stopped where a probability has moved too far; without a cap", loss="dppo"),
    "rollout_is": "-w A log p with a detached ratio to the sampler, and 0 outside of the clip bounds",
    "clip_cov": "PPO's loss without a few random tokens of high covariance, of advantages divided by their count before",
    "kl_cov": "the ratio, with a penalty on tokens of high covariance that no count divides",
    "importance_sampling": "-A times the ratio, without a clip",
    "cross_entropy": "minus the log-prob: advantages, KL and entropy are not read",
}  # fmt: skip
REDUCTIONS = {
    "token_mean": value("the kept tokens of the mini-batch over all micro-batches and ranks",
                        columns={"aggregation": "token_mean", "processes": True}),
    "token_mean_legacy": value("the kept tokens of each micro-batch, then a mean over micro-batches and ranks",
                               columns={"aggregation": "token_mean", "processes": False}),
    "sequence_mean": value("each row's tokens, then all rows of the mini-batch, empty ones too",
                           columns={"aggregation": "sequence_mean", "processes": True}),
    "seq_mean_token_sum_norm": value("all rows of the mini-batch times max_seq_len",
                                     columns={"aggregation": "fixed_length", "processes": True}),
    "prompt_mean": "the kept tokens of a prompt's completions, then the prompts of the mini-batch",
}  # fmt: skip
KL = {
    "k1": value("k1", columns={"kl": "k1"}),
    "k2": value("k2", columns={"kl": "k2"}),
    "k3": value("k3, with the log-ratio cut at 20 and the value at 10", columns={"kl": "k3"}),
    "abs": value("the absolute log-ratio", columns={"kl": "abs"}),
}

CREDIT_CELLS = [
    option("advantage", f"{A}.advantage_estimator", ESTIMATORS),
    option("advantage", f"{A}.grpo_norm_by_std", {
        True: "with grpo, divided by the group's std",
        False: value("with grpo, not divided, as Dr. GRPO has it", columns={"advantage": "group_mean"}),
    }),
    line("advantage", LOSSES, "id2std[idx] = torch.std(torch.tensor([id2score[idx]]))", "compute_grpo_outcome_advantage",
         "with grpo the std has ddof 1", ddof=1),
    line("advantage", LOSSES, "scores[i] = (scores[i] - id2mean[index[i]]) / (id2std[index[i]] + epsilon)",
         "compute_grpo_outcome_advantage", "with grpo 1e-6 is added to the std, and no option changes it", eps=1e-6),
    option("advantage", f"{A}.advantage_batch_normalize", {
        False: "advantages are not normalised again",
        True: "less their mean, padding counted as zeros, over the std of the completions' tokens (ddof 0)",
    }),
    line("dead groups", LOSSES, "id2mean[idx] = torch.tensor(0.0)", "compute_grpo_outcome_advantage",
         "a group of one keeps its raw reward as advantage with grpo and maxrl, and gets 0 with rloo"),
    line("dead groups", LOSSES, "scores = token_level_rewards.sum(dim=-1)", "compute_grpo_outcome_advantage",
         "a group that all earns the same stays, in the batch and in its counts, with advantage 0 up to rounding"),
    unread("dead groups", f"{A}.zero_variance_filter",
           "masks dead groups only with generator.batched or a chat template of one's own; elsewhere rewards come per token"),
    unread("dead groups", f"{A}.zero_variance_filter_tol", "read only with zero_variance_filter: rewards that close are equal"),
    option("dead groups", f"{A}.dynamic_sampling.type", {
        None: "nothing is sampled again",
        "filter": "dead groups are dropped, and sampling goes on until train_batch_size prompts are left",
        "replace": "dead groups become copies of others, if more than min_replace_ratio of the prompts are not dead",
    }),
    option("kl", f"{A}.use_kl_loss", {
        True: value("a KL in the loss", columns={"kl_place": "loss"}), False: "no KL in the loss",
    }),
    option("kl", f"{A}.use_kl_in_reward", {
        False: "no KL in the reward",
        True: value("a KL is taken off each token's reward; refused together with use_kl_loss", columns={"kl_place": "reward"}),
    }),
    option("kl", f"{A}.kl_estimator_type", KL),
    option("kl", f"{A}.kl_loss_coef", "its coefficient is {value}, in the loss or in the reward", column="kl_coef"),
    line("kl", WORKER, "kl_loss = masked_mean(kl_loss, loss_mask, dim=-1).mean()", "PolicyWorkerBase._forward_backward_micro",
         "in the loss it is a mean over rows of each row's mean, empty rows as 0, whatever loss_reduction is"),
    unread("kl", f"{A}.kl_ctrl.type", "read only with use_kl_in_reward; with use_kl_loss the coefficient stays as it is"),
    line("reference", TRAINER, "use_ref_model = cfg.trainer.algorithm.use_kl_loss or cfg.trainer.algorithm.use_kl_in_reward",
         "RayPPOTrainer.build_models", "there is one with a KL in the loss or in the reward, and so by default",
         reference_model=True),
    option("reference", "trainer.ref.model.path", {None: "it has the weights that trainer.policy.model.path names"}),
    option("reference", "trainer.update_ref_every_epoch", {
        False: "it stays as it is", True: "it is set to the policy at the end of every epoch but the last",
    }),
    option("value", "trainer.critic.model.path", {
        None: "there is no critic, and gae is refused without one",
    }),
    option("value", f"{A}.gamma", "gamma is {value}; read by gae and reinforce++", column="gamma"),
    option("value", f"{A}.lambd", "lambda is {value}; read by gae", column="gae_lambda"),
    option("value", f"{A}.value_clip", "a value may move {value} from its old one", column="value_clip"),
    line("value", LOSSES, "loss = masked_mean(loss, loss_mask, dim=-1).mean()", "ppo_critic_loss",
         "half the larger of the two squared errors, a mean over rows of each row's mean, then over micro-batches",
         critic="separate"),
    cell("value", "trainer.critic.optimizer_config.lr", given(5e-6, field(CONFIG, "CriticConfig.optimizer_config")),
         "the critic's learning rate is {value}", column="critic_lr", entry=RL),
]  # fmt: skip

LOSS_CELLS = [
    option("clip", f"{A}.eps_clip_low", "the ratio is clipped below at 1 - {value}", column="clip_low"),
    option("clip", f"{A}.eps_clip_high", "above at 1 + {value}", column="clip_high"),
    unread("clip", f"{A}.clip_ratio_c", "read only with policy_loss_type dual_clip: by default there is no dual clip"),
    line("clip", LOSSES, "ratio = safe_exp_delta(log_probs - old_log_probs, clip=20.0, out_dtype=log_probs.dtype)",
         "ppo_policy_loss", "the log-ratio is cut at 20 on both sides, and the ratio computed in float32"),
    option("clip", f"{A}.cispo.cispo_eps_clip_low", "with cispo no weight is below 1 - {value}: a ratio under 1 counts as 1"),
    option("clip", f"{A}.cispo.cispo_eps_clip_high", "with cispo no weight is above 1 + {value}, which is 6"),
    option("clip", f"{A}.dppo.dppo_type", {
        "binary_tv": "with dppo, by how far the token's probability has moved",
        "binary_kl": "with dppo, by the KL of this token or another",
    }),
    option("clip", f"{A}.dppo.delta_low", "with dppo, where the advantage is negative, up to {value}"),
    option("clip", f"{A}.dppo.delta_high", "with dppo, where the advantage is positive, up to {value}"),
    option("ratio", f"{A}.policy_loss_type", LOSS_TYPES),
    option("ratio", "trainer.recompute_old_logprobs_per_minibatch", {
        True: "old log-probs are the trainer's, computed in the micro-batches of the update: the first ratio is 1",
        False: "old log-probs are the trainer's, computed for the whole batch at once",
    }),
    option("ratio", f"{A}.sapo.tau_pos", "with sapo, tau is {value} where the advantage is positive"),
    option("ratio", f"{A}.sapo.tau_neg", "with sapo, tau is {value} elsewhere"),
    option("ratio", f"{A}.clip_cov.clip_ratio", "with clip_cov, the share {value} of the tokens is taken out, at least one"),
    option("ratio", f"{A}.kl_cov.kl_cov_frac", "with kl_cov, the share {value} of the tokens is penalised"),
    option("ratio", f"{A}.kl_cov.ppo_kl_coef", "with kl_cov, {value} times the absolute log-ratio, beside a mean over tokens"),
    option("aggregation", f"{A}.loss_reduction", REDUCTIONS),
    unread("aggregation", f"{A}.max_seq_len", "read only with seq_mean_token_sum_norm, which is refused without it"),
    line("aggregation", TRAINER, "normalized_advantages[start_idx:end_idx] = apply_loss_reduction_to_advantages_minibatch(",
         "RayPPOTrainer._normalize_advantages",
         "the advantages are divided before the update; losses only add them up, over micro-batches and ranks"),
    line("aggregation", WORKER, "loss = policy_loss * grad_sum_correction_factor +", "PolicyWorkerBase._forward_backward_micro",
         "KL and entropy are means of each micro-batch, weighed by its share of the rank's rows, then a mean over ranks"),
    option("entropy", f"{A}.use_entropy_loss", {
        False: value("it is logged and not in the loss", columns={"entropy_coef": 0.0}),
        True: "entropy_loss_coef times the mean over the micro-batch's tokens is taken off the loss",
    }),
    unread("entropy", f"{A}.entropy_loss_coef", "read only with use_entropy_loss"),
    option("correction", f"{OFF}.tis_ratio_type", {
        None: value("none", columns={"correction": "none"}),
        "token": "each token's loss is weighed by trainer over sampler, cut at token_tis_ratio_clip_high",
        "sequence": "each row's loss is weighed by the product of its tokens' ratios, cut at sequence_tis_ratio_clip_high",
    }),
    option("correction", f"{OFF}.token_tis_ratio_clip_high", "with token, a weight is cut at {value}"),
    option("correction", f"{OFF}.sequence_tis_ratio_clip_high", "with sequence, a weight is cut at {value}"),
    option("correction", f"{OFF}.sequence_mask_metric", {
        None: "no rows are masked by their mean or product",
        "geometric": "rows are masked whose geometric mean of ratios is outside geo_mask_low and geo_mask_high",
        "product": "rows are masked whose product of ratios is outside product_mask_low and product_mask_high",
    }),
    option("correction", f"{OFF}.geo_mask_low", "with geometric, the lower bound is {value}"),
    option("correction", f"{OFF}.geo_mask_high", "with geometric, the upper bound is {value}"),
    option("correction", f"{OFF}.product_mask_low", "with product, the lower bound is {value}"),
    option("correction", f"{OFF}.product_mask_high", "with product, the upper bound is {value}"),
    option("correction", f"{OFF}.outlier_token_is_threshold_low", {None: "no row is masked for a token with a smaller ratio"}),
    option("correction", f"{OFF}.outlier_token_is_threshold_high", {None: "no row is masked for a token with a larger ratio"}),
    option("correction", f"{OFF}.token_mask_is_threshold_low", {
        None: "no token is masked: both thresholds must be set, and one alone does nothing",
    }),
    option("correction", f"{OFF}.token_mask_is_threshold_high", {
        None: "no token is masked: both thresholds must be set, and one alone does nothing",
    }),
    line("correction", CORRECTIONS, "loss_mask = loss_mask * token_mask", "compute_off_policy_correction",
         "masked tokens and rows stay in the count that losses are divided by"),
    line("correction", LOSSES, 'return pg_loss, {"clip_ratio": 0.0}', "compute_policy_loss_kl_cov",
         "kl_cov and clip_cov read none of it: weights and sequence masks are refused there, the two other masks ignored"),
    option("correction", f"{A}.use_tis", {
        False: "this old name for tis_ratio_type is not used",
        True: "as tis_ratio_type token, with the cap tis_imp_ratio_cap: while that is -1, every weight is -1",
    }),
    unread("correction", f"{A}.tis_imp_ratio_cap",
           "read only with use_tis; left at -1 there, it turns the sign of the whole policy loss"),
]  # fmt: skip

SAMPLING_CELLS = [
    option("truncated", "generator.apply_overlong_filtering", {
        False: value("they are trained on with what they earned", columns={"overlong": "score"}),
        True: value("whatever did not end with stop is masked, and stays in its group", columns={"overlong": "mask"}),
    }),
    option("truncated", "generator.zero_reward_on_non_stop", {
        False: "their reward is what the environment says", True: "their reward is 0; not read with generator.batched",
    }),
    option("sampling", "generator.n_samples_per_prompt", "{value} completions per prompt", column="group_size"),
    option("sampling", "generator.sampling_params.temperature", "temperature {value}", column="temperature"),
    option("sampling", f"{A}.temperature", {None: "the sampling temperature divides the logits of log-probs and entropy too"}),
    option("sampling", "generator.sampling_params.top_p", "top-p {value}", column="top_p"),
    option("sampling", "generator.sampling_params.top_k", {-1: value("no top-k", columns={"top_k": None})}),
    option("sampling", "generator.sampling_params.min_p", "min-p {value}"),
    option("sampling", "generator.sampling_params.max_generate_length", "at most {value} new tokens in a turn", column="max_new_tokens"),
    unread("sampling", "generator.sampling_params.repetition_penalty",
           "never given to the engine; additional_kwargs takes one that is"),
    option("sampling", "generator.max_turns", "at most {value} turn"),
    option("sampling", "trainer.train_batch_size", "{value} prompts per step", column="prompts_per_step"),
    option("steps", "trainer.policy_mini_batch_size", "an optimizer step for every {value} prompts, with all their completions"),
    option("steps", "trainer.update_epochs_per_batch", "each batch of samples is gone through {value} time", column="inner_epochs"),
    option("steps", "trainer.micro_train_batch_size_per_gpu",
           "{value} row per forward and backward pass; the mean of the entropy depends on it, the policy loss not", column="micro_batch_size"),
    option("steps", "trainer.fully_async.enabled", {False: "sampling waits for the update"}),
    option("optimizer", "trainer.policy.optimizer_config.lr", "learning rate {value}", column="lr"),
    option("optimizer", "trainer.policy.optimizer_config.max_grad_norm", "the gradient's norm is cut at {value}",
           column="max_grad_norm"),
    option("optimizer", "trainer.policy.optimizer_config.weight_decay", "weight decay {value} (AdamW)"),
    option("optimizer", "trainer.policy.optimizer_config.scheduler", {"constant_with_warmup": "the rate stays, after the warm-up"}),
    option("optimizer", "trainer.bf16", {
        True: "with FSDP the reference alone gets weights in bfloat16; the policy's are float32 and compute in bfloat16",
    }),
    option("optimizer", "trainer.policy.optimizer_config.num_warmup_steps", "{value} steps of warm-up"),
    line("masks", GENERATOR, "return ([1] * len(self.output_ids) if not self.added_eos", "TurnOutput.get_turn_loss_mask",
         "prompts, what the environment wrote, and an EOS that was added after a stop string are not trained on",
         tool_loss=False, prompt_loss=False),
    line("masks", LOSSES, "advantages = masked_whiten(advantages, response_mask)", "compute_gae_advantage_return",
         "the advantages' mask has the environment's tokens in: with gae and reinforce++ they are steps"),
]  # fmt: skip

SFT_CELLS = [
    cell("masks", "train_on_what", given("last_assistant_message", field(SFT, "SFTConfig.train_on_what")), {
        "last_assistant_message": "only the last message of the assistant is trained on",
        "all_assistant_messages": "all messages of the assistant are trained on, without the user's and the tools'",
    }, entry=SUPERVISED),
    fixed("aggregation", code(COLLATORS, 'batch["loss_mask"] = batch["loss_mask"].float() / total_nonpad'),
          "divided by the trained tokens of the whole batch, over micro-batches and ranks",
          columns={"aggregation": "token_mean", "processes": True}, entry=SUPERVISED),
    cell("truncated", "max_length", field(SFT, "SFTConfig.max_length"), {None: "nothing is cut"}, entry=SUPERVISED),
    cell("steps", "batch_size", field(SFT, "SFTConfig.batch_size"), "{value} examples per optimizer step", entry=SUPERVISED),
    cell("steps", "num_epochs", field(SFT, "SFTConfig.num_epochs"), "{value} epoch, unless num_steps is set", entry=SUPERVISED),
    cell("optimizer", "optimizer_config.lr", field(CONFIG, "OptimizerConfig.lr"), "learning rate {value}, that of the policy in RL",
         column="lr", entry=SUPERVISED),
    cell("optimizer", "optimizer_config.max_grad_norm", field(CONFIG, "OptimizerConfig.max_grad_norm"),
         "the gradient's norm is cut at {value}", column="max_grad_norm", entry=SUPERVISED),
]  # fmt: skip

CELLS = CREDIT_CELLS + LOSS_CELLS + SAMPLING_CELLS + SFT_CELLS
NAMES = [names.nested_fields(CONFIG, owner="SkyRLTrainConfig"), names.nested_fields(SFT, CONFIG, owner="SFTConfig")]
