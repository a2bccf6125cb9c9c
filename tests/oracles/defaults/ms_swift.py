"""ms-swift: ``swift rlhf`` with GRPO; its other algorithms are in ms_swift_offline.py."""

from . import names
from .cells import cell, value
from .ms_swift_cells import ADVANTAGES, FILES, GRPO, LOSS, RLHF, decided, line, option, unread
from .ms_swift_offline import DPO_CELLS, OTHER_CELLS
from .source import code, given

SCALES = {
    "group": value("divided by the std of the group (ddof 1), plus 1e-4", columns={"advantage": "group", "ddof": 1, "eps": 1e-4}),
    "batch": value("divided by the std of all rewards of the batch, plus 1e-4", 
                   columns={"advantage": "group_mean_batch_std", "ddof": 1, "eps": 1e-4}),
    "none": value("not divided", columns={"advantage": "group_mean"}),
    "gdpo": "each reward normalised in its group, their sum over the batch, eps 1e-8; the estimator is then not used",
}  # fmt: skip
ESTIMATORS = {
    "grpo": "reward minus the group's mean, divided as scale_rewards says",
    "rloo": value("reward minus the mean of the others; unless set, scale_rewards is then none and kl_in_reward true", columns={"advantage": "leave_one_out"}),
    "reinforce_plus_plus": "reward minus the group's mean, divided by the batch's std over completions; unless set, kl_in_reward is then true",
}  # fmt: skip
LOSSES = {
    "grpo": value("the clipped loss of PPO", loss="ppo_clip"),
    "bnpo": value("the clipped loss of PPO", loss="ppo_clip"),
    "dr_grpo": value("the clipped loss of PPO", loss="ppo_clip"),
    "dapo": value("the clipped loss of PPO", loss="ppo_clip"),
    "cispo": value("-w A log p with a detached weight w, the ratio capped at epsilon_high itself", loss="cispo"),
    "sapo": "a sigmoid of the ratio in the place of the clip",
    "fipo": "the clipped loss of PPO, weighed by how far the later tokens have moved",
    "real": "good completions of a group against bad ones, by their mean log-ratios; no clip and no advantage's size",
}
WHOLE = "the tokens of the whole generation batch over all processes, truncated ones too, however many optimizer steps it serves"
DIVISORS = {
    "grpo": value("mean over each row's tokens, then over all rows of the micro-batch, empty ones too, then over accumulation",
                  columns={"aggregation": "sequence_mean"}),
    "sapo": value("as grpo", columns={"aggregation": "sequence_mean"}),
    "bnpo": value("the micro-batch's own kept tokens, then a mean over accumulation; on Megatron as dapo",
                  columns={"aggregation": "token_mean"}),
    "dr_grpo": value("rows times max_completion_length", columns={"aggregation": "fixed_length"}),
    "dapo": value(WHOLE, columns={"aggregation": "token_mean", "processes": True}),
    "cispo": value(WHOLE, columns={"aggregation": "token_mean", "processes": True}),
    "fipo": value(WHOLE, columns={"aggregation": "token_mean", "processes": True}),
    "real": "a mean over groups",
}  # fmt: skip

GRPO_CELLS = [
    decided("advantage", "scale_rewards", "group", "self.scale_rewards = 'group'", "_init_grpo", SCALES),
    option("advantage", "GRPOArgumentsMixin.advantage_estimator", ESTIMATORS),
    line("advantage", code(ADVANTAGES, "advantages = advantages / (std + 1e-4)", of="compute_advantages"),
         "1e-4 is added to the std, which has ddof 1", ddof=1, eps=1e-4),
    line("advantage", code(ADVANTAGES, "rewards = (rewards_per_func * reward_weights.unsqueeze(0)).nansum(dim=1)", of="compute_advantages"),
         "several rewards are added with their weights before they are normalised; a missing one counts as 0"),
    option("dead groups", "GRPOArgumentsMixin.dynamic_sample", {
        False: "a group that all earns the same stays in the batch and in its counts, with advantage 0 up to rounding",
        True: "groups that all earn the same are replaced by new ones",
    }),
    unread("dead groups", "GRPOArgumentsMixin.max_resample_times", "read with dynamic_sample only"),
    line("dead groups", code(RLHF, "raise ValueError('num_generations must be greater than 1 for GRPO')"),
         "groups of one are refused, unless there is a teacher: then their advantage is 0"),
    decided("kl", "beta", 0.04, "self.beta = 0.04", "_init_grpo",
            "{value} times the KL to the reference; with 0 there is no reference", column="kl_coef"),
    decided("kl", "kl_in_reward", False, "self.kl_in_reward = False", "_init_grpo", {
        False: value("k3 in the loss, aggregated as the policy loss", columns={"kl": "k3", "kl_place": "loss"}),
        True: value("k1, summed over the completion, is taken off the reward before the baseline; so with rloo and reinforce_plus_plus",
                    columns={"kl": "k1", "kl_place": "reward"}),
    }),
    line("kl", code(GRPO, "per_token_kl = torch.clamp(torch.exp(safe_ratio) - safe_ratio - 1, min=-10, max=10)", of=LOSS),
         "k3 of a log-ratio cut at 20, itself cut at 10, with no gradient beyond; no ratio on it", old_ratio_on_kl=False),
    line("reference", code(RLHF, "self.ref_model = self.ref_model or self.model"),
         "with full training the model's checkpoint, loaded again; with LoRA the model without its adapter", reference_model=True),
    option("reference", "GRPOArgumentsMixin.sync_ref_model", {False: "it stays as it is", True: "it follows the policy"}),
    unread("reference", "GRPOArgumentsMixin.ref_model_sync_steps", "read with sync_ref_model only"),
    option("clip", "GRPOArgumentsMixin.epsilon", "below at 1 - {value}", column="clip_low"),
    option("clip", "GRPOArgumentsMixin.epsilon_high", {
        None: "above at 1 + epsilon; with loss_type cispo the cap is then epsilon itself: every weight is at most 0.2",
    }, column="clip_high"),
    option("clip", "GRPOArgumentsMixin.delta", {
        None: value("no further bound where the advantage is negative", columns={"dual_clip": None}),
    }, column="dual_clip"),
    option("ratio", "GRPOArgumentsMixin.importance_sampling_level", {
        "token": value("one ratio per token", columns={"ratio": "token"}),
        "sequence": value("the geometric mean of the tokens' ratios, as GSPO has it", columns={"ratio": "sequence"}),
        "sequence_token": value("the same value, whose gradient goes to each token by itself", columns={"ratio": "sequence"}),
    }),
    decided("ratio", "loss_type", "grpo", "self.loss_type = 'grpo'", "_set_default", LOSSES),
    unread("ratio", "GRPOArgumentsMixin.tau_pos", "read with loss_type sapo only"),
    unread("ratio", "GRPOArgumentsMixin.tau_neg", "read with loss_type sapo only"),
    decided("aggregation", "loss_type", "grpo", "self.loss_type = 'grpo'", "_set_default", DIVISORS),
    line("aggregation", code(GRPO, "num_items_in_batch = total_lengths.sum()"),
         "the count of dapo, cispo and fipo is taken before overlong_filter and before rows are left out as off-policy"),
    decided("aggregation", "gradient_accumulation_steps", 1, "self.gradient_accumulation_steps = 1", "_set_default",
            "{value} micro-batch per optimizer step"),
    option("entropy", "GRPOArgumentsMixin.top_entropy_quantile",
           "the share {value} of the micro-batch's tokens, those of highest entropy, is trained on"),
    line("entropy", code(GRPO, "per_token_loss = per_token_loss * entropy_mask", of=LOSS),
         "there is no entropy in the loss; top_entropy_quantile leaves divisor and KL as they are", entropy_coef=0.0),
    option("truncated", "GRPOArgumentsMixin.overlong_filter", {
        False: value("they are trained on with what they earned", columns={"overlong": "score"}),
        True: value("they are left out of the loss", columns={"overlong": "mask"}),
    }),
    unread("truncated", "GRPOArgumentsMixin.soft_cache_length",
           "read by the reward function soft_overlong only, whose penalty goes on below -1"),
    option("sampling", "GRPOArguments.num_generations", "{value} completions per prompt", column="group_size"),
    option("sampling", "TrainArgumentsMixin.per_device_train_batch_size",
           "{value} row per micro-batch and process; refused unless all of a generation's rows are whole groups"),
    option("sampling", "RLHFArguments.temperature", "temperature {value}, also where log-probs are computed", column="temperature"),
    option("sampling", "RolloutTrainerArgumentsMixin.top_p", "top-p {value}", column="top_p"),
    option("sampling", "RolloutTrainerArgumentsMixin.top_k", {-1: value("no top-k", columns={"top_k": None})}),
    option("sampling", "RLHFArguments.max_completion_length", "at most {value} new tokens", column="max_new_tokens"),
    option("steps", "GRPOArguments.num_iterations", "each batch of samples is gone through {value} times", column="inner_epochs"),
    option("steps", "RolloutTrainerArgumentsMixin.steps_per_generation", {
        None: value("one optimizer step per generation, so that the ratio is 1 and no clip acts", columns={"minibatches": 1}),
    }),
    option("correction", "GRPOArgumentsMixin.rollout_importance_sampling_mode", {
        None: value("none", columns={"correction": "none"}),
        "token_truncate": value("a weight per token, cut at the bound", columns={"correction": "token truncate"}),
        "token_mask": value("a weight per token, 0 beyond the bound", columns={"correction": "token mask"}),
        "sequence_truncate": value("the geometric mean of a row's ratios, cut at the bound", columns={"correction": "geometric truncate"}),
        "sequence_mask": "a weight per token, without a bound; rows whose geometric mean is beyond it count 0",
    }),
    unread("correction", "GRPOArgumentsMixin.rollout_importance_sampling_threshold",
           "the upper bound; read with rollout_importance_sampling_mode only"),
    line("correction", code(GRPO, "per_token_loss = per_token_loss * rollout_is_weights", of=LOSS),
         "the weight multiplies the KL in the loss too"),
    option("correction", "GRPOArgumentsMixin.off_policy_sequence_mask_delta", {
        None: "no row is left out for being off-policy",
    }),
    cell("optimizer", "learning_rate", given(1e-4, code("swift/arguments/sft_args.py", "self.learning_rate = 1e-4")),
         "learning rate {value} with LoRA, the default tuner; 1e-5 with full training", column="lr", entry="grpo"),
    option("optimizer", "TrainingArguments.max_grad_norm", "the gradient's norm is cut at {value}", column="max_grad_norm"),
    option("optimizer", "BaseArguments.tuner_type", {"lora": "LoRA is trained, and not all weights", "full": "all weights are trained"}),
    decided("masks", "loss_scale", "last_round", "elif self.rlhf_type in ('grpo', 'gkd'):", "_set_loss_scale", {
        "last_round": "of several turns the last one is trained on; with a multi_turn_scheduler, all of the assistant's",
    }),
]  # fmt: skip

CELLS = GRPO_CELLS + DPO_CELLS + OTHER_CELLS
NAMES = [names.fields(file, owner) for owner, file in FILES.items()]
