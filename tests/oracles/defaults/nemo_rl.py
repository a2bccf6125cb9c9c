"""NeMo-RL: its programs run_grpo.py, run_ppo.py, run_dpo.py and run_sft.py, each with the YAML that it takes if none is named."""

from . import names
from .cells import OTHER, cell, fixed, inert, value
from .nemo_rl_shared import (
    ADVANTAGE,
    ALGORITHMS,
    DUAL,
    ERROR,
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
    "reinforce_plus_plus": value(REINFORCE, columns={"advantage": "reinforce_plus_plus_baseline", "ddof": 0}),
    "opd": "a teacher's log-prob minus the policy's, per token; rewards are not read",
}
NORMALISED = {
    True: "divided by the std of the completions that the baseline is the mean of",
    False: value("not divided", columns={"advantage": "leave_one_out"}),
}
BASELINE = {
    True: "the baseline is the mean of the group's other completions, and the std is theirs",
    False: value(
        "the baseline is the mean of the whole group, and the std is that of all",
        columns={"advantage": "group", "ddof": 1, "eps": 1e-6},
    ),
}
HANDED = "where the YAML hands it on to adv_estimator, as the shipped one does"

GRPO_CELLS = [
    option(GRPO, "advantage", "grpo.adv_estimator.name", ESTIMATORS),
    of_class("advantage", "grpo.adv_estimator.normalize_rewards", *ESTIMATOR, NORMALISED),
    of_class("advantage", "grpo.adv_estimator.use_leave_one_out_baseline", *ESTIMATOR, BASELINE),
    option(GRPO, "advantage", "grpo.normalize_rewards", {
        True: f"divided by the std, {HANDED}", False: f"not divided, {HANDED}",
    }),
    option(GRPO, "advantage", "grpo.use_leave_one_out_baseline", {
        True: f"the others' mean is the baseline, {HANDED}", False: f"the mean of all is the baseline, {HANDED}",
    }),
    of_class("advantage", "grpo.adv_estimator.reward_weights", *ESTIMATOR, {None: "with gdpo, all kinds weigh the same"}),
    option(GRPO, "advantage", "grpo.adv_estimator.minus_baseline", {
        True: "with reinforce_plus_plus, the group's mean is taken off", False: "with reinforce_plus_plus, rewards are whitened as they are",
    }),
    line("advantage", code(ADVANTAGE, "epsilon = 1e-6", of="GRPOAdvantageEstimator.compute_advantage"),
         "with grpo and gdpo the std has ddof 1, and 1e-6 is added to it", ddof=1, eps=1e-6),
    line("advantage", code(UTILS, "std_prompt_baseline_square - std_prompt_baseline.square()"),
         "the variance is a mean of squares minus a squared mean, in float32: where the others earn the same, rounding can leave a small std"),
    line("advantage", code(ADVANTAGE, "non_zero_std_mask = std > 0", of="GRPOAdvantageEstimator.compute_advantage"),
         "where the others' std is 0 nothing is divided: a lone 1 among zeros stays 1, and a group of two is never divided"),
    line("advantage", code(ADVANTAGE, "adv_var = ((adv - adv_mean).pow(2) * mask).sum() / mask.sum()", of="ReinforcePlusPlusAdvantageEstimator.compute_advantage"),
         "with reinforce_plus_plus the variance has ddof 0 and is held at 1e-8 or above"),
    option(GRPO, "advantage", "grpo.advantage_clip_low", {None: "advantages have no lower bound", OTHER: "advantages are at least {value}"}),
    option(GRPO, "advantage", "grpo.advantage_clip_high", {None: "advantages have no upper bound", OTHER: "advantages are at most {value}"}),
    option(GRPO, "advantage", "grpo.reward_scaling.enabled", {
        False: "rewards stay as they are", True: "rewards are clamped to one interval and mapped to another",
    }),
    line("dead groups", code(UTILS, "if valid_mask[prompt_idx].sum() <= 1:"), "a group of one gets the advantage 0"),
    cell("reference", "grpo.skip_reference_policy_logprobs_calculation",
         field(TRAINER, "GRPOConfig.skip_reference_policy_logprobs_calculation"), {
             False: value("a copy of the policy's weights at the start, unless the coefficient of the KL is 0: then none is loaded",
                          columns={"reference_model": True}),
             True: value("there is none, and the coefficient of the KL has to be 0", columns={"reference_model": False}),
         }, entry=GRPO),
    option(GRPO, "clip", "loss_fn.ratio_clip_c", DUAL, column="dual_clip"),
    option(GRPO, "advantage", "grpo.invalid_tool_call_advantage", {
        None: "tokens of an invalid tool call have the advantage of their completion", OTHER: "tokens of an invalid tool call have the advantage {value}",
    }),
    option(GRPO, "ratio", "loss_fn.use_cispo", {
        False: "the loss is what disable_ppo_ratio says", True: value("-w A log p with a detached ratio, clipped on both sides", loss="cispo"),
    }),
    inert("ratio", "loss_fn.positive_example_nll_weight", yaml_value(YAML[GRPO], "loss_fn.positive_example_nll_weight"),
          "no rewards are in the batch that its loss sees, so that the NLL of successes is never added",
          entry=GRPO),
    option(GRPO, "dead groups", "grpo.dynamic_sampling_max_gen_batches", "with use_dynamic_sampling, more than {value} batches are an error"),
    option(GRPO, "dead groups", "grpo.use_dynamic_sampling", {
        False: "groups that all earn the same stay in the batch and in its counts",
        True: "a completion whose others all earn the same is dropped: a dead group, and a lone success, whose group's failures stay",
    }),
    line("dead groups", code(TRAINER, "non_zero_std_mask = std != 0.0", of="dynamic_sampling"),
         "the filter reads grpo.use_leave_one_out_baseline, whatever adv_estimator has, and with reward_shaping the reward before it"),
    option(GRPO, "correction", "grpo.seq_logprob_error_threshold", {
        None: "no row is left out", OTHER: ERROR,
    }),
    option(GRPO, "steps", "grpo.async_grpo.enabled", {
        False: "sampling waits for training", True: "sampling goes on, and the correction must be on",
    }),
    option(GRPO, "steps", "grpo.async_grpo.max_trajectory_age_steps",
           "with async_grpo, completions may come from weights that are {value} steps older"),
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
    option(PPO, "value", "ppo.adv_estimator.gae_lambda_value", {
        None: "the critic's targets have the same lambda", OTHER: "the critic's targets have the lambda {value}",
    }),
    option(PPO, "value", "ppo.adv_estimator.gae_lambda_policy", {
        None: "advantages have the same lambda", OTHER: "advantages have the lambda {value}",
    }),
    option(PPO, "value", "ppo.adv_estimator.length_adaptive_alpha", {
        0: "one lambda for all rows", OTHER: "the lambda of a row's advantages is 1 - 1 / ({value} * length)",
    }),
    option(PPO, "value", "value_loss_fn.cliprange", {
        None: "the value loss has no clip", OTHER: "a value may move {value} from its old one",
    }, column="value_clip"),
    option(PPO, "value", "value_loss_fn.scale", "{value} times half the squared error, over the kept tokens of the global batch"),
    option(PPO, "value", "value.optimizer.kwargs.lr", "the critic's learning rate is {value}", column="critic_lr"),
    option(PPO, "steps", "ppo.ppo_epochs", "passes over each batch of samples: {value}", column="inner_epochs"),
    option(PPO, "clip", "loss_fn.ratio_clip_c", DUAL, column="dual_clip"),
    option(PPO, "steps", "ppo.policy_training_start_step", "the critic alone is trained in the first {value} steps"),
    option(PPO, "correction", "ppo.seq_logprob_error_threshold", {None: "no row is left out", OTHER: ERROR}),
    option(PPO, "reference", "ppo.skip_reference_policy_logprobs_calculation", {
        True: value("there is none, and the coefficient of the KL has to be 0", columns={"reference_model": False}),
        False: value("a copy of the policy's weights at the start", columns={"reference_model": True}),
    }),
    inert("dead groups", "ppo.use_dynamic_sampling", yaml_value(YAML[PPO], "ppo.use_dynamic_sampling"),
          "its trainer never calls the function that filters: groups that all earn the same stay, and batch_multiplier may be above 1",
          entry=PPO),
    option(PPO, "ratio", "loss_fn.positive_example_nll_weight",
           "{value} times the mean NLL of the tokens with a reward above 0, of each micro-batch; the micro-batches are added"),
    *rollout_cells(PPO, "ppo"),
    *loss_cells(PPO),
]  # fmt: skip

DPO, SFT = "run_dpo.py", "run_sft.py"
DPO_CELLS = [
    line("preference", code(LOSS, "-torch.nn.functional.logsigmoid(beta * rewards_delta) * sample_mask[::2]"),
         "always minus the log sigmoid of beta times the difference of the log-ratios", DPO, loss="dpo"),
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
    line("reference", code("nemo_rl/models/policy/workers/dtensor_policy_worker.py", "self.reference_model_state_dict = get_cpu_state_dict("),
         "a copy of the policy's weights at the start", DPO, reference_model=True),
    fixed("masks", code("nemo_rl/data/collate_fn.py", "only_unmask_final=True,"), "the last message of each row counts, and nothing before it",
          columns={"prompt_loss": False}, entry=DPO),
    option(DPO, "truncated", "policy.max_total_sequence_length", "pairs in which a row has more than {value} tokens are left out of the loss and its count"),
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
    option(SFT, "truncated", "policy.max_total_sequence_length", "rows of {value} tokens or more are left out of the loss and its count, and not cut"),
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
