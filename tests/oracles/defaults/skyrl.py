"""SkyRL: its trainer of GRPO and PPO with FSDP, ``skyrl.train.entrypoints.main_base``, and ``skyrl.train.main_sft``."""

from . import names
from .cells import OTHER, cell, fixed, value
from .skyrl_losses import LOSS_CELLS
from .skyrl_options import (
    COLLATORS,
    CONFIG,
    GENERATOR,
    LOSSES,
    RL,
    SFT,
    SUPERVISED,
    TRAINER,
    WORKER,
    A,
    line,
    option,
    unread,
)
from .source import code, field, given

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
    option("dead groups", f"{A}.zero_variance_filter_tol", "with zero_variance_filter, rewards that differ by at most {value} are equal"),
    option("dead groups", f"{A}.dynamic_sampling.type", {
        None: "nothing is sampled again",
        "filter": "dead groups are dropped, and sampling goes on until train_batch_size prompts are left",
        "replace": "dead groups become copies of others, if more than min_replace_ratio of the prompts are not dead",
    }),
    option("dead groups", f"{A}.dynamic_sampling.max_sample_batches", "with dynamic sampling, it is an error after this many batches: {value}"),
    option("dead groups", f"{A}.dynamic_sampling.min_replace_ratio",
           "with replace, more than the share {value} of the prompts has to be not dead"),
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
    unread("kl", f"{A}.kl_ctrl.type", "read only with use_kl_in_reward: with use_kl_loss, the default, the coefficient stays as it is"),
    line("reference", TRAINER, "use_ref_model = cfg.trainer.algorithm.use_kl_loss or cfg.trainer.algorithm.use_kl_in_reward",
         "RayPPOTrainer.build_models", "there is one with a KL in the loss or in the reward, and so by default",
         reference_model=True),
    option("reference", "trainer.ref.model.path", {
        None: "it has the weights that trainer.policy.model.path names", OTHER: "it has the weights that {value} names",
    }),
    option("reference", "trainer.update_ref_every_epoch", {
        False: "it stays as it is", True: "it is set to the policy at the end of every epoch but the last",
    }),
    option("value", "trainer.critic.model.path", {
        None: "there is no critic, and gae is refused without one", OTHER: "there is a critic, which starts from {value}",
    }),
    option("value", f"{A}.gamma", "gamma is {value}; read by gae and reinforce++", column="gamma"),
    option("value", f"{A}.lambd", "lambda is {value}; read by gae", column="gae_lambda"),
    option("value", f"{A}.value_clip", "a value may move {value} from its old one", column="value_clip"),
    line("value", LOSSES, "loss = masked_mean(loss, loss_mask, dim=-1).mean()", "ppo_critic_loss",
         "half the larger of the two squared errors: each row's mean, then means over rows, micro-batches and ranks",
         critic="separate"),
    cell("value", "trainer.critic.optimizer_config.lr", given(5e-6, field(CONFIG, "CriticConfig.optimizer_config")),
         "the critic's learning rate is {value}", column="critic_lr", entry=RL),
]  # fmt: skip

SAMPLING_CELLS = [
    option("truncated", "generator.apply_overlong_filtering", {
        False: value("they are trained on with what they earned", columns={"overlong": "score"}),
        True: value("whatever did not end with stop is masked, and stays in its group", columns={"overlong": "mask"}),
    }),
    option("truncated", "generator.zero_reward_on_non_stop", {
        False: "their reward is what the environment says", True: "their reward is 0; not read with generator.batched",
    }),
    option("sampling", "generator.n_samples_per_prompt", "completions per prompt: {value}", column="group_size"),
    option("sampling", "generator.sampling_params.temperature", "temperature {value}", column="temperature"),
    option("sampling", f"{A}.temperature", {
        None: "the sampling temperature divides the logits of log-probs and entropy too",
        OTHER: "{value} divides the logits of log-probs and entropy, whatever the sampling temperature is",
    }),
    option("sampling", "generator.sampling_params.top_p", "top-p {value}", column="top_p"),
    option("sampling", "generator.sampling_params.top_k", {-1: value("no top-k", columns={"top_k": None}), OTHER: "top-k {value}"},
           column="top_k"),
    option("sampling", "generator.sampling_params.min_p", {0.0: "no min-p", OTHER: "min-p {value}"}),
    option("sampling", "generator.sampling_params.max_generate_length", "at most {value} new tokens in a turn", column="max_new_tokens"),
    unread("sampling", "generator.sampling_params.repetition_penalty",
           "never given to the engine; additional_kwargs takes one that is"),
    option("sampling", "generator.max_turns", "turns of a completion, at most: {value}"),
    option("sampling", "trainer.max_prompt_length", "prompts of more than {value} tokens are left out"),
    option("sampling", "trainer.train_batch_size", "prompts per step: {value}", column="prompts_per_step"),
    option("steps", "trainer.policy_mini_batch_size", "an optimizer step for every {value} prompts, with all their completions"),
    option("steps", "trainer.update_epochs_per_batch", "passes over each batch of samples: {value}", column="inner_epochs"),
    option("steps", "trainer.micro_train_batch_size_per_gpu",
           "rows per rank and micro-batch: {value}; the mean of the entropy depends on it, the policy loss not", column="micro_batch_size"),
    option("steps", "trainer.fully_async.enabled", {
        False: "sampling waits for the update", True: "sampling runs beside the update, at most max_staleness_steps behind",
    }),
    option("steps", "trainer.epochs", "passes over the prompts: {value}"),
    option("optimizer", "trainer.policy.optimizer_config.lr", "learning rate {value}", column="lr"),
    option("optimizer", "trainer.policy.optimizer_config.max_grad_norm", "the gradient's norm is cut at {value}",
           column="max_grad_norm"),
    option("optimizer", "trainer.policy.optimizer_config.weight_decay", "weight decay {value} (AdamW)"),
    option("optimizer", "trainer.policy.optimizer_config.scheduler", {
        "constant_with_warmup": "the learning rate stays, after the warm-up", "constant": "the learning rate stays", OTHER: "the learning rate follows the schedule {value}",
    }),
    option("optimizer", "trainer.bf16", {
        True: "with FSDP the reference alone gets weights in bfloat16; the policy's are float32 and compute in bfloat16",
        False: "with FSDP all weights are float32, and the policy computes in bfloat16",
    }),
    option("optimizer", "trainer.policy.optimizer_config.num_warmup_steps", "steps of warm-up: {value}"),
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
          "divided by the trained tokens of the optimizer step, over all micro-batches and ranks",
          columns={"aggregation": "token_mean", "processes": True}, entry=SUPERVISED),
    cell("truncated", "max_length", field(SFT, "SFTConfig.max_length"), {None: "nothing is cut", OTHER: "a row is cut at {value} tokens"}, entry=SUPERVISED),
    cell("steps", "batch_size", field(SFT, "SFTConfig.batch_size"), "an optimizer step for every {value} rows", entry=SUPERVISED),
    cell("steps", "num_epochs", field(SFT, "SFTConfig.num_epochs"), "passes over the data set: {value}; not read where num_steps is set", entry=SUPERVISED),
    cell("optimizer", "optimizer_config.lr", field(CONFIG, "OptimizerConfig.lr"), "learning rate {value}, that of the policy in RL",
         column="lr", entry=SUPERVISED),
    cell("optimizer", "optimizer_config.max_grad_norm", field(CONFIG, "OptimizerConfig.max_grad_norm"),
         "the gradient's norm is cut at {value}", column="max_grad_norm", entry=SUPERVISED),
]  # fmt: skip

CELLS = CREDIT_CELLS + LOSS_CELLS + SAMPLING_CELLS + SFT_CELLS
NAMES = [names.nested_fields(CONFIG, owner="SkyRLTrainConfig"), names.nested_fields(SFT, CONFIG, owner="SFTConfig")]
