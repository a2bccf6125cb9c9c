"""SkyRL: its policy losses, what they are divided by, and its corrections for the sampler."""

from .cells import OTHER, value
from .skyrl_options import CORRECTIONS, LOSSES, TRAINER, VALIDATE, WORKER, A, line, option

OFF = f"{A}.off_policy_correction"
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

LOSS_CELLS = [
    option("clip", f"{A}.eps_clip_low", "the ratio is clipped below at 1 - {value}", column="clip_low"),
    option("clip", f"{A}.eps_clip_high", "above at 1 + {value}", column="clip_high"),
    option("clip", f"{A}.clip_ratio_c",
           "with policy_loss_type dual_clip, where the advantage is negative, the loss is bounded at the ratio {value}", column="dual_clip"),
    line("clip", LOSSES, "ratio = safe_exp_delta(log_probs - old_log_probs, clip=20.0, out_dtype=log_probs.dtype)",
         "ppo_policy_loss", "the log-ratio is cut at 20 on both sides, and the ratio computed in float32"),
    option("clip", f"{A}.cispo.cispo_eps_clip_low", {
        0.0: "with cispo no weight is below 1: a ratio under 1 counts as 1", OTHER: "with cispo no weight is below 1 - {value}",
    }),
    option("clip", f"{A}.cispo.cispo_eps_clip_high", "with cispo no weight is above 1 + {value}"),
    option("clip", f"{A}.dppo.dppo_type", {
        "binary_tv": "with dppo, a token is stopped by how far its probability has moved",
        "binary_kl": "with dppo, a token is stopped by the KL of this token or another",
    }),
    option("clip", f"{A}.dppo.delta_low", "with dppo, a token with a negative advantage is stopped beyond {value}"),
    option("clip", f"{A}.dppo.delta_high", "with dppo, a token with a positive advantage is stopped beyond {value}"),
    option("ratio", f"{A}.policy_loss_type", LOSS_TYPES),
    option("ratio", "trainer.recompute_old_logprobs_per_minibatch", {
        True: "old log-probs are the trainer's, computed in the micro-batches of the update: the first ratio is 1",
        False: "old log-probs are the trainer's, computed for the whole batch at once",
    }),
    option("ratio", f"{A}.sapo.tau_pos", "with sapo, tau is {value} where the advantage is positive"),
    option("ratio", f"{A}.sapo.tau_neg", "with sapo, tau is {value} elsewhere"),
    option("ratio", f"{A}.clip_cov.clip_ratio", "with clip_cov, up to the share {value} of the micro-batch's tokens is taken out"),
    option("ratio", f"{A}.clip_cov.clip_cov_lb",
           "with clip_cov, only tokens of a covariance above {value}; advantages are divided by the token count before, so that hardly any are"),
    option("ratio", f"{A}.clip_cov.clip_cov_ub", "with clip_cov, only tokens of a covariance below {value}"),
    option("ratio", f"{A}.kl_cov.kl_cov_frac", "with kl_cov, the share {value} of the micro-batch's tokens is penalised"),
    option("ratio", f"{A}.kl_cov.ppo_kl_coef", "with kl_cov, {value} times the absolute log-ratio is added, and no count divides it"),
    option("aggregation", f"{A}.loss_reduction", REDUCTIONS),
    option("aggregation", f"{A}.max_seq_len", {
        None: "seq_mean_token_sum_norm is refused without it", OTHER: "with seq_mean_token_sum_norm, the length is {value}",
    }),
    line("aggregation", TRAINER, "normalized_advantages[start_idx:end_idx] = apply_loss_reduction_to_advantages_minibatch(",
         "RayPPOTrainer._normalize_advantages",
         "the advantages are divided before the update; losses only add them up, over micro-batches and ranks"),
    line("aggregation", WORKER, "loss = policy_loss * grad_sum_correction_factor +", "PolicyWorkerBase._forward_backward_micro",
         "KL and entropy are means of each micro-batch, weighed by its share of the rank's rows, then a mean over ranks"),
    option("entropy", f"{A}.entropy_loss_coef", "with use_entropy_loss, its coefficient is {value}", column="entropy_coef"),
    option("entropy", f"{A}.use_entropy_loss", {
        False: value("it is logged and not in the loss", columns={"entropy_coef": 0.0}),
        True: "entropy_loss_coef times the mean entropy of the micro-batch's tokens is taken off the loss",
    }),
    option("correction", f"{OFF}.tis_ratio_type", {
        None: value("none", columns={"correction": "none"}),
        "token": value("each token's loss is weighed by trainer over sampler, cut at token_tis_ratio_clip_high",
                       columns={"correction": "token truncate"}),
        "sequence": value("each row's loss is weighed by the product of its tokens' ratios, cut at sequence_tis_ratio_clip_high",
                          columns={"correction": "sequence truncate"}),
    }),
    option("correction", f"{OFF}.token_tis_ratio_clip_high", "with tis_ratio_type token, a weight is cut at {value}"),
    option("correction", f"{OFF}.sequence_tis_ratio_clip_high", "with tis_ratio_type sequence, a weight is cut at {value}"),
    option("correction", f"{OFF}.sequence_mask_metric", {
        None: "no rows are masked by their mean or product",
        "geometric": value("rows are masked whose geometric mean of ratios is outside geo_mask_low and geo_mask_high",
                           columns={"correction": "geometric mask"}),
        "product": value("rows are masked whose product of ratios is outside product_mask_low and product_mask_high",
                         columns={"correction": "sequence mask"}),
    }),
    option("correction", f"{OFF}.geo_mask_low", "with sequence_mask_metric geometric, the lower bound is {value}"),
    option("correction", f"{OFF}.geo_mask_high", "with sequence_mask_metric geometric, the upper bound is {value}"),
    option("correction", f"{OFF}.product_mask_low", "with sequence_mask_metric product, the lower bound is {value}"),
    option("correction", f"{OFF}.product_mask_high", "with sequence_mask_metric product, the upper bound is {value}"),
    option("correction", f"{OFF}.outlier_token_is_threshold_low", {
        None: "no row is masked for a token with a smaller ratio", OTHER: "a row is masked if the ratio of a token is below {value}",
    }),
    option("correction", f"{OFF}.outlier_token_is_threshold_high", {
        None: "no row is masked for a token with a larger ratio", OTHER: "a row is masked if the ratio of a token is above {value}",
    }),
    option("correction", f"{OFF}.token_mask_is_threshold_low", {
        None: "no token is masked: both thresholds must be set, and one alone does nothing",
        OTHER: "a token is masked if its ratio is below {value}, where both thresholds are set",
    }),
    option("correction", f"{OFF}.token_mask_is_threshold_high", {
        None: "no token is masked: both thresholds must be set, and one alone does nothing",
        OTHER: "a token is masked if its ratio is above {value}, where both thresholds are set",
    }),
    line("correction", CORRECTIONS, "loss_mask = loss_mask * token_mask", "compute_off_policy_correction",
         "masked tokens and rows stay in the count that losses are divided by"),
    line("correction", VALIDATE, 'if cfg.trainer.algorithm.policy_loss_type in ["clip_cov", "kl_cov"]:', "validate_cfg",
         "kl_cov and clip_cov read none of it: weights and sequence masks are refused there, the two other masks ignored"),
    line("correction", LOSSES, "elementwise_loss = -(prob_ratio * advantages)", "importance_sampling_loss",
         "importance_sampling reads none of it either, and nothing is refused there"),
    option("correction", f"{A}.use_tis", {
        False: "this old name for tis_ratio_type is not used",
        True: "as tis_ratio_type token, with the cap tis_imp_ratio_cap: while that is -1, every weight is -1",
    }),
    option("correction", f"{A}.tis_imp_ratio_cap", {
        -1.0: "with use_tis, every weight is cut to -1, which turns the sign of the whole policy loss",
        OTHER: "with use_tis, a weight is cut at {value}",
    }),
]  # fmt: skip
