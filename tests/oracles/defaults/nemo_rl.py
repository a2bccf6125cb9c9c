"""NeMo-RL: its programs run_grpo.py, run_ppo.py, run_dpo.py and run_sft.py, each with the YAML that it takes if none is named."""

from . import names
from .cells import cell, inert, value
from .nemo_rl_shared import (
    ADVANTAGE,
    ALGORITHMS,
    ESTIMATOR,
    GRPO,
    LOSS,
    PPO,
    TRAINER,
    UTILS,
    YAML,
    line,
    loss_cells,
    of_class,
    option,
    rollout_cells,
)
from .source import code, field, yaml_value

REINFORCE = "reward minus the group's mean, whitened over tokens with ddof 0; no return to go"
ESTIMATORS = {
    "grpo": "reward minus the mean of the group's others, divided by the std of the others, unless two options say otherwise",
    "gdpo": "as grpo for each kind of reward; their weighted sum is whitened over the batch (ddof 1, no eps)",
    "reinforce_plus_plus": value(REINFORCE, columns={"ddof": 0}),
    "opd": "a teacher's log-prob minus the policy's, per token; rewards are not read",
}
NORMALISED = {
    True: "divided by the std of the others; of all, if the baseline is the mean of all",
    False: value("not divided", columns={"advantage": "leave_one_out"}),
}
BASELINE = {
    True: "the baseline is the mean of the group's other completions, and the std is theirs",
    False: value(
        "the baseline is the mean of the whole group, and the std is that of all",
        columns={"advantage": "group", "ddof": 1, "eps": 1e-6},
    ),
}
HANDED = "the shipped YAML hands it to adv_estimator, in whose place it stands; a YAML of one's own must do the same, or it acts on {}"

GRPO_CELLS = [
    option(GRPO, "advantage", "grpo.adv_estimator.name", ESTIMATORS),
    of_class("advantage", "grpo.adv_estimator.normalize_rewards", *ESTIMATOR, NORMALISED),
    of_class("advantage", "grpo.adv_estimator.use_leave_one_out_baseline", *ESTIMATOR, BASELINE),
    option(GRPO, "advantage", "grpo.normalize_rewards", {
        True: HANDED.format("nothing"), False: "not divided, where the YAML hands it to adv_estimator, as the shipped one does",
    }),
    option(GRPO, "advantage", "grpo.use_leave_one_out_baseline", {
        True: HANDED.format("the filter of dynamic sampling alone"),
        False: "the mean of all is the baseline, where the YAML hands it to adv_estimator, as the shipped one does",
    }),
    of_class("advantage", "grpo.adv_estimator.reward_weights", *ESTIMATOR, {None: "with gdpo, all kinds weigh the same"}),
    option(GRPO, "advantage", "grpo.adv_estimator.minus_baseline", {
        True: "with reinforce_plus_plus, the group's mean is taken off", False: "with reinforce_plus_plus, rewards are whitened as they are",
    }),
    line("advantage", code(ADVANTAGE, "epsilon = 1e-6", of="GRPOAdvantageEstimator.compute_advantage"),
         "the std has ddof 1, and 1e-6 is added to it", ddof=1, eps=1e-6),
    line("advantage", code(UTILS, "std_prompt_baseline_square - std_prompt_baseline.square()"),
         "the variance is the mean of squares less the square of the mean in float32: equal rewards can leave one, and a lone success gets over 200"),
    line("advantage", code(ADVANTAGE, "non_zero_std_mask = std > 0", of="GRPOAdvantageEstimator.compute_advantage"),
         "where the others' std is 0 nothing is divided: a lone success gets its reward, and a group of two is never divided"),
    line("advantage", code(ADVANTAGE, "adv_var = ((adv - adv_mean).pow(2) * mask).sum() / mask.sum()", of="ReinforcePlusPlusAdvantageEstimator.compute_advantage"),
         "with reinforce_plus_plus the variance has ddof 0 and is held at 1e-8 or above"),
    option(GRPO, "advantage", "grpo.advantage_clip_low", {None: "advantages have no lower bound"}),
    option(GRPO, "advantage", "grpo.advantage_clip_high", {None: "advantages have no upper bound"}),
    option(GRPO, "advantage", "grpo.reward_scaling.enabled", {
        False: "rewards stay as they are", True: "rewards are clamped to one interval and mapped to another",
    }),
    line("dead groups", code(UTILS, "if valid_mask[prompt_idx].sum() <= 1:"), "a group of one gets the advantage 0"),
    cell("reference", "grpo.skip_reference_policy_logprobs_calculation",
         field(TRAINER, "GRPOConfig.skip_reference_policy_logprobs_calculation"), {
             False: value("the reference's log-probs are computed, also where the KL has the coefficient 0", columns={"reference_model": True}),
             True: "they are not computed; asks for the coefficient 0",
         }, entry=GRPO),
    option(GRPO, "clip", "loss_fn.ratio_clip_c", {None: value("no further bound where the advantage is negative", columns={"dual_clip": None})},
           column="dual_clip"),
    option(GRPO, "ratio", "loss_fn.use_cispo", {
        False: "see disable_ppo_ratio", True: value("-w A log p with a detached ratio, clipped on both sides", loss="cispo"),
    }),
    inert("ratio", "loss_fn.positive_example_nll_weight", yaml_value(YAML[GRPO], "loss_fn.positive_example_nll_weight"),
          "its trainers put no rewards into the batch that the loss sees, so that the NLL of successes is never added; in run_ppo.py it is",
          entry=GRPO),
    option(GRPO, "dead groups", "grpo.dynamic_sampling_max_gen_batches", "with use_dynamic_sampling, more than {value} batches are an error"),
    option(GRPO, "dead groups", "grpo.use_dynamic_sampling", {
        False: "groups that all earn the same stay in the batch and in its counts",
        True: "a completion whose others all earn the same is dropped: a dead group, and a lone success, whose group's failures stay",
    }),
    option(GRPO, "correction", "grpo.seq_logprob_error_threshold", {
        None: "no row is left out; a number leaves out rows whose mean of exp(|trainer - sampler|) is above it",
    }),
    option(GRPO, "steps", "grpo.async_grpo.enabled", {
        False: "sampling waits for training", True: "sampling goes on, and the correction must be on",
    }),
    *rollout_cells(GRPO, "grpo"),
    *loss_cells(GRPO),
]  # fmt: skip

PPO_CELLS = [
    option(PPO, "advantage", "ppo.adv_estimator.name", {
        "gae": value("GAE with a critic of its own", columns={"advantage": "gae", "critic": "separate"}),
        "raw_reward": "the reward, for each token",
    }),
    option(PPO, "advantage", "ppo.adv_estimator.normalize_advantages", {
        True: "whitened over the tokens of the batch; with gae ddof 1 and 1e-8 on the variance, with raw_reward ddof 0", False: "not whitened",
    }),
    option(PPO, "advantage", "ppo.reward_scaling.enabled", {
        True: "rewards of 0 to 1 are mapped to -1 to 1", False: "rewards stay as they are",
    }),
    option(PPO, "value", "ppo.adv_estimator.gae_gamma", "gamma is {value}", column="gamma"),
    option(PPO, "value", "ppo.adv_estimator.gae_lambda", "lambda is {value}", column="gae_lambda"),
    option(PPO, "value", "ppo.adv_estimator.gae_lambda_value", {None: "the critic's targets have the same lambda"}),
    option(PPO, "value", "ppo.adv_estimator.gae_lambda_policy", {None: "advantages have the same lambda"}),
    option(PPO, "value", "ppo.adv_estimator.length_adaptive_alpha", {
        0: "one lambda for all rows; a number gives each row 1 - 1 / (number * length)",
    }),
    option(PPO, "value", "value_loss_fn.cliprange", "a value may move {value} from its old one", column="value_clip"),
    option(PPO, "value", "value_loss_fn.scale", "{value} times half the squared error, over the kept tokens of the global batch"),
    option(PPO, "value", "value.optimizer.kwargs.lr", "the critic's learning rate is {value}", column="critic_lr"),
    option(PPO, "steps", "ppo.ppo_epochs", "each rollout is gone through {value} times", column="inner_epochs"),
    option(PPO, "clip", "loss_fn.ratio_clip_c", "where the advantage is negative, the loss is bounded at the ratio {value}: the dual clip is on",
           column="dual_clip"),
    option(PPO, "reference", "ppo.skip_reference_policy_logprobs_calculation", {
        True: "the reference's log-probs are not computed; asks for the coefficient 0", False: "they are computed",
    }),
    inert("dead groups", "ppo.use_dynamic_sampling", yaml_value(YAML[PPO], "ppo.use_dynamic_sampling"),
          "its trainer never calls the function that filters; it only allows a batch_multiplier above 1, and groups that all earn the same stay",
          entry=PPO),
    option(PPO, "ratio", "loss_fn.positive_example_nll_weight",
           "{value} times the mean NLL of completions with a reward above 0, over those of the micro-batch", column="sft_coef"),
    *rollout_cells(PPO, "ppo"),
    *loss_cells(PPO),
]  # fmt: skip

DPO, SFT = "run_dpo.py", "run_sft.py"
DPO_CELLS = [
    line("preference", code(LOSS, "-torch.nn.functional.logsigmoid(beta * rewards_delta) * sample_mask[::2]"),
         "minus the log sigmoid of beta times the difference of the log-ratios; there is no other loss", DPO, loss="dpo"),
    option(DPO, "preference", "dpo.reference_policy_kl_penalty", "beta is {value}", column="beta"),
    option(DPO, "preference", "dpo.preference_average_log_probs", {
        False: value("log-ratios are summed over the tokens", columns={"average_logprobs": False}),
        True: value("log-ratios are averaged over the tokens", columns={"average_logprobs": True}),
    }),
    option(DPO, "preference", "dpo.sft_loss_weight",
           "{value} times the NLL of the chosen row, summed over its tokens unless sft_average_log_probs is set", column="sft_coef"),
    option(DPO, "preference", "dpo.preference_loss_weight", "{value} times the loss on pairs"),
    line("preference", code(LOSS, '"rewards_chosen_mean": rewards_chosen_mean.item(),', of="DPOLossFn.__call__"),
         "rewards_chosen_mean is logged as a log-ratio, without beta", DPO),
    line("aggregation", code(LOSS, "## divide by 2 because each preference example corresponds to 2 samples (chosen, rejected)"),
         "a mean over the pairs of the global batch and all processes", DPO, processes=True),
    line("reference", code("nemo_rl/models/policy/workers/dtensor_policy_worker_v2.py", "self.reference_model_state_dict = setup_reference_model_state(self.model)"),
         "it is a copy of the policy's weights at the start", DPO),
    option(DPO, "truncated", "policy.max_total_sequence_length", "prompt and answer together have at most {value} tokens"),
    option(DPO, "steps", "policy.train_global_batch_size", "an optimizer step for every {value} pairs"),
    option(DPO, "optimizer", "policy.optimizer.kwargs.lr", "learning rate {value}", column="lr"),
    option(DPO, "optimizer", "policy.max_grad_norm", "the gradient's norm is cut at {value}", column="max_grad_norm"),
]  # fmt: skip
SFT_CELLS = [
    option(SFT, "masks", "sft.only_unmask_final", {
        False: value("every answer of the assistant is trained on", columns={"prompt_loss": False, "tool_loss": False}),
        True: "only the last message is",
    }),
    line("aggregation", code(LOSS, "## scale by the total number of tokens in the batch"),
         "the supervised tokens of the global batch over all processes", SFT, aggregation="token_mean", processes=True),
    option(SFT, "truncated", "policy.max_total_sequence_length", "cut at {value} tokens"),
    option(SFT, "steps", "policy.train_global_batch_size", "an optimizer step for every {value} rows"),
    option(SFT, "optimizer", "policy.optimizer.kwargs.lr", "learning rate {value}", column="lr"),
    option(SFT, "optimizer", "policy.max_grad_norm", "the gradient's norm is cut at {value}", column="max_grad_norm"),
]  # fmt: skip

CELLS = GRPO_CELLS + PPO_CELLS + DPO_CELLS + SFT_CELLS
NAMES = [names.yaml_keys(file) for file in YAML.values()]
NAMES += [
    names.fields(TRAINER, "GRPOConfig", "grpo."),
    names.fields(ADVANTAGE, "AdvEstimatorConfig", "grpo.adv_estimator."),
    names.fields(LOSS, "ClippedPGLossConfig", "loss_fn."),
    names.fields(ALGORITHMS + "ppo.py", "PPOConfig", "ppo."),
    names.fields(ALGORITHMS + "dpo.py", "DPOConfig", "dpo."),
]
